"""Every kernel by its name: a new one is its file, its test and a line here."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from humain.hippocampus.routing import Routing
from humain.kernels.inverse_model import InverseModelConfig
from humain.kernels.kernel import Kernel, KernelConfig
from humain.kernels.linear import LinearConfig
from humain.kernels.table import TableConfig
from humain.kernels.transformer import TransformerConfig
from humain.spaces import Space

KERNELS: Mapping[str, type[TableConfig | LinearConfig | TransformerConfig | InverseModelConfig]] = {
    "table": TableConfig,
    "linear": LinearConfig,
    "transformer": TransformerConfig,
    "inverse_model": InverseModelConfig,
}


def name_of(config: KernelConfig) -> str:
    """The name of the config's kernel.

    Raises:
        ValueError: if `KERNELS` has none of its kind.
    """
    for name, kind in KERNELS.items():
        if type(config) is kind:
            return name
    raise ValueError(f"{type(config).__name__} is not the config of one of {', '.join(KERNELS)}; add it to KERNELS")


def to_values(config: KernelConfig) -> dict[str, Any]:
    """The config as plain values that JSON can hold; `read` reads them."""
    return {"name": name_of(config), **dataclasses.asdict(config)}


def read(values: Mapping[str, Any]) -> KernelConfig:
    """The config of a kernel from plain values, such as JSON or `ml_collections` hold.

    Args:
        values: `name`, one of `KERNELS`, and fields of its config; one that is left out has the config's default.
            Fields of other kernels are passed over, so that one set of values serves whichever is named.

    Raises:
        ValueError: naming a kernel or a field that there is not, or a value that can't be.
    """
    kind = KERNELS.get(values["name"])
    if kind is None:
        raise ValueError(f"kernel {values['name']!r} is not one of {', '.join(KERNELS)}")
    fields = {name: {field.name for field in dataclasses.fields(config)} for name, config in KERNELS.items()}
    known = set().union(*fields.values())
    if unknown := sorted(set(values) - known - {"name"}):
        raise ValueError(f"no kernel has a field {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return kind(**{field: value for field, value in values.items() if field in fields[values["name"]]})


def build(config: KernelConfig, encoding: Routing, *, target_space: Space | None = None, context_length: int) -> Kernel:
    """The kernel for states that are shown by an encoding.

    Args:
        config: of the kernel.
        encoding: of states and goals; its space is theirs.
        target_space: of values; None for that of states.
        context_length: states in a context.

    Raises:
        ValueError: if the encoding would have no effect on the kernel, or there is no such kernel for the spaces.
    """
    encoding.check_kernel(name_of(config), features=config.reads_features, attention=config.attends)
    return config.build(
        encoding.space, target_space or encoding.space, context_length=context_length, rotary=encoding.rotary
    )
