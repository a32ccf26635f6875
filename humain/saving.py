"""A trained model in one file: what it is made of, as JSON, and what it has learned, as arrays. No pickle.

The file is one of `humain.files.archive`: `unzip -p FILE header.json` shows the model, and `numpy.load` its arrays. A
reader makes nothing of it but the classes that are named here and those that its caller hands over.
"""

import os
import pathlib
from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain import errors
from humain.abstraction.bridges import Bridges
from humain.abstraction.chunk_mean import ChunkMean
from humain.abstraction.clustering import KMeansState
from humain.abstraction.entropy import Entropy
from humain.abstraction.kmeans import KMeans
from humain.abstraction.nearest_centroid import NearestCentroid
from humain.abstraction.neural_entropy import NeuralEntropy
from humain.abstraction.skip import Skip
from humain.abstraction.visit_density import VisitDensity
from humain.cortex import scores
from humain.cortex.cortex import Cortex
from humain.description import Describer, Rebuilder, to_numpy
from humain.files import archive
from humain.files.records import Json
from humain.hippocampus import encodings
from humain.hippocampus.location import Located, PlacesInVectors, PlacesOfIds, Scales
from humain.hippocampus.recall import Recall
from humain.hippocampus.rotary import Rotary
from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagged import TaggedIds, TaggedVectors
from humain.hippocampus.tagging import Tagging
from humain.kernels import linear, transformer
from humain.kernels.inverse_model import InverseModel
from humain.kernels.network import NetworkKernel
from humain.kernels.optimizers import Adam
from humain.kernels.rows import DenseRows, SparseRows
from humain.kernels.slots import SlotLoss
from humain.kernels.table import Table
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.nearest import Nearest
from humain.spaces import Continuous, Discrete
from humain.stopping import Stopping

_FORMAT = "humain model"
_VERSION = 1

_KNOWN: dict[str, Any] = {
    "Adam": Adam,
    "Bridges": Bridges,
    "ChunkMean": ChunkMean,
    "Continuous": Continuous,
    "Cortex": Cortex,
    "DenseRows": DenseRows,
    "Discrete": Discrete,
    "Entropy": Entropy,
    "GeometricScore": scores.Geometric,
    "InverseModel": InverseModel,
    "KMeans": KMeans,
    "KMeansState": KMeansState,
    "Layer": Layer,
    "LinearConfig": linear.LinearConfig,
    "LinearScore": scores.Linear,
    "Located": Located,
    "Model": Model,
    "NetworkKernel": NetworkKernel,
    "Nearest": Nearest,
    "NearestCentroid": NearestCentroid,
    "NeuralEntropy": NeuralEntropy,
    "PlacesInVectors": PlacesInVectors,
    "PlacesOfIds": PlacesOfIds,
    "Recall": Recall,
    "ReturnScore": scores.Return,
    "Rotary": Rotary,
    "Scaled": encodings.Scaled,
    "Scales": Scales,
    "Skip": Skip,
    "SlotLoss": SlotLoss,
    "SparseRows": SparseRows,
    "Stopping": Stopping,
    "Table": Table,
    "TagLevels": TagLevels,
    "TaggedIds": TaggedIds,
    "TaggedVectors": TaggedVectors,
    "Tagging": Tagging,
    "TransformerConfig": transformer.TransformerConfig,
    "VisitDensity": VisitDensity,
    "linear network": linear.LinearBuild,
    "no encoding": encodings.none,
    "sinusoidal": encodings.sinusoidal,
    "transformer network": transformer.TransformerBuild,
}
"""What a file may name. A name stays what it is for as long as files of this version can be read."""


def describe(model: Model, state: ModelState) -> tuple[dict[str, Json], dict[str, np.ndarray]]:
    """What a file says of a model, and its arrays by name."""
    describer = Describer(_KNOWN)
    header: dict[str, Json] = {
        "format": _FORMAT,
        "version": _VERSION,
        "model": describer.describe(model, "model"),
        "abstractions": describer.describe(state.abstractions, "abstractions"),
    }
    learned = {name: to_numpy(leaf, name) for name, leaf in _leaves(state.kernels).items()}
    return header, describer.arrays | learned


def save(path: str | os.PathLike[str], model: Model, state: ModelState) -> None:
    """Writes a trained model to a file, in one step: a crash leaves the old file or the new one.

    Args:
        path: the file; its folder is made where it is missing.
        model: the stack. Classes of your own that are dataclasses are described by their fields.
        state: what it has learned; also what optimisers need to learn on.

    Raises:
        ValueError: when the state holds something that is not a number.
    """
    archive.write(pathlib.Path(path), *describe(model, state))


