"""What language models make of guides: one on loopback that is asked, and tiny ones that run here."""

import pathlib
import types

import ml_collections
import numpy as np
import pytest
import torch

from humain import errors
from humain.language import pretrained
from humain.language.dataset import Dataset
from humain.language.steering import control_vectors
from humain.language.testing import small_models, tiny_language_models
from humain.language.vocabulary import IndexedPlan
from humain.testing import openai_server
from humain.training import interruption, progress
from tasks.language import decoding
from tasks.language.guides import Guides

pytestmark = pytest.mark.filterwarnings("error")

_VOCABULARY = ("Smelt the iron ore.", "Saw wood into planks.", "Mine copper.", "Build a radar.")
_EMBEDDINGS = np.eye(4, dtype=np.float32)
_DATA = Dataset(
    (IndexedPlan("a", (0, 1), "train"), IndexedPlan("b", (1, 2, 3), "heldout")),
    _VOCABULARY,
    _EMBEDDINGS,
    _EMBEDDINGS[:2],
    "e",
    "w",
)
# Nearest to sentence 1, then 2, then 0, then 3.
_ANSWER = np.array([0.2, 0.9, 0.4, 0.1], np.float32)


def _config(**changes):
    settings = {
        "name": "nearest",
        "provider": "openai",
        "model": "",
        "num_nearest": 2,
        "max_tokens": 12,
        "strength": 1.0,
        "vectors": "",
        "vector_strength": 1.0,
        "layers": (),
        "guide": "hierarchy",
        "splits": ("heldout",),
    }
    return ml_collections.FrozenConfigDict({**settings, **changes})


def _task(folder, **changes):
    return types.SimpleNamespace(
        config=types.SimpleNamespace(decoder=_config(**changes)),
        seed=0,
        resolve=pathlib.Path,
        workdir=folder / "lm_data_interpret",
        interruption=interruption.Interruption(),
        progress=progress.NoProgress(),
    )


def _guide(model, split, *nodes):
    keys = ("layer", "repeated", "row")
    return {"model": model, "split": split, "nodes": [dict(zip(keys, node, strict=True)) for node in nodes]}


def _read(answers):
    """Rows 1, 3 and 4 are new steps of the hierarchy's held-out plan; the rest is not to be put into words."""
    return Guides(
        guides=(
            _guide("hierarchy", "train", (0, False, 0)),
            _guide("hierarchy", "heldout", (1, False, 0), (0, False, 1), (0, True, 2), (0, False, 3), (0, False, 4)),
            _guide("flat", "heldout", (0, False, 5)),
        ),
        candidates=(),
        answers=np.array(answers, np.float32),
    )


_READ = _read([_EMBEDDINGS[0], _ANSWER, _EMBEDDINGS[0], _EMBEDDINGS[3], _ANSWER, _EMBEDDINGS[2]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "loud"}, "decoder.name must be nearest, rewrite or steered, not 'loud'"),
        ({"name": "rewrite"}, "decoder.name 'rewrite' needs decoder.model, a name or a path"),
        ({"name": "steered"}, "decoder.name 'steered' needs decoder.model, a name or a path"),
        (
            {"name": "rewrite", "model": "m", "provider": "post"},
            "decoder.provider must be openai or huggingface, not 'post'",
        ),
        ({"num_nearest": 0}, "decoder.num_nearest must be at least 1, not 0"),
        ({"max_tokens": -1}, "decoder.max_tokens must be at least 1, not -1"),
        ({"strength": -0.5}, "decoder.strength must be a number, 0 or more, not -0.5"),
        ({"strength": float("nan")}, "decoder.strength must be a number, 0 or more, not nan"),
        ({"strength": float("inf")}, "decoder.strength must be a number, 0 or more, not inf"),
        ({"vectors": "v"}, "decoder.vectors are for the decoder steered, and decoder.name is 'nearest'"),
        ({"vector_strength": float("inf")}, "decoder.vector_strength must be a finite number, not inf"),
    ],
)
def test_what_can_t_be_is_refused(changes, message):
    with pytest.raises(errors.UserError) as raised:
        decoding.check(_config(**changes))
    assert str(raised.value) == message


def test_what_can_be_is_not():
    decoding.check(_config())
    decoding.check(_config(name="rewrite", model="m", strength=0))
    decoding.check(_config(name="steered", model="m", provider="post"))


def test_the_closest_sentences_come_first():
    assert decoding.closest(_ANSWER, _DATA, 3) == ["Saw wood into planks.", "Mine copper.", "Smelt the iron ore."]
    assert len(decoding.closest(_ANSWER, _DATA, 9)) == 4
    # At equal distances the vocabulary's order counts.
    assert decoding.closest(np.zeros(4, np.float32), _DATA, 2) == list(_VOCABULARY[:2])


def test_the_nearest_sentences_need_no_model(tmp_path):
    assert decoding.decode(_task(tmp_path), _DATA, _READ) == {}


@pytest.mark.parametrize("changes", [{"guide": "table"}, {"splits": ("pairs",)}])
def test_a_guide_that_is_not_there_is_an_error(tmp_path, changes):
    with pytest.raises(errors.UserError, match=r"^there is no guide of '\w+' for \w+; name others$"):
        decoding.decode(_task(tmp_path, name="rewrite", model="m", **changes), _DATA, _READ)


