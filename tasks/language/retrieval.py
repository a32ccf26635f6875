"""Baselines that learn nothing: the nearest training plan, and a retriever of next sentences."""

from collections.abc import Sequence

import numpy as np

from humain.language.dataset import Dataset
from tasks.language.models import TRAIN


class NearestPlan:
    """Answers with the training plan whose goal is most like the goal asked for."""

    def __init__(self, data: Dataset) -> None:
        """Args: the data set, of which the training plans are used."""
        self._train = [number for number, plan in enumerate(data.plans) if plan.split == TRAIN]
        self._data = data

    def plan(self, number: int, *, max_steps: int) -> list[int]:
        """Sentences for the goal of a plan of the data."""
        similar = self._data.goal_embeddings[self._train] @ self._data.goal_embeddings[number]
        return list(self._data.plans[self._train[int(np.argmax(similar))]].steps)[:max_steps]

    def following(self, number: int, done: Sequence[int]) -> int | None:
        """The plan's first sentence that is not done; None where all are."""
        return next(
            (step for step in self.plan(number, max_steps=len(self._data.vocabulary)) if step not in done), None
        )


class Retriever:
    """Answers with what came next, in training, in the situation most like the present one.

    A situation is the last sentence and the goal; their similarities are added up. At first it is the goal alone.
    """

    def __init__(self, data: Dataset) -> None:
        """Args: the data set, of which the training plans are used."""
        self._data = data
        self._goals: list[int] = []
        self._before: list[int | None] = []
        self._after: list[int | None] = []
        for number, plan in enumerate(data.plans):
            if plan.split != TRAIN:
                continue
            for before, after in zip([None, *plan.steps], [*plan.steps, None], strict=True):
                self._goals.append(number)
                self._before.append(before)
                self._after.append(after)

    def plan(self, number: int, *, max_steps: int) -> list[int]:
        """Sentences for the goal of a plan of the data, until a retrieved plan ends or a sentence would come again."""
        steps: list[int] = []
        while len(steps) < max_steps:
            step = self.following(number, steps)
            if step is None or step in steps:
                break
            steps.append(step)
        return steps

    def following(self, number: int, done: Sequence[int]) -> int | None:
        """The next sentence after what is done, for the goal of a plan of the data; None at an end."""
        similar = self._data.goal_embeddings[self._goals] @ self._data.goal_embeddings[number]
        beginning = np.array([before is None for before in self._before])
        if done:
            vocabulary = self._data.vocabulary_embeddings
            before = np.array([0 if step is None else step for step in self._before])
            similar = np.where(beginning, -np.inf, similar + vocabulary[before] @ vocabulary[done[-1]])
        else:
            similar = np.where(beginning, similar, -np.inf)
        return self._after[int(np.argmax(similar))]
