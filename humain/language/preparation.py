"""Makes the data set that the hierarchy learns from, out of plans as text."""

from collections.abc import Callable, Sequence

from humain.language import vocabulary
from humain.language.dataset import Dataset
from humain.language.embedders.embedder import Embedder
from humain.language.plans import TextPlan


def prepare(
    plans: Sequence[TextPlan],
    embedder: Embedder,
    *,
    writer: str,
    report: Callable[[int, int], None] = lambda num_done, num_texts: None,
) -> Dataset:
    """Numbers the sentences of plans, and embeds each sentence and each goal once.

    Args:
        plans: at least one plan; sentences are numbered in their order.
        embedder: the embedder.
        writer: the name of the writer of the plans.
        report: called with the number of texts embedded so far and the number of all, first with 0.

    Returns:
        The data set.

    Raises:
        ValueError: if there is no plan.
        UserError: if a text can't be embedded.
    """
    if not plans:
        raise ValueError("there is no plan to prepare; expected at least one")
    sentences, indexed = vocabulary.build(plans)
    goals = [plan.goal for plan in indexed]
    row_of = {text: row for row, text in enumerate(dict.fromkeys([*sentences, *goals]))}
    report(0, len(row_of))
    vectors = embedder.embed(list(row_of), lambda num_done: report(num_done, len(row_of)))
    return Dataset(
        plans=indexed,
        vocabulary=sentences,
        vocabulary_embeddings=vectors[: len(sentences)],
        goal_embeddings=vectors[[row_of[goal] for goal in goals]],
        embedder=embedder.name,
        writer=writer,
    )
