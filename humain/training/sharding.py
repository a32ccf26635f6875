"""A batch split over devices, and all else on each of them whole: data parallelism by JAX's own partitioner.

There is one mesh with one axis, `data`. What a model has learned and what it learns from are replicated over it; a
batch is constrained to lie split along the axis, and the compiler splits what makes the batch, what is done with each
example, and adds up over devices where examples meet. No function here changes what is computed but for the order in
which numbers are added.
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
"""The axis of the mesh that batches are split over."""


def data_mesh(num_devices: int = 0) -> Mesh | None:
    """A mesh over the first devices of every process, as many of each.

    Args:
        num_devices: over all processes; 0 for all that there are.

    Returns:
        The mesh, or None where it would be one device of one process: then there is nothing to split.

    Raises:
        UserError: if there are not so many, or not as many for each process.
    """
    num_processes = jax.process_count()
    by_process = [jax.local_devices(process_index=index) for index in range(num_processes)]
    available = num_processes * min(map(len, by_process))
    wanted = num_devices or available
    if not 0 < wanted <= available:
        raise errors.UserError(
            f"a mesh of {wanted} devices was asked for, and there are {available} ({available // num_processes} for "
            f"each of {num_processes} processes); ask for {num_processes} to {available}, or for all by 0"
        )
    if wanted % num_processes:
        raise errors.UserError(
            f"a mesh of {wanted} devices can't have as many of each of {num_processes} processes; ask for a multiple "
            f"of {num_processes}, or for all by 0"
        )
    if wanted == 1:
        return None
    chosen = [device for devices in by_process for device in devices[: wanted // num_processes]]
    return Mesh(np.array(chosen), (AXIS,), axis_types=(AxisType.Auto,))


def check_batches(sizes: Mapping[str, int], mesh: Mesh | None) -> None:
    """Refuses batches that can't be split evenly.

    Args:
        sizes: of each batch, by what the user calls it.
        mesh: to split them over; None for one device, which takes any size.

    Raises:
        UserError: naming the batch and the numbers.
    """
    if mesh is None:
        return
    for name, size in sizes.items():
        if size % mesh.size:
            raise errors.UserError(_uneven(name, size, mesh.size))


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """A pytree of arrays (typed keys too) with a copy on each device of the mesh.

    Args:
        tree: arrays on a device of this process; where there are several processes, each has to give equal ones.
        mesh: of all processes.
    """
    if not mesh.is_multi_process:
        return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))
    return multihost_utils.host_local_array_to_global_array(tree, mesh, PartitionSpec())


def local(tree: PyTree) -> PyTree:
    """The copy of a replicated pytree that lies on the first device of this process.

    What is computed from it stays on that device: each process may go on for itself.
    """
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def split_batch(tree: PyTree) -> PyTree:
    """A batch, its leading axis split over the mesh that is set (`jax.set_mesh`); where none is, just the batch.

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
        f"{num_devices}, or take {common} of the devices with --config.mesh.data={common}"
    )
