"""Baselines without a network: they look up what training had, for goals split and grounded as they are for the models.

Each goes to the sentences that a goal asks for one after the other and leaves out what was done before. Where a
sentence is given with the goal, so that no plan has it, it comes last: what is told need not be found.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from humain import following
from humain.language.dataset import Dataset
from humain.language.vocabulary import IndexedPlan
from tasks.language import paths, reading
from tasks.language.models import BLUEPRINTS, TRAIN

_LEAST_AMOUNT = 0.4
"""Of a sentence, to count as taken, where 1 is taken and 0 is not: of 0.4 and 0.5 the better one on seeds 100, 101."""


class Baseline(Protocol):
    """Answers for goals of the data's plans."""

    def plan(self, number: int, *, max_steps: int) -> list[int]:
        """Sentences for the goal of a plan of the data."""

    def following(self, number: int, done: Sequence[int]) -> int | None:
        """The next sentence after what is done, for the goal of a plan of the data; None where nothing is left."""


class Lookup:
    """Answers with the shortest stored path to a sentence; any part of a training plan from its start on is one."""

    def __init__(self, data: Dataset, asked: Mapping[int, Sequence[int]]) -> None:
        """Args: the data set, of which training's plans are used, and by number of a plan what its goal asks for."""
        self._data, self._asked = data, asked
        self._ways = stored_paths(learned(data))

    def plan(self, number: int, *, max_steps: int) -> list[int]:
        """Sentences for the goal of a plan of the data."""
        return _joined([self.way(goal) for goal in self._asked[number]], max_steps)

    def following(self, number: int, done: Sequence[int]) -> int | None:
        """The next sentence of the stored path that what was done fits best, of equally good ones the shortest."""
        for goal in self._asked[number]:
            ways = self._ways.get(goal, [self.way(goal)])
            found = following.follow(ways, done, goal=goal)
            if found is not None:
                way, place = found
                return ways[way][place]
        return None

    def way(self, goal: int) -> tuple[int, ...]:
        """The shortest stored path to a sentence; where there is none, that to the most similar one, and then it."""
        if goal in self._ways:
            return self._ways[goal][0]
        stored = list(self._ways)
        return (*self._ways[stored[_most_similar(self._data.vocabulary_embeddings, stored, goal)]][0], goal)


class LinearLookup:
    """Reads which sentences a given one takes (`reading`), and looks up the shortest path to each."""

    def __init__(self, data: Dataset, asked: Mapping[int, Sequence[int]]) -> None:
        """Args: the data set, of which training's plans are used, and by number of a plan what its goal asks for."""
        self._data, self._asked = data, asked
        self._lookup = Lookup(data, asked)
        plans = [plan.steps for plan in learned(data)]
        before = paths.always_before(plans)
        divided = [paths.milestones(plan, before) for plan in plans if plan[-1] >= data.num_shared]
        self._reading = None
        if divided:
            amounts = reading.amounts_taken([taken for *taken, _ in divided], data.num_shared)
            self._reading = reading.fit(data.vocabulary_embeddings[[last for *_, last in divided]], amounts)

    def plan(self, number: int, *, max_steps: int) -> list[int]:
        """Sentences for the goal of a plan of the data."""
        return _joined([way for goal in self._asked[number] for way in self._to(goal)], max_steps)

    def following(self, number: int, done: Sequence[int]) -> int | None:
        """The first sentence of the plan that is not done."""
        return _first_left(self.plan(number, max_steps=len(self._data.vocabulary)), done)

    def _to(self, goal: int) -> list[tuple[int, ...]]:
        if goal < self._data.num_shared or self._reading is None:
            return [self._lookup.way(goal)]
        amounts = self._reading.read(self._data.vocabulary_embeddings[goal])
        return [*(self._lookup.way(int(step)) for step in np.flatnonzero(amounts > _LEAST_AMOUNT)), (goal,)]


class NearestPlan:
    """Answers with the training plan whose last sentence is most like the sentence asked for."""

    def __init__(self, data: Dataset, asked: Mapping[int, Sequence[int]]) -> None:
        """Args: the data set, of which training's plans are used, and by number of a plan what its goal asks for."""
        self._data, self._asked = data, asked
        self._plans = [plan.steps for plan in learned(data)]
        self._ends = [plan[-1] for plan in self._plans]

    def plan(self, number: int, *, max_steps: int) -> list[int]:
        """Sentences for the goal of a plan of the data."""
        ways = []
        for goal in self._asked[number]:
            way = self._plans[_most_similar(self._data.vocabulary_embeddings, self._ends, goal)]
            ways.append(_with_given(self._data, way, goal))
        return _joined(ways, max_steps)

    def following(self, number: int, done: Sequence[int]) -> int | None:
        """The plan's first sentence that is not done; None where all are."""
        return _first_left(self.plan(number, max_steps=len(self._data.vocabulary)), done)


