"""The models of the language tasks: built by config from a data set, trained elsewhere, kept as safetensors."""

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from ml_collections import ConfigDict

from humain import errors
from humain.abstraction import kmeans
from humain.abstraction.abstraction import Abstraction
from humain.abstraction.chunk_mean import ChunkMean
from humain.abstraction.kmeans import KMeans
from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.kernels.transformer import TransformerConfig
from humain.language.dataset import Dataset
from humain.model import Model, ModelState
from humain.types import Trajectories
from tasks.language import experience, guiding, imagining, layers, paths, reading, scaling
from tasks.language.guiding import Guidance
from tasks.language.imagining import Imagined
from tasks.language.paths import Path
from tasks.language.scaling import Scaling

TRAIN = "train"
"""The split that is learned from."""
BLUEPRINTS = "blueprints"
"""The split of plans for what comes with sentences of its own: learned from as wholes, with these given."""
MAIN = "hierarchy"
_WHOLE = Skip(2**20)
"""Of the top layer: it goes to the end, for no path is as long as this."""


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """All of a model but what it has learned.

    Attributes:
        model: the layers.
        abstractions: what each of them sees.
        trajectories: to learn from.
        scaling: of embeddings.
        embeddings: `[V, D]`, of the sentences, as the layers see them.
        num_shared: how many of these, the first ones, are not given with a goal.
        num_ways: how many of the trajectories, the first ones, are paths that training has; those after them are paths
            to what is given.
        milestones: another layer above them all, which divides what is given into goals that are known; None where
            there is none.
    """

    model: Model
    abstractions: tuple[Abstraction, ...]
    trajectories: Trajectories
    scaling: Scaling
    embeddings: np.ndarray
    num_shared: int
    num_ways: int
    milestones: "Setup | None" = None

    @property
    def centroids(self) -> tuple[np.ndarray, ...]:
        """`[K, D]` of each abstraction by clusters, bottom first; none where layers see means."""
        return tuple(
            np.asarray(abstraction.clusters.centroids)
            for abstraction in self.abstractions
            if isinstance(abstraction, KMeans)
        )

    def known(self, layer: int) -> np.ndarray:
        """`[N, D]`, the states that a layer's answers are taken for the nearest of; at the bottom the sentences."""
        return guiding.known_states(self.model, layer).known

    def guidance(
        self,
        state: ModelState,
        milestones: ModelState | None = None,
        *,
        max_sub_steps: int,
        max_top_steps: int,
        max_steps: int,
    ) -> Guidance:
        """The trained model, ready to be asked.

        Args:
            state: what it has learned.
            milestones: what its layer of milestones has learned, if it has one.
            max_sub_steps: answers of each layer for one goal of the layer above.
            max_top_steps: answers of the top layer.
            max_steps: of a guide.
        """
        *below, top = self.model.layers
        bounded = [dataclasses.replace(layer, max_sub_steps=max_sub_steps, max_nodes=max_steps) for layer in below]
        # A single layer's answers are steps.
        most = max_top_steps if below else max_steps
        bounded.append(dataclasses.replace(top, max_sub_steps=max_top_steps, max_nodes=most))
        model = dataclasses.replace(self.model, layers=tuple(bounded))
        above = None
        if self.milestones is not None:
            assert milestones is not None
            above = self.milestones.guidance(
                milestones, max_sub_steps=max_sub_steps, max_top_steps=max_sub_steps, max_steps=max_sub_steps
            )
        return Guidance(model, state, self.embeddings, max_steps, self.num_shared, above)


def check(config: Any) -> None:
    """Refuses what can be seen to be wrong with blueprints and layers of milestones before any data is read.

    Args:
        config: the whole of `configs/lm_guide_train.py`.

    Raises:
        UserError: naming the key, its value and what is expected.
    """
    sizes = config.milestones
    for key in ("width", "hidden"):
        if sizes[key] < 1:
            raise errors.UserError(f"milestones.{key} must be at least 1, not {sizes[key]}")
    for name, chosen in config.models.items():
        if chosen.blueprints not in ("divided", "whole", "unused"):
            raise errors.UserError(
                f"models.{name}.blueprints must be 'divided', 'whole' or 'unused', not {chosen.blueprints!r}"
            )
        if not 0 <= chosen.train_share < 1:
            raise errors.UserError(f"models.{name}.train_share must be 0 or more and below 1, not {chosen.train_share}")
        if chosen.blueprints != "divided":
            continue
        if milestones_name(name) in config.models:
            raise errors.UserError(
                f"models.{milestones_name(name)} has the name of the layer of milestones of models.{name}, under which "
                "that is kept; rename one of the two"
            )
        _check_heads(chosen, name, sizes.width)


