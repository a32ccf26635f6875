"""The models of the language tasks: built by config from a data set, trained elsewhere, kept as safetensors."""

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from humain import errors
from humain.abstraction import clustering
from humain.language.dataset import Dataset
from humain.model import Model, ModelState
from tasks.language import hierarchy, learner, paths, scaling
from tasks.language.guiding import Guidance
from tasks.language.hierarchy import Table
from tasks.language.scaling import Scaling

TRAIN = "train"
"""The split that is learned from."""
MAIN = "hierarchy"


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """All of a model but what it has learned.

    Attributes:
        model: the layers.
        tables: the examples of each.
        scaling: of embeddings.
        embeddings: `[V, D]`, of the sentences, as the layers see them.
        stop: the stop signal at a chunk's last state.
        centroids: `[K, D]` for each layer that sees clusters, bottom first; none where layers see means.
    """

    model: Model
    tables: tuple[Table, ...]
    scaling: Scaling
    embeddings: np.ndarray
    stop: float
    centroids: tuple[np.ndarray, ...]

    def guidance(self, state: ModelState, *, max_sub_steps: int, max_top_steps: int) -> Guidance:
        """The trained model, ready to be asked."""
        below = (max_sub_steps,) * (len(self.tables) - 1)
        return Guidance(self.model, state, self.tables, self.embeddings, self.stop, (*below, max_top_steps))


def build(config: Any, name: str, data: Dataset, *, trained: pathlib.Path | None = None) -> Setup:
    """A model of a config.

    Args:
        config: the whole of `configs/lm_guide_train.py`.
        name: one of its `models`.
        data: to learn from.
        trained: what `save` wrote, whose clusters are taken; by default they are found anew.

    Raises:
        UserError: naming what can't be.
    """
    chosen = config.models[name]
    train = [plan.steps for plan in data.plans if plan.split == TRAIN]
    if not train:
        raise errors.UserError(f"the data has no plan of the split {TRAIN!r} to learn from; prepare some")
    fitted = scaling.fit(data.vocabulary_embeddings)
    embeddings = fitted.scale(data.vocabulary_embeddings)
    try:
        centroids = _centroids(chosen, embeddings, trained)
        tables = hierarchy.build(
            paths.gather(train, **dict(config.paths)),
            embeddings,
            chunkers=_chunkers(chosen, embeddings, centroids),
            context_lengths=chosen.context_lengths,
            score_discount=chosen.score_discount,
            stop=config.stop,
        )
    except ValueError as error:
        raise errors.UserError(f"models.{name}: {error}") from error
    model = learner.build_model(
        chosen,
        num_features=data.width + 1,
        num_updates=config.num_updates,
        context_lengths=chosen.context_lengths,
    )
    return Setup(
        model=model, tables=tables, scaling=fitted, embeddings=embeddings, stop=config.stop, centroids=centroids
    )


def _centroids(config: Any, embeddings: np.ndarray, trained: pathlib.Path | None) -> tuple[np.ndarray, ...]:
    """Of each layer that sees clusters, bottom first. The centroids of one layer are the points of the next."""
    if config.abstraction == "chunk_mean":
        return ()
    if config.abstraction != "kmeans":
        raise ValueError(f"abstraction {config.abstraction!r} is neither 'chunk_mean' nor 'kmeans'")
    if len(config.num_clusters) != len(config.chunks):
        raise ValueError(f"{len(config.chunks)} sizes of chunks need as many num_clusters, not {config.num_clusters}")
    if trained is not None:
        # Another device may find other clusters than those that the weights were trained on.
        return _read_centroids(trained, len(config.chunks))
    found, points = [], embeddings
    for num_clusters in config.num_clusters:
        fitted = clustering.fit(jnp.asarray(points), min(num_clusters, len(points)), jax.random.key(0))
        points = np.asarray(fitted.centroids)
        found.append(points)
    return tuple(found)


def _chunkers(config: Any, embeddings: np.ndarray, centroids: Sequence[np.ndarray]) -> list[hierarchy.Chunker]:
    """How each layer's path is cut, bottom first."""
    if config.abstraction == "chunk_mean":
        return [hierarchy.chunk_mean(size) for size in config.chunks]
    chunkers, points = [], embeddings
    for size, found in zip(config.chunks, centroids, strict=True):
        # Without an iteration, the centroids stay where they are.
        state = clustering.improve(jnp.asarray(points), jnp.asarray(found), max_iterations=0)
        labels = np.asarray(clustering.assign(state, jnp.asarray(points)))
        chunkers.append(hierarchy.clusters(found, labels, max_size=size))
        points = found
    return chunkers


def num_parameters(state: ModelState) -> int:
    """Numbers that all layers learn."""
    return sum(leaf.size for leaf in _parameters(state))


def save(path: pathlib.Path, state: ModelState, centroids: Sequence[np.ndarray] = ()) -> None:
    """Writes what the layers have learned, without their optimisers, and the setup's centroids; in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    tensors = {str(at): np.asarray(leaf) for at, leaf in enumerate(_parameters(state))}
    safetensors.numpy.save_file({**tensors, **_by_name(centroids)}, temporary)
    temporary.replace(path)


def load(path: pathlib.Path, setup: Setup) -> ModelState:
    """Reads what `save` wrote.

    Raises:
        UserError: if it is not there, is of another model, or has weights that are not finite.
    """
    like = learner.begin(setup.model, jax.random.key(0)).model
    expected = _parameters(like)
    tensors = _read(path)
    kinds = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    wanted = {**{str(at): leaf for at, leaf in enumerate(expected)}, **_by_name(setup.centroids)}
    if kinds != {name: (leaf.shape, leaf.dtype) for name, leaf in wanted.items()}:
        raise _other_model(path)
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise errors.UserError(f"{path} has weights that are not finite; train again")
    leaves = [jnp.asarray(tensors[str(at)]) for at in range(len(expected))]
    kernels = []
    for kernel in _kernels(like):
        flat, structure = jax.tree.flatten(kernel.params)
        taken, leaves = leaves[: len(flat)], leaves[len(flat) :]
        kernels.append(dataclasses.replace(kernel, params=jax.tree.unflatten(structure, taken)))
    return dataclasses.replace(like, kernels=tuple(kernels))


def _read(path: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        return safetensors.numpy.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise errors.UserError(f"{path} can't be read ({error}); train again") from error


def _read_centroids(path: pathlib.Path, count: int) -> tuple[np.ndarray, ...]:
    tensors = _read(path)
    names = [f"centroids.{layer}" for layer in range(count)]
    if any(name not in tensors for name in names):
        raise _other_model(path)
    return tuple(tensors[name] for name in names)


def _by_name(centroids: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"centroids.{layer}": points for layer, points in enumerate(centroids)}


def _other_model(path: pathlib.Path) -> errors.UserError:
    return errors.UserError(f"{path} is of another model than its config says; train again")


def _parameters(state: ModelState) -> list[Any]:
    return [leaf for kernel in _kernels(state) for leaf in jax.tree.leaves(kernel.params)]


def _kernels(state: ModelState) -> Any:
    """The kernels' states, which are those of networks."""
    return state.kernels


def main(names: Iterable[str]) -> str:
    """Which of some models the others are compared with: `hierarchy`, or the first where there is none of that name."""
    listed = list(names)
    return MAIN if MAIN in listed else listed[0]


def known_goals(plans: Sequence[Any]) -> dict[str, int]:
    """What the goals of training came to: the last sentence of each plan."""
    return {plan.goal: plan.steps[-1] for plan in plans if plan.split == TRAIN}
