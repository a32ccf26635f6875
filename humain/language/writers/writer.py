"""What a writer is, and how it is asked."""

from collections.abc import Mapping
from typing import Protocol

from humain import errors
from humain.files.records import Json

GOAL = "{goal}"
"""What a template has where the goal goes."""

PLAN_TEMPLATE = (
    "Write a plan for this goal: {goal}\n\n"
    "Write one step a line, in the order in which they are done, each a short sentence that says one action. Write"
    " nothing before or after the steps."
)
"""Asks for the steps of a plan."""


class Writer(Protocol):
    """Writes a text for a goal."""

    @property
    def name(self) -> str:
        """Provider and model, such as `openai:some-model`."""

    @property
    def settings(self) -> Mapping[str, Json]:
        """All that decides a text, beside the goal; no secrets. Texts of equal settings stand for each other."""

    def write(self, goal: str) -> str:
        """The text for a goal.

        Raises:
            UnfinishedError: if it is cut off.
            FilteredError: if a filter cut it off.
            UserError: if there is none.
        """


class FilteredError(errors.UserError):
    """A text that the server cut off or kept back, for what it says."""

    def __init__(self, goal: str):
        super().__init__(
            f"the text for the goal {goal!r} was cut off by the server's content filter; word the goal otherwise, or "
            "take another model"
        )


class UnfinishedError(errors.UserError):
    """A text that was cut off at the number of tokens allowed: half a plan would look like a whole one."""

    def __init__(self, goal: str, max_tokens: int | None, remedy: str):
        limit = "the model's limit" if max_tokens is None else f"{max_tokens} tokens"
        super().__init__(f"the text for the goal {goal!r} was not finished within {limit}; {remedy}")


def check_template(template: str) -> str:
    """Returns a template, if it is one.

    Raises:
        ValueError: if it has no place for the goal.
    """
    if GOAL not in template:
        raise ValueError(f"the template {template!r} has no {GOAL}; write it where the goal goes")
    return template


def fill(template: str, goal: str) -> str:
    """The prompt for a goal; braces elsewhere, in template and goal, stay as they are."""
    return template.replace(GOAL, goal)
