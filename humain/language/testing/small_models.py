"""Small models with random weights, saved by transformers, to test the code that loads large ones."""

import pathlib
from collections.abc import Sequence

import tokenizers
import torch
import transformers
from tokenizers import models, pre_tokenizers

from humain.language import pretrained

WORDS = ("mine", "smelt", "press", "carry", "ore", "plates", "gears", "coal", "the", "and", "ten", ".")
END = "<end>"
_UNKNOWN = "<unknown>"


def save_gpt2(
    folder: pathlib.Path,
    *,
    words: Sequence[str] = WORDS,
    chat_template: str | None = None,
    num_positions: int = 64,
    width: int = 16,
    seed: int = 18,
) -> pathlib.Path:
    """Saves a GPT-2 of two layers with its tokenizer, whose tokens are words between spaces.

    Args:
        folder: the folder to save to; created if it does not exist.
        words: the vocabulary, beside a token that ends a text and one for unknown words.
        chat_template: the tokenizer's chat template, in transformers' format.
        num_positions: the length of the longest text, in tokens.
        width: the width of hidden states, a multiple of 2.
        seed: the seed of the weights. With the default, texts like `mine ore .` are continued by about ten words,
            several of them different, and then end.

    Returns:
        The folder.
    """
    vocabulary = {word: index for index, word in enumerate([END, _UNKNOWN, *words])}
    tokenizer = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, unk_token=_UNKNOWN)
    fast.chat_template = chat_template
    config = transformers.GPT2Config(
        vocab_size=len(vocabulary),
        n_positions=num_positions,
        n_embd=width,
        n_layer=2,
        n_head=2,
        initializer_range=0.7,
        bos_token_id=vocabulary[END],
        eos_token_id=vocabulary[END],
        tie_word_embeddings=False,  # With tied embeddings, such a model repeats its last word.
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = transformers.GPT2LMHeadModel(config)
    with pretrained.quiet():
        fast.save_pretrained(folder)
        model.save_pretrained(folder)
    return folder