def test_answers_to_a_user_s_goals_are_put_into_words_whatever_the_guide(tmp_path, monkeypatch):
    asked = Guides((_guide("flat", "asked", (0, False, 0), (0, True, 1)),), (), np.array([_ANSWER, _ANSWER]))
    with openai_server.serving(reply=lambda prompt: "Do it.") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        assert decoding.decode(_task(tmp_path, name="rewrite", model="m"), _DATA, asked) == {0: "Do it."}


def test_a_model_is_asked_to_rewrite_the_closest_sentences_once_each(tmp_path, monkeypatch):
    with openai_server.serving(reply=lambda prompt: f"Do\nwhat {len(prompt.splitlines())} lines say. ") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        task = _task(tmp_path, name="rewrite", model="m")
        texts = decoding.decode(task, _DATA, _READ)
        # A line that asks, two sentences, an empty line, and a line that asks. White space becomes a space.
        assert texts == dict.fromkeys((1, 3, 4), "Do what 5 lines say.")
        assert [request.prompt for request in server.requests] == [
            decoding.REWRITE_TEMPLATE.replace("{goal}", "Saw wood into planks.\nMine copper."),
            decoding.REWRITE_TEMPLATE.replace("{goal}", "Build a radar.\nSmelt the iron ore."),
        ]
        assert server.requests[0].body["max_completion_tokens"] == 12
        assert server.requests[0].body["temperature"] == 0
        # What was paid for is not asked for again.
        assert decoding.decode(task, _DATA, _READ) == texts
        assert len(server.requests) == 2


def test_a_tiny_model_rewrites(tmp_path):
    words = " ".join([*decoding.REWRITE_TEMPLATE.split(), *_VOCABULARY]).split()
    folder = small_models.save_gpt2(tmp_path / "model", words=sorted(set(words)), num_positions=128)
    task = _task(tmp_path, name="rewrite", provider="huggingface", model=str(folder), max_tokens=80)
    texts = decoding.decode(task, _DATA, _READ)
    assert set(texts) == {1, 3, 4}
    assert texts[1] == texts[4]
    assert all(set(text.split()) <= set(words) for text in texts.values())
    assert (tmp_path / "rewritten.jsonl").read_text().count("\n") == 2


@pytest.fixture(scope="module")
def fluent(tmp_path_factory):
    """A model that says any of the sentences after the prompt."""
    folder = tmp_path_factory.mktemp("model")
    texts = [f"{decoding.STEER_PROMPT} {sentence}" for sentence in _VOCABULARY]
    tiny_language_models.save(folder, texts * 2)
    model, tokenizer = tiny_language_models.load(folder)
    tiny_language_models.train(model, tokenizer, texts)
    model.save_pretrained(folder)
    return str(folder)


def test_a_steered_model_says_what_the_guide_says(tmp_path, fluent):
    texts = decoding.decode(_task(tmp_path, name="steered", model=fluent, strength=2.0), _DATA, _READ)
    assert texts == {1: _VOCABULARY[1], 3: _VOCABULARY[3], 4: _VOCABULARY[1]}


def test_without_strength_all_answers_become_one_text(tmp_path, fluent):
    texts = decoding.decode(_task(tmp_path, name="steered", model=fluent, strength=0.0), _DATA, _READ)
    assert set(texts) == {1, 3, 4}
    assert len(set(texts.values())) == 1


def _save_vectors(path, fluent, **changes):
    """Vectors that draw the last block's hidden states, and no others, far to where the first token of a word is."""
    tokenizer, model = pretrained.load_causal(fluent)
    vectors = torch.zeros(model.config.num_hidden_layers, model.config.hidden_size)
    (token, *_) = tokenizer(" copper")["input_ids"]
    vectors[-1] = 1000 * model.get_output_embeddings().weight[token].detach()
    about = {"method": "mean", "num_pairs": 1, "model_type": model.config.model_type, **changes}
    control_vectors.save(path, control_vectors.ControlVectors(vectors=vectors, **about))
    return {"name": "steered", "model": fluent, "strength": 0.0, "vectors": str(path)}, tokenizer.decode(token)


def test_control_vectors_steer_too(tmp_path, fluent):
    settings, word = _save_vectors(tmp_path / "v.safetensors", fluent)
    steered = decoding.decode(_task(tmp_path, **settings), _DATA, _READ)
    # Nothing else is said, as often as there are tokens.
    assert set(steered.values()) == {(12 * word).strip()}
    plain = decoding.decode(_task(tmp_path, **{**settings, "vectors": ""}), _DATA, _READ)
    assert steered != plain
    assert decoding.decode(_task(tmp_path, **settings, vector_strength=0.0), _DATA, _READ) == plain
    # The first block's vector is zero.
    assert decoding.decode(_task(tmp_path, **settings, layers=(0,)), _DATA, _READ) == plain


def test_control_vectors_that_do_not_fit_are_refused(tmp_path, fluent):
    settings, _ = _save_vectors(tmp_path / "v.safetensors", fluent)
    with pytest.raises(errors.UserError, match="vectors and decoder.layers don't fit the model: there is no layer 99"):
        decoding.decode(_task(tmp_path, **settings, layers=(99,)), _DATA, _READ)
    with pytest.raises(errors.UserError, match="the file .*nowhere of control vectors does not exist"):
        decoding.decode(_task(tmp_path, **{**settings, "vectors": str(tmp_path / "nowhere")}), _DATA, _READ)
    settings, _ = _save_vectors(tmp_path / "other.safetensors", fluent, model_type="parrot")
    with pytest.raises(errors.UserError, match="is for models of the type parrot, and .*; name vectors of its own$"):
        decoding.decode(_task(tmp_path, **settings), _DATA, _READ)
