"""Data parallelism by JAX's own partitioner: a batch is split over devices, and everything else replicated on each.

There is one mesh with one axis, `data`. The model's state and its training data are replicated over it; a batch is
constrained to be split along the axis, and the compiler then splits the sampling of the batch and the work on each
example, and sums over devices where examples are combined. No function here changes what is computed, except the order
in which numbers are added.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from humain import errors

PyTree: TypeAlias = Any

AXIS = "data"
"""The name of the mesh's axis that batches are split over."""


def data_mesh(num_devices: int = 0) -> Mesh | None:
    """Makes a mesh over the first devices of every process, equally many of each.

    Args:
        num_devices: the number of devices over all processes; 0 for all available ones.

    Returns:
        The mesh, or None for one device, where there is nothing to split.

    Raises:
        UserError: if fewer devices are available, or `num_devices` is not a multiple of the number of processes.
    """
    num_processes = jax.process_count()
    by_process = [jax.local_devices(process_index=index) for index in range(num_processes)]
    available = num_processes * min(map(len, by_process))
    wanted = num_devices or available
    if not 0 < wanted <= available:
        raise errors.UserError(
            f"a mesh of {wanted} devices was requested, but {available} are available ({available // num_processes} "
            f"for each of {num_processes} processes); request {num_processes} to {available}, or 0 for all"
        )
    if wanted % num_processes:
        raise errors.UserError(
            f"a mesh of {wanted} devices can't take equally many from each of {num_processes} processes; request a "
            f"multiple of {num_processes}, or 0 for all"
        )
    if wanted == 1:
        return None
    chosen = [device for devices in by_process for device in devices[: wanted // num_processes]]
    return Mesh(np.array(chosen), (AXIS,), axis_types=(AxisType.Auto,))


def check_batches(sizes: Mapping[str, int], mesh: Mesh | None) -> None:
    """Checks that batches can be split evenly over the devices.

    Args:
        sizes: the number of examples in each batch, by the name of the batch that the user knows.
        mesh: the mesh to split them over; None for one device, which takes any size.

    Raises:
        UserError: if a size is not a multiple of the number of devices; the message names the batch and both numbers.
    """
    if mesh is None:
        return
    for name, size in sizes.items():
        if size % mesh.size:
            raise errors.UserError(_uneven(name, size, mesh.size))


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """Copies a pytree of arrays (typed keys too) to each device of the mesh.

    Args:
        tree: arrays on a device of this process; if there are several processes, all must pass equal ones.
        mesh: a mesh over devices of all processes.
    """
    if not mesh.is_multi_process:
        return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))
    return multihost_utils.host_local_array_to_global_array(tree, mesh, PartitionSpec())


def local(tree: PyTree) -> PyTree:
    """Returns the copy of a replicated pytree that is on the first device of this process.

    Computations on it stay on that device, so each process can continue independently.
    """
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def split_batch(tree: PyTree) -> PyTree:
    """Splits a batch's leading axis over the mesh that is set (`jax.set_mesh`); without a mesh, returns it unchanged.

    Args:
        tree: arrays `[B, ...]`, traced.

    Raises:
        UserError: if B is not a multiple of the number of devices.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if AXIS not in mesh.axis_names:
        return tree
    num_devices = mesh.shape[AXIS]

    def split(leaf: jax.Array) -> jax.Array:
        if leaf.shape[0] % num_devices:
            raise errors.UserError(_uneven("a batch", leaf.shape[0], num_devices))
        return jax.lax.with_sharding_constraint(leaf, PartitionSpec(AXIS))

    return jax.tree.map(split, tree)


def _uneven(name: str, size: int, num_devices: int) -> str:
    common = math.gcd(size, num_devices)
    return (
        f"{name} has {size} examples, which {num_devices} devices can't share evenly; make it a multiple of "
        f"{num_devices}, or use {common} of the devices with --config.mesh.data={common}"
    )