def _check_heads(chosen: Any, name: str, width: int) -> None:
    """Refuses a width of a model's layer of milestones that its heads can't share."""
    if chosen.kernel.name != "transformer":
        return
    num_heads = chosen.kernel.get("num_heads", TransformerConfig.num_heads)
    if num_heads < 1:
        raise errors.UserError(f"models.{name}.kernel.num_heads must be at least 1, not {num_heads}")
    # A rotary encoding turns pairs.
    rotary = chosen.encoding == "rotary"
    if width % (2 * num_heads if rotary else num_heads):
        expected = "an even multiple" if rotary else "a multiple"
        raise errors.UserError(
            f"milestones.width must be {expected} of models.{name}.kernel.num_heads ({num_heads}), not {width}"
        )


def build(config: Any, name: str, data: Dataset, *, trained: pathlib.Path | None = None) -> Setup:
    """A model of a config.

    Args:
        config: the whole of `configs/lm_guide_train.py`, of which `check` found nothing wrong.
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
    blueprints = [plan.steps for plan in data.plans if plan.split == BLUEPRINTS]
    before = paths.always_before([*train, *blueprints])
    # Only what is given is divided: what all goals share has paths of its own.
    divided = [paths.milestones(plan, before) for plan in blueprints if plan[-1] >= data.num_shared]
    fitted = scaling.fit(data.vocabulary_embeddings[: data.num_shared])
    embeddings = fitted.scale(data.vocabulary_embeddings)
    if chosen.reads and divided:
        taken = _amounts(embeddings, divided, data.num_shared)
        embeddings = np.concatenate([embeddings, scaling.fit(taken[: data.num_shared]).scale(taken)], axis=1)
    shared = embeddings[: data.num_shared]
    try:
        abstractions = (*_abstractions(chosen, shared, trained), _WHOLE)
        ways = paths.gather(train, **dict(config.paths))
        composed = _Composed((), embeddings)
        if chosen.blueprints == "whole":
            # With as many imagined ones as a layer of milestones learns.
            imagined = imagining.imagine(divided, embeddings, before, number=config.num_imagined, seed=0)
            own = [Path(plan, 1.0) for plan in blueprints]
            composed = _compose([*own, *_joined(imagined, ways, len(embeddings))], imagined, embeddings)
        trajectories = experience.trajectories(
            (*ways, *composed.paths), composed.embeddings, score_discount=chosen.score_discount
        )
    except ValueError as error:
        raise errors.UserError(f"models.{name}: {error}") from error
    # At the bottom all that are not given with a goal are known; the number of a known state is that of a sentence.
    _, *above = hindsight.answers(trajectories, abstractions)
    known = [shared, *(np.asarray(states) for states in above)]
    setup = Setup(
        model=layers.build_model(chosen, known, num_updates=config.num_updates, stop=config.stop),
        abstractions=abstractions,
        trajectories=trajectories,
        scaling=fitted,
        embeddings=embeddings,
        num_shared=data.num_shared,
        num_ways=len(ways),
    )
    if chosen.blueprints != "divided" or not divided:
        return setup
    return dataclasses.replace(setup, milestones=_milestones(config, chosen, setup, divided, before))


@dataclasses.dataclass(frozen=True, eq=False)
class _Composed:
    """Paths to sentences that are given with a goal.

    Attributes:
        paths: indices.
        embeddings: `[V + N, D]`, of the sentences and, after them, of those that were imagined.
    """

    paths: tuple[Path, ...]
    embeddings: np.ndarray


def _compose(ways: Sequence[Path], imagined: Sequence[Imagined], embeddings: np.ndarray) -> _Composed:
    """Paths with the embeddings of what was imagined after those of the sentences."""
    return _Composed(tuple(ways), np.concatenate([embeddings, *(each.embedding[None] for each in imagined)]))


def _joined(imagined: Sequence[Imagined], ways: Sequence[Path], first: int) -> list[Path]:
    """Paths to imagined sentences, numbered from `first` on, as wholes: by the best way to each thing."""
    best: dict[int, tuple[int, ...]] = {}
    for way in ways:
        best.setdefault(way.steps[-1], way.steps)
    return [
        Path((*dict.fromkeys(step for goal in each.taken for step in best[goal]), first + number), 1.0)
        for number, each in enumerate(imagined)
    ]


def _milestones(
    config: Any,
    chosen: Any,
    below: Setup,
    divided: Sequence[Sequence[int]],
    before: Mapping[int, frozenset[int]],
) -> Setup:
    """The layer that learns which known goals are to be reached for what is given."""
    own = milestones_config(config, chosen)
    read = _amounts(below.embeddings, divided, below.num_shared)
    fitted = scaling.fit(read[: below.num_shared])
    embeddings = fitted.scale(read)
    imagined = imagining.imagine(divided, embeddings, before, number=config.milestones.num_imagined, seed=0)
    # Each is reached on its own, so that the order is free: one that is always the same is the easiest to learn.
    ordered = [(*sorted(taken), last) for *taken, last in divided]
    numbered = [(*each.taken, len(embeddings) + number) for number, each in enumerate(imagined)]
    composed = _compose([Path(steps, 1.0) for steps in (*ordered, *numbered)], imagined, embeddings)
    return dataclasses.replace(
        below,
        model=layers.build_model(
            own, [embeddings[: below.num_shared]], num_updates=config.milestones.num_updates, stop=config.stop
        ),
        abstractions=(_WHOLE,),
        trajectories=experience.trajectories(composed.paths, composed.embeddings, score_discount=chosen.score_discount),
        scaling=fitted,
        embeddings=embeddings,
        num_ways=len(composed.paths),
    )


def _amounts(embeddings: np.ndarray, divided: Sequence[Sequence[int]], num_shared: int) -> np.ndarray:
    """`[V, N]`: how much of each sentence that all goals share each sentence takes; one of these takes itself.

    Args:
        embeddings: `[V, D]`, of the sentences.
        divided: of those given to learn from, what each takes, and last itself; at least one.
        num_shared: N, how many of the sentences, the first ones, all goals share.
    """
    lasts = [last for *_, last in divided]
    known = reading.amounts_taken([taken for *taken, _ in divided], num_shared)
    read = reading.fit(embeddings[lasts], known).read(embeddings)
    read[:num_shared] = np.eye(num_shared)
    read[lasts] = reading.read_by_others(embeddings[lasts], known)
    return read.astype(np.float32)


def _abstractions(config: Any, embeddings: np.ndarray, trained: pathlib.Path | None) -> tuple[Abstraction, ...]:
    """Of all layers but the top one, bottom first. The centroids of one layer are the points of the next."""
    if config.abstraction == "chunk_mean":
        return tuple(ChunkMean(size) for size in config.chunks)
    if config.abstraction != "kmeans":
        raise ValueError(f"abstraction {config.abstraction!r} is neither 'chunk_mean' nor 'kmeans'")
    found: list[KMeans] = []
    points = jnp.asarray(np.concatenate([experience.start(embeddings)[None], embeddings]))
    # Another device may find other clusters than those that the weights were trained on.
    kept = None if trained is None else _read_centroids(trained, len(config.num_clusters))
    for number, num_clusters in enumerate(config.num_clusters):
        if kept is None:
            found.append(kmeans.cluster_states(points, min(num_clusters, len(points)), jax.random.key(0)))
        else:
            found.append(kmeans.around(jnp.asarray(kept[number]), points))
        points = found[-1].clusters.centroids
    return tuple(found)


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
    like = setup.model.init(jax.random.key(0), setup.abstractions)
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
    """Which of some models the others are compared with: `hierarchy`, or the first if none has that name."""
    listed = list(names)
    return MAIN if MAIN in listed else listed[0]


def milestones_config(config: Any, chosen: Any) -> ConfigDict:
    """What makes the layer of milestones out of the whole config and that of its model.

    Its order is always the same, so that there is one answer, and one slot for it.
    """
    sizes = {"width": config.milestones.width, "hidden": config.milestones.hidden}
    return ConfigDict(
        {
            **chosen,
            "kernel": {**chosen.kernel, **sizes},
            "context_lengths": chosen.context_lengths[:1],
            "num_slots": 1,
        }
    )


def milestones_name(name: str) -> str:
    """The name of a model's layer of milestones, under which it is trained and kept."""
    return f"{name}_milestones"


def known_goals(plans: Sequence[Any]) -> dict[str, int]:
    """What the goals of training came to: the last sentence of each plan."""
    return {plan.goal: plan.steps[-1] for plan in plans if plan.split == TRAIN}
