"""A data set out of three small plans."""

import numpy as np
import pytest

from humain.language import dataset, preparation
from humain.language.embedders import embedder
from humain.language.plans import TextPlan
from humain.language.vocabulary import IndexedPlan

_PLANS = (
    TextPlan("a plate", ("Mine ore.", "Smelt it.")),
    TextPlan("a  gear", ("Mine  ore.", "Smelt it.", "Press it."), split="heldout", items=("gear",)),
    TextPlan("a plate", ("Press it.", "a gear")),
)


class _Lengths:
    """A vector at the angle of a text's number of characters."""

    name = "lengths"
    width = 2

    def __init__(self):
        self.asked: list[str] = []

    def embed(self, sentences, report=embedder.say_nothing):
        self.asked += sentences
        report(2)
        report(len(sentences))
        return np.array([_vector(sentence) for sentence in sentences], np.float32)


def _vector(text):
    return np.cos(len(text)), np.sin(len(text))


def test_sentences_are_numbered_and_everything_is_embedded_once(tmp_path):
    lengths = _Lengths()
    told: list[tuple[int, int]] = []
    found = preparation.prepare(_PLANS, lengths, writer="hand", report=lambda *numbers: told.append(numbers))
    # "a gear" is a sentence of the third plan, and the goal of the second.
    assert found.vocabulary == ("Mine ore.", "Smelt it.", "Press it.", "a gear")
    assert found.plans == (
        IndexedPlan("a plate", (0, 1)),
        IndexedPlan("a gear", (0, 1, 2), split="heldout", items=("gear",)),
        IndexedPlan("a plate", (2, 3)),
    )
    assert lengths.asked == ["Mine ore.", "Smelt it.", "Press it.", "a gear", "a plate"]
    assert told == [(0, 5), (2, 5), (5, 5)]
    np.testing.assert_allclose(found.vocabulary_embeddings, [_vector(text) for text in found.vocabulary], rtol=1e-6)
    goals = ("a plate", "a gear", "a plate")
    np.testing.assert_allclose(found.goal_embeddings, [_vector(text) for text in goals], rtol=1e-6)
    assert (found.embedder, found.writer, found.width) == ("lengths", "hand", 2)
    dataset.write(tmp_path, found)
    assert dataset.read(tmp_path).plans == found.plans


def test_some_plan_is_needed():
    with pytest.raises(ValueError, match="there is no plan to prepare"):
        preparation.prepare([], _Lengths(), writer="hand")
