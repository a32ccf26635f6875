"""A stack of layers in few words: what `humain.stack` is."""

from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric, ScoreRule
from humain.hippocampus import routing
from humain.kernels.kernel import KernelConfig
from humain.kernels.linear import LinearConfig
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Discrete, Space

_BY_DISTANCE = Geometric(0.95)


def stack(
    space: Space,
    *,
    actions: Space | None = None,
    num_layers: int = 2,
    kernel: KernelConfig | None = None,
    score_rule: ScoreRule = _BY_DISTANCE,
    lookahead: int = 2,
    context_length: int = 1,
    encoding: str = "none",
    max_sub_steps: int = 16,
    max_nodes: int = 64,
) -> Model:
    """A model of layers that are made alike; for layers that differ, make `Layer` and `Model` yourself.

    Args:
        space: of states and goals.
        actions: of what the bottom layer answers, not equal to `space`; None for the next state, which `think` needs.
        num_layers: 1 or more.
        kernel: of all layers; by default a table where states and actions are ids, else the linear kernel.
        score_rule: how good an example is, by default 0.95 to the power of the steps to the goal.
        lookahead: how many pivots ahead of a state its goals lie in training, 1 or more.
        context_length: states that a layer sees, the present one included.
        encoding: of the order in which it saw them: "none", "sinusoidal" or "rotary".
        max_sub_steps: answers that a plan may take for one goal.
        max_nodes: answers of a layer that a plan has room for.

    Raises:
        ValueError: naming what can't be, or does not fit together.
    """
    if num_layers < 1:
        raise ValueError(f"num_layers must be at least 1, not {num_layers}")
    if actions is not None and actions == space:
        raise ValueError(
            f"actions are of {actions}, and so are states: the bottom layer could not tell the one from the "
            "other; make one of the two larger (an id too many is never met), or its tolerance another; or leave "
            "actions out, to answer the next state"
        )
    if kernel is None:
        ids = isinstance(space, Discrete) and isinstance(actions, Discrete | None)
        kernel = TableConfig() if ids and encoding == "none" else LinearConfig()
    shown = routing.route(encoding, space)
    shown.check_kernel(type(kernel).__name__, features=kernel.reads_features, attention=kernel.attends)
    layers = []
    for number in range(num_layers):
        answered = actions if actions is not None and number == 0 else shown.space
        built = kernel.build(shown.space, answered, context_length=context_length, rotary=shown.rotary)
        layers.append(
            Layer(
                Cortex(built, score_rule, lookahead=lookahead),
                context_length=context_length,
                encoding=shown.added,
                max_sub_steps=max_sub_steps,
                max_nodes=max_nodes,
            )
        )
    # Stacked tables would be copied at each update.
    return Model(tuple(layers), shown.space, group_layers=not isinstance(kernel, TableConfig))
