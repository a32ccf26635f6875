"""Causal language models small enough for a test, saved to disk and loaded by transformers like any other."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import tokenizers
import torch
import transformers

END = "<|end|>"

_WIDTH = 32
_NUM_HEADS = 4
_CONTEXT_LENGTH = 128

# Learned positions and one tensor a layer; rotary positions, grouped queries and gates.
ARCHITECTURES: Mapping[str, Mapping[str, Any]] = {
    "gpt2": {
        "n_embd": _WIDTH,
        "n_head": _NUM_HEADS,
        "n_positions": _CONTEXT_LENGTH,
    },
    "qwen2": {
        "hidden_size": _WIDTH,
        "num_attention_heads": _NUM_HEADS,
        "num_key_value_heads": 2,
        "intermediate_size": 2 * _WIDTH,
        "max_position_embeddings": _CONTEXT_LENGTH,
        "tie_word_embeddings": True,
    },
}


def save(
    directory: pathlib.Path, texts: Sequence[str], *, architecture: str = "gpt2", num_layers: int = 3, seed: int = 0
) -> None:
    """Writes a randomly initialised model and its tokenizer.

    The tokenizer is byte-level BPE, so a word after a space is another token than one at the beginning of a text; it
    has an end token but, like GPT-2's, no padding token. The model has room for three more tokens than the tokenizer.

    Args:
        directory: the directory to save to; it is created.
        texts: what the tokenizer is trained on: words that occur twice become one token.
        architecture: a name in `ARCHITECTURES`.
        num_layers: decoder blocks.
        seed: the seed of the weights; the state of torch's global generator is not changed.
    """
    tokenizer = _tokenizer(texts)
    config = transformers.AutoConfig.for_model(
        architecture,
        vocab_size=len(tokenizer) + 3,
        num_hidden_layers=num_layers,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        # Larger than usual, so that the logits of so narrow a model differ and it learns within a few steps.
        initializer_range=0.1,
        **ARCHITECTURES[architecture],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def load(
    directory: pathlib.Path, *, dtype: torch.dtype = torch.float32
) -> tuple[transformers.PreTrainedModel, transformers.PreTrainedTokenizerBase]:
    """Loads the model and the tokenizer in a directory with transformers' own code."""
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=dtype)
    return model, transformers.AutoTokenizer.from_pretrained(directory)


def _tokenizer(texts: Sequence[str]) -> transformers.PreTrainedTokenizerFast:
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=2000,
        min_frequency=2,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[END],
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=model, bos_token=END, eos_token=END)


def train(
    model: transformers.PreTrainedModel,
    tokenizer: transformers.PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    num_steps: int = 60,
    learning_rate: float = 1e-2,
) -> None:
    """Trains a model to write texts, each followed by an end token, with AdamW on all of them at once.

    Afterwards it is in evaluation mode, without gradients.
    """
    rows = [tokenizer(text)["input_ids"] + [tokenizer.eos_token_id] for text in texts]
    width = max(len(row) for row in rows)
    filler = tokenizer.eos_token_id
    input_ids = torch.tensor([row + [filler] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    labels = torch.where(mask == 1, input_ids, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    model.eval()  # Dropout would only slow training down.
    for _ in range(num_steps):
        optimizer.zero_grad()
        model(input_ids=input_ids, attention_mask=mask, labels=labels).loss.backward()
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
