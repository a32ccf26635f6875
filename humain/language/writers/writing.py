"""Texts for many goals, each asked for once."""

import collections
import concurrent.futures
from collections.abc import Callable, Sequence

from humain import errors
from humain.language.writers.ledger import Ledger
from humain.language.writers.writer import Writer


def write_all(
    writer: Writer,
    goals: Sequence[str],
    ledger: Ledger,
    *,
    num_threads: int = 1,
    report: Callable[[int], None] = lambda num_done: None,
) -> list[str]:
    """The text for each goal: out of the ledger where it has it, else written and kept there; a blank one is none.

    Whatever ends it early, an error of the writer's or one that `report` raises, what other threads are writing at that
    moment is waited for and kept, since it is paid for; what has not been begun is not.

    Args:
        writer: what writes; with more than one thread it must be fit for that.
        goals: any, also repeated.
        ledger: where texts are looked up and kept.
        num_threads: how many texts are written at once, 1 or more.
        report: told, in this thread, how many of the goals have their text, first of what the ledger has.

    Returns:
        The texts, in the order of the goals.

    Raises:
        ValueError: for a number of threads below 1.
        UserError: the first that the writer raised; or naming a goal for which it wrote nothing but white space.
    """
    if num_threads < 1:
        raise ValueError(f"num_threads is {num_threads}; expected 1 or more")
    num_uses = collections.Counter(goals)
    found = {goal: ledger.find(writer, goal) for goal in num_uses}
    texts = {goal: text for goal, text in found.items() if text is not None and text.strip()}
    remaining = [goal for goal in found if goal not in texts]
    num_done = sum(num_uses[goal] for goal in texts)

    def write(goal: str) -> str:
        text = writer.write(goal)
        if not text.strip():
            raise errors.UserError(
                f"{writer.name} wrote nothing for the goal {goal!r}; word it otherwise, or take another model"
            )
        return text

    def keep(goal: str, text: str) -> None:
        nonlocal num_done
        ledger.add(writer, goal, text)
        texts[goal] = text
        num_done += num_uses[goal]

    report(num_done)
    if num_threads == 1:
        for goal in remaining:
            keep(goal, write(goal))
            report(num_done)
        return [texts[goal] for goal in goals]
    with concurrent.futures.ThreadPoolExecutor(num_threads) as executor:
        waiting = {executor.submit(write, goal): goal for goal in remaining}
        try:
            for future in concurrent.futures.as_completed(list(waiting)):
                keep(waiting.pop(future), future.result())
                report(num_done)
        except BaseException:
            begun = [future for future in waiting if not future.cancel()]
            for future in concurrent.futures.as_completed(begun):
                if future.exception() is None:
                    keep(waiting[future], future.result())
            raise
    return [texts[goal] for goal in goals]
