"""Guides: what a trained hierarchy says to do, from top to bottom, sentence by sentence."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from humain.model import Model, ModelState
from humain.types import Array
from tasks.language import learner
from tasks.language.hierarchy import NOTHING, Table


@dataclasses.dataclass(frozen=True)
class Node:
    """One answer of one layer.

    Attributes:
        layer: 0 at the bottom.
        parent: place in the guide of the answer that asked for this one; None under a goal.
        goal: which of the goals it serves.
        answer: `[D]`, the embedding as the layer answered it.
        known: the row of the layer's states that it was taken for; on the bottom layer a sentence's index.
        score: how good it has proved.
        repeated: whether it was done before, so that it is not done again.
    """

    layer: int
    parent: int | None
    goal: int
    answer: np.ndarray
    known: int
    score: float
    repeated: bool = False


@dataclasses.dataclass(frozen=True)
class Guide:
    """A whole plan for one or several goals.

    Attributes:
        nodes: all answers, each before those that it asks for; the bottom layer's in the order of doing.
        finished: whether every goal was reached within the steps allowed.
    """

    nodes: tuple[Node, ...]
    finished: bool

    @property
    def steps(self) -> tuple[Node, ...]:
        """What is to be done: the bottom layer's answers less what was done before."""
        return tuple(node for node in self.nodes if node.layer == 0 and not node.repeated)


Reaction: TypeAlias = tuple[Node, ...]
"""A step, last, after the answers that asked for it, from the top layer down; `parent` is a place in their walk."""


@partial(jax.jit, static_argnames=("model", "layer"))
def _recall(
    model: Model, layer: int, state: ModelState, states: Array, rows: Array, goals: Array
) -> tuple[Array, Array]:
    """All slots for one question: values `[K, F]` and scores `[K]`."""
    context = learner.context(rows, states, model.layers[layer].encoding)
    slots = model.layers[layer].cortex.kernel.recall(model.kernel_state(state, layer), context, goals)
    return slots.values[0], slots.scores[0]


