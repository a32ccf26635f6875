"""Writes texts with a chat model behind an OpenAI-compatible endpoint."""

import dataclasses
from collections.abc import Mapping

from humain.files.records import Json
from humain.language.openai_endpoint import OpenAIEndpoint
from humain.language.writers import writer


@dataclasses.dataclass(frozen=True)
class OpenAIWriter:
    """A Writer that several threads may use; None leaves a setting to the server.

    Attributes:
        endpoint: the server.
        model: the server's name of the model.
        template: the prompt, with `{goal}` where the goal goes.
        temperature: the temperature of sampling, at least 0.
        seed: the seed of sampling, for servers that accept one.
        max_tokens: the bound on a text's length. It is not among `settings`, since a text that reaches it is an error.
        stop: strings at which a text is cut off.
    """

    endpoint: OpenAIEndpoint
    model: str
    template: str = writer.PLAN_TEMPLATE
    temperature: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        writer.check_template(self.template)

    @property
    def name(self) -> str:
        """See Writer."""
        return f"openai:{self.model}"

    @property
    def settings(self) -> Mapping[str, Json]:
        """See Writer."""
        return {
            "writer": self.name,
            "template": self.template,
            "temperature": self.temperature,
            "seed": self.seed,
            "stop": list(self.stop),
        }

    def write(self, goal: str) -> str:
        """See Writer."""
        completion = self.endpoint.complete(
            self.model,
            writer.fill(self.template, goal),
            temperature=self.temperature,
            seed=self.seed,
            max_tokens=self.max_tokens,
            stop=self.stop,
        )
        if completion.filtered:
            raise writer.FilteredError(goal)
        if not completion.finished:
            raise writer.UnfinishedError(goal, self.max_tokens, "raise max_tokens, or ask for less")
        return completion.text
