"""HUMAIN: goal-pursuing layers that learn from trajectories, act, plan, and show why.

`import humain as hm` gives the names that most programs need; docs/library.md shows them at work. Each is imported from
its module when it is first used, so that a program waits for nothing that it does not use: JAX comes with the first
name that needs it, PyTorch and matplotlib with none of these. All else is imported from its own module, as in
`from humain.replay import sweeping`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from humain.abstraction.chunk_mean import ChunkMean
    from humain.abstraction.entropy import count_visits
    from humain.abstraction.kmeans import cluster_states
    from humain.abstraction.nearest_centroid import NearestCentroid, find_places
    from humain.abstraction.neural_entropy import learn_visits
    from humain.abstraction.skip import Skip
    from humain.acting import begin, react
    from humain.building import stack
    from humain.cortex.cortex import Cortex
    from humain.cortex.scores import Geometric as GeometricScore
    from humain.cortex.scores import Linear as LinearScore
    from humain.cortex.scores import Return as ReturnScore
    from humain.environments.collecting import collect
    from humain.environments.gymnasium_adapter import adapt as gymnasium_environment
    from humain.errors import UserError
    from humain.kernels.inverse_model import InverseModelConfig
    from humain.kernels.linear import LinearConfig
    from humain.kernels.optimizers import Adam
    from humain.kernels.slots import SlotLoss
    from humain.kernels.table import TableConfig
    from humain.kernels.transformer import TransformerConfig
    from humain.layer import Layer
    from humain.learning import LearningConfig, ReplayConfig
    from humain.model import Model, ModelState
    from humain.planning import think
    from humain.saving import load, save
    from humain.spaces import Continuous, Discrete
    from humain.training.sharding import data_mesh
    from humain.training_run import train
    from humain.types import Plan, Trajectories
    from humain.viewing.plan_tree import plan_text, plan_tree

# Where each name comes from; after a colon what it is called there, if that is another name.
_HOMES = {
    "Adam": "humain.kernels.optimizers",
    "ChunkMean": "humain.abstraction.chunk_mean",
    "Continuous": "humain.spaces",
    "Cortex": "humain.cortex.cortex",
    "Discrete": "humain.spaces",
    "GeometricScore": "humain.cortex.scores:Geometric",
    "InverseModelConfig": "humain.kernels.inverse_model",
    "Layer": "humain.layer",
    "LearningConfig": "humain.learning",
    "LinearConfig": "humain.kernels.linear",
    "LinearScore": "humain.cortex.scores:Linear",
    "Model": "humain.model",
    "ModelState": "humain.model",
    "NearestCentroid": "humain.abstraction.nearest_centroid",
    "Plan": "humain.types",
    "ReplayConfig": "humain.learning",
    "ReturnScore": "humain.cortex.scores:Return",
    "Skip": "humain.abstraction.skip",
    "SlotLoss": "humain.kernels.slots",
    "TableConfig": "humain.kernels.table",
    "Trajectories": "humain.types",
    "TransformerConfig": "humain.kernels.transformer",
    "UserError": "humain.errors",
    "begin": "humain.acting",
    "cluster_states": "humain.abstraction.kmeans",
    "collect": "humain.environments.collecting",
    "count_visits": "humain.abstraction.entropy",
    "data_mesh": "humain.training.sharding",
    "find_places": "humain.abstraction.nearest_centroid",
    "gymnasium_environment": "humain.environments.gymnasium_adapter:adapt",
    "learn_visits": "humain.abstraction.neural_entropy",
    "load": "humain.saving",
    "plan_text": "humain.viewing.plan_tree",
    "plan_tree": "humain.viewing.plan_tree",
    "react": "humain.acting",
    "save": "humain.saving",
    "stack": "humain.building",
    "think": "humain.planning",
    "train": "humain.training_run",
}

__all__ = [
    "Adam",
    "ChunkMean",
    "Continuous",
    "Cortex",
    "Discrete",
    "GeometricScore",
    "InverseModelConfig",
    "Layer",
    "LearningConfig",
    "LinearConfig",
    "LinearScore",
    "Model",
    "ModelState",
    "NearestCentroid",
    "Plan",
    "ReplayConfig",
    "ReturnScore",
    "Skip",
    "SlotLoss",
    "TableConfig",
    "Trajectories",
    "TransformerConfig",
    "UserError",
    "begin",
    "cluster_states",
    "collect",
    "count_visits",
    "data_mesh",
    "find_places",
    "gymnasium_environment",
    "learn_visits",
    "load",
    "plan_text",
    "plan_tree",
    "react",
    "save",
    "stack",
    "think",
    "train",
]


def __getattr__(name: str) -> Any:
    """A public name on its first use; from then on it is an attribute like any other (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, own_name = _HOMES[name].partition(":")
    value = getattr(importlib.import_module(module), own_name or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, imported or not, and the modules that were imported."""
    return sorted({*globals(), *_HOMES})
