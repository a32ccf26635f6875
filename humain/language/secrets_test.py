"""Keys are in nothing that comes out: not in outputs, logs, files, errors and what objects say of themselves."""

import logging
import traceback

import pytest

from humain import errors
from humain.language import dataset, preparation
from humain.language.backoff import Backoff
from humain.language.embedders.openai import OpenAIEmbedder
from humain.language.openai_endpoint import OpenAIEndpoint
from humain.language.plans import TextPlan
from humain.language.writers.ledger import Ledger
from humain.language.writers.openai import OpenAIWriter
from humain.language.writers.writing import write_all
from humain.testing import openai_server

pytestmark = pytest.mark.filterwarnings("error")

_KEY = "sk-known-and-fake-0123456789"


class _Run:
    """What came out of a run: every text that anybody may get to see."""

    def __init__(self, server):
        self.seen: list[str] = []
        self.errors: list[str] = []
        self.endpoint = OpenAIEndpoint(
            environment=server.environment(_KEY),
            timeout_seconds=0.3,
            retries=Backoff(num_tries=3, sleep=lambda seconds: None),
            note=self.seen.append,
        )
        self.writer = OpenAIWriter(self.endpoint, "some-model")
        self.embedder = OpenAIEmbedder(self.endpoint, "some-model")

    def fails(self, do):
        with pytest.raises(errors.UserError) as caught:
            do()
        logging.getLogger("run").exception("failed", exc_info=caught.value)
        error: BaseException | None = caught.value
        self.errors.append(str(error))
        while error is not None:
            self.seen += [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
            error = error.__cause__ or error.__context__


@pytest.fixture(name="everything")
def _everything(tmp_path, capfd, caplog):
    """Texts of all that comes out, the log first, gathered when it is called."""
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx2", "httpcore2"):
        caplog.set_level(logging.DEBUG, logger=name)

    def gather(run):
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        return [
            caplog.text,
            *run.seen,
            *map(repr, (run.endpoint, run.writer, run.embedder, run.writer.settings)),
            *map(str, (run.endpoint, run.writer, run.embedder)),
            *capfd.readouterr(),
            *(path.read_bytes().decode("latin-1") for path in files),
        ]

    return gather


def _assert_clean(texts):
    for text in texts:
        # Not a part of it either: messages are cut.
        assert _KEY[:12] not in text and _KEY[-10:] not in text


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_server_that_repeats_the_key_in_an_error(everything, status):
    with openai_server.serving([openai_server.echoes_key(status)] * 9) as server:
        run = _Run(server)
        run.fails(lambda: run.writer.write("a radar"))
        run.fails(lambda: run.embedder.embed(["Mine."]))
        assert all(request.authorization == f"Bearer {_KEY}" for request in server.requests)
    assert all(f"answers {status} ([secret] is wrong" in text for text in run.errors)
    texts = everything(run)
    assert "(b'X-Key', b'[secret]')" in texts[0]
    _assert_clean(texts)


def test_a_model_that_repeats_the_key_in_a_text(everything, tmp_path):
    with openai_server.serving(reply=lambda prompt: f"Use {_KEY} to mine. Smelt it.") as server:
        run = _Run(server)
        with Ledger.opened(tmp_path / "ledger.jsonl") as ledger:
            (text,) = write_all(run.writer, ["a radar"], ledger)
        plans = [TextPlan("a radar", (text,))]
        dataset.write(tmp_path / "data", preparation.prepare(plans, run.embedder, writer=run.writer.name))
    assert text == "Use [secret] to mine. Smelt it."
    texts = everything(run)
    assert sum("a radar" in text for text in texts) >= 2  # the ledger and the data set are among them
    _assert_clean(texts)


@pytest.mark.parametrize(
    "behaviour", [openai_server.stalls, openai_server.breaks_off, openai_server.is_no_json, openai_server.fails(400)]
)
def test_other_failures(everything, behaviour):
    with openai_server.serving([behaviour] * 3) as server:
        run = _Run(server)
        run.fails(lambda: run.writer.write("a radar"))
    run.fails(lambda: run.writer.write("a radar"))  # nobody is there any more
    _assert_clean(everything(run))


@pytest.mark.parametrize(
    "environment",
    [
        {"OPENAI_API_KEY": f"{_KEY} {_KEY}"},
        {"OPENAI_API_KEY": f"{_KEY}\u2026"},
        {"OPENAI_API_KEY": "sk-other-key", "OPENAI_BASE_URL": _KEY},
        {"OPENAI_API_KEY": "sk-other-key", "OPENAI_BASE_URL": f"https://me:{_KEY}@server/v1"},
    ],
)
def test_a_key_that_will_not_do_or_is_in_the_wrong_place(environment):
    with pytest.raises(errors.UserError) as caught:
        OpenAIEndpoint(environment=environment)
    _assert_clean(traceback.format_exception(caught.value))
