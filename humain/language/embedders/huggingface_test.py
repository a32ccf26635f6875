"""The mean of hidden states, against a computation for one sentence at a time, without batches and masks."""

import numpy as np
import pytest
import torch
import transformers

from humain.language import pretrained
from humain.language.embedders.huggingface import HuggingFaceEmbedder
from humain.language.testing import small_models

pytestmark = pytest.mark.filterwarnings("error")

_SENTENCES = ("mine ore .", "smelt the ore and carry ten plates", "coal")


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    return small_models.save_gpt2(tmp_path_factory.mktemp("model"))


def _mean(folder, sentence):
    model = transformers.GPT2Model.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    with torch.inference_mode():
        states = model(**tokenizer(sentence, return_tensors="pt")).last_hidden_state[0].numpy()
    mean = states.mean(axis=0)
    return mean / np.sqrt((mean**2).sum())


def test_a_vector_is_the_mean_over_the_tokens(folder):
    expected = [_mean(folder, sentence) for sentence in _SENTENCES]
    np.testing.assert_allclose(HuggingFaceEmbedder(folder).embed(_SENTENCES), expected, atol=1e-6)


def test_what_is_too_long_is_not_looked_at(folder):
    words = " ".join(_SENTENCES[1].split()[:4])
    np.testing.assert_allclose(
        HuggingFaceEmbedder(folder, max_tokens=4).embed([_SENTENCES[1]]), [_mean(folder, words)], atol=1e-6
    )
    # The model itself has 64 positions.
    np.testing.assert_allclose(
        HuggingFaceEmbedder(folder).embed([" ".join(["ore"] * 90)]), [_mean(folder, " ".join(["ore"] * 64))], atol=1e-6
    )


def test_of_an_encoder_and_a_decoder_the_encoder_is_taken(tmp_path, folder):
    tokenizer, _ = pretrained.load_encoder(str(folder))
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    with pretrained.quiet(), torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.T5Model(config).eval()
        model.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
    embedder = HuggingFaceEmbedder(tmp_path)
    with torch.inference_mode():
        mean = model.encoder(**tokenizer("mine ore .", return_tensors="pt")).last_hidden_state[0].numpy().mean(axis=0)
    assert embedder.width == 8
    np.testing.assert_allclose(embedder.embed(["mine ore ."]), [mean / np.linalg.norm(mean)], atol=1e-6)


def test_a_name_says_which_model(folder):
    assert HuggingFaceEmbedder(folder).name == f"huggingface:{folder}"
    assert HuggingFaceEmbedder(folder, name="mine").name == "mine"


def test_a_sentence_has_tokens(folder):
    with pytest.raises(ValueError, match="max_tokens is 0; it must be at least 1"):
        HuggingFaceEmbedder(folder, max_tokens=0)


def test_the_defaults():
    assert HuggingFaceEmbedder.__init__.__kwdefaults__ == {"name": "", "max_tokens": 512, "batch_size": 64}
