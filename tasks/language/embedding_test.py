"""Embedders by config: what can't be is refused, and each of the three embeds."""

import ml_collections
import numpy as np
import pytest

from humain import errors
from humain.language.testing import small_models
from humain.testing import openai_server
from tasks.language import embedding

pytestmark = pytest.mark.filterwarnings("error")


def _config(**changes):
    return ml_collections.FrozenConfigDict({"name": "minilm", "model": "", "batch_size": 2, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "glove"}, "embedder.name 'glove' is not one of minilm, huggingface, openai"),
        (
            {"name": "huggingface"},
            "embedder.name 'huggingface' needs embedder.model, a name or, for huggingface, a path",
        ),
        ({"name": "openai"}, "embedder.name 'openai' needs embedder.model, a name or, for huggingface, a path"),
        ({"batch_size": 0}, "embedder.batch_size must be at least 1, not 0"),
    ],
)
@pytest.mark.parametrize("function", [embedding.check, embedding.build])
def test_what_can_t_be_is_refused(function, changes, message):
    with pytest.raises(errors.UserError) as raised:
        function(_config(**changes))
    assert str(raised.value) == message


def test_a_model_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(errors.UserError, match="nowhere"):
        embedding.build(_config(name="huggingface", model=str(tmp_path / "nowhere")))


def test_no_key_is_an_error(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(errors.UserError, match=r"^OPENAI_API_KEY is not set"):
        embedding.build(_config(name="openai", model="m"))


def test_minilm_embeds():
    vectors = embedding.build(_config()).embed(["Mine ore.", "Dig up some ore.", "The cat sleeps."])
    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_a_model_of_ones_own_embeds(tmp_path):
    folder = small_models.save_gpt2(tmp_path)
    embedder = embedding.build(_config(name="huggingface", model=str(folder)))
    vectors = embedder.embed(["mine ore .", "press gears .", "mine ore ."])
    assert embedder.name == f"huggingface:{folder}"
    assert vectors.shape == (3, 16)
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-6)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.1


def test_an_endpoint_embeds_batch_by_batch(monkeypatch):
    with openai_server.serving() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        vectors = embedding.build(_config(name="openai", model="m")).embed(["a", "b", "c"])
        # The first request is for the width.
        assert [request.body["input"] for request in server.requests][1:] == [["a", "b"], ["c"]]
    for vector, text in zip(vectors, "abc", strict=True):
        expected = openai_server.embedding(text)
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-6)
