"""The interface of writers, and their prompts."""

from collections.abc import Mapping
from typing import Protocol

from humain import errors
from humain.files.records import Json

GOAL = "{goal}"
"""The placeholder of the goal in a template."""

PLAN_TEMPLATE = (
    "Write a plan for this goal: {goal}\n\n"
    "Write one step a line, in the order in which they are done, each a short sentence that says one action. Write"
    " nothing before or after the steps."
)
"""The default template, which asks for the steps of a plan."""


class Writer(Protocol):
    """Writes a text for a goal."""

    @property
    def name(self) -> str:
        """The provider and the model, such as `openai:some-model`."""

    @property
    def settings(self) -> Mapping[str, Json]:
        """Everything that determines a text besides the goal, without secrets; a ledger looks texts up by it."""

    def write(self, goal: str) -> str:
        """Writes the text for a goal.

        Raises:
            UnfinishedError: if it is cut off.
            FilteredError: if a filter cut it off.
            UserError: if the model or the server fails.
        """


class FilteredError(errors.UserError):
    """The server's content filter cut a text off or withheld it."""

    def __init__(self, goal: str):
        super().__init__(
            f"the text for the goal {goal!r} was cut off by the server's content filter; reword the goal, or "
            "use another model"
        )


class UnfinishedError(errors.UserError):
    """A text was cut off at the number of tokens allowed; half a plan would look like a whole one."""

    def __init__(self, goal: str, max_tokens: int | None, remedy: str):
        limit = "the model's limit" if max_tokens is None else f"{max_tokens} tokens"
        super().__init__(f"the text for the goal {goal!r} was not finished within {limit}; {remedy}")


def check_template(template: str) -> str:
    """Returns a template, after checking it.

    Raises:
        ValueError: if it does not contain `{goal}`.
    """
    if GOAL not in template:
        raise ValueError(f"the template {template!r} has no {GOAL}; put it where the goal goes")
    return template


def fill(template: str, goal: str) -> str:
    """Returns the prompt for a goal; other braces, in the template or the goal, are kept."""
    return template.replace(GOAL, goal)
