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
    """

    model: Model
    tables: tuple[Table, ...]
    scaling: Scaling
    embeddings: np.ndarray
    stop: float

    def guidance(self, state: ModelState, *, max_sub_steps: int, max_top_steps: int) -> Guidance:
        """The trained model, ready to be asked."""
        below = (max_sub_steps,) * (len(self.tables) - 1)
        return Guidance(self.model, state, self.tables, self.embeddings, self.stop, (*below, max_top_steps))


def build(config: Any, name: str, data: Dataset) -> Setup:
    """A model of a config.

    Args:
        config: the whole of `configs/lm_guide_train.py`.
        name: one of its `models`.
        data: to learn from.

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
        tables = hierarchy.build(
            paths.gather(train, **dict(config.paths)),
            embeddings,
            chunkers=_chunkers(chosen, embeddings),
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
    return Setup(model=model, tables=tables, scaling=fitted, embeddings=embeddings, stop=config.stop)


def _chunkers(config: Any, embeddings: np.ndarray) -> list[hierarchy.Chunker]:
    """How each layer's path is cut, bottom first. The centroids of one layer are the points of the next."""
    if config.abstraction == "chunk_mean":
        return [hierarchy.chunk_mean(size) for size in config.chunks]
    if config.abstraction != "kmeans":
        raise ValueError(f"abstraction {config.abstraction!r} is neither 'chunk_mean' nor 'kmeans'")
    if len(config.num_clusters) != len(config.chunks):
        raise ValueError(f"{len(config.chunks)} sizes of chunks need as many num_clusters, not {config.num_clusters}")
    chunkers, points = [], embeddings
    for size, num_clusters in zip(config.chunks, config.num_clusters, strict=True):
        # The same key each time: who reads a trained model has to come to the same chunks.
        clusters = clustering.fit(jnp.asarray(points), min(num_clusters, len(points)), jax.random.key(0))
        points = np.asarray(clusters.centroids)
        chunkers.append(hierarchy.nearest_centroid(points, size))
    return chunkers


def num_parameters(state: ModelState) -> int:
    """Numbers that all layers learn."""
    return sum(leaf.size for leaf in _parameters(state))


def save(path: pathlib.Path, state: ModelState) -> None:
    """Writes what the layers have learned, without their optimisers; in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    safetensors.numpy.save_file({str(at): np.asarray(leaf) for at, leaf in enumerate(_parameters(state))}, temporary)
    temporary.replace(path)


def load(path: pathlib.Path, setup: Setup) -> ModelState:
    """Reads what `save` wrote.

    Raises:
        UserError: if it is not there, is of another model, or has weights that are not finite.
    """
    like = learner.begin(setup.model, jax.random.key(0)).model
    expected = _parameters(like)
    try:
        tensors = safetensors.numpy.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise errors.UserError(f"{path} can't be read ({error}); train again") from error
    kinds = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    if kinds != {str(at): (leaf.shape, leaf.dtype) for at, leaf in enumerate(expected)}:
        raise errors.UserError(f"{path} is of another model than its config says; train again")
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise errors.UserError(f"{path} has weights that are not finite; train again")
    leaves = [jnp.asarray(tensors[str(at)]) for at in range(len(expected))]
    kernels = []
    for kernel in _kernels(like):
        flat, structure = jax.tree.flatten(kernel.params)
        taken, leaves = leaves[: len(flat)], leaves[len(flat) :]
        kernels.append(dataclasses.replace(kernel, params=jax.tree.unflatten(structure, taken)))
    return dataclasses.replace(like, kernels=tuple(kernels))


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
