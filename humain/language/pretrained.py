"""Loads models and tokenizers of transformers, by name or from a folder, quietly and with errors of one line.

Weights are read as safetensors, and code that comes with a model is not run. A folder is loaded without the network; a
name is looked up on the Hugging Face hub, with `HF_TOKEN` if it is set, or only in the hub's cache if `HF_HUB_OFFLINE`
is set.
"""

import contextlib
import os
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import huggingface_hub
import transformers
from transformers.utils import logging as transformers_logging

from humain import errors
from humain.language import redaction

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def load_causal(model: str) -> tuple[Any, Any]:
    """Loads a causal language model, in evaluation mode, and its tokenizer.

    Args:
        model: a name on the hub, or a folder.

    Raises:
        UserError: if there is none, or it can't be read.
    """
    return _load(model, transformers.AutoModelForCausalLM.from_pretrained)


def load_encoder(model: str) -> tuple[Any, Any]:
    """Loads a model for its hidden states, in evaluation mode, and its tokenizer; of an encoder-decoder, the encoder.

    Args:
        model: a name on the hub, or a folder.

    Raises:
        UserError: if there is none, or it can't be read.
    """
    tokenizer, loaded = _load(model, transformers.AutoModel.from_pretrained)
    return tokenizer, loaded.get_encoder() if loaded.config.is_encoder_decoder else loaded


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences the progress bars and the advice of transformers and the hub within the `with` block."""
    loggers = (transformers_logging, huggingface_hub.logging)
    verbosities = [logger.get_verbosity() for logger in loggers]
    bars = transformers_logging.is_progress_bar_enabled()
    for logger in loggers:
        logger.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        for logger, verbosity in zip(loggers, verbosities, strict=True):
            logger.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def _load(model: str, load_model: Callable[..., Any]) -> tuple[Any, Any]:
    folder = pathlib.Path(model).expanduser()
    local = bool(model) and folder.is_dir()
    if not local and not _HUB_NAME.fullmatch(model):
        raise errors.UserError(f"there is no folder {model}; name one that holds a model, or a model on the hub")
    source = os.fspath(folder) if local else model
    secrets = (*redaction.secrets_of(os.environ), *filter(None, [huggingface_hub.get_token()]))
    try:
        with quiet(), redaction.guarded_logs(secrets):
            options: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
            tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
            loaded, info = load_model(source, **options, use_safetensors=True, output_loading_info=True)
        # transformers initialises missing weights at random. The pooler may be missing: only the hidden states before
        # it are used.
        missing = sorted(name for name in info["missing_keys"] if "pooler" not in name)
        problem = f"it has no weights for {missing[0]} and {len(missing) - 1} more" if missing else None
    except Exception as error:  # The many kinds of models raise errors without a common base class.
        problem = redaction.one_line(str(error) or type(error).__name__, secrets)
    if problem is None:
        return tokenizer, loaded.eval()
    remedy = "copy it here again" if local else "check its name and the network, and HF_TOKEN if it is not public"
    # Raised outside of the except block, since the handled error may quote the token.
    raise errors.UserError(f"the model {model} can't be loaded ({problem}); {remedy}")
