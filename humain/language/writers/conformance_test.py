"""What holds of every writer."""

import contextlib
import json

import pytest

from humain.language.backoff import Backoff
from humain.language.openai_endpoint import OpenAIEndpoint
from humain.language.testing import small_models
from humain.language.writers.huggingface import HuggingFaceWriter
from humain.language.writers.ledger import Ledger
from humain.language.writers.openai import OpenAIWriter
from humain.language.writers.writing import write_all
from humain.testing import openai_server

pytestmark = pytest.mark.filterwarnings("error")

_GOALS = ("ore", "gears", "plates")


@contextlib.contextmanager
def _openai(folder):
    del folder
    with openai_server.serving() as server:
        endpoint = OpenAIEndpoint(
            environment=server.environment("sk-secret-key"), retries=Backoff(sleep=lambda seconds: None)
        )
        yield lambda **settings: OpenAIWriter(endpoint, "some-model", **settings)


@contextlib.contextmanager
def _huggingface(folder):
    model = str(small_models.save_gpt2(folder / "model"))
    yield lambda **settings: HuggingFaceWriter(model, **{"stop": ("the",), "template": "mine {goal} .", **settings})


@pytest.fixture(name="make", params=[_openai, _huggingface], ids=["openai", "huggingface"])
def _make(request, tmp_path):
    with request.param(tmp_path) as make:
        yield make


def test_a_goal_has_a_text_and_the_same_again(make):
    writer = make()
    texts = [writer.write(goal) for goal in _GOALS]
    assert all(isinstance(text, str) and text for text in texts)
    assert [make().write(goal) for goal in _GOALS[::-1]] == texts[::-1]
    assert len(set(texts)) > 1


def test_settings_are_all_that_decides_a_text_and_plain_json(make):
    assert json.loads(json.dumps(make().settings)) == make().settings
    assert make().settings != make(template="say {goal}").settings
    assert make().settings != make(stop=("!",)).settings
    assert make(temperature=0.5, seed=1).settings != make(temperature=0.5, seed=2).settings
    assert make().settings != make(temperature=0.5).settings
    # A text that is shorter than allowed is not decided by what is allowed.
    assert make(max_tokens=50).settings == make(max_tokens=40).settings


def test_a_name_says_who_and_what(make):
    provider, _, model = make().name.partition(":")
    assert provider in ("openai", "huggingface") and model
    assert make().name == make().settings["writer"]


def test_what_is_in_the_ledger_is_not_written_again(make, tmp_path):
    with Ledger.opened(tmp_path / "ledger.jsonl") as ledger:
        texts = write_all(make(), _GOALS, ledger)
    with Ledger.opened(tmp_path / "ledger.jsonl") as ledger:
        assert [ledger.find(make(), goal) for goal in _GOALS] == texts
        assert ledger.find(make(template="say {goal}"), "ore") is None
