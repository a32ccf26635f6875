"""Embeddings of a server, in as many requests as it takes."""

import numpy as np
import pytest

from humain import errors
from humain.language.backoff import Backoff
from humain.language.embedders.openai import OpenAIEmbedder
from humain.language.openai_endpoint import OpenAIEndpoint
from humain.testing import openai_server

pytestmark = pytest.mark.filterwarnings("error")

_SENTENCES = ("Mine.", "Smelt it.", "Press the plates.")


def _embedder(server, **settings):
    endpoint = OpenAIEndpoint(environment=server.environment(), retries=Backoff(sleep=lambda seconds: None))
    return OpenAIEmbedder(endpoint, "some-model", **settings)


def test_vectors_are_those_of_the_server_at_length_1():
    expected = np.array([openai_server.embedding(sentence) for sentence in _SENTENCES])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    with openai_server.serving([openai_server.fails(500), openai_server.breaks_off]) as server:
        embedder = _embedder(server, batch_size=2)
        np.testing.assert_allclose(embedder.embed(_SENTENCES), expected, rtol=1e-6)
        assert embedder.width == openai_server.WIDTH
    sent = [request.body["input"] for request in server.requests]
    # The width is asked for first, in the third try, and then once and for all known.
    assert sent == [["width"]] * 3 + [["Press the plates.", "Smelt it."], ["Mine."]]


def test_a_width_is_asked_for():
    with openai_server.serving() as server:
        embedder = _embedder(server, width=5)
        assert embedder.width == 5
        assert server.requests == []
        assert embedder.embed(_SENTENCES).shape == (3, 5)
    assert [request.body["dimensions"] for request in server.requests] == [5]


def test_a_server_that_changes_its_width_is_refused():
    rows = {"data": [{"index": 0, "embedding": [1.0, 2.0]}]}
    with (
        openai_server.serving([openai_server.answer, openai_server.says(rows)]) as server,
        pytest.raises(errors.UserError, match="openai:some-model returned embeddings of width 2, but had 16 before"),
    ):
        _embedder(server).embed(["Mine."])


def test_a_width_is_a_number():
    with openai_server.serving() as server, pytest.raises(ValueError, match="width is 0; it must be at least 1"):
        _embedder(server, width=0)


def test_the_defaults():
    assert OpenAIEmbedder.__init__.__kwdefaults__ == {"width": None, "batch_size": 256}
