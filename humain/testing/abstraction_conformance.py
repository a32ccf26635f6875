"""What every abstraction must do; //humain/abstraction:tests runs `CHECKS` over all abstractions."""

import dataclasses
import tempfile
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from humain import acting, saving
from humain.abstraction.abstraction import Abstraction, GatedAbstraction, PathAbstraction, lift_path
from humain.abstraction.pivots import pivot_mask, reverse_mask
from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Space
from humain.testing.probe import Probe
from humain.types import Array, Trajectories

_NUM_LAYERS = 3


@dataclasses.dataclass(frozen=True)
class AbstractionCase:
    """An abstraction and the paths that it is checked on.

    Attributes:
        abstraction: used on every layer, or if it lifts into another space on the bottom one.
        states: `[W, T, *S]`, paths without padding, on which it has to find pivots, and pivots among those pivots.
        space: the space of the states.
        above: the space that they are lifted to; None if that is the same. The layers above then have `Skip(2)`.
        classes: what `saving.load` has to be handed for it; the library's own abstractions need nothing.
    """

    abstraction: Abstraction
    states: Array
    space: Space
    above: Space | None = None
    classes: tuple[type, ...] = ()

    @property
    def lifted_space(self) -> Space:
        """Of what the states are lifted to."""
        return self.above or self.space

    def spaces(self, num_layers: int) -> tuple[Space, ...]:
        """Returns the space of each layer of a stack."""
        return (self.space,) + (self.lifted_space,) * (num_layers - 1)

    def abstractions(self, num_layers: int) -> tuple[Abstraction, ...]:
        """Returns one for each layer of a stack: the case's own wherever it can be."""
        upper = self.abstraction if self.above is None else Skip(2)
        return (self.abstraction,) + (upper,) * (num_layers - 1)


def pivots_lie_on_the_path(case: AbstractionCase) -> None:
    """Any subset of a path can be the path; its pivots are some of it, but neither all nor none."""
    on_path = jnp.asarray(np.random.default_rng(0).random(case.states.shape[:2]) < 0.8)
    pivots = _pivots(case.abstraction, case.states, on_path)
    assert pivots.shape == on_path.shape
    assert pivots.dtype == bool
    assert not np.any(pivots & ~on_path)
    assert 0 < np.sum(pivots) < np.sum(on_path)


def jit_and_vmap_change_nothing(case: AbstractionCase) -> None:
    """One path at a time, without jit, gives the same as all paths in one jitted call."""
    on_path = jnp.ones(case.states.shape[:2], bool)
    one_by_one = [pivot_mask(case.abstraction, states, path) for states, path in zip(case.states, on_path, strict=True)]
    np.testing.assert_array_equal(jax.jit(_pivots)(case.abstraction, case.states, on_path), jnp.stack(one_by_one))


def padding_is_not_looked_at(case: AbstractionCase) -> None:
    """States after the end of a path make no difference."""
    length = case.states.shape[1] // 2
    cut = _pivots(case.abstraction, case.states[:, :length], jnp.ones((len(case.states), length), bool))
    on_path = jnp.broadcast_to(jnp.arange(case.states.shape[1]) < length, case.states.shape[:2])
    np.testing.assert_array_equal(_pivots(case.abstraction, case.states, on_path)[:, :length], cut)


def each_state_has_the_first_pivot_from_it_on(case: AbstractionCase) -> None:
    """The reverse mask: a path's state belongs to one pivot, itself or the next one; those after the last, to none.

    Compared with a walk backwards over every path, some of whose states are left out.
    """
    on_path = np.random.default_rng(1).random(case.states.shape[:2]) < 0.8
    pivots = np.asarray(_pivots(case.abstraction, case.states, jnp.asarray(on_path)))
    owners = np.asarray(jax.vmap(reverse_mask)(jnp.asarray(pivots), jnp.asarray(on_path)))
    for walk in range(len(on_path)):
        expected = np.zeros(owners.shape[1:], bool)
        owner = None
        for time in reversed(range(len(on_path[walk]))):
            owner = time if pivots[walk, time] else owner
            if on_path[walk, time] and owner is not None:
                expected[owner, time] = True
        np.testing.assert_array_equal(owners[walk], expected)
        # So up to the last pivot every state of the path belongs to exactly one.
        last = np.flatnonzero(pivots[walk])[-1]
        np.testing.assert_array_equal(owners[walk].sum(0)[: last + 1], on_path[walk, : last + 1])


