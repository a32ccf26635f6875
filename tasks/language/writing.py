"""Writers by config, and texts for goals that a crash does not lose."""

import math
from collections.abc import Sequence
from typing import Any

from humain import errors
from humain.language.writers.ledger import Ledger
from humain.language.writers.writer import PLAN_TEMPLATE, Writer
from humain.language.writers.writing import write_all
from tasks.harness.context import TaskContext
from tasks.language import family


def build(config: Any, *, template: str = PLAN_TEMPLATE, seed: int = 0, note: Any = None) -> Writer:
    """The writer of a config: `name`, `model`, `temperature`, `max_tokens` and `stop`.

    Args:
        config: `writer` in `configs/lm_data_prepare.py`, or one with the same keys.
        template: the prompt, with `{goal}` where the goal goes.
        seed: of sampling.
        note: told of every request that is tried again.

    Raises:
        UserError: if there is no such writer, or it can't be had.
    """
    if config.name not in ("openai", "huggingface"):
        raise errors.UserError(f"writer {config.name!r} is neither openai nor huggingface")
    if not config.model:
        raise errors.UserError(f"writer {config.name!r} needs a model: a name or, for huggingface, a path")
    if not 0 <= config.temperature < math.inf:
        raise errors.UserError(f"writer.temperature must be a number, 0 or more, not {config.temperature}")
    if config.max_tokens < 1:
        raise errors.UserError(f"writer.max_tokens must be at least 1, not {config.max_tokens}")
    settings = {
        "template": template,
        "temperature": config.temperature,
        "seed": seed,
        "max_tokens": config.max_tokens,
        "stop": tuple(config.stop),
    }
    if config.name == "openai":
        from humain.language.openai_endpoint import OpenAIEndpoint
        from humain.language.writers.openai import OpenAIWriter

        return OpenAIWriter(OpenAIEndpoint(note=note), config.model, **settings)
    from humain.language.writers.huggingface import HuggingFaceWriter

    return HuggingFaceWriter(config.model, **settings)


def write(task: TaskContext, goals: Sequence[str]) -> tuple[list[str], str]:
    """The text for each goal, and the writer's name; what is written is kept at once, for later runs too.

    Raises:
        UserError: as `build`; or the first that the writer raised.
    """
    config = task.config.writer
    if config.num_threads < 1:
        raise errors.UserError(f"writer.num_threads must be at least 1, not {config.num_threads}")
    writer = build(config, seed=task.seed, note=task.progress.note)
    num_threads = config.num_threads if config.name == "openai" else 1

    def report(num_done: int) -> None:
        task.interruption.check()
        task.progress.update(num_done, {})

    task.progress.start("writing", 0, len(goals))
    try:
        with Ledger.opened(family.ledger(task, "written")) as ledger:
            return write_all(writer, goals, ledger, num_threads=num_threads, report=report), writer.name
    finally:
        task.progress.close()