class Retriever:
    """Answers with what came next, in training, in the situation most like the present one.

    A situation is the last sentence done and the sentence asked for; their similarities are added up. At first it is
    what is asked for alone.
    """

    def __init__(self, data: Dataset, asked: Mapping[int, Sequence[int]]) -> None:
        """Args: the data set, of which training's plans are used, and by number of a plan what its goal asks for."""
        self._data, self._asked = data, asked
        self._goals: list[int] = []
        self._before: list[int | None] = []
        self._after: list[int | None] = []
        for plan in learned(data):
            for before, after in zip([None, *plan.steps], [*plan.steps, None], strict=True):
                self._goals.append(plan.steps[-1])
                self._before.append(before)
                self._after.append(after)
        self._begins = np.array([before is None for before in self._before])
        self._last = np.array([0 if before is None else before for before in self._before])

    def plan(self, number: int, *, max_steps: int) -> list[int]:
        """Sentences for the goal of a plan of the data: to each that it asks for as far as is retrieved."""
        ways = []
        for goal in self._asked[number]:
            steps: list[int] = []
            # Until a retrieved plan ends, or a sentence would come again.
            while len(steps) < max_steps and goal not in steps:
                step = self._next(goal, steps)
                if step is None or step in steps:
                    break
                steps.append(step)
            ways.append(_with_given(self._data, steps, goal))
        return _joined(ways, max_steps)

    def following(self, number: int, done: Sequence[int]) -> int | None:
        """The next sentence after what is done, for the goal of a plan of the data; None at an end."""
        for goal in self._asked[number]:
            step = None if goal in done else self._next(goal, done)
            if step is not None:
                return step
        return None

    def _next(self, goal: int, done: Sequence[int]) -> int | None:
        vocabulary = self._data.vocabulary_embeddings
        similar = (vocabulary @ vocabulary[goal])[self._goals]
        if done:
            similar = np.where(self._begins, -np.inf, similar + (vocabulary @ vocabulary[done[-1]])[self._last])
        else:
            similar = np.where(self._begins, similar, -np.inf)
        return self._after[int(np.argmax(similar))]


def learned(data: Dataset) -> list[IndexedPlan]:
    """The plans that models and baselines learn from."""
    return [plan for plan in data.plans if plan.split in (TRAIN, BLUEPRINTS)]


def stored_paths(plans: Sequence[IndexedPlan]) -> dict[int, list[tuple[int, ...]]]:
    """By sentence the paths to it that plans have: each plan up to there, the shortest first.

    What comes with sentences of its own is a path only as a whole, as it is for the models.
    """
    found: dict[int, dict[tuple[int, ...], None]] = {}
    for plan in plans:
        ends = [len(plan.steps)] if plan.given else range(1, len(plan.steps) + 1)
        for end in ends:
            found.setdefault(plan.steps[end - 1], {})[plan.steps[:end]] = None
    return {step: sorted(ways, key=len) for step, ways in found.items()}


def share_stored(data: Dataset, split: str) -> float | None:
    """The share of a split's plans that are stored paths word for word; None where it has no plan."""
    stored = stored_paths(learned(data))
    plans = [plan.steps for plan in data.plans if plan.split == split]
    return float(np.mean([steps in stored.get(steps[-1], []) for steps in plans])) if plans else None


def _most_similar(embeddings: np.ndarray, steps: Sequence[int], goal: int) -> int:
    """The place of the sentence that is most similar (cosine) to one asked for."""
    vectors = embeddings[list(steps)]
    return int(np.argmax(vectors @ embeddings[goal] / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)))


def _with_given(data: Dataset, way: Sequence[int], goal: int) -> tuple[int, ...]:
    """A way, and after it the sentence asked for if that is given with the goal."""
    return (*(step for step in way if step != goal), goal) if goal >= data.num_shared else tuple(way)


def _joined(ways: Sequence[Sequence[int]], max_steps: int) -> list[int]:
    """One way after the other, less what was done before."""
    return list(dict.fromkeys(step for way in ways for step in way))[:max_steps]


def _first_left(plan: Sequence[int], done: Sequence[int]) -> int | None:
    return next((step for step in plan if step not in done), None)
