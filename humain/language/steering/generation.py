"""Generation that is steered: by a guide embedding at every token, by vectors in hidden states, or by both."""

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

# Arguments of `generate` that are set here: one row for each prompt, and token ids as the result.
_FIXED: Mapping[str, Any] = {"num_beams": 1, "num_return_sequences": 1, "return_dict_in_generate": False}
_DEFAULTS: Mapping[str, Any] = {"max_new_tokens": 64, "do_sample": False}


@dataclasses.dataclass(frozen=True, eq=False)
class Steering:
    """How a causal language model is steered; see `similarity` and `hooks`.

    Attributes:
        vocabulary: the sentences that give a guide its tokens.
        temperature: of the softmax over their similarities to a guide, more than 0. 0.05 makes a sentence of cosine
            0.9 count an eighth of one of 1.
        floor: in `(0, 1)`; what is left, at strength 1, of the odds of a token that no sentence of the guide has.
        layers: which blocks vectors are added to; all by default.
    """

    vocabulary: SentenceVocabulary
    temperature: float = 0.05
    floor: float = 0.01
    layers: tuple[int, ...] | None = None

    def processor(
        self, guides: torch.Tensor, strengths: Strengths = 1.0, *, prompt_length: int | None = None
    ) -> SimilarityProcessor:
        """A logits processor for `generate`.

        Args:
            guides: `[B, D]`, one for each request; its row is repeated for each beam or sample of the request.
            strengths: 0 or more; one number, or one for each request (`[B]`).
            prompt_length: how many tokens the prompt has, its padding included; what is written after it is owed no
                more. By default it stays raised.
        """
        expected_counts = self.vocabulary.expected_counts(guides, temperature=self.temperature)
        return SimilarityProcessor(expected_counts, strengths, floor=self.floor, prompt_length=prompt_length)

    def hidden(
        self, model: PreTrainedModel, vectors: torch.Tensor, strengths: Strengths = 1.0
    ) -> contextlib.AbstractContextManager[None]:
        """A context in which vectors are added to a model's hidden states.

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

    All prompts go through the model as one batch, padded on the left.

    Args:
        model: any causal language model of transformers.
        tokenizer: its own.
        prompts: `B` of them.
        guides: `[B, D]`, one for each prompt, of the embedder of the vocabulary.
        steering: the vocabulary and how it is used.
        strengths: of the guides, 0 or more; one number, or one for each prompt. 0 leaves the logits bit-identical.
        vectors: what is added to hidden states, `[num_layers, H]` or `[B, num_layers, H]`; nothing by default.
        vector_strengths: of these; one number, or one for each prompt.
        generation: arguments of the model's `generate`, such as `max_new_tokens` (64 by default), `do_sample` (False by
            default) and `temperature`. Beams and several samples of a prompt are not among them.

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
            raise ValueError(f"{name} can't be given to a steered generation; leave it out")
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