def states_keep_shape_and_type(case: AbstractionCase) -> None:
    """Lifting returns elements of the space above, and specifying of the states' own; in between, as many."""
    num_axes = len(case.space.shape)
    for states in (case.states, case.states[0, 0]):
        lifted = case.abstraction.lift(states)
        assert lifted.shape == (*states.shape[: states.ndim - num_axes], *case.lifted_space.shape)
        assert lifted.dtype == case.lifted_space.dtype
        specified = case.abstraction.specify(lifted, states)
        assert specified.shape == states.shape
        assert specified.dtype == case.space.dtype


def paths_are_lifted_step_by_step(case: AbstractionCase) -> None:
    """At each of its states, a path lifts like the path up to there, and a path of one state like that state.

    Compared with a loop over every path, some of whose states are left out.
    """
    on_path = np.random.default_rng(2).random(case.states.shape[:2]) < 0.8
    lift_all = jax.jit(jax.vmap(lift_path, in_axes=(None, 0, 0)))
    lifted = lift_all(case.abstraction, case.states, jnp.asarray(on_path))
    assert lifted.shape == (*case.states.shape[:2], *case.lifted_space.shape)
    assert lifted.dtype == case.lifted_space.dtype
    for walk in range(len(on_path)):
        so_far, position = jnp.zeros_like(lifted[walk, 0]), 0
        for time, state in enumerate(case.states[walk]):
            if isinstance(case.abstraction, PathAbstraction):
                here = case.abstraction.lift_next(so_far, state, jnp.array(position))
            else:
                here = case.abstraction.lift(state)
            np.testing.assert_allclose(lifted[walk, time], here, rtol=1e-5, atol=1e-6)
            if position == 0:
                np.testing.assert_allclose(here, case.abstraction.lift(state), rtol=1e-5, atol=1e-6)
            if on_path[walk, time]:
                so_far, position = here, position + 1


def what_was_learned_is_data(case: AbstractionCase) -> None:
    """Another abstraction of the same structure uses the same compiled code."""
    traced = []

    @jax.jit
    def use(abstraction: Abstraction) -> tuple[Array, Array]:
        traced.append(abstraction)
        return _pivots(abstraction, case.states, jnp.ones(case.states.shape[:2], bool)), abstraction.lift(case.states)

    use(case.abstraction)
    use(jax.tree.map(lambda leaf: leaf + jnp.ones_like(leaf), case.abstraction))
    assert len(traced) == 1


def goals_that_were_lifted_come_down_again(case: AbstractionCase) -> None:
    """A lifted state, specified, lifts to the same state again."""
    lifted = case.abstraction.lift(case.states)
    specified = case.abstraction.specify(lifted, case.states)
    assert np.all(case.lifted_space.equal(case.abstraction.lift(specified), lifted))


def acting_finds_the_stored_pivots(case: AbstractionCase) -> None:
    """Given one state at a time, the stack passes up, in order and lifted, the pivots of the whole path.

    Whether a state is a pivot is known when the layer has its next state, so the newest state of each layer is left
    out.
    """
    num_walks, length = case.states.shape[:2]
    layers = [
        Layer(cortex=Cortex(Probe(space, space), Linear(2)), context_length=length + 1, refresh_on_new_goal=False)
        for space in case.spaces(_NUM_LAYERS)
    ]
    model = Model(layers=tuple(layers), space=case.space)
    state = model.init(jax.random.key(0), case.abstractions(_NUM_LAYERS))
    found, seen, _ = hindsight.views(_trajectories(case), state.abstractions)
    masks, states = jax.device_get(found), jax.device_get(seen)
    assert np.sum(masks[_NUM_LAYERS - 1]) > 0

    episode = acting.begin(model, num_walks)
    for time in range(length):
        episode, _ = acting.react(model, state, episode, case.states[:, time], case.states[:, -1])
        memories = jax.device_get(episode.memories)
        for walk in range(num_walks):
            known = list(range(time + 1))
            for number in range(_NUM_LAYERS):
                # The bottom layer stores past states; the others store what was passed up.
                known = known[:-1] if number == 0 else known
                memory = memories[number]
                assert memory.count[walk] == len(known), (time, walk, number)
                expected = states[number][walk, np.array(known, int)]
                np.testing.assert_allclose(memory.states[walk, : len(known)], expected, rtol=1e-5, atol=1e-6)
                decided = known if number == 0 else known[:-1]
                if number + 1 < _NUM_LAYERS:
                    known = [place for place in decided if masks[number + 1][walk, place]]


