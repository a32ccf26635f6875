"""Judging guides: are the plans those of the data, do they work, and is the right sentence picked from among many."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from humain.language.dataset import Dataset
from tasks.language import crafting_truth
from tasks.language.recipes import Recipes


def nearest(answers: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """For each answer `[N, D]` the sentence `[N]` whose embedding, of `[V, D]`, is nearest."""
    if not len(answers):
        return np.zeros(0, np.int64)
    distances = -2 * answers @ embeddings.T + np.sum(np.square(embeddings), axis=1)
    return np.argmin(distances, axis=1)


def candidates(data: Dataset, number: int, time: int, *, num_candidates: int, seed: int) -> np.ndarray:
    """The next sentence of a plan and others drawn at random, in the vocabulary's order; the same for every model.

    None is drawn that is given with a goal of its own.
    """
    right = data.plans[number].steps[time]
    rng = np.random.default_rng([seed, number, time])
    others = np.delete(np.arange(data.num_shared), right)
    drawn = rng.permutation(others)[: num_candidates - 1]
    return np.sort(np.append(drawn, right))


def pick(answer: np.ndarray, choices: np.ndarray, embeddings: np.ndarray) -> int:
    """The sentence, of the choices, whose embedding is nearest to an answer `[D]`."""
    return int(choices[nearest(answer[None], embeddings[choices])[0]])


def verdict(data: Dataset, number: int, steps: Sequence[int], recipes: Recipes | None) -> Mapping[str, Any]:
    """How good one plan is.

    Args:
        data: the reference.
        number: of the plan of the data whose goal it is for.
        steps: sentences.
        recipes: of `crafting`, to judge by; None for data whose truth is not known.

    Returns:
        `exact`, and with recipes `valid`, `complete` (valid, and makes what the goal asks for), `minimal` (complete,
        and no step is idle) and `faults`, what is against it, a line each.
    """
    reference = data.plans[number]
    exact = tuple(steps) == tuple(reference.steps)
    if recipes is None:
        return {"exact": exact}
    found = crafting_truth.check(recipes, [data.vocabulary[step] for step in steps], goals=list(reference.items))
    complete = found.valid and found.complete
    return {
        "exact": exact,
        "valid": found.valid,
        "complete": complete,
        "minimal": complete and found.minimal,
        "faults": found.faults,
    }


def scores(
    data: Dataset, plans: Mapping[int, Sequence[int]], recipes: Recipes | None
) -> Mapping[str, Mapping[str, float]]:
    """How good plans are, by split of the data.

    Args:
        data: the reference.
        plans: sentences, by number of a plan of the data whose goal they are for.
        recipes: of `crafting`, to judge by; None for data whose truth is not known.

    Returns:
        For each split the shares of the plans for which holds what `verdict` says of each.
    """
    found: dict[str, dict[str, list[bool]]] = {}
    for number, steps in plans.items():
        split = found.setdefault(data.plans[number].split, {})
        for name, value in verdict(data, number, steps, recipes).items():
            if name != "faults":
                split.setdefault(name, []).append(value)
    return {
        split: {name: float(np.mean(values)) for name, values in by_name.items()} for split, by_name in found.items()
    }


def top1(
    data: Dataset,
    answers: Mapping[tuple[int, int], np.ndarray | None],
    *,
    split: str,
    num_candidates: int,
    seed: int,
) -> Mapping[str, Any]:
    """How often the right sentence is picked.

    Args:
        data: the reference.
        answers: embeddings `[D]`, by number of a plan and time; None where nothing was named.
        split: of the plans that count.
        num_candidates: to pick from; all sentences where there are fewer.
        seed: of the draws.

    Returns:
        `top1`, a share; `nearest1`, the share for which it is the nearest sentence of the whole vocabulary; and
        `questions`, how many there were.
    """
    embeddings = data.vocabulary_embeddings[: data.num_shared]
    everything = np.arange(len(embeddings))
    picked, found = [], []
    for (number, time), answer in answers.items():
        if data.plans[number].split != split:
            continue
        right = data.plans[number].steps[time]
        choices = candidates(data, number, time, num_candidates=num_candidates, seed=seed)
        picked.append(answer is not None and pick(answer, choices, embeddings) == right)
        found.append(answer is not None and pick(answer, everything, embeddings) == right)
    if not picked:
        return {"top1": None, "nearest1": None, "questions": 0}
    return {"top1": float(np.mean(picked)), "nearest1": float(np.mean(found)), "questions": len(picked)}
