"""Guides: what a trained hierarchy says to do, from top to bottom, sentence by sentence.

The library thinks; here its plans, for each hypothesis that the top layer has, become lists of what was answered.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from humain import following, planning
from humain.model import Model, ModelState
from humain.nearest import Nearest
from humain.stopping import Stopping
from humain.types import Plan
from humain.viewing import plan_tree
from tasks.language import experience


@dataclasses.dataclass(frozen=True)
class Node:
    """One answer of one layer.

    Attributes:
        layer: 0 at the bottom.
        parent: place in the guide of the answer that asked for this one; None under a goal.
        goal: which of the goals it serves.
        answer: `[D]`, the embedding, of a state that the layer knows.
        known: which of these; on the bottom layer a sentence's index.
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


@dataclasses.dataclass(frozen=True, eq=False)
class Guidance:
    """A trained hierarchy, ready to be asked.

    Attributes:
        model: the layers; `max_nodes` of the bottom one is how many steps are looked through on the way to one goal.
        state: what they have learned.
        embeddings: `[V, D]`, of the sentences, as the layers see them.
        max_steps: of a guide.
        num_shared: how many of the sentences, the first ones, are not given with a goal; None for all.
        milestones: asked, where a goal is a sentence that is given, for the known goals on the way to it; each is then
            a goal of this hierarchy, in an episode of its own.
    """

    model: Model
    state: ModelState
    embeddings: np.ndarray
    max_steps: int
    num_shared: int | None = None
    milestones: "Guidance | None" = None
    _plans: dict[int, tuple[tuple[Node, ...], ...]] = dataclasses.field(default_factory=dict)

    def think_of(self, goals: Sequence[int]) -> None:
        """Thinks ahead of goals (sentences), all in one go, which takes less time than one after the other."""
        new = [goal for goal in dict.fromkeys(goals) if goal not in self._plans]
        given = [goal for goal in new if self._is_given(goal)]
        if self.milestones is not None and given:
            self.milestones.think_of(given)
            above = [nodes for goal in given for nodes in self.milestones._plans[goal]]
            self.think_of([goal for goal in new if goal not in given])
            self.think_of([node.known for nodes in above for node in nodes if not self._is_given(node.known)])
            for goal in given:
                self._plans[goal] = tuple(self._below(nodes, goal) for nodes in self.milestones._plans[goal])
            return
        if not new:
            return
        num_ranks = self.model.layers[-1].cortex.kernel.num_slots
        asked = np.repeat(self.embeddings[new], num_ranks, axis=0)
        begin = np.broadcast_to(experience.start(self.embeddings), asked.shape)
        ranks = jnp.tile(jnp.arange(num_ranks), len(new))
        plan = planning.think(self.model, self.state, jnp.asarray(begin), jnp.asarray(asked), ranks)
        numbered = _numbered(self.model, plan, Nearest(self.embeddings))
        for place, goal in enumerate(new):
            self._plans[goal] = tuple(
                self._nodes(numbered, place * num_ranks + rank, goal) for rank in range(num_ranks)
            )

    def think(self, goals: Sequence[int]) -> Guide:
        """The whole plan for goals (sentences), one after the other, in one episode: what is done is not done again."""
        self.think_of(goals)
        nodes: list[Node] = []
        done: set[int] = set()
        num_steps = 0
        for number, goal in enumerate(goals):
            first = len(nodes)
            for node in () if goal in done else self._plans[goal][0]:
                if num_steps == self.max_steps:
                    return Guide(tuple(nodes), finished=False)
                parent = None if node.parent is None else first + node.parent
                repeated = node.layer == 0 and node.known in done
                nodes.append(dataclasses.replace(node, parent=parent, goal=number, repeated=repeated))
                if node.layer == 0:
                    num_steps += not repeated
                    done.add(node.known)
        return Guide(tuple(nodes), finished=all(goal in done for goal in goals))

    def react(self, goals: Sequence[int], done: Sequence[int]) -> Reaction:
        """The next step of the way to the goals, after some were done, under the answers that asked for it.

        Of the ways that the top layer knows, the best one first, `following.follow` says which one is gone.

        Args:
            goals: sentences.
            done: sentences, in the order in which they were done.

        Returns:
            The step, last, after the answers above it; empty where nothing is left to do.
        """
        self.think_of(goals)
        for number, goal in enumerate(goals):
            ways = [tuple(itertools.islice(_reactions(nodes), self.max_steps)) for nodes in self._plans[goal]]
            found = following.follow([[_step(reaction) for reaction in way] for way in ways], done, goal=goal)
            if found is not None:
                way, place = found
                return tuple(dataclasses.replace(node, goal=number) for node in ways[way][place])
        return ()

    def react_on(self, goals: Sequence[int]) -> Guide:
        """The plan for goals (sentences) that comes of one reaction after the other, each done before the next.

        An answer of an upper layer stands in it once for the steps in a row that it asks for.
        """
        reactions: list[Reaction] = []
        while len(reactions) < self.max_steps:
            reaction = self.react(goals, [_step(reaction) for reaction in reactions])
            if not reaction:
                break
            reactions.append(reaction)
        done = {_step(reaction) for reaction in reactions}
        return Guide(_joined(reactions), finished=all(goal in done for goal in goals))

    def _is_given(self, goal: int) -> bool:
        return self.num_shared is not None and goal >= self.num_shared

    def _below(self, milestones: Sequence[Node], goal: int) -> tuple[Node, ...]:
        """The way to each milestone under it, and the goal, which is given, as a step; what was done is not again."""
        nodes: list[Node] = []
        done: set[int] = set()
        for milestone in milestones:
            place = len(nodes)
            # In the embeddings of the layers below: those of the layer of milestones are its own.
            named = dataclasses.replace(milestone, answer=self.embeddings[milestone.known], repeated=False)
            nodes.append(dataclasses.replace(named, layer=len(self.model.layers), parent=None))
            if milestone.known == goal:
                nodes.append(dataclasses.replace(named, layer=0, parent=place))
                break
            # Of another goal's sentences nothing is known.
            for node in () if self._is_given(milestone.known) else self._plans[milestone.known][0]:
                parent = place if node.parent is None else place + 1 + node.parent
                repeated = node.layer == 0 and node.known in done
                nodes.append(dataclasses.replace(node, parent=parent, repeated=repeated))
                if node.layer == 0:
                    done.add(node.known)
        return tuple(nodes)

    def _nodes(self, plan: Plan, index: int, goal: int) -> tuple[Node, ...]:
        """One plan of a batch, whose states are numbers, as the answers in the order of doing; it ends at the goal."""
        nodes: list[Node] = []
        seen: set[int] = set()

        def add(tree: plan_tree.PlanNode, parent: int | None) -> None:
            for child in tree.children:
                if goal in seen:
                    return
                known = int(child.state)
                answer = (
                    self.embeddings[known] if child.layer == 0 else known_states(self.model, child.layer).known[known]
                )
                repeated = child.layer == 0 and known in seen
                assert child.score is not None
                nodes.append(Node(child.layer, parent, 0, answer, known, child.score, repeated))
                if child.layer == 0:
                    seen.add(known)
                add(child, len(nodes) - 1)

        add(plan_tree.plan_tree(plan, index), None)
        return tuple(nodes)


def _numbered(model: Model, plan: Plan, sentences: Nearest) -> Plan:
    """The same plans in numbers: of sentences for the bottom and goals, else places among the states that are known."""
    numbers = [sentences, *(known_states(model, number) for number in range(1, len(model.layers)))]
    layers = [
        dataclasses.replace(layer, states=known.index(layer.states))
        for known, layer in zip(numbers, plan.layers, strict=True)
    ]
    goals = sentences.index(plan.goals)
    return jax.device_get(dataclasses.replace(plan, goals=goals, layers=tuple(layers)))


def known_states(model: Model, layer: int) -> Nearest:
    """What a layer's answers are taken for the nearest of."""
    answers = model.layers[layer].cortex.kernel.target_space
    assert isinstance(answers, Stopping)
    assert isinstance(answers.space, Nearest)
    return answers.space


def _step(reaction: Reaction) -> int:
    """The sentence that is to be done."""
    return reaction[-1].known


def _reactions(nodes: Sequence[Node]) -> Iterator[Reaction]:
    """The steps of a plan for one goal, each under those that asked for it; not those done before."""
    for node in nodes:
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
