"""Steered generation: by a guide embedding at every token, by vectors added to hidden states, or by both."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerBase

from humain import errors
from humain.language.steering import batches, hooks
from humain.language.steering.similarity import SentenceVocabulary, SimilarityProcessor
from humain.language.steering.strengths import Strengths

# Arguments of `generate` that the user can't set: the result must be token ids, one row for each prompt.
_FIXED: Mapping[str, Any] = {"num_beams": 1, "num_return_sequences": 1, "return_dict_in_generate": False}
_DEFAULTS: Mapping[str, Any] = {"max_new_tokens": 64, "do_sample": False}


@dataclasses.dataclass(frozen=True, eq=False)
class Steering:
    """How a causal language model is steered; see `similarity` and `hooks`.

    Attributes:
        vocabulary: the sentences whose tokens a guide raises.
        temperature: the temperature of the softmax over their similarities to a guide, greater than 0. With 0.05, a
            sentence with cosine 0.9 has an eighth of the weight of one with cosine 1.
        floor: in `(0, 1)`; the factor, at strength 1, on the odds of a token that no sentence of the guide has.
        layers: the indices of the blocks that vectors are added to; all by default.
    """

    vocabulary: SentenceVocabulary
    temperature: float = 0.05
    floor: float = 0.01
    layers: tuple[int, ...] | None = None

    def processor(
        self, guides: torch.Tensor, strengths: Strengths = 1.0, *, prompt_length: int | None = None
    ) -> SimilarityProcessor:
        """Returns a logits processor for `generate`.

        Args:
            guides: `[B, D]`, one for each request; a row applies to every beam or sample of its request.
            strengths: at least 0; one number, or one for each request (`[B]`).
            prompt_length: the number of tokens of the prompt, including padding; a token written after it is no longer
                raised. By default all tokens stay raised.
        """
        expected_counts = self.vocabulary.expected_counts(guides, temperature=self.temperature)
        return SimilarityProcessor(expected_counts, strengths, floor=self.floor, prompt_length=prompt_length)

    def hidden(
        self, model: PreTrainedModel, vectors: torch.Tensor, strengths: Strengths = 1.0
    ) -> contextlib.AbstractContextManager[None]:
        """Returns a context manager that adds vectors to a model's hidden states.

        Args:
            model: any causal language model of transformers.
            vectors: `[num_layers, H]` for all requests, or `[B, num_layers, H]`.
            strengths: one number, or one for each request (`[B]`).
        """
        return hooks.adding(model, vectors, strengths, layers=self.layers)


def steered_generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    guides: torch.Tensor,
    *,
    steering: Steering,
    strengths: Strengths = 1.0,
    vectors: torch.Tensor | None = None,
    vector_strengths: Strengths = 1.0,
    generation: Mapping[str, Any] | None = None,
) -> list[str]:
    """Continues prompts, each towards its guide.

    All prompts are processed as one batch, padded on the left.

    Args:
        model: any causal language model of transformers.
        tokenizer: the model's tokenizer.
        prompts: `B` prompts.
        guides: `[B, D]`, one for each prompt, by the embedder of the vocabulary.
        steering: the vocabulary and the settings of steering.
        strengths: the strengths of the guides, at least 0; one number, or one for each prompt. 0 leaves the logits
            bit-identical.
        vectors: the vectors added to hidden states, `[num_layers, H]` or `[B, num_layers, H]`; none by default.
        vector_strengths: the strengths of the vectors; one number, or one for each prompt.
        generation: arguments of the model's `generate`, such as `max_new_tokens` (64 by default), `do_sample` (False by
            default) and `temperature`. Beams and several samples per prompt are not supported.

    Returns:
        The continuations, without the prompts, special tokens and white space around them.

    Raises:
        UserError: if a prompt and its continuation are longer than the model's context.
        ValueError: if numbers or widths don't fit each other, a prompt has no token, or an argument of `generate` can't
            be given.
    """
    settings = {**_DEFAULTS, **(generation or {})}
    for name in _FIXED:
        if name in settings:
            raise ValueError(f"{name} can't be set for a steered generation; leave it out")
    if guides.shape[0] != len(prompts):
        raise ValueError(f"there are {guides.shape[0]} guides for {len(prompts)} prompts; give one for each")
    batch = batches.tokenize(tokenizer, prompts, side="left", device=model.device)
    context_length = getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None)
    if context_length is not None and batch.width + settings["max_new_tokens"] > context_length:
        raise errors.UserError(
            f"the longest prompt has {batch.width} tokens, and with {settings['max_new_tokens']} more it is longer than"
            f" the model's context of {context_length}; shorten it, or lower max_new_tokens"
        )
    processor = steering.processor(guides, strengths, prompt_length=batch.width)
    adding = contextlib.nullcontext() if vectors is None else steering.hidden(model, vectors, vector_strengths)
    with adding:
        output = model.generate(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            logits_processor=LogitsProcessorList([processor]),
            pad_token_id=batches.padding_id(tokenizer),
            **_FIXED,
            **settings,
        )
    texts = tokenizer.batch_decode(output[:, batch.width :], skip_special_tokens=True)
    return [text.strip() for text in texts]