def saved_in_a_file_it_is_the_same(case: AbstractionCase) -> None:
    """It comes back from its file bit for bit, and finds the same pivots."""
    model = Model(tuple(Layer(Cortex(Probe(space, space), Linear(16))) for space in case.spaces(2)), case.space)
    state = model.init(jax.random.key(0), case.abstractions(2))
    with tempfile.TemporaryDirectory() as folder:
        saving.save(f"{folder}/a.humain", model, state)
        loaded = saving.load(f"{folder}/a.humain", classes=(Probe, *case.classes))[1].abstractions[0]
    assert type(loaded) is type(case.abstraction)
    assert str(jax.tree.structure(loaded)) == str(jax.tree.structure(case.abstraction))
    for before, after in zip(jax.tree.leaves(case.abstraction), jax.tree.leaves(loaded), strict=True):
        assert np.asarray(before).tobytes() == np.asarray(after).tobytes()
    everywhere = jnp.ones(case.states.shape[:2], bool)
    np.testing.assert_array_equal(
        _pivots(loaded, case.states, everywhere), _pivots(case.abstraction, case.states, everywhere)
    )


def acting_shows_what_hindsight_shows(case: AbstractionCase) -> None:
    """Fed one state at a time, each layer is in sight of what hindsight says that it would have been in sight of."""
    num_walks, length = case.states.shape[:2]
    layers = [
        Layer(
            Cortex(Probe(space, space), Linear(2)),
            context_length=3,
            refresh_on_new_goal=False,
            # Of vectors, the first state is hidden.
            hide_start=jnp.issubdtype(space.dtype, jnp.floating),
        )
        for space in case.spaces(_NUM_LAYERS)
    ]
    model = Model(layers=tuple(layers), space=case.space)
    state = model.init(jax.random.key(0), case.abstractions(_NUM_LAYERS))
    experience = hindsight.gather(_trajectories(case), state.abstractions)
    walks, episode = jnp.arange(num_walks), acting.begin(model, num_walks)
    for time in range(length - 1):
        episode, reaction = acting.react(model, state, episode, case.states[:, time], case.states[:, -1])
        times = jnp.full(num_walks, time)
        for number, layer in enumerate(layers):
            context = hindsight.contexts(
                experience, layer, number=number, walks=walks, times=times, kept=jnp.full(num_walks, length)
            )
            if number > 0 and isinstance(case.abstraction, GatedAbstraction):
                # Its score is composed of several answers, and none of them is in sight of more than one state.
                continue
            expected = layer.cortex.kernel.recall(jnp.zeros(()), context, reaction.goals[number]).scores[:, 0]
            np.testing.assert_allclose(reaction.scores[number], expected, rtol=1e-4, atol=1e-4)


def gates_lie_in_their_communities(case: AbstractionCase) -> None:
    """Where there are gates: each state's are the pivots of its community, all of them and each once."""
    if not isinstance(case.abstraction, GatedAbstraction):
        return
    num_ids = int(jnp.max(case.states)) + 1
    states = jnp.arange(num_ids)
    ids, valid = jax.device_get(case.abstraction.gates(states))
    pivots = np.asarray(case.abstraction.is_pivot(states, states, states, jnp.zeros_like(states)))
    for state in range(num_ids):
        together = np.asarray(case.abstraction.together(jnp.full(num_ids, state), states))
        assert together[state]
        assert sorted(ids[state][valid[state]].tolist()) == np.flatnonzero(together & pivots).tolist()


CHECKS: tuple[Callable[[AbstractionCase], None], ...] = (
    pivots_lie_on_the_path,
    jit_and_vmap_change_nothing,
    padding_is_not_looked_at,
    each_state_has_the_first_pivot_from_it_on,
    states_keep_shape_and_type,
    paths_are_lifted_step_by_step,
    what_was_learned_is_data,
    goals_that_were_lifted_come_down_again,
    acting_finds_the_stored_pivots,
    saved_in_a_file_it_is_the_same,
    acting_shows_what_hindsight_shows,
    gates_lie_in_their_communities,
)


def _trajectories(case: AbstractionCase) -> Trajectories:
    return Trajectories(states=case.states, lengths=jnp.full(case.states.shape[0], case.states.shape[1]))


def _pivots(abstraction: Abstraction, states: Array, on_path: Array) -> Array:
    return jax.vmap(pivot_mask, in_axes=(None, 0, 0))(abstraction, states, on_path)
