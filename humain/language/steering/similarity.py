"""Steering by similarity: the tokens of the vocabulary sentences most similar to a guide become more probable.

The vocabulary is S sentences with embeddings e_s, and for each sentence and token t the number of times n_st that the
token is in it. For a guide g, at the temperature T:

    weight of a sentence      w_s = softmax_s(cos(g, e_s) / T)
    expected count of a token m_t = sum_s w_s n_st
    what is still owed of it  d_t = min(1, max(0, m_t - times it has been written))
    bias of its logit         b_t = strength * log(1 + d_t (1 - floor) / floor)

d_t ranges from 0 (none of the guide's sentences has the token, or it has been written) to 1 (all of them have it), and
at strength 1 the bias multiplies the token's odds by (floor + (1 - floor) d_t) / floor: the language model decides
which token comes next, and the guide which ones come at all. A token that has been written is no longer owed, so that
the text proceeds and ends instead of repeating the raised tokens. If a single sentence has all the weight, its tokens
share the largest bias, so the log-probability of each rises with the strength: d log p_t / d strength = b_t - E_p[b] >=
0.

Source: Damian Pascual et al., "A Plug-and-Play Method for Controlled Text Generation", which shifts logits towards
words by their similarity to a guide word. Deviations: sentences are compared with an embedding, and the tokens of these
sentences are raised; the shift is bounded, and ends for each token when it has been written.
"""

import dataclasses
import functools
from collections import Counter
from collections.abc import Sequence

import torch
from transformers import LogitsProcessor, PreTrainedTokenizerBase

from humain.language.steering import strengths as steering_strengths
from humain.language.steering.strengths import Strengths


@dataclasses.dataclass(frozen=True, eq=False)
class SentenceVocabulary:
    """Sentences as embeddings and as counts of tokens.

    Attributes:
        embeddings: `[S, D]` float32, of norm 1.
        counts: `[V, S]` float32, sparse; how often a token is in a sentence. `V` is one more than the largest token id
            in any sentence.
    """

    embeddings: torch.Tensor
    counts: torch.Tensor

    @classmethod
    def build(
        cls,
        sentences: Sequence[str],
        embeddings: torch.Tensor,
        tokenizer: PreTrainedTokenizerBase,
        *,
        prefix: str = " ",
    ) -> "SentenceVocabulary":
        """Counts the tokens of sentences.

        Special tokens and tokens of only white space are not counted.

        Args:
            sentences: `S` sentences, at least one.
            embeddings: `[S, D]`, of any norm above 0.
            tokenizer: the tokenizer of the language model to steer.
            prefix: what precedes a sentence where it will be written, since the first token may depend on it: a space
                after a prompt that ends with a word or a colon, nothing after a line break or in a chat.

        Raises:
            ValueError: if embeddings don't fit the sentences, one is not finite or 0, or no sentence has a token.
        """
        if not sentences or embeddings.ndim != 2 or embeddings.shape[0] != len(sentences):
            raise ValueError(
                f"embeddings have the shape {list(embeddings.shape)}, but there are {len(sentences)} sentences; give at"
                " least one sentence, and a row for each"
            )
        return cls(
            embeddings=_unit("embeddings", embeddings),
            counts=_count_tokens([prefix + sentence for sentence in sentences], tokenizer),
        )

    def expected_counts(self, guides: torch.Tensor, *, temperature: float) -> torch.Tensor:
        """Returns the expected count `[B, V]` float32 of each token in a sentence drawn by its similarity to a guide.

        Args:
            guides: `[B, D]`, of any norm above 0.
            temperature: greater than 0; the lower, the more weight is on the most similar sentence.

        Raises:
            ValueError: if guides are of another width, not finite, or 0, or the temperature is not greater than 0.
        """
        if not temperature > 0:
            raise ValueError(f"temperature must be greater than 0, not {temperature}")
        if guides.ndim != 2 or guides.shape[1] != self.embeddings.shape[1]:
            raise ValueError(
                f"guides have the shape {list(guides.shape)}, and the vocabulary's embeddings are of width"
                f" {self.embeddings.shape[1]}; give [B, {self.embeddings.shape[1]}], of the same embedder"
            )
        similarities = _unit("guides", guides).to(self.embeddings.device) @ self.embeddings.T
        weights = torch.softmax(similarities / temperature, dim=-1)
        return torch.sparse.mm(self.counts, weights.T).T


