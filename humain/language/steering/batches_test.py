"""Batches: padding by hand, with a tokenizer that has no padding token."""

import pytest
import torch

from humain.language.steering import batches
from humain.language.testing import tiny_language_models

pytestmark = pytest.mark.filterwarnings("error")

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    tiny_language_models.save(directory, ["saw wood into planks"] * 2, num_layers=1)
    return tiny_language_models.load(directory)[1]


@pytest.mark.parametrize(
    ("side", "expected_mask"), [("left", [[1, 1, 1, 1], [0, 0, 0, 1]]), ("right", [[1, 1, 1, 1], [1, 0, 0, 0]])]
)
def test_rows_are_filled_up_on_the_given_side(tokenizer, side, expected_mask):
    assert tokenizer.pad_token_id is None
    long, short = tokenizer("saw wood into planks")["input_ids"], tokenizer("saw")["input_ids"]
    assert (len(long), len(short)) == (4, 1)
    batch = batches.tokenize(tokenizer, ["saw wood into planks", "saw"], side=side, device=CPU)
    filler = [tokenizer.eos_token_id] * 3
    assert batch.input_ids.tolist() == [long, filler + short if side == "left" else short + filler]
    assert batch.attention_mask.tolist() == expected_mask
    assert batch.width == 4


def test_the_padding_token_comes_before_the_end_token_and_0_after_both(tokenizer):
    class Ids:
        def __init__(self, pad_token_id, eos_token_id):
            self.pad_token_id, self.eos_token_id = pad_token_id, eos_token_id

    assert batches.padding_id(Ids(0, 5)) == 0
    assert batches.padding_id(Ids(7, 5)) == 7
    assert batches.padding_id(Ids(None, 5)) == 5
    assert batches.padding_id(Ids(None, None)) == 0


def test_texts_without_tokens_are_refused(tokenizer):
    with pytest.raises(ValueError, match="no text"):
        batches.tokenize(tokenizer, [], side="left", device=CPU)
    with pytest.raises(ValueError, match="the text '' has no token"):
        batches.tokenize(tokenizer, ["saw", ""], side="left", device=CPU)
