"""Requests over real HTTP to a server that misbehaves; nothing waits longer than it takes to see that it would."""

import datetime
import re
import threading

import pytest

from humain import errors
from humain.language.backoff import Backoff
from humain.language.openai_endpoint import Completion, OpenAIEndpoint
from humain.testing import openai_server

pytestmark = pytest.mark.filterwarnings("error")

_QUICK = 0.3  # seconds until a server that stalls is given up


class _Case:
    """An endpoint on a server, with what it slept and what it noted."""

    def __init__(self, server, *, num_tries=4, timeout_seconds=10.0):
        self.slept: list[float] = []
        self.notes: list[str] = []
        # Waits of exactly 1, 2, 4 ... seconds, none of which is spent.
        retries = Backoff(num_tries=num_tries, first_seconds=2.0, sleep=self.slept.append, draw=lambda: 0.0)
        self.endpoint = OpenAIEndpoint(
            timeout_seconds=timeout_seconds,
            retries=retries,
            note=self.notes.append,
            environment=server.environment("sk-test-key"),
        )
        self.server_name = f"127.0.0.1:{server.server_port}"

    def fails(self, match):
        with pytest.raises(errors.UserError, match=match) as caught:
            self.endpoint.complete("m", "Hello")
        assert str(caught.value).startswith(self.server_name)
        assert "\n" not in str(caught.value)
        # Nothing that quotes an answer hangs on to the error.
        assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_a_prompt_is_answered():
    with openai_server.serving() as server:
        case = _Case(server)
        assert case.endpoint.complete("some-model", "Hello") == Completion("You said: Hello", finished=True)
        assert case.slept == [] and case.notes == []
    (request,) = server.requests
    assert (request.path, request.authorization) == ("/v1/chat/completions", "Bearer sk-test-key")
    # What is not asked for is left to the server: many models take no temperature, or no seed.
    assert request.body == {"model": "some-model", "messages": [{"role": "user", "content": "Hello"}]}


def test_settings_are_passed_on():
    with openai_server.serving() as server:
        _Case(server).endpoint.complete("m", "Hello", temperature=0.0, seed=3, max_tokens=7, stop=("\n\n",))
    body = dict(server.requests[0].body)
    del body["messages"]
    assert body == {"model": "m", "temperature": 0.0, "seed": 3, "max_completion_tokens": 7, "stop": ["\n\n"]}


def test_an_answer_that_was_cut_off_says_so():
    with openai_server.serving([openai_server.says(openai_server.completion("Mine", "length"))]) as server:
        assert _Case(server).endpoint.complete("m", "Hello") == Completion("Mine", finished=False)


@pytest.mark.parametrize("text", ["Mine", None])
def test_an_answer_that_was_filtered_is_not_finished(text):
    with openai_server.serving([openai_server.says(openai_server.completion(text, "content_filter"))]) as server:
        found = _Case(server).endpoint.complete("m", "Hello")
    assert found == Completion(text or "", finished=False, filtered=True)


def test_half_a_character_is_no_text():
    with openai_server.serving([openai_server.says(openai_server.completion("Mine\ud83d."))]) as server:
        assert _Case(server).endpoint.complete("m", "Hello").text == "Mine?."


@pytest.mark.parametrize(
    ("behaviour", "note"),
    [
        (openai_server.fails(500), r"answers 500 \(failed with 500\)"),
        (openai_server.fails(503), r"answers 503 \(failed with 503\)"),
        (openai_server.fails(429), r"answers 429 \(failed with 429\)"),
        (openai_server.fails(408), r"answers 408 \(failed with 408\)"),
        (openai_server.fails(409), r"answers 409 \(failed with 409\)"),
        (openai_server.breaks_off, r"could not be reached, or closed the connection \(.+\)"),
        (openai_server.is_no_json, "gave an answer that is not JSON"),
        (openai_server.says({}), "gave an answer without a choice"),
        (openai_server.says([]), "gave an answer without a choice"),
        (openai_server.says(openai_server.completion(None)), "gave an answer without a text"),
    ],
)
def test_what_may_pass_is_tried_again(behaviour, note):
    with openai_server.serving([behaviour, behaviour]) as server:
        case = _Case(server)
        assert case.endpoint.complete("m", "Hello").text == "You said: Hello"
    assert len(server.requests) == 3
    assert case.slept == [1, 2]
    first, second = case.notes
    assert first.startswith(case.server_name) and first.endswith("; try 2 of 4 in 1.0 s")
    assert second.endswith("; try 3 of 4 in 2.0 s")
    assert re.search(note, first)


def test_a_server_that_gives_no_answer_is_tried_again():
    with openai_server.serving([openai_server.stalls]) as server:
        case = _Case(server, timeout_seconds=_QUICK)
        assert case.endpoint.complete("m", "Hello").text == "You said: Hello"
    assert case.notes == [f"{case.server_name} gave no answer within 0.3 s; try 2 of 4 in 1.0 s"]


