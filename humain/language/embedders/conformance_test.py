"""What holds of every embedder."""

import contextlib

import numpy as np
import pytest

from humain.language.embedders.huggingface import HuggingFaceEmbedder
from humain.language.embedders.minilm import minilm
from humain.language.embedders.openai import OpenAIEmbedder
from humain.language.openai_endpoint import OpenAIEndpoint
from humain.language.testing import small_models
from humain.testing import openai_server

pytestmark = pytest.mark.filterwarnings("error")

_SENTENCES = (
    "mine ore .",
    "smelt the ore and carry ten plates and ten gears and the coal .",
    "press gears",
    "coal",
    "mine ore .",
    "mine the coal and smelt the ore",
)


@contextlib.contextmanager
def _minilm(folder):
    del folder
    yield minilm


@contextlib.contextmanager
def _huggingface(folder):
    model = small_models.save_gpt2(folder)
    yield lambda **settings: HuggingFaceEmbedder(model, **settings)


@contextlib.contextmanager
def _openai(folder):
    del folder
    with openai_server.serving() as server:
        endpoint = OpenAIEndpoint(environment=server.environment())
        yield lambda **settings: OpenAIEmbedder(endpoint, "some-model", **settings)


@pytest.fixture(
    name="make", params=[_minilm, _huggingface, _openai], ids=["minilm", "huggingface", "openai"], scope="module"
)
def _make(request, tmp_path_factory):
    with request.param(tmp_path_factory.mktemp("model")) as make:
        yield make


@pytest.fixture(name="embedder", scope="module")
def _embedder(make):
    return make()


def test_vectors_are_of_length_1_float32_and_of_the_width_that_it_has(embedder):
    vectors = embedder.embed(_SENTENCES)
    assert vectors.shape == (len(_SENTENCES), embedder.width)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)


def test_vectors_are_in_the_order_of_the_sentences_and_tell_them_apart(embedder):
    vectors = embedder.embed(_SENTENCES)
    np.testing.assert_allclose(embedder.embed(_SENTENCES[::-1]), vectors[::-1], atol=1e-6)
    alike = vectors @ vectors.T > 1 - 1e-5
    # The first and the fifth are one sentence.
    np.testing.assert_array_equal(np.argwhere(alike & ~np.eye(len(vectors), dtype=bool)), [[0, 4], [4, 0]])


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_vector_does_not_depend_on_the_batch(make, embedder, batch_size):
    np.testing.assert_allclose(make(batch_size=batch_size).embed(_SENTENCES), embedder.embed(_SENTENCES), atol=1e-6)


def test_it_tells_how_far_it_is(make):
    told: list[int] = []
    make(batch_size=4).embed(_SENTENCES, told.append)
    assert told == [4, 6]


def test_nothing_has_no_vectors(embedder):
    assert embedder.embed([]).shape == (0, embedder.width)


def test_a_blank_sentence_is_refused(embedder):
    with pytest.raises(ValueError, match="sentence 1 is blank"):
        embedder.embed(["mine", " "])


def test_a_batch_has_a_size(make):
    with pytest.raises(ValueError, match="batch_size is 0"):
        make(batch_size=0)


def test_a_name_says_with_what(embedder):
    assert embedder.name.partition(":")[0] in ("minilm", "huggingface", "openai")
