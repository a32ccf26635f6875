"""Every learned world does what the interface promises; a new one is a line here."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from flax import struct

from humain.environments.actions import ActionSpace
from humain.testing.world_conformance import CHECKS, ENVIRONMENT
from humain.types import Array
from humain.world import dynamics, paths
from humain.world.linear import LinearWorld


@struct.dataclass
class _Members:
    """Dynamics of M members, the leading axis; and whether there was any experience."""

    dynamics: dynamics.LinearDynamics
    fitted: Array


@dataclasses.dataclass(frozen=True)
class _Disagreement:
    """An ensemble as small as can be, which shows that a world need not be linear for the interface.

    Each member learns from the steps that chance gives it; where members disagree nothing is known. Branches are
    followed one by one, by the mean of the members.
    """

    actions: ActionSpace
    num_members: int = 5
    most: float = 0.02

    def fit(self, transitions, key):
        chosen_key, noise_key = jax.random.split(key)
        chosen = jax.random.bernoulli(chosen_key, 0.1, (self.num_members, transitions.states.shape[0]))
        # A step that is never seen to be rounded has members that agree everywhere: each is told a little wrong.
        noise = 0.02 * jax.random.normal(noise_key, (self.num_members, *transitions.states.shape))
        features = self.actions.encode(transitions.actions)
        fit = jax.vmap(
            lambda mask, off: dynamics.fit(transitions.states, features, transitions.next_states + off, mask)
        )
        return _Members(dynamics=fit(chosen & transitions.mask[None], noise), fitted=transitions.count > 0)

    def _answers(self, state, states, features):
        return jax.vmap(lambda member: member.step(states, features))(state.dynamics)

    def step(self, state, states, actions):
        return jnp.mean(self._answers(state, states, self.actions.encode(actions)), axis=0)

    def known(self, state, states):
        undecided = jnp.broadcast_to(jnp.array(self.actions.undecided), (*states.shape[:-1], 3))
        spread = jnp.max(jnp.std(self._answers(state, states, undecided), axis=0), axis=-1)
        return (spread <= self.most) & state.fitted

    def extent(self, state):
        # Disagreement of linear members grows with the distance: halve the interval.
        def halve(_, interval):
            low, high = interval
            middle = (low + high) / 2
            inside = self.known(state, signs[:, :, None] * middle[:, :, None] * jnp.eye(2)[None])
            return jnp.where(inside, middle, low), jnp.where(inside, high, middle)

        signs = jnp.array([[-1.0], [1.0]]) * jnp.ones((1, 2))
        reach, _ = jax.lax.fori_loop(0, 30, halve, (jnp.zeros((2, 2)), jnp.full((2, 2), 1e3)))
        return -reach[0], reach[1]

    def free(self, state):
        # Any coordinate may matter, for all that it says.
        return jnp.zeros(2, bool)

    def branch(self, state, states, sequences):
        def step(here, actions):
            return self.step(state, here, actions)

        return paths.follow(step, lambda here: self.known(state, here), states, sequences)

    def survey(self, state, branches, look):
        del state
        return paths.survey(branches, look)


def make_linear():
    return LinearWorld(ENVIRONMENT.actions, max_leverage=0.05)


def make_disagreement():
    return _Disagreement(ENVIRONMENT.actions)


@pytest.mark.parametrize("make", [make_linear, make_disagreement], ids=("linear", "disagreement"))
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_world(check, make):
    check(make)
