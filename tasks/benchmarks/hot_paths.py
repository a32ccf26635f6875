"""The project's own hot paths: `react`, `think`, chunks of updates, k-means.

`react` and `think` are those of `//tasks:simple`'s set `skip`: three transformer layers over 32 nodes. The model is
untrained, which does not change the operations of `react`. `think` finds no way, and asks each layer for as many
answers as its bound allows; their number is the row's `work`, and plans of different sizes are not compared.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from configs import simple
from humain import acting, planning
from humain.abstraction import clustering
from humain.model import Model, ModelState
from tasks.benchmarks import chunk_forms, clustering_forms, rows
from tasks.benchmarks.rows import Found, Ratio
from tasks.benchmarks.timing import Effort, in_turn, measure, ratio_interval
from tasks.graphs import sets

HOT_PATHS = (
    "react_1",
    "react_256",
    "think",
    *(f"update_{kernel}{suffix}" for kernel in chunk_forms.KERNELS for suffix in ("", "_one_by_one")),
    "kmeans",
)
"""The names of the rows that a comparison judges."""

_NUM_NODES = 32
_SET = "skip"


@dataclasses.dataclass(frozen=True)
class HotPathSizes:
    """The sizes of the hot paths that have some.

    Attributes:
        updates: the sizes of the trained model.
        points: the sizes of the clustered points.
    """

    updates: chunk_forms.ChunkSizes
    points: clustering_forms.ClusteringSizes


def build_model() -> tuple[Model, ModelState]:
    """Returns the model and its initial state."""
    config = simple.get_config().sets[_SET]
    model = sets.build_model(config, _NUM_NODES)
    walks = sets.as_trajectories(np.zeros((1, 2), np.int32), np.full(1, 2, np.int32))
    return model, model.init(jax.random.key(0), sets.build_abstractions(config, walks, _NUM_NODES))


def parts(sizes: HotPathSizes, effort: Effort, device: jax.Device) -> Mapping[str, Callable[[], Found]]:
    """Returns the measurements on a device, by name.

    Args:
        sizes: the sizes of the hot paths.
        effort: how much time measuring may take.
        device: the device to measure.
    """
    name = "cpu" if device.platform == "cpu" else "gpu"
    found: dict[str, Callable[[], Found]] = {
        "react_1": lambda: _react(1, effort, name),
        "react_256": lambda: _react(256, effort, name),
        "think": lambda: _think(effort, name),
        **{
            f"update_{kernel}": partial(_updates, kernel, sizes.updates, effort, name) for kernel in chunk_forms.KERNELS
        },
        "kmeans": lambda: _kmeans(sizes.points, effort, name),
    }
    return {part: _on(device, function) for part, function in found.items()}


def _on(device: jax.Device, function: Callable[[], Found]) -> Callable[[], Found]:
    def call() -> Found:
        with jax.default_device(device):
            return function()

    return call


def _questions(batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Returns the present nodes `[B]` and the goals `[B]` of `batch_size` agents."""
    numbers = np.arange(batch_size)
    return jnp.asarray(numbers % _NUM_NODES, jnp.int32), jnp.asarray((7 * numbers + 5) % _NUM_NODES, jnp.int32)


def _react(batch_size: int, effort: Effort, device: str) -> Found:
    model, state = build_model()
    states, goals = _questions(batch_size)
    start = acting.begin(model, batch_size)

    def block(calls: int) -> None:
        episode = start
        for _ in range(calls):
            episode, reaction = acting.react(model, state, episode, states, goals)
            # Waits after every call, since an agent has to wait for its action.
            reaction.action.block_until_ready()

    timing = measure(block, effort)
    row = rows.make(f"react_{batch_size}", timing, framework="jax", device=device, size=batch_size)
    return Found(rows=[row])


def _think(effort: Effort, device: str) -> Found:
    model, state = build_model()
    states, goals = _questions(1)

    def think() -> Any:
        return jax.block_until_ready(planning.think(model, state, states, goals))

    def block(calls: int) -> None:
        for _ in range(calls):
            think()

    timing = measure(block, effort)
    nodes = sum(int(np.sum(layer.valid)) for layer in think().layers)
    return Found(rows=[rows.make("think", timing, framework="jax", device=device, size=1, work=nodes)])


def _updates(kernel: str, sizes: chunk_forms.ChunkSizes, effort: Effort, device: str) -> Found:
    built = chunk_forms.build(kernel, sizes)
    measured = in_turn({name: form.run for name, form in built.items()}, effort)
    made = [
        rows.from_rounds(
            f"update_{kernel}{suffix}",
            measured[form],
            device=device,
            size=sizes.batch_size,
            work=sizes.chunk_steps,
            compile_seconds=built[form].compile_seconds,
        )
        for form, suffix in (("chunk", ""), ("one by one", "_one_by_one"))
    ]
    ratio = ratio_interval(measured["one by one"].seconds, measured["chunk"].seconds)
    return Found(rows=made, ratios=[Ratio(kernel, device, ratio.median, ratio.low, ratio.high, rounds=effort.repeats)])


def _kmeans(sizes: clustering_forms.ClusteringSizes, effort: Effort, device: str) -> Found:
    points_key, key = jax.random.split(jax.random.key(sizes.seed))
    points = clustering_forms.draw(
        points_key, num_points=sizes.num_points, num_features=sizes.num_features, num_clusters=sizes.num_clusters
    )

    def fit() -> clustering.KMeansState:
        return jax.block_until_ready(clustering.fit(points, sizes.num_clusters, jax.random.clone(key)))

    def block(calls: int) -> None:
        for _ in range(calls):
            fit()

    jax.block_until_ready(points)
    timing = measure(block, effort)
    iterations = int(fit().num_iterations)
    row = rows.make("kmeans", timing, framework="jax", device=device, size=sizes.num_points, work=iterations)
    return Found(rows=[row])
