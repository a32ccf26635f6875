"""Control vectors: directions in hidden states, found from pairs of texts that differ in one respect.

For each pair, each block's hidden state at the last token of the negative text is subtracted from that of the positive
one. A block's vector is

    mean        the mean of these differences
    principal   what of that mean lies along their first principal component: the direction u that most of their
                squares lie along (about 0, not about their mean), times the mean of (difference . u)

so either has the norm of a step from negative to positive: at strength 1 it moves a state as far as the pairs are apart
on average, and its sign is determined. Added to hidden states (`hooks.adding`) it makes a model write as after a
positive text.

Sources: Nina Rimsky et al., "Steering Llama 2 via Contrastive Activation Addition" (the mean); Andy Zou et al.,
"Representation Engineering: A Top-Down Approach to AI Transparency" (the principal component). Deviations from the
latter: components are taken about 0, for which it gives pairs random signs instead, and are not scaled to norm 1.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Literal

import safetensors
import safetensors.torch
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from humain import errors
from humain.language.steering import batches, hooks
from humain.language.steering import strengths as steering_strengths

Method = Literal["mean", "principal"]

_FORMAT = "humain control vectors 1"
_TENSOR = "vectors"
_METADATA = "control_vectors"
# Differences whose mean is smaller than this fraction of their size give no direction.
_LEAST_LENGTH = 1e-5


@dataclasses.dataclass(frozen=True, eq=False)
class ControlVectors:
    """A direction for each block of a model.

    Attributes:
        vectors: `[num_layers, H]` float32, finite.
        method: how they were found, `mean` or `principal`.
        num_pairs: the number of pairs of texts they were found from.
        model_type: transformers' name of the architecture they belong to.
    """

    vectors: torch.Tensor
    method: Method
    num_pairs: int
    model_type: str


def fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
    *,
    method: Method = "mean",
    batch_size: int = 16,
) -> ControlVectors:
    """Finds control vectors.

    Args:
        model: any causal language model of transformers, in evaluation mode; it is not changed.
        tokenizer: the model's tokenizer.
        pairs: at least one pair of a positive and a negative text. Their last tokens should be at the same place of a
            sentence, so that they differ only in what is to be steered.
        method: see the module; with many pairs, `principal` is less affected by other differences of the texts.
        batch_size: the number of texts that the model processes at a time.

    Raises:
        UserError: if there is no pair, or the pairs give no direction: their texts are the same, or their differences
            cancel.
        ValueError: if the model is in training mode, the method is unknown, a text has no token, or a hidden state is
            not finite.
    """
    if method not in ("mean", "principal"):
        raise ValueError(f"method must be 'mean' or 'principal', not {method!r}")
    if not pairs:
        raise errors.UserError("there is no pair of texts to find a control vector from; give at least one")
    states = last_hidden_states(model, tokenizer, [text for pair in pairs for text in pair], batch_size=batch_size)
    differences = states[0::2] - states[1::2]
    vectors = differences.mean(dim=0)
    if method == "principal":
        # [L, H]: the right singular vector of the largest singular value.
        directions = torch.linalg.svd(differences.transpose(0, 1), full_matrices=False).Vh[:, 0]
        vectors = directions * (directions * vectors).sum(dim=-1, keepdim=True)
    if vectors.norm() <= _LEAST_LENGTH * differences.norm() / len(pairs) ** 0.5:
        raise errors.UserError(
            f"the {len(pairs)} pairs of texts give no direction: their texts are the same, or their differences"
            " cancel out; give pairs that all differ in the same way, positive text first"
        )
    return ControlVectors(
        vectors=vectors.contiguous(), method=method, num_pairs=len(pairs), model_type=model.config.model_type
    )


def last_hidden_states(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, batch_size: int = 16
) -> torch.Tensor:
    """Returns the output of each block at the last token of each text.

    Returns:
        `[N, num_layers, H]` float32 on the CPU, without gradients.

    Raises:
        ValueError: if the model is in training mode, where dropout would change the states; if a text has no token, or
            a hidden state is not finite.
    """
    if model.training:
        raise ValueError("the model is in training mode; call its eval() first")
    blocks = hooks.decoder_blocks(model)
    rows = []
    for start in range(0, len(texts), batch_size):
        # Padding on the right, so that the positions of every text begin at 0.
        batch = batches.tokenize(tokenizer, texts[start : start + batch_size], side="right", device=model.device)
        last = batch.attention_mask.sum(dim=1) - 1
        states: dict[torch.nn.Module, torch.Tensor] = {}
        readers = {block: _reader(states, block, last) for block in blocks}
        with torch.no_grad(), hooks.reading(readers):
            model.base_model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
        rows.append(torch.stack([states[block] for block in blocks], dim=1))
    hidden = torch.cat(rows)
    steering_strengths.check_finite("hidden states", hidden)
    return hidden


def _reader(states: dict[torch.nn.Module, torch.Tensor], block: torch.nn.Module, last: torch.Tensor) -> hooks.Reader:
    """Returns a function that stores the hidden state `[B, H]` of each row's last token."""

    def read(hidden: torch.Tensor) -> None:
        positions = last.to(hidden.device)
        states[block] = hidden[torch.arange(len(positions), device=hidden.device), positions].float().cpu()

    return read


def save(path: pathlib.Path, control: ControlVectors) -> None:
    """Writes a safetensors file in one step, with the other attributes in its metadata.

    Args:
        path: the file; its directory is created if it does not exist.
    """
    about = {
        "format": _FORMAT,
        "method": control.method,
        "num_pairs": control.num_pairs,
        "model_type": control.model_type,
    }
    vectors = control.vectors.detach().float().cpu().contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(safetensors.torch.save({_TENSOR: vectors}, metadata={_METADATA: json.dumps(about)}))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load(path: pathlib.Path) -> ControlVectors:
    """Reads a file that `save` wrote.

    Raises:
        UserError: if there is no such file, or it is damaged, holds something else, or has numbers that are not finite.
    """
    remedy = "train it again, or name another file"
    if not path.is_file():
        raise errors.UserError(f"the file {path} of control vectors does not exist; {remedy}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
            if about.get("format") != _FORMAT:
                raise errors.UserError(f"{path} holds no control vectors ({_FORMAT!r} was expected); {remedy}")
            control = ControlVectors(
                vectors=file.get_tensor(_TENSOR).float(),
                method=about["method"],
                num_pairs=about["num_pairs"],
                model_type=about["model_type"],
            )
    except (safetensors.SafetensorError, OSError) as error:
        raise errors.UserError(f"{path} can't be read as safetensors ({error}); {remedy}") from error
    if control.vectors.ndim != 2 or not torch.isfinite(control.vectors).all():
        raise errors.UserError(
            f"{path} holds numbers that are not finite, or of the shape {list(control.vectors.shape)} instead of"
            f" [num_layers, H]; {remedy}"
        )
    return control
