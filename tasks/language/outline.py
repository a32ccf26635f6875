"""Outlines: a plan as text that people read, every step under what asked for it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from humain.language.dataset import Dataset
from tasks.language.models import Setup

Name: TypeAlias = Callable[[int, int], str]
"""Names what a layer's answer was taken for: layer and row."""


def nearest_names(setup: Setup, data: Dataset) -> Name:
    """Names a chunk by the sentence that is nearest to its embedding, and a milestone, a sentence, by itself."""

    def name(layer: int, known: int) -> str:
        if layer == len(setup.model.layers):
            return data.vocabulary[known]
        chunk = setup.known(layer)[known]
        return data.vocabulary[int(np.argmin(np.sum(np.square(setup.embeddings - chunk), axis=1)))]

    return name


def lines(
    goal: str,
    asked: Sequence[int],
    nodes: Sequence[Any],
    vocabulary: Sequence[str],
    name: Name,
    *,
    finished: bool = True,
) -> list[str]:
    """A plan, one line an answer, indented by layer.

    Args:
        goal: in words.
        asked: the sentences that it was taken to ask for.
        nodes: the answers, as `guiding.Node` or as the dictionaries in a file of guides.
        vocabulary: sentences.
        name: names the answers of the upper layers.
        finished: whether every goal was reached; where not, what no step reached is marked so.
    """
    reached = {_get(node, "known") for node in nodes if _get(node, "layer") == 0}
    found = [f"{goal}"]
    top = max((_get(node, "layer") for node in nodes), default=0)
    step = 0
    for number, sentence in enumerate(asked):
        found.append(f"  to reach: {vocabulary[sentence]}")
        for node in nodes:
            if _get(node, "goal") != number:
                continue
            layer = _get(node, "layer")
            indent = "  " * (2 + top - layer)
            if layer > 0:
                found.append(f"{indent}towards: {name(layer, _get(node, 'known'))} [{_get(node, 'score'):.2f}]")
            elif _get(node, "repeated"):
                found.append(f"{indent}-  (done before) {vocabulary[_get(node, 'known')]}")
            else:
                step += 1
                found.append(f"{indent}{step}. {vocabulary[_get(node, 'known')]} [{_get(node, 'score'):.2f}]")
        if not finished and sentence not in reached:
            stopped = f"stopped after step {step}" if step else "no step was found"
            found.append(f"    (not reached: {stopped})")
    return found


def _get(node: Any, field: str) -> Any:
    return node[field] if isinstance(node, Mapping) else getattr(node, field)
