"""Writers by config: what can't be is refused, and what was written is kept."""

import shutil
import types

import ml_collections
import pytest

from humain import errors
from humain.language.testing import small_models
from humain.language.writers.writer import PLAN_TEMPLATE
from humain.testing import openai_server
from humain.training import interruption, progress
from tasks.language import writing

pytestmark = pytest.mark.filterwarnings("error")


def _config(**changes):
    settings = {"name": "openai", "model": "m", "temperature": 0.0, "max_tokens": 40, "stop": (), "num_threads": 2}
    return ml_collections.FrozenConfigDict({**settings, **changes})


def _task(folder, **changes):
    return types.SimpleNamespace(
        config=types.SimpleNamespace(writer=_config(**changes)),
        seed=3,
        workdir=folder / "lm_data_prepare",
        interruption=interruption.Interruption(),
        progress=progress.NoProgress(),
    )


@pytest.fixture(name="server")
def _server(monkeypatch):
    with openai_server.serving(reply=lambda prompt: f"1. Do it.\n{len(prompt)}.") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "parrot"}, "writer 'parrot' is neither openai nor huggingface"),
        ({"model": ""}, "writer 'openai' needs a model: a name or, for huggingface, a path"),
        ({"name": "huggingface", "model": ""}, "writer 'huggingface' needs a model"),
        ({"temperature": -1.0}, "writer.temperature must be a number, 0 or more, not -1.0"),
        ({"temperature": float("nan")}, "writer.temperature must be a number, 0 or more, not nan"),
        ({"max_tokens": 0}, "writer.max_tokens must be at least 1, not 0"),
    ],
)
def test_what_can_t_be_is_refused(changes, message):
    with pytest.raises(errors.UserError) as raised:
        writing.build(_config(**changes))
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_no_key_is_an_error(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(errors.UserError, match=r"^OPENAI_API_KEY is not set"):
        writing.build(_config())


def test_a_model_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(errors.UserError, match="nowhere"):
        writing.build(_config(name="huggingface", model=str(tmp_path / "nowhere")))


def test_a_writer_has_the_settings_of_its_config(server):
    writer = writing.build(_config(temperature=0.5, stop=("\n\n",)), template="Say {goal}.", seed=7)
    assert writer.settings == {
        "writer": "openai:m",
        "template": "Say {goal}.",
        "temperature": 0.5,
        "seed": 7,
        "stop": ["\n\n"],
    }
    assert writer.write("hello") == "1. Do it.\n10."
    (request,) = server.requests
    assert (request.prompt, request.body["max_completion_tokens"]) == ("Say hello.", 40)


def test_texts_come_in_the_order_of_the_goals_and_are_asked_for_once(tmp_path, server):
    goals = ["a bar", "a ring of gold", "a bar"]
    texts, name = writing.write(_task(tmp_path), goals)
    assert name == "openai:m"
    assert texts == [f"1. Do it.\n{len(PLAN_TEMPLATE.replace('{goal}', goal))}." for goal in goals]
    assert len(server.requests) == 2
    assert server.requests[0].body["seed"] == 3
    assert writing.write(_task(tmp_path), goals) == (texts, name)
    assert len(server.requests) == 2
    # One that may be longer decides nothing about those that ended.
    assert writing.write(_task(tmp_path, max_tokens=50), goals) == (texts, name)
    assert len(server.requests) == 2
    # Another model's texts are others.
    writing.write(_task(tmp_path, model="other"), goals)
    assert len(server.requests) == 4


def test_what_was_written_outlives_the_folder_of_the_task(tmp_path, server):
    texts, _ = writing.write(_task(tmp_path), ["a bar"])
    shutil.rmtree(_task(tmp_path).workdir, ignore_errors=True)
    assert writing.write(_task(tmp_path), ["a bar", "a ring"])[0][:1] == texts
    assert [PLAN_TEMPLATE.replace("{goal}", goal) for goal in ("a bar", "a ring")] == [
        request.prompt for request in server.requests
    ]


def test_what_came_before_a_failure_is_kept(tmp_path, monkeypatch):
    with openai_server.serving([openai_server.answer, openai_server.fails(404)], reply=str.upper) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        task = _task(tmp_path, num_threads=1)
        with pytest.raises(errors.UserError, match="failed with 404"):
            writing.write(task, ["a bar", "a ring"])
        texts, _ = writing.write(task, ["a bar", "a ring"])
        asked = [request.prompt for request in server.requests]
    prompts = [PLAN_TEMPLATE.replace("{goal}", goal) for goal in ("a bar", "a ring")]
    assert texts == [prompt.upper() for prompt in prompts]
    assert asked == [prompts[0], prompts[1], prompts[1]]


def test_a_number_of_threads_below_one_is_refused(tmp_path, server):
    with pytest.raises(errors.UserError, match=r"^writer.num_threads must be at least 1, not 0$"):
        writing.write(_task(tmp_path, num_threads=0), ["a bar"])


def test_a_tiny_model_writes(tmp_path):
    folder = small_models.save_gpt2(tmp_path / "model", num_positions=128)
    task = _task(tmp_path, name="huggingface", model=str(folder), max_tokens=80, stop=(" ",))
    texts, name = writing.write(task, ["mine ore", "press gears"])
    assert name == f"huggingface:{folder}"
    assert len(texts) == 2
    # One word each, since a space ends it.
    assert all(text in small_models.WORDS for text in texts)