def load(
    path: str | os.PathLike[str], *, classes: Collection[type] = (), model: Model | None = None
) -> tuple[Model, ModelState]:
    """Reads a trained model: the same bits as were saved, and so the same answers and plans.

    Args:
        path: a file of `save`.
        classes: your own dataclasses that the model is made of, its kernels and abstractions among them.
        model: the model itself, where it has parts that a file can only name, such as an `optax` optimiser; what the
            file says of it must fit.

    Returns:
        The model and what it has learned, on the default device.

    Raises:
        ValueError: when two classes have one name.
        UserError: when the file is missing, damaged, foreign or of a later version, or needs `classes` or `model`.
    """
    own = _by_name(classes)
    file = pathlib.Path(path)
    header, arrays = archive.read(file)
    if header.get("format") != _FORMAT:
        raise errors.UserError(f"{file} is not a model that humain saved")
    if header.get("version", _VERSION) != _VERSION:
        raise errors.UserError(
            f"{file} is of version {header['version']}, and this humain reads {_VERSION}; take the humain that wrote it"
        )
    rebuilder = Rebuilder(_KNOWN, own, arrays)
    for key in ("version", "model", "abstractions"):
        if key not in header:
            raise errors.UserError(f"{file} does not fit this version of humain: it has no {key}")
    try:
        if model is None:
            model = rebuilder.rebuild(header["model"])
        elif (given := Describer(_KNOWN).describe(model, "model")) != header["model"]:
            raise errors.UserError(f"{file} is of another model: {_difference(header['model'], given)}")
        abstractions = rebuilder.rebuild(header["abstractions"])
        if not isinstance(model, Model) or not isinstance(abstractions, tuple):
            raise errors.UserError(
                f"{file} does not fit this version of humain: expected a Model and a tuple of abstractions, not "
                f"{type(model).__name__} and {type(abstractions).__name__}"
            )
        kernels = _restore(file, model, abstractions, arrays)
    except LookupError as error:
        raise errors.UserError(f"{file}: {error.args[0]}") from error
    except ValueError as error:
        raise errors.UserError(f"{file} does not fit this version of humain: {error}") from error
    return model, ModelState(kernels=kernels, abstractions=abstractions)


def _by_name(classes: Collection[type]) -> dict[str, type]:
    """A user's classes by the names that files have for them."""
    named: dict[str, type] = {}
    for kind in classes:
        other = named.setdefault(kind.__name__, kind)
        if other is not kind:
            raise ValueError(
                f"classes= has {other.__module__}.{other.__qualname__} and {kind.__module__}.{kind.__qualname__}, and "
                f"a file calls both {kind.__name__}; hand over the one that was saved"
            )
    return named


def _restore(file: pathlib.Path, model: Model, abstractions: tuple[Any, ...], arrays: dict[str, np.ndarray]) -> Any:
    """What the kernels have learned, in the structure that the model gives it."""
    template = jax.eval_shape(lambda key: model.init(key, abstractions).kernels, jax.random.key(0))
    wanted = {name: (str(leaf.dtype), leaf.shape) for name, leaf in _leaves(template).items()}
    found = {name: (str(a.dtype), a.shape) for name, a in arrays.items() if name.startswith("kernels/")}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise errors.UserError(
                f"{file} does not fit this model: {name} is {found.get(name)} there, and the model has "
                f"{wanted.get(name)}"
            )
    return jax.tree.unflatten(jax.tree.structure(template), [jnp.asarray(arrays[name]) for name in wanted])


def _leaves(kernels: Any) -> dict[str, Any]:
    """The arrays of kernels by where they stand, in the order of the structure."""
    paths = jax.tree_util.tree_leaves_with_path(kernels)
    named = {"kernels/" + jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in paths}
    assert len(named) == len(paths)
    return named


def _difference(stored: Json, given: Json, place: str = "") -> str:
    """The first place in which two descriptions differ."""
    if isinstance(stored, dict) and isinstance(given, dict):
        for key in [*stored, *(given.keys() - stored.keys())]:
            if stored.get(key) != given.get(key):
                inner = place if key in ("fields", "dict") else f"{place}.{key}".removeprefix(".")
                return _difference(stored.get(key), given.get(key), inner)
    if isinstance(stored, list) and isinstance(given, list) and len(stored) == len(given):
        for number, (one, other) in enumerate(zip(stored, given, strict=True)):
            if one != other:
                return _difference(one, other, f"{place}[{number}]")
    return f"{place} is {stored!r:.100} there, and {given!r:.100} here"
