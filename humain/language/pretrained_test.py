"""Models come out of folders without a sound and without the network, and what can't be loaded is told in one line."""

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading

import huggingface_hub
import pytest
import safetensors.torch
import torch
from transformers.utils import logging as transformers_logging

from humain import errors
from humain.language import pretrained
from humain.language.testing import small_models

pytestmark = pytest.mark.filterwarnings("error")

_TOKEN = "hf_secretsecretsecret"

# Loads what it is told, and says all that it has to say: also by its log, at the finest level.
_PROGRAM = """
import logging, sys, traceback
logging.basicConfig(level=logging.DEBUG)
from humain import errors
from humain.language import pretrained
try:
    print("loaded", type(pretrained.load_causal(sys.argv[1])[1]).__name__)
except errors.UserError as error:
    print("refused:", error)
    logging.exception("refused")
    traceback.print_exception(error, chain=True)
    print(repr(error), repr(error.__cause__), repr(error.__context__))
"""


@pytest.fixture(name="folder")
def _folder(tmp_path):
    return small_models.save_gpt2(tmp_path / "model")


def _refused(model, match):
    with pytest.raises(errors.UserError, match=match) as caught:
        pretrained.load_causal(str(model))
    assert "\n" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_model_is_loaded_to_be_used_and_not_trained(folder):
    tokenizer, model = pretrained.load_causal(str(folder))
    assert type(model).__name__ == "GPT2LMHeadModel" and not model.training
    assert tokenizer.decode(tokenizer("mine ore")["input_ids"]) == "mine ore"
    assert type(pretrained.load_encoder(str(folder))[1]).__name__ == "GPT2Model"


def test_the_weights_are_those_in_the_folder(folder):
    stored = safetensors.torch.load_file(folder / "model.safetensors")
    model = pretrained.load_causal(str(folder))[1]
    for name, weights in model.state_dict().items():
        assert torch.equal(weights, stored[name]), name


def test_nothing_is_printed_and_settings_come_back(folder, capfd):
    transformers_logging.set_verbosity_info()
    transformers_logging.enable_progress_bar()
    huggingface_hub.logging.set_verbosity_info()
    try:
        pretrained.load_causal(str(folder))
        pretrained.load_encoder(str(folder))
        with contextlib.suppress(errors.UserError):
            pretrained.load_causal(str(folder.parent))
        assert transformers_logging.get_verbosity() == transformers_logging.INFO
        assert transformers_logging.is_progress_bar_enabled()
        assert huggingface_hub.logging.get_verbosity() == transformers_logging.INFO
    finally:
        transformers_logging.set_verbosity_warning()
        huggingface_hub.logging.set_verbosity_warning()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("model", ["/nothing/here", "./nothing", "../x", "~/nothing", "a/b/c", "", "with space"])
def test_what_is_neither_a_folder_nor_a_name_is_refused(model):
    _refused(model, f"^there is no folder {model}; name one that holds a model, or a model on the hub$")


def test_a_folder_without_a_model_is_named(tmp_path):
    _refused(tmp_path, rf"^the model {tmp_path} can't be loaded \(.+\); copy it here again$")


def test_a_truncated_file_is_named(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    _refused(folder, rf"^the model {folder} can't be loaded \(.+\); copy it here again$")


def test_weights_that_are_missing_are_not_made_up(folder):
    path = folder / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    for name in ("transformer.h.0.mlp.c_fc.bias", "transformer.h.1.mlp.c_fc.bias"):
        del weights[name]
    safetensors.torch.save_file(weights, path, metadata={"format": "pt"})
    _refused(folder, r"\(it has no weights for transformer.h.0.mlp.c_fc.bias and 1 more\); copy it here again$")


def test_weights_that_would_be_unpickled_are_refused(folder):
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    _refused(folder, "can't be loaded .*model.safetensors")


def test_code_of_a_model_is_not_run(folder):
    (folder / "config.json").write_text(
        json.dumps({"model_type": "new", "auto_map": {"AutoConfig": "code.C", "AutoModelForCausalLM": "code.M"}})
    )
    (folder / "code.py").write_text(f"open({str(folder / 'was_run')!r}, 'w')")
    _refused(folder, "can't be loaded")
    assert not (folder / "was_run").exists()


@contextlib.contextmanager
def _hub():
    """A hub that refuses everything and repeats the token; gives its address and what it was asked for with a token."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            given = self.headers.get("Authorization", "")
            asked.append(f"{self.path} {given}")
            content = json.dumps({"error": f"not with {given}"}).encode()
            self.send_response(401)
            for name, value in (("Content-Length", len(content)), ("X-Error-Message", f"not with {given}")):
                self.send_header(name, str(value))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, format, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def _load_elsewhere(tmp_path, model, **variables):
    """What another process says and asks for that loads a model, with this environment from its start."""
    with _hub() as (address, asked):
        environment = {
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "HF_ENDPOINT": address,
            "HF_HOME": str(tmp_path / "cache"),
            "HF_TOKEN": _TOKEN,
            **variables,
        }
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(model)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    return done, asked


def test_a_folder_is_loaded_without_the_network(tmp_path, folder):
    done, asked = _load_elsewhere(tmp_path, folder)
    assert done.stdout == "loaded GPT2LMHeadModel\n"
    assert asked == []


def test_a_name_is_looked_up_with_the_token_which_is_never_shown(tmp_path):
    done, asked = _load_elsewhere(tmp_path, "some/model")
    assert any(line.startswith("/some/model/") and line.endswith(f" Bearer {_TOKEN}") for line in asked)
    assert done.stdout.startswith("refused: the model some/model can't be loaded (")
    assert "not with Bearer [secret]" in done.stdout
    assert "[secret]" in done.stderr  # of the log
    assert _TOKEN not in done.stdout + done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if _TOKEN.encode() in path.read_bytes()]


def test_off_line_a_name_is_not_looked_up(tmp_path):
    done, asked = _load_elsewhere(tmp_path, "some/model", HF_HUB_OFFLINE="1")
    assert done.stdout.startswith("refused: the model some/model can't be loaded (")
    assert asked == []