@dataclasses.dataclass(frozen=True, eq=False)
class Guidance:
    """A trained hierarchy, ready to be asked.

    Attributes:
        model: the layers.
        state: what they have learned.
        tables: what they learned from; an answer is taken for the nearest state that its layer knows.
        embeddings: `[V, D]`, of the sentences, as the layers see them.
        stop: of the tables.
        max_sub_steps: answers for one goal of a layer, bottom first.
    """

    model: Model
    state: ModelState
    tables: tuple[Table, ...]
    embeddings: np.ndarray
    stop: float
    max_sub_steps: tuple[int, ...]

    def think(self, goals: Sequence[int], *, max_steps: int) -> Guide:
        """The whole plan for goals (sentences), one after the other, in one episode: what is done is not done again."""
        nodes: list[Node] = []
        finished = True
        for number, goal in enumerate(goals):
            num_steps = sum(node.layer == 0 and not node.repeated for node in nodes)
            done = {node.known for node in nodes if node.layer == 0}
            if goal in done:
                continue
            for node in self._walk(goal, number=number, first=len(nodes), done=done, max_steps=max_steps):
                if num_steps == max_steps:
                    return Guide(tuple(nodes), finished=False)
                num_steps += node.layer == 0 and not node.repeated
                nodes.append(node)
            finished &= any(node.layer == 0 and node.known == goal for node in nodes)
        return Guide(tuple(nodes), finished)

    def react(self, goals: Sequence[int], done: Sequence[int], *, max_steps: int) -> Reaction:
        """The next step of the way to the goals, after some were done, under the answers that asked for it.

        The top layer has several hypotheses of how to go. Of those that come to the goal the one is followed that would
        have foretold most of what was done; among equals, the one with the best score. The episode goes on from what
        was done last: see `_next_place`.

        Args:
            goals: sentences.
            done: sentences, in the order in which they were done.
            max_steps: steps that are looked through.

        Returns:
            The step, last, after the answers above it; empty where nothing is left to do.
        """
        for number, goal in enumerate(goals):
            ways = self._ways(goal, max_steps)
            coming = [way for way in ways if way and _step(way[-1]) == goal] or [way for way in ways[:1] if way]
            open_ways = [way for way in coming if any(_step(reaction) not in done for reaction in way)]
            if not open_ways or goal in done:
                continue
            # The best score comes first, and so wins ties.
            best = min(open_ways, key=lambda way: _surprises([_step(reaction) for reaction in way], done))
            place = _next_place([_step(reaction) for reaction in best], done)
            assert place is not None
            return tuple(dataclasses.replace(node, goal=number) for node in best[place])
        return ()

    def react_on(self, goals: Sequence[int], *, max_steps: int) -> Guide:
        """The plan for goals (sentences) that comes of one reaction after the other, each done before the next.

        An answer of an upper layer stands in it once for the steps in a row that it asks for.
        """
        reactions: list[Reaction] = []
        while len(reactions) < max_steps:
            reaction = self.react(goals, [_step(reaction) for reaction in reactions], max_steps=max_steps)
            if not reaction:
                break
            reactions.append(reaction)
        done = {_step(reaction) for reaction in reactions}
        return Guide(_joined(reactions), finished=all(goal in done for goal in goals))

    @functools.lru_cache(maxsize=1024)  # noqa: B019 - lives as long as the guidance, which is one run
    def _ways(self, goal: int, max_steps: int) -> tuple[tuple[Reaction, ...], ...]:
        """The steps to a goal by each of the top layer's hypotheses of where to go first, the best score first."""
        top = len(self.tables) - 1
        _, scores = self._ask(top, [NOTHING], self._vector(goal))
        ways = []
        for slot in np.argsort(-scores, kind="stable").tolist():
            walk = self._walk(goal, number=0, first=0, done=set(), max_steps=max_steps, slot=slot)
            ways.append(tuple(itertools.islice(_reactions(walk), max_steps)))
        return tuple(ways)

    def _walk(
        self, goal: int, *, number: int, first: int, done: set[int], max_steps: int, slot: int | None = None
    ) -> Iterator[Node]:
        """The answers under one goal, until it is reached or the top layer stops.

        Args:
            goal: a sentence.
            number: of the goal.
            first: place of the first answer in the guide.
            done: sentences.
            max_steps: answers of the bottom layer, those included that repeat what was done.
            slot: the top layer's hypothesis to begin with; the one with the best score by default.
        """
        count = first
        seen = set(done)
        reached = False
        num_left = max_steps

        def work(layer: int, asked: np.ndarray, parent: int | None, slot: int | None) -> Iterator[Node]:
            nonlocal count, reached, num_left
            rows = [NOTHING]
            for _ in range(self.max_sub_steps[layer]):
                values, scores = self._ask(layer, rows, asked)
                chosen = int(np.argmax(scores)) if slot is None else slot
                slot = None
                known, stops = self._recognise(layer, values[chosen])
                place = count
                count += 1
                repeated = layer == 0 and known in seen
                yield Node(layer, parent, number, values[chosen, :-1], known, float(scores[chosen]), repeated)
                if layer == 0:
                    reached = known == goal
                    num_left -= 1
                    seen.add(known)
                    rows.append(known + 1)
                else:
                    rows.append(known)
                    yield from work(layer - 1, _continuing(self.tables[layer].states[known]), place, None)
                if stops or reached or num_left == 0:
                    return

        yield from work(len(self.tables) - 1, self._vector(goal), None, slot)

    def _vector(self, sentence: int) -> np.ndarray:
        """A sentence with a stop signal of 0: `[F]`."""
        return np.append(self.embeddings[sentence], 0).astype(np.float32)

    def _ask(self, layer: int, rows: Sequence[int], asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All slots' values `[K, F]` and scores `[K]` for a goal `[F]`, after the states in these rows."""
        length = self.model.layers[layer].context_length
        recent = list(rows)[-length:]
        padded = np.array([[-1] * (length - len(recent)) + recent], np.int32)
        values, scores = _recall(self.model, layer, self.state, self._seen[layer], padded, asked[None])
        return np.asarray(values), np.asarray(scores)

    def _recognise(self, layer: int, value: np.ndarray) -> tuple[int, bool]:
        """The nearest state that the layer knows, and whether the stop signal is given."""
        known = self.embeddings if layer == 0 else self.tables[layer].states[1:, :-1]
        nearest = int(np.argmin(np.sum(np.square(known - value[:-1]), axis=1)))
        return nearest + (layer > 0), bool(value[-1] > self.stop / 2)

    @functools.cached_property
    def _seen(self) -> tuple[Array, ...]:
        """For each layer the states `[M, F]` that contexts are made of: nothing, then sentences or chunks."""
        nothing = np.zeros((1, self.embeddings.shape[1]), np.float32)
        bottom = np.concatenate([nothing, self.embeddings])
        above = [table.states[:, :-1] for table in self.tables[1:]]
        return tuple(jnp.asarray(np.pad(states, ((0, 0), (0, 1)))) for states in [bottom, *above])


def _step(reaction: Reaction) -> int:
    """The sentence that is to be done."""
    return reaction[-1].known


def _reactions(walk: Iterable[Node]) -> Iterator[Reaction]:
    """The steps of a walk that starts at place 0, each under those that asked for it; not those done before."""
    nodes: list[Node] = []
    for node in walk:
        nodes.append(node)
        if node.layer == 0 and not node.repeated:
            chain = [node]
            while chain[0].parent is not None:
                chain.insert(0, nodes[chain[0].parent])
            yield tuple(chain)


def _joined(reactions: Sequence[Reaction]) -> tuple[Node, ...]:
    """One guide out of reactions: what asked for the step before and asks for this one too is not repeated."""
    nodes: list[Node] = []
    before: Reaction = ()
    places: list[int] = []
    for reaction in reactions:
        num_shared = _num_shared(before, reaction)
        places = places[:num_shared]
        for node in reaction[num_shared:]:
            nodes.append(dataclasses.replace(node, parent=places[-1] if places else None))
            places.append(len(nodes) - 1)
        before = reaction
    return tuple(nodes)


def _num_shared(before: Reaction, reaction: Reaction) -> int:
    """How many answers of the upper layers two reactions have in common, from the top down."""
    count = 0
    for one, one_below, other, other_below in zip(before, before[1:], reaction, reaction[1:], strict=False):
        # What is asked for names the place of who asks; in walks of two hypotheses places may agree by chance.
        same_place = (one.goal, one_below.parent) == (other.goal, other_below.parent)
        if not same_place or one.score != other.score or not np.array_equal(one.answer, other.answer):
            break
        count += 1
    return count


def _continuing(state: np.ndarray) -> np.ndarray:
    """A state `[F]` with a stop signal of 0."""
    return np.append(state[:-1], 0).astype(np.float32)


def _next_place(way: Sequence[int], done: Sequence[int]) -> int | None:
    """Where a way goes on after the last thing done on it: at its next sentence that is not done.

    What the episode has passed over may not have been needed; it comes when nothing else is left. None if all is done.
    """
    past = set(done)
    latest = next((way.index(sentence) for sentence in reversed(done) if sentence in way), -1)
    places = [*range(latest + 1, len(way)), *range(latest + 1)]
    return next((place for place in places if way[place] not in past), None)


def _surprises(way: Sequence[int], done: Sequence[int]) -> int:
    """How many of the sentences done were not the next one by this way, after those done before."""
    count = 0
    for time, sentence in enumerate(done):
        place = _next_place(way, done[:time])
        count += place is None or way[place] != sentence
    return count