def test_a_wait_that_is_asked_for_is_kept():
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=100)
    script = [
        openai_server.fails(429, {"Retry-After": "20"}),
        openai_server.fails(503, {"Retry-After": soon.strftime("%a, %d %b %Y %H:%M:%S GMT")}),
        openai_server.fails(429, {"retry-after-ms": "10"}),
    ]
    with openai_server.serving(script) as server:
        case = _Case(server)
        case.endpoint.complete("m", "Hello")
    assert case.slept[0] == 20
    assert case.slept[1] == pytest.approx(100, abs=5)
    assert case.slept[2] == 4  # its own third wait is longer


def test_a_wait_that_is_too_long_is_not_begun():
    with openai_server.serving([openai_server.fails(429, {"Retry-After": "3600"})]) as server:
        case = _Case(server)
        case.fails(r"answers 429 \(failed with 429\) and asks to wait 3600 s; run it again later$")
    assert case.slept == [] and len(server.requests) == 1


def test_it_is_given_up_at_last():
    with openai_server.serving([openai_server.fails(500)] * 9) as server:
        case = _Case(server)
        case.fails(r"answers 500 \(failed with 500\), in try 4 of 4; run it again later$")
    assert len(server.requests) == 4
    assert case.slept == [1, 2, 4]


@pytest.mark.parametrize(
    ("behaviour", "match"),
    [
        (openai_server.fails(401), r"answers 401 \(failed with 401\); check OPENAI_API_KEY$"),
        (openai_server.fails(403), r"answers 403 \(failed with 403\); check OPENAI_API_KEY, and what it is allowed$"),
        (openai_server.fails(404), r"answers 404 .*; check the name of the model, and OPENAI_BASE_URL$"),
        (openai_server.fails(400), r"answers 400 \(failed with 400\); change the request$"),
        (openai_server.fails(407), r"answers 407 \(failed with 407\); change the request$"),
        (openai_server.fails(428), r"answers 428 \(failed with 428\); change the request$"),
        (openai_server.fails(499), r"answers 499 \(failed with 499\); change the request$"),
        (openai_server.fails(429, code="insufficient_quota"), "answers 429 .*; raise the quota of the account"),
        (openai_server.fails(429, type="insufficient_quota"), "answers 429 .*; raise the quota of the account"),
        (openai_server.says("no\nsuch thing", 404), r"answers 404 \(.*no.*such thing.*\); check the name"),
        (openai_server.says({"error": {"message": "x" * 5000}}, 400), r"answers 400 \(x{300} \.\.\.\); change"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(behaviour, match):
    with openai_server.serving([behaviour]) as server:
        case = _Case(server)
        case.fails(match)
    assert len(server.requests) == 1
    assert case.slept == [] and case.notes == []


def test_a_server_that_is_not_there_is_named():
    with openai_server.serving() as server:
        case = _Case(server, num_tries=2)
    case.fails(r"could not be reached, or closed the connection \(.*refused.*\), in try 2 of 2; check the network")


def test_embeddings_come_in_the_order_of_the_texts():
    texts = ["Mine.", "Smelt.", "Press.", "Mine."]
    with openai_server.serving() as server:
        endpoint = _Case(server).endpoint
        assert endpoint.embed("e", texts) == [openai_server.embedding(text).tolist() for text in texts]
        assert len(endpoint.embed("e", ["Mine."], width=5)[0]) == 5
    assert server.requests[0].path == "/v1/embeddings"
    assert server.requests[0].body == {"model": "e", "input": texts, "encoding_format": "float"}
    assert server.requests[1].body["dimensions"] == 5


def _rows(*rows, indexed=True):
    index = [{"index": number} if indexed else {} for number in range(len(rows))]
    return openai_server.says({"data": [{"embedding": row, **more} for row, more in zip(rows, index, strict=True)]})


@pytest.mark.parametrize(
    ("behaviour", "match"),
    [
        (_rows([1.0]), "gave an answer with 1 embeddings for 2 texts"),
        (_rows([1.0], [1.0], [1.0]), "gave an answer with 3 embeddings for 2 texts"),
        (_rows([1.0], [1.0, 2.0]), "gave an answer with embeddings of width 1, 2"),
        (_rows([1.0, float("nan")], [1.0, 2.0]), "with an embedding that is not a list of finite numbers"),
        (_rows([1.0, float("inf")], [1.0, 2.0]), "with an embedding that is not a list of finite numbers"),
        (_rows([1.0, None], [1.0, 2.0]), "with an embedding that is not a list of finite numbers"),
        (_rows([], []), "with an embedding that is not a list of finite numbers"),
        (_rows("abcd", "abcd"), "with an embedding that is not a list of finite numbers"),
        (openai_server.says({}), "gave an answer with 0 embeddings for 2 texts"),
    ],
)
def test_embeddings_that_are_none_are_refused(behaviour, match):
    with (
        openai_server.serving([behaviour]) as server,
        pytest.raises(errors.UserError, match=match),
    ):
        _Case(server, num_tries=1).endpoint.embed("e", ["Mine.", "Smelt."])


def test_embeddings_of_another_width_than_asked_for_are_refused():
    with (
        openai_server.serving([_rows([1.0, 2.0])]) as server,
        pytest.raises(errors.UserError, match="with embeddings of width 2"),
    ):
        _Case(server, num_tries=1).endpoint.embed("e", ["Mine."], width=3)


def test_embeddings_without_numbers_are_in_order():
    with openai_server.serving([_rows([1.0], [2.0], indexed=False)]) as server:
        assert _Case(server).endpoint.embed("e", ["Mine.", "Smelt."]) == [[1.0], [2.0]]


def test_threads_may_share_an_endpoint():
    found = {}
    with openai_server.serving([openai_server.fails(500)] * 3) as server:
        endpoint = _Case(server).endpoint
        threads = [
            threading.Thread(target=lambda name=name: found.update({name: endpoint.complete("m", name).text}))
            for name in "abcdef"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {name: f"You said: {name}" for name in "abcdef"}


@pytest.mark.parametrize(
    ("environment", "match"),
    [
        ({}, "^OPENAI_API_KEY is not set; put your key into the environment"),
        ({"OPENAI_API_KEY": " \n"}, "^OPENAI_API_KEY is not set"),
        ({"OPENAI_API_KEY": "hidden key"}, "^OPENAI_API_KEY has a character that keys don.t have"),
        ({"OPENAI_API_KEY": "hidden\u2026"}, "^OPENAI_API_KEY has a character that keys don.t have"),
        ({"OPENAI_BASE_URL": "hidden"}, "^OPENAI_BASE_URL is not a URL; expected https://server/path"),
        ({"OPENAI_BASE_URL": "ftp://hidden"}, "^OPENAI_BASE_URL is not a URL"),
        ({"OPENAI_BASE_URL": "http://me:hidden@server/v1"}, "^OPENAI_BASE_URL is not a URL"),
        ({"OPENAI_BASE_URL": "http://server/v1?key=hidden"}, "^OPENAI_BASE_URL is not a URL"),
        ({"OPENAI_BASE_URL": "http://server:hidden/v1"}, "^OPENAI_BASE_URL is not a URL"),
        ({"OPENAI_BASE_URL": "http://[hidden/v1"}, "^OPENAI_BASE_URL is not a URL"),
        ({"OPENAI_BASE_URL": "http:///hidden"}, "^OPENAI_BASE_URL is not a URL"),
        ({"OPENAI_BASE_URL": "http://server:0/hidden"}, "^OPENAI_BASE_URL is not a URL"),
        ({"OPENAI_API_KEY": "hidden\x7f"}, "^OPENAI_API_KEY has a character that keys don.t have"),
    ],
)
def test_an_environment_that_will_not_do_is_refused_without_being_shown(environment, match):
    if "OPENAI_BASE_URL" in environment:
        environment = {"OPENAI_API_KEY": "sk-test-key", **environment}
    with pytest.raises(errors.UserError, match=match) as caught:
        OpenAIEndpoint(environment=environment)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_white_space_around_key_and_server_is_no_part_of_them():
    with openai_server.serving() as server:
        environment = {"OPENAI_API_KEY": " sk-test\n", "OPENAI_BASE_URL": f"{server.base_url}/\n"}
        OpenAIEndpoint(environment=environment).complete("m", "Hello")
    assert server.requests[0].authorization == "Bearer sk-test"
    assert server.requests[0].path == "/v1/chat/completions"


def test_every_character_that_prints_may_be_in_a_key():
    key = "".join(map(chr, range(ord("!"), ord("~") + 1)))
    assert OpenAIEndpoint(environment={"OPENAI_API_KEY": key})._server == "api.openai.com"
    assert (
        OpenAIEndpoint(environment={"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://here:1/v1"})._server == "here:1"
    )


def test_by_default_two_minutes_are_waited_for_an_answer():
    endpoint = OpenAIEndpoint(environment={"OPENAI_API_KEY": "k"})
    assert (endpoint._timeout_seconds, endpoint._client.timeout, endpoint._client.max_retries) == (120, 120, 0)
    assert endpoint._retries == Backoff()


def test_a_wait_as_long_as_patience_lasts_is_begun():
    for asked, slept in (("300", [300]), ("301", [])):
        with openai_server.serving([openai_server.fails(429, {"Retry-After": asked})]) as server:
            case = _Case(server)
            if slept:
                case.endpoint.complete("m", "Hello")
            else:
                case.fails("asks to wait 301 s")
        assert case.slept == slept


def test_an_answer_of_nothing_is_a_text_and_a_whole_number_a_number():
    with openai_server.serving([openai_server.says(openai_server.completion(""))]) as server:
        assert _Case(server).endpoint.complete("m", "Hello") == Completion("", finished=True)
    with openai_server.serving([_rows([1, 2])]) as server:
        assert _Case(server).endpoint.embed("e", ["Mine."], width=2) == [[1, 2]]


def test_embeddings_are_sorted_by_their_numbers():
    entries = [{"embedding": [2.0], "index": 1}, {"embedding": [1.0], "index": 0}]
    with openai_server.serving([openai_server.says({"data": entries})]) as server:
        assert _Case(server).endpoint.embed("e", ["Mine.", "Smelt."]) == [[1.0], [2.0]]
