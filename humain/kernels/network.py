"""Kernels that learn by gradient: a network behind the kernel's interface."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import optax
from flax import nnx, struct

from humain.kernels import slots as slots_lib
from humain.kernels.kernel import Metrics
from humain.kernels.optimizers import Adam, Optimizer
from humain.spaces import Space
from humain.types import Array, Context, Examples, Slots

Params: TypeAlias = dict[str, Any]


class Network(Protocol):
    """A Flax NNX module that answers slots."""

    def __call__(self, features: Array, mask: Array, goals: Array) -> Array:
        """Slot outputs.

        Args:
            features: `[B, C, F]` of the context, the present state last.
            mask: `[B, C]` bool, True where there is a state.
            goals: `[B, F]`, the goals' features.

        Returns:
            `[B, K, V + 1]`: a value's `V` features and its score, for each slot.
        """


@struct.dataclass
class NetworkState:
    """What a network kernel has learned.

    Attributes:
        params: the module's parameters, nested dicts of arrays. An `nnx.State` would be taken apart by Python at every
            jitted call, which costs more than the call of a small network itself.
        optimizer: the optimiser's state.
    """

    params: Params
    optimizer: optax.OptState


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """What kernels that learn by gradient have in common.

    Attributes:
        num_slots: hypotheses a question.
        access: see `SlotLoss`, and so are the next four.
        asymmetry: in `(0, 1)`.
        score_delta: more than 0.
        suppression: `per_slot` or `log_sum_exp`.
        suppression_weight: 0 or more.
        relative: see `NetworkKernel`.
        learning_rate: of Adam, more than 0.
        num_updates: over which the learning rate falls to 0, as half a cosine; None if it stays what it is.
    """

    num_slots: int = 4
    access: slots_lib.Access = "score"
    asymmetry: float = 0.9
    score_delta: float = 0.05
    suppression: slots_lib.Suppression = "per_slot"
    suppression_weight: float = 0.2
    relative: bool = False
    learning_rate: float = 1e-3
    num_updates: int | None = None

    def __post_init__(self) -> None:
        if self.num_slots < 1:
            raise ValueError(f"num_slots must be at least 1, not {self.num_slots}")
        _ = self.optimizer, self.loss  # they refuse what can't be

    @property
    def loss(self) -> slots_lib.SlotLoss:
        """How slots are chosen, scored and suppressed."""
        return slots_lib.SlotLoss(
            access=self.access,
            asymmetry=self.asymmetry,
            score_delta=self.score_delta,
            suppression=self.suppression,
            suppression_weight=self.suppression_weight,
        )

    @property
    def optimizer(self) -> Optimizer:
        """Equal for equal settings, so that kernels made alike are equal."""
        return Adam(self.learning_rate, self.num_updates)

    def _kernel(
        self,
        state_space: Space,
        target_space: Space,
        module: Callable[[nnx.Rngs], Network],
        optimizer: Optimizer | None,
    ) -> "NetworkKernel":
        """The kernel around a module; `optimizer` in place of the config's, if there is one."""
        return NetworkKernel(
            state_space=state_space,
            target_space=target_space,
            num_slots=self.num_slots,
            build=module,
            optimizer=self.optimizer if optimizer is None else optimizer,
            loss=self.loss,
            relative=self.relative,
        )


@dataclasses.dataclass(frozen=True)
class NetworkKernel:
    """Slots that a network answers and a gradient shapes.

    Attributes:
        state_space: of contexts and goals.
        target_space: of values.
        num_slots: hypotheses a question.
        build: makes the module from `nnx.Rngs`.
        optimizer: of its parameters.
        loss: how slots are chosen, scored and suppressed.
        relative: whether goals are shown, and states answered, as differences from the present state. What a way
            looks like then hardly depends on where it begins, which vectors allow and ids do not.
    """

    state_space: Space
    target_space: Space
    num_slots: int
    build: Callable[[nnx.Rngs], Network]
    optimizer: Optimizer
    loss: slots_lib.SlotLoss = slots_lib.SlotLoss()
    relative: bool = False

    def __post_init__(self) -> None:
        if self.num_slots < 1:
            raise ValueError(f"a kernel needs at least one slot, not {self.num_slots}")
        if self.relative and not self.state_space.has_differences:
            raise ValueError(f"{self.state_space} has no differences that are states: relative must be False")

    def init(self, key: jax.Array) -> NetworkState:
        """Parameters at random, an optimiser that has seen nothing; `key` is consumed."""
        params = nnx.to_pure_dict(nnx.state(self.build(nnx.Rngs(params=key)), nnx.Param))
        return NetworkState(params=params, optimizer=self.optimizer.init(params))

    def recall(self, state: NetworkState, context: Context, goals: Array) -> Slots:
        """Values `[B, K, *V]` decoded into the target space, and scores `[B, K]`."""
        predictions, scores = self._predict(state.params, context, goals)
        return Slots(values=self.target_space.decode(predictions), scores=scores)

    def learn(self, state: NetworkState, examples: Examples) -> tuple[NetworkState, Metrics]:
        """One step of the optimiser on the mean loss of the unmasked examples; none if all are masked."""
        gradients, metrics = jax.grad(self._loss, has_aux=True)(state.params, examples)
        updates, optimizer = self.optimizer.update(gradients, state.optimizer, state.params)
        learned = NetworkState(params=optax.apply_updates(state.params, updates), optimizer=optimizer)
        # Without this, an optimiser's momentum and weight decay would go on moving the parameters.
        anything = jnp.any(examples.mask)
        return jax.tree.map(lambda after, before: jnp.where(anything, after, before), learned, state), metrics

    def _predict(self, params: Params, context: Context, goals: Array) -> tuple[Array, Array]:
        graph = nnx.graphdef(nnx.eval_shape(lambda: self.build(nnx.Rngs(params=0))))
        present = context.states[:, -1]
        goal_features = self.state_space.encode(goals - present if self.relative else goals)
        outputs = nnx.merge(graph, params)(context.features, context.mask, goal_features)
        predictions = outputs[..., :-1]
        if self.relative and self.target_space == self.state_space:
            predictions = predictions + present[:, None]
        return predictions, outputs[..., -1]

    def _loss(self, params: Params, examples: Examples) -> tuple[Array, Metrics]:
        predictions, scores = self._predict(params, examples.context, examples.goals)
        if self.loss.access == "value":
            distances = self.target_space.loss(predictions, jnp.expand_dims(examples.targets, 1))
            written = jnp.argmin(jax.lax.stop_gradient(distances), axis=-1)
        else:
            written = slots_lib.score_ranks(examples.scores, self.num_slots)
        prediction = jnp.take_along_axis(predictions, written[:, None, None], axis=1)[:, 0]
        score = jnp.take_along_axis(scores, written[:, None], axis=1)[:, 0]
        terms = {
            "value_loss": self.target_space.loss(prediction, examples.targets),
            "score_loss": slots_lib.expectile_huber(
                examples.scores - score, asymmetry=self.loss.asymmetry, delta=self.loss.score_delta
            ),
            "suppression": slots_lib.suppress(scores, written, self.loss.suppression),
        }
        count = jnp.maximum(jnp.sum(examples.mask), 1)
        metrics = {name: jnp.sum(jnp.where(examples.mask, term, 0)) / count for name, term in terms.items()}
        loss = metrics["value_loss"] + metrics["score_loss"] + self.loss.suppression_weight * metrics["suppression"]
        return loss, {"loss": loss, **metrics}
