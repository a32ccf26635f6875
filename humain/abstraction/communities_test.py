"""Communities by hand: what is merged first, that levels are nested and bounded, and what must lie together."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.communities import grow_communities


def both_ways(edges: list[tuple[int, int]]) -> np.ndarray:
    return np.array([*edges, *[(b, a) for a, b in edges]])


def grid(side: int) -> np.ndarray:
    ids = np.arange(side**2).reshape(side, side)
    return both_ways(
        [
            *zip(ids[:, :-1].ravel().tolist(), ids[:, 1:].ravel().tolist(), strict=True),
            *zip(ids[:-1].ravel().tolist(), ids[1:].ravel().tolist(), strict=True),
        ]
    )


def test_what_hangs_together_becomes_one_community():
    # Two triangles that two steps join: 0 1 2 and 3 4 5 with 2 - 3 and 1 - 4. Within 3 states each stays whole.
    edges = both_ways([(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (2, 3)])
    (found,) = grow_communities(edges, 6, [3])
    assert found.communities.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.flatnonzero(found.is_gate).tolist() == [2, 3]
    ids, valid = found.gates(jnp.array([0, 4]))
    assert (ids.tolist(), valid.tolist()) == ([[2], [3]], [[True], [True]])
    # Within 6 there is one, and no gate.
    (found,) = grow_communities(edges, 6, [6])
    assert found.community(jnp.arange(6)).tolist() == [0] * 6
    assert not found.is_gate.any()


def test_levels_are_nested_and_bounded():
    edges = grid(16)
    small, large = grow_communities(edges, 256, [16, 24])
    communities, gates = np.asarray(small.communities), np.asarray(small.is_gate)
    assert np.bincount(communities).max() <= 16
    # Bounded is what is to be learned: above, the gates.
    above = np.asarray(large.communities)
    assert 4 < np.bincount(above[gates]).max() <= 24
    for number in range(communities.max() + 1):
        assert len(set(above[communities == number])) == 1
    # Gates are the ends of steps from one community to another, on both levels.
    for level in (small, large):
        labels = np.asarray(level.communities)
        crossing = edges[labels[edges[:, 0]] != labels[edges[:, 1]]]
        assert np.flatnonzero(level.is_gate).tolist() == np.unique(crossing).tolist()
    assert np.all(gates[np.asarray(large.is_gate)])
    # About as few communities as there could be: at most half of them less than half full.
    assert communities.max() + 1 <= 2 * 256 // 16


def test_one_way_steps_have_gates_at_both_ends():
    (found,) = grow_communities(np.array([[0, 1], [1, 0], [1, 2], [2, 3], [3, 2]]), 4, [2])
    assert found.communities.tolist() == [0, 0, 1, 1]
    assert np.flatnonzero(found.is_gate).tolist() == [1, 2]


def test_what_must_lie_together_does():
    edges = both_ways([(0, 1), (2, 3), (4, 5), (1, 2), (3, 4)])
    (found,) = grow_communities(edges, 6, [2], together=np.array([[0, 5]]))
    communities = found.communities.tolist()
    assert communities[0] == communities[5]
    assert max(communities.count(each) for each in communities) == 2
    with pytest.raises(ValueError, match="3 must lie in one community, which may hold 2; raise its size"):
        grow_communities(edges, 6, [2], together=np.array([[0, 5], [5, 3]]))


def test_states_without_steps_are_communities_of_their_own():
    (found,) = grow_communities(np.zeros((0, 2), int), 3, [2])
    assert found.communities.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0, 1]], 2, []), "sizes must be at least one, of 2 or more each"),
        (([[0, 1]], 2, [1]), r"of 2 or more each, not \[1\]"),
        (([[0, 2]], 2, [2]), "ids of 2 states lie between 0 and 1, not 0 to 2"),
    ],
)
def test_what_can_not_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        grow_communities(np.array(arguments[0]), *arguments[1:])