def _unit(name: str, vectors: torch.Tensor) -> torch.Tensor:
    """Returns vectors `[N, D]` in float32, scaled to norm 1."""
    vectors = vectors.detach().float()
    steering_strengths.check_finite(name, vectors)
    # Scaled by the largest component first, so that no square overflows or underflows.
    largest = vectors.abs().amax(dim=-1, keepdim=True)
    if not largest.all():
        raise ValueError(f"number {int(largest.argmin())} of the {name} is 0, so it has no direction; leave it out")
    return torch.nn.functional.normalize(vectors / largest, dim=-1)


def _count_tokens(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> torch.Tensor:
    """Returns `[V, S]` sparse float32: how often each token is in each text."""
    special = set(tokenizer.all_special_ids)

    @functools.cache
    def is_counted(token_id: int) -> bool:
        return token_id not in special and tokenizer.decode([token_id]).strip() != ""

    token_ids, text_ids, numbers = [], [], []
    for text_id, row in enumerate(tokenizer(list(texts), add_special_tokens=False)["input_ids"]):
        for token_id, number in Counter(filter(is_counted, row)).items():
            token_ids.append(token_id)
            text_ids.append(text_id)
            numbers.append(float(number))
    if not token_ids:
        raise ValueError(f"none of the {len(texts)} sentences has a token other than white space")
    size = (max(token_ids) + 1, len(texts))
    return torch.sparse_coo_tensor(
        torch.tensor([token_ids, text_ids]), torch.tensor(numbers), size, check_invariants=True
    ).coalesce()


class SimilarityProcessor(LogitsProcessor):
    """A logits processor that raises the tokens of a guide's sentences; see the module.

    It keeps no state, so it may be used for several generations.
    """

    supports_continuous_batching = False

    def __init__(
        self,
        expected_counts: torch.Tensor,
        strengths: Strengths = 1.0,
        *,
        floor: float = 0.01,
        prompt_length: int | None = None,
    ):
        """Prepares the processor.

        Args:
            expected_counts: `[B, V]`, at least 0.
            strengths: at least 0; one number, or one for each request (`[B]`).
            floor: in `(0, 1)`; the factor, at strength 1, on the odds of a token that no sentence of the guide has
                against one that all have.
            prompt_length: the number of the input's tokens that are the prompt (including padding, which is on the
                left), the same for all requests; later tokens count as written. By default no token counts as written.

        Raises:
            ValueError: if floor, strengths or prompt_length are out of range, or strengths don't fit the requests.
        """
        if not 0 < floor < 1:
            raise ValueError(f"floor must lie between 0 and 1, not {floor}")
        if not (torch.as_tensor(strengths) >= 0).all():
            raise ValueError(f"strengths must be at least 0, not {strengths}")
        if prompt_length is not None and prompt_length < 0:
            raise ValueError(f"prompt_length must be at least 0, not {prompt_length}")
        self._expected_counts = expected_counts
        self._strengths = strengths
        self._floor = floor
        self._prompt_length = prompt_length
        self._unwritten_offsets = self._offsets(expected_counts)

    def _offsets(self, owed: torch.Tensor) -> torch.Tensor:
        raised = torch.log1p(owed.clamp(0, 1) * ((1 - self._floor) / self._floor))
        return steering_strengths.scale(raised, self._strengths)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Returns the steered logits, in the dtype of the given ones.

        Args:
            input_ids: `[B, T]` int64, prompt and text so far.
            scores: `[B, W]`, the logits; `W`, the model's number of tokens, is at least `V`.

        Raises:
            ValueError: if the batch has another number of rows, or the model has fewer tokens than `V`.
        """
        if steering_strengths.changes_nothing(self._unwritten_offsets):
            return scores
        steering_strengths.check_rows(self._unwritten_offsets, scores.shape[0])
        num_tokens = self._expected_counts.shape[1]
        if scores.shape[1] < num_tokens:
            raise ValueError(
                f"the model has {scores.shape[1]} tokens, but the vocabulary has the id {num_tokens - 1}; build it"
                " with the model's own tokenizer"
            )
        if self._prompt_length is None:
            offsets = self._unwritten_offsets.to(scores.device)
        else:
            written = input_ids[:, self._prompt_length :]
            ones = torch.ones((), device=scores.device).expand(written.shape)
            times_written = torch.zeros(scores.shape, device=scores.device).scatter_add_(1, written, ones)
            offsets = self._offsets(self._expected_counts.to(scores.device) - times_written[:, :num_tokens])
        steered = scores.clone()
        steered[:, :num_tokens] += offsets
        return steered
