"""Writes texts with a causal language model that runs in this process, by transformers."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
import transformers

from humain import errors
from humain.files import records
from humain.files.records import Json
from humain.language import pretrained
from humain.language.writers import writer


class HuggingFaceWriter:
    """A Writer, for one thread. A text depends only on the settings and the goal, not on earlier texts."""

    def __init__(
        self,
        model: str,
        *,
        template: str = writer.PLAN_TEMPLATE,
        temperature: float = 0.0,
        seed: int = 0,
        max_tokens: int = 512,
        stop: tuple[str, ...] = (),
    ):
        """Loads the model.

        Args:
            model: a name on the hub, or a folder.
            template: the prompt, with `{goal}` where the goal goes; it becomes a user's message if the tokenizer has a
                chat template.
            temperature: the temperature of sampling; 0 always takes the most likely token.
            seed: the seed of sampling.
            max_tokens: the bound on a text's length; a text that reaches it is an error.
            stop: strings at which a text is cut off, for models that don't end by themselves. White space at the
                beginning of a text does not count, so that a line feed ends a line and does not give an empty one.

        Raises:
            ValueError: if a setting is out of range, or the template has no `{goal}`.
            UserError: if the model can't be loaded.
        """
        if temperature < 0 or max_tokens < 1:
            raise ValueError(
                f"temperature is {temperature} and max_tokens {max_tokens}; they must be at least 0 and at least 1"
            )
        self._model_name = model
        self._template = writer.check_template(template)
        self._temperature = temperature
        self._seed = seed
        self._max_tokens = max_tokens
        self._stop = stop
        self._tokenizer, self._model = pretrained.load_causal(model)

    @property
    def name(self) -> str:
        """See Writer."""
        return f"huggingface:{self._model_name}"

    @property
    def settings(self) -> Mapping[str, Json]:
        """See Writer."""
        return {
            "writer": self.name,
            "template": self._template,
            "temperature": self._temperature,
            "seed": self._seed if self._temperature else None,
            "stop": list(self._stop),
        }

    def write(self, goal: str) -> str:
        """See Writer."""
        tokens = self._tokens(writer.fill(self._template, goal))
        num_prompt = tokens["input_ids"].shape[1]
        num_positions = getattr(self._model.config, "max_position_embeddings", None)
        max_tokens = self._max_tokens if num_positions is None else min(self._max_tokens, num_positions - num_prompt)
        if max_tokens < 1:
            raise errors.UserError(
                f"the prompt for the goal {goal!r} has {num_prompt} tokens, and {self.name} takes {num_positions} with"
                " its answer; shorten the template, or use another model"
            )
        ends = self._ends()
        options: dict[str, Any] = {"do_sample": bool(self._temperature), "num_beams": 1}
        if self._temperature:
            options["temperature"] = self._temperature
        with pretrained.quiet(), torch.inference_mode(), torch.random.fork_rng():
            torch.manual_seed(_seed(self._seed, goal))
            output = self._model.generate(
                **tokens,
                **options,
                max_new_tokens=max_tokens,
                eos_token_id=ends or None,
                pad_token_id=ends[0] if ends else 0,
                stopping_criteria=transformers.StoppingCriteriaList([_Stop(self._tokenizer, num_prompt, self._stop)]),
            )
        written = output[0, num_prompt:].tolist()
        text = self._tokenizer.decode(written, skip_special_tokens=True).lstrip()
        cuts = [at for at in map(text.find, self._stop) if at >= 0]
        if not cuts and written[-1] not in ends:
            raise writer.UnfinishedError(goal, max_tokens, "raise max_tokens, or name a text at which to stop")
        return text[: min(cuts, default=len(text))].strip()

    def _tokens(self, prompt: str) -> Any:
        """Returns the token ids of a prompt, as a batch of one."""
        if self._tokenizer.chat_template is None:
            return self._tokenizer(prompt, return_tensors="pt")
        chat = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
        )
        # The template contains all special tokens already.
        return self._tokenizer(chat, add_special_tokens=False, return_tensors="pt")

    def _ends(self) -> list[int]:
        """Returns the ids of the tokens that end a text."""
        ends = self._model.generation_config.eos_token_id
        if ends is None:
            ends = self._tokenizer.eos_token_id
        if ends is None:
            return []
        return list(ends) if isinstance(ends, (list, tuple)) else [ends]


class _Stop(transformers.StoppingCriteria):
    """Stops a text once it contains one of several strings."""

    def __init__(self, tokenizer: Any, num_prompt: int, stop: tuple[str, ...]):
        self._tokenizer = tokenizer
        self._num_prompt = num_prompt
        self._stop = stop

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **options: Any) -> torch.Tensor:
        """Returns bool `[batch]`, whether each text is complete."""
        del scores, options
        over = [bool(self._stop) and self._is_over(ids) for ids in input_ids[:, self._num_prompt :]]
        return torch.tensor(over, device=input_ids.device)

    def _is_over(self, ids: torch.Tensor) -> bool:
        text = self._tokenizer.decode(ids, skip_special_tokens=True).lstrip()
        return any(stop in text for stop in self._stop)


def _seed(seed: int, goal: str) -> int:
    """Returns a seed for one goal, so that a text does not depend on earlier ones."""
    digest = hashlib.sha256(records.dump_line([seed, goal]).encode()).digest()
    return int.from_bytes(digest[:7], "big")
