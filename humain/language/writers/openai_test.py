"""A chat model is asked by template, and half a text is refused."""

import pytest

from humain.language.backoff import Backoff
from humain.language.openai_endpoint import OpenAIEndpoint
from humain.language.writers.openai import OpenAIWriter
from humain.language.writers.writer import FilteredError, UnfinishedError
from humain.testing import openai_server

pytestmark = pytest.mark.filterwarnings("error")


def _writer(server, **settings):
    endpoint = OpenAIEndpoint(environment=server.environment(), retries=Backoff(sleep=lambda seconds: None))
    return OpenAIWriter(endpoint, "some-model", **settings)


def test_the_template_asks_for_the_goal_as_it_is():
    with openai_server.serving([openai_server.fails(500)], reply=str.upper) as server:
        assert _writer(server, template="plan {goal} {now}").write("a {radar}") == "PLAN A {RADAR} {NOW}"
        assert "RADAR" in _writer(server).write("a radar")


def test_settings_reach_the_server():
    with openai_server.serving() as server:
        _writer(server, temperature=0.5, seed=3, max_tokens=7, stop=("---",)).write("a radar")
    body = dict(server.requests[0].body)
    assert "a radar" in body.pop("messages")[0]["content"]
    assert body == {"model": "some-model", "temperature": 0.5, "seed": 3, "max_completion_tokens": 7, "stop": ["---"]}


@pytest.mark.parametrize(("max_tokens", "limit"), [(7, "7 tokens"), (None, "the model's limit")])
def test_half_a_text_is_refused(max_tokens, limit):
    cut_off = openai_server.says(openai_server.completion("Mine", "length"))
    with (
        openai_server.serving([cut_off]) as server,
        pytest.raises(UnfinishedError, match=f"the goal 'a radar' was not finished within {limit}; raise max_tokens"),
    ):
        _writer(server, max_tokens=max_tokens).write("a radar")


@pytest.mark.parametrize("text", ["Mine", "", None])
def test_a_text_that_a_filter_cut_off_is_refused(text):
    filtered = openai_server.says(openai_server.completion(text, "content_filter"))
    with (
        openai_server.serving([filtered]) as server,
        pytest.raises(FilteredError, match="'a radar' was cut off by the server's content filter; reword the goal"),
    ):
        _writer(server).write("a radar")
    # It is not asked again what it would not say.
    assert len(server.requests) == 1


def test_a_template_without_a_goal_is_refused():
    with openai_server.serving() as server, pytest.raises(ValueError, match="has no {goal}"):
        _writer(server, template="plan a radar")
