"""Tests of the mesh and of what lies how on it, on four virtual devices of the CPU."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import errors
from humain.training import sharding


def _mesh(num_devices: int) -> jax.sharding.Mesh:
    mesh = sharding.data_mesh(num_devices)
    assert mesh is not None
    return mesh


def test_a_mesh_has_as_many_devices_as_were_asked_for() -> None:
    assert sharding.data_mesh(1) is None
    assert dict(_mesh(2).shape) == {"data": 2}
    assert list(_mesh(2).devices) == jax.devices()[:2]
    assert dict(_mesh(0).shape) == {"data": 4}


@pytest.mark.parametrize("num_devices", [-1, 5])
def test_devices_that_are_not_there_are_refused(num_devices: int) -> None:
    with pytest.raises(errors.UserError, match=f"a mesh of {num_devices} devices .* but 4 are .*, or 0 for all"):
        sharding.data_mesh(num_devices)


def test_a_batch_must_be_shared_evenly() -> None:
    sharding.check_batches({"batch_size": 6}, None)
    sharding.check_batches({"batch_size": 8, "nothing": 0}, _mesh(4))
    # Of 6 examples 2 devices can take 3 each.
    with pytest.raises(errors.UserError, match=r"batch_size has 6 examples, which 4 devices .* --config.mesh.data=2"):
        sharding.check_batches({"batch_size": 6}, _mesh(4))
    with jax.set_mesh(_mesh(4)), pytest.raises(errors.UserError, match="a batch has 6 examples"):
        jax.eval_shape(sharding.split_batch, jnp.zeros((6, 2)))


def test_without_a_mesh_a_batch_stays_what_it_is() -> None:
    batch = {"goals": jnp.zeros(6)}
    assert sharding.split_batch(batch) is batch


def test_a_batch_is_split_over_the_devices() -> None:
    seen: list[Any] = []

    def total(batch: dict[str, jax.Array]) -> jax.Array:
        batch = sharding.split_batch(batch)
        jax.debug.inspect_array_sharding(batch["goals"], callback=seen.append)
        return jnp.sum(batch["goals"])

    with jax.set_mesh(_mesh(4)):
        # 0 + 1 + ... + 15
        assert jax.jit(total)({"goals": jnp.arange(16.0).reshape(8, 2)}) == 120
    assert [found.shard_shape((8, 2)) for found in seen] == [(2, 2)]


def test_what_is_replicated_is_whole_on_each_device_and_comes_back() -> None:
    tree = {"weights": jnp.arange(3.0), "key": jax.random.key(5)}
    spread = sharding.replicate(tree, _mesh(4))
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(spread))
    assert [len(leaf.addressable_shards) for leaf in jax.tree.leaves(spread)] == [4, 4]
    back = sharding.local(spread)
    assert [leaf.devices() for leaf in jax.tree.leaves(back)] == [{jax.devices()[0]}] * 2
    np.testing.assert_array_equal(back["weights"], [0, 1, 2])
    np.testing.assert_array_equal(jax.random.key_data(back["key"]), jax.random.key_data(jax.random.key(5)))


def test_all_devices_are_taken_by_default() -> None:
    assert sharding.data_mesh.__defaults__ == (0,)
    assert dict(_mesh(3).shape) == {"data": 3}
