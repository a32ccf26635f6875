"""Hooks on the decoder blocks of a causal language model, which read hidden states or add to them.

Context managers install the hooks and remove them on every kind of exit: at the end of the block, by an exception, or
when a generator that was inside the block is discarded.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from transformers import PreTrainedModel

from humain.language.steering import strengths as steering_strengths
from humain.language.steering.strengths import Strengths

Reader: TypeAlias = Callable[[torch.Tensor], None]
Change: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


def decoder_blocks(model: PreTrainedModel) -> list[torch.nn.Module]:
    """Returns the decoder blocks of a model, first to last.

    They are found by structure, without a table of models: as the only list of modules in the decoder that has as many
    entries as the configuration has layers, and is not inside another such list.

    Raises:
        ValueError: if there is no such list, or more than one.
    """
    config = model.config.get_text_config(decoder=True)
    # In models that also have an encoder, the other name is the encoder's.
    num_layers = getattr(config, "decoder_layers", None) or getattr(config, "num_hidden_layers", None)
    if num_layers is None:
        raise ValueError(f"the configuration of {type(model).__name__} has no num_hidden_layers; it can't be steered")
    # In a few models, what transformers calls the decoder is the output layer.
    found = list(_lists_of_modules(model.get_decoder(), num_layers)) or list(_lists_of_modules(model, num_layers))
    if len(found) != 1:
        names = ", ".join(name for name, _ in found) or "none"
        raise ValueError(
            f"{type(model).__name__} has {num_layers} layers, and just one list of as many modules was expected in it,"
            f" not {len(found)} ({names}); its hidden states can't be steered"
        )
    return list(found[0][1])


def _lists_of_modules(module: torch.nn.Module, length: int) -> Iterator[tuple[str, torch.nn.ModuleList]]:
    """Yields the outermost lists of `length` modules within a module, each with its name."""
    for name, child in module.named_children():
        if isinstance(child, torch.nn.ModuleList) and len(child) == length:
            yield name, child
        else:
            yield from ((f"{name}.{inner}", found) for inner, found in _lists_of_modules(child, length))


@contextlib.contextmanager
def reading(readers: Mapping[torch.nn.Module, Reader]) -> Iterator[None]:
    """Passes hidden states to functions, within the `with` block.

    Args:
        readers: for each block, a function that is called with its hidden states `[B, T, H]` whenever it has run, as
            the next block will see them: after the changes by `changing` and `adding`.
    """
    with contextlib.ExitStack() as stack:
        for block, reader in readers.items():
            stack.callback(block.register_forward_hook(_reading_hook(reader)).remove)
        yield


@contextlib.contextmanager
def changing(changes: Mapping[torch.nn.Module, Change]) -> Iterator[None]:
    """Changes hidden states, within the `with` block.

    Args:
        changes: for each block, a function that is called with its hidden states `[B, T, H]` whenever it has run, and
            returns their replacement, for the next block and for `output_hidden_states`. Changes of an inner `with`
            block are applied before those of an outer one.
    """
    with contextlib.ExitStack() as stack:
        for block, change in changes.items():
            # First, before the model's own hooks, which store hidden states for `output_hidden_states`.
            stack.callback(block.register_forward_hook(_changing_hook(change), prepend=True).remove)
        yield


def _reading_hook(reader: Reader) -> Callable[[torch.nn.Module, Any, Any], None]:
    def hook(block: torch.nn.Module, arguments: Any, output: Any) -> None:
        reader(_hidden_states(block, output))

    return hook


def _changing_hook(change: Change) -> Callable[[torch.nn.Module, Any, Any], Any]:
    def hook(block: torch.nn.Module, arguments: Any, output: Any) -> Any:
        changed = change(_hidden_states(block, output))
        return changed if isinstance(output, torch.Tensor) else type(output)([changed, *output[1:]])

    return hook


def _hidden_states(block: torch.nn.Module, output: Any) -> torch.Tensor:
    """Returns the hidden states `[B, T, H]` in a block's output, which are the output or the first item of it."""
    hidden = output[0] if isinstance(output, (tuple, list)) and output else output
    if not isinstance(hidden, torch.Tensor) or hidden.ndim != 3:
        shape = list(hidden.shape) if isinstance(hidden, torch.Tensor) else type(hidden).__name__
        raise ValueError(
            f"a {type(block).__name__} returns {shape} where hidden states [B, T, H] were expected; this model's"
            " hidden states can't be steered"
        )
    return hidden


@contextlib.contextmanager
def adding(
    model: PreTrainedModel,
    vectors: torch.Tensor,
    strengths: Strengths = 1.0,
    *,
    layers: Sequence[int] | None = None,
) -> Iterator[None]:
    """Adds to the hidden states of a model, at every position, within the `with` block.

    Nested blocks of one model add up. The model is steered for everyone who uses it meanwhile, including other threads.
    A request whose strength is 0 has bit-identical hidden states (in a mixture of experts, where one row affects the
    rounding of others, only if all strengths are 0); if all are 0, no hook is installed.

    Args:
        model: any causal language model of transformers.
        vectors: what is added at strength 1 to the output of each block: `[num_layers, H]` for all requests, or
            `[B, num_layers, H]`.
        strengths: one number, or one for each request (`[B]`); a negative one steers the other way.
        layers: the indices of the steered blocks, from 0; all by default.

    Raises:
        ValueError: if vectors, strengths or layers don't fit the model or each other; while the model runs, if its
            batch has another number of rows.
    """
    blocks = decoder_blocks(model)
    width = model.config.get_text_config(decoder=True).hidden_size
    if vectors.ndim not in (2, 3) or vectors.shape[-2:] != (len(blocks), width):
        raise ValueError(
            f"vectors have the shape {list(vectors.shape)}, but {type(model).__name__} has {len(blocks)} layers of"
            f" {width}; give [{len(blocks)}, {width}], or that for each request"
        )
    steering_strengths.check_finite("vectors", vectors)
    chosen = range(len(blocks)) if layers is None else layers
    for layer in chosen:
        if not 0 <= layer < len(blocks):
            raise ValueError(f"there is no layer {layer}; those of {type(model).__name__} are 0 to {len(blocks) - 1}")
    offsets = steering_strengths.scale(vectors.reshape(-1, len(blocks), width), strengths)
    additions = {
        blocks[layer]: _Addition(offsets[:, None, layer])
        for layer in chosen
        if not steering_strengths.changes_nothing(offsets[:, layer])
    }
    with changing(additions):
        yield


class _Addition:
    """Adds offsets `[R, 1, H]` to hidden states, on the device of these."""

    def __init__(self, offsets: torch.Tensor):
        self._offsets = offsets

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        steering_strengths.check_rows(self._offsets, hidden.shape[0])
        # Each block may be on another device; its offsets are moved there once.
        self._offsets = self._offsets.to(hidden.device)
        return hidden + self._offsets.to(hidden.dtype)
