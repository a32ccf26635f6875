"""Writes texts for many goals, each distinct goal once."""

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
    """Returns the text for each goal: from the ledger if it has it, else written and stored there.

    If an error of the writer or of `report` ends it early, the texts that other threads are writing are waited for and
    stored, since they are paid for; others are not begun.

    Args:
        writer: the writer; with more than one thread it must support that.
        goals: the goals, with repetitions if any.
        ledger: the ledger in which texts are looked up and stored.
        num_threads: how many texts are written at the same time, at least 1.
        report: called, in this thread, with the number of goals that have their text; first with those in the ledger.

    Returns:
        The texts, in the order of the goals.

    Raises:
        ValueError: if `num_threads` is below 1.
        UserError: the first error of the writer; or if it wrote only white space, naming the goal.
    """
    if num_threads < 1:
        raise ValueError(f"num_threads is {num_threads}; it must be at least 1")
    num_uses = collections.Counter(goals)
    found = {goal: ledger.find(writer, goal) for goal in num_uses}
    texts = {goal: text for goal, text in found.items() if text is not None and text.strip()}
    remaining = [goal for goal in found if goal not in texts]
    num_done = sum(num_uses[goal] for goal in texts)

    def write(goal: str) -> str:
        text = writer.write(goal)
        if not text.strip():
            raise errors.UserError(
                f"{writer.name} wrote nothing for the goal {goal!r}; reword it, or use another model"
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
