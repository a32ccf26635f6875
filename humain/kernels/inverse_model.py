"""The `inverse_model` kernel: the action between a state and the next one, where the world is linear but for outliers.

Where a step leads to `A s + B a + c`, its action is a linear function of the state and of the way to the next one. That
function is learned from single steps by least squares, recursively, with two kinds of weights: by residual, so that
steps which obey something else (contacts, jumps) count for nothing once the rest is known exactly; and by how long a
step is beside others, so that a few jumps can't draw the fit to themselves. What is normal is learned too: the scale of
residuals is their median, and that of steps theirs. Where to begin is told by fits of a few examples: one without an
outlier among them leaves most residuals small.

Asked for a goal that is farther than a step, it answers as if one step could go there, scaled back to the largest
actions that it has seen: all numbers of an action together, so that the direction stays.

Sources: weights by residual are Cauchy's with the usual constant (Holland and Welsch, "Robust Regression Using
Iteratively Reweighted Least-Squares", 1977), those by length are Mallows's (1975), and beginnings are those of
Rousseeuw, "Least Median of Squares Regression" (1984); recursive least squares with a
forgetting factor as in Ljung and Söderström, "Theory and Practice of Recursive Identification" (1983), here of whole
batches, each reweighted until it settles.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import struct

from humain.hippocampus.rotary import Rotary
from humain.kernels.kernel import Metrics
from humain.spaces import Continuous, Space
from humain.types import Array, Context, Examples, Slots

_CAUCHY = 2.385
"""With which the estimate is 95 % as efficient as least squares where residuals are normal."""
_NORMAL = 1.4826
"""Standard deviations of a normal distribution in its median distance from 0."""
_REWEIGHTINGS = 10
_STARTS = 32
"""Fits of as few examples as determine one, among which each update looks for a better beginning."""
_ROUNDING = 1e-6
"""Residuals smaller than this share of the largest action are rounding."""
_SMALLEST = 1e-30


@struct.dataclass
class InverseModelState:
    """What has been learned.

    Attributes:
        information: `[F, F]`, weighted sum of the products of features.
        products: `[F, A]`, and of features and actions.
        coefficients: `[F, A]`, that solve them.
        center: `[D]`, of the states of the first batch; what features are counted from.
        scale: `[A]`, of residuals, as a standard deviation; 0 before anything was learned.
        largest: `[A]`, the largest size of an action's numbers.
        num_updates: `[]` int32.
    """

    information: Array
    products: Array
    coefficients: Array
    center: Array
    scale: Array
    largest: Array
    num_updates: Array


@dataclasses.dataclass(frozen=True)
class InverseModel:
    """One hypothesis: the action that leads from the present state to the goal, were it the next state.

    Examples must be of single steps, as `Cortex(max_steps=1)` draws them; their scores make no difference.

    Attributes:
        state_space: of states and goals, vectors of D numbers.
        target_space: of actions, vectors of A numbers.
        forgetting: what an update counts falls by this factor with each later one.
    """

    state_space: Continuous
    target_space: Continuous
    forgetting: float

    @property
    def num_slots(self) -> int:
        """Always 1."""
        return 1

    def init(self, key: jax.Array) -> InverseModelState:
        """Nothing learned; the key is not used."""
        del key
        size, num_actions = self.state_space.size, self.target_space.size
        num_features = 2 * size + 1
        return InverseModelState(
            information=jnp.zeros((num_features, num_features)),
            products=jnp.zeros((num_features, num_actions)),
            coefficients=jnp.zeros((num_features, num_actions)),
            center=jnp.zeros(size),
            scale=jnp.zeros(num_actions),
            largest=jnp.zeros(num_actions),
            num_updates=jnp.int32(0),
        )

    def recall(self, state: InverseModelState, context: Context, goals: Array) -> Slots:
        """The action, no number of it larger than was ever seen, and a score.

        The score says how exactly actions are known: 1 less the scale of residuals as a share of the largest action,
        the mean of an action's numbers; `-inf` before anything was learned.
        """
        actions = _predict(state, context.states[:, -1], goals)
        sizes = jnp.abs(actions) / jnp.maximum(state.largest, _SMALLEST)[None]
        # What has always been 0 stays so, and does not hold back the rest.
        sizes = jnp.where(state.largest[None] > 0, sizes, 0)
        actions = jnp.where(state.largest[None] > 0, actions / jnp.maximum(jnp.max(sizes, axis=1, keepdims=True), 1), 0)
        shares = jnp.clip(state.scale / jnp.maximum(state.largest, _SMALLEST), 0, 1)
        score = jnp.where(state.num_updates > 0, 1 - jnp.mean(shares), -jnp.inf)
        return Slots(values=actions[:, None], scores=jnp.broadcast_to(score, (goals.shape[0], 1)))

    def learn(self, state: InverseModelState, examples: Examples) -> tuple[InverseModelState, Metrics]:
        """One update from a batch of single steps."""
        mask, states, actions = examples.mask, examples.context.states[:, -1], examples.targets
        anything = jnp.any(mask)
        first = state.num_updates == 0
        count = jnp.maximum(jnp.sum(mask), 1)
        center = jnp.sum(jnp.where(mask[:, None], states, 0), axis=0) / count
        center = jnp.where(first, center, state.center)
        features = jnp.where(mask[:, None], _features(states, examples.goals, center), 0)
        actions = jnp.where(mask[:, None], actions, 0)
        largest = jnp.maximum(state.largest, jnp.max(jnp.abs(actions), axis=0))
        smallest = jnp.maximum(_ROUNDING * largest, _SMALLEST)
        by_length = jnp.where(mask, _length_weights(features[:, : self.state_space.size], mask), 0)

        # Begin with what is known, unless a few examples alone tell far better what most of them obey.
        start, is_new = _start(state, features, actions, mask)
        kept = jnp.where(is_new, 0, self.forgetting)

        def smooth(scale: Array) -> Array:
            # By the logarithm, as scales fall by orders of magnitude while the world becomes known.
            before = jnp.log(jnp.maximum(state.scale, _SMALLEST))
            return jnp.where(kept > 0, jnp.exp(kept * before + (1 - kept) * jnp.log(scale)), scale)

        def reweight(_: Array, fitted: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            residuals = actions - _multiply(features, fitted[2])
            scale = jnp.maximum(_scales(residuals, mask), smallest)
            # A batch that happens to have more outliers than half does not say what is normal.
            scale = jnp.minimum(scale, smooth(scale))
            squares = jnp.mean(jnp.square(residuals / (_CAUCHY * scale)[None]), axis=1)
            weighted = features * (by_length / (1 + squares))[:, None]
            information = kept * state.information + _multiply(weighted.T, features)
            products = kept * state.products + _multiply(weighted.T, actions)
            return information, products, _solve(information, products)

        information, products, coefficients = jax.lax.fori_loop(
            0, _REWEIGHTINGS, reweight, (state.information, state.products, start)
        )
        scale = jnp.maximum(_scales(actions - _multiply(features, coefficients), mask), smallest)
        learned = InverseModelState(
            information=information,
            products=products,
            coefficients=coefficients,
            center=center,
            scale=smooth(scale),
            largest=largest,
            num_updates=state.num_updates + 1,
        )
        learned = jax.tree.map(lambda after, before: jnp.where(anything, after, before), learned, state)
        return learned, {"residual": jnp.mean(scale / jnp.maximum(largest, _SMALLEST))}

    def residual(self, state: InverseModelState, states: Array, next_states: Array, actions: Array) -> Array:
        """How far the action of a step is from what the step tells, in units of what is normal.

        Where it is far more than 1, something else was at work than what moves the agent mostly: a contact, a jump.

        Args:
            state: what was learned.
            states: `[..., D]`.
            next_states: `[..., D]`, where the steps led.
            actions: `[..., A]`, that were taken.

        Returns:
            `[...]`, root mean square over an action's numbers of the residual by its scale; `inf` before anything was
            learned.
        """
        rows = [jnp.reshape(given, (-1, given.shape[-1])) for given in (states, next_states, actions)]
        residuals = (rows[2] - _predict(state, rows[0], rows[1])) / jnp.maximum(state.scale, _SMALLEST)[None]
        sizes = jnp.sqrt(jnp.mean(jnp.square(residuals), axis=1))
        return jnp.reshape(jnp.where(state.num_updates > 0, sizes, jnp.inf), states.shape[:-1])


@dataclasses.dataclass(frozen=True)
class InverseModelConfig:
    """A memory of which action leads from a state to the next one.

    Attributes:
        forgetting: see `InverseModel`; more than 0 and less than 1.
    """

    reads_features: ClassVar[bool] = False
    attends: ClassVar[bool] = False

    forgetting: float = 0.98

    def __post_init__(self) -> None:
        if not 0 < self.forgetting < 1:
            raise ValueError(f"forgetting must be more than 0 and less than 1, not {self.forgetting}")

    def build(
        self, state_space: Space, target_space: Space, *, context_length: int = 1, rotary: Rotary | None = None
    ) -> InverseModel:
        """The kernel for these spaces; of contexts of any length it sees the present state alone.

        Args:
            state_space: of states and goals, vectors.
            target_space: of actions, vectors.
            context_length: states in a context.
            rotary: None; there is nothing that attends.

        Raises:
            ValueError: if a space is not one of vectors, or a number does not fit.
        """
        for space in (state_space, target_space):
            if not isinstance(space, Continuous):
                raise ValueError(
                    f"an inverse model goes by differences of vectors, and {space} is not a space of vectors; choose "
                    "another kernel"
                )
        assert isinstance(state_space, Continuous) and isinstance(target_space, Continuous)
        if rotary is not None:
            raise ValueError("a rotary encoding acts inside self-attention; the kernel 'inverse_model' has none")
        if context_length < 1:
            raise ValueError(f"context_length must be at least 1, not {context_length}")
        return InverseModel(state_space, target_space, self.forgetting)


def _features(states: Array, goals: Array, center: Array) -> Array:
    """`[B, F]`: the way to the goal, the state, and 1."""
    ones = jnp.ones((states.shape[0], 1), states.dtype)
    return jnp.concatenate([goals - states, states - center[None], ones], axis=1)


def _predict(state: InverseModelState, states: Array, goals: Array) -> Array:
    """Actions `[B, A]` of any size."""
    return _multiply(_features(states, goals, state.center), state.coefficients)


def _multiply(first: Array, second: Array) -> Array:
    return jnp.matmul(first, second, precision=jax.lax.Precision.HIGHEST)


def _solve(information: Array, products: Array) -> Array:
    """Coefficients `[F, A]`; of features that say the same, or nothing, the shortest ones."""
    sizes = jnp.sqrt(jnp.diagonal(information))
    sizes = jnp.where(sizes > 0, sizes, 1)[:, None]
    values, vectors = jnp.linalg.eigh(information / (sizes * sizes.T))
    cutoff = 10 * values.shape[0] * jnp.finfo(values.dtype).eps * values[-1]
    inverse = jnp.where(values > cutoff, 1 / jnp.where(values > cutoff, values, 1), 0)
    return _multiply(vectors * inverse[None], _multiply(vectors.T, products / sizes)) / sizes


def _start(state: InverseModelState, features: Array, actions: Array, mask: Array) -> tuple[Array, Array]:
    """The coefficients whose residuals have the smallest median: of those known, and of some that few examples give.

    Returns:
        `[F, A]`, and whether they are not those known. These are left only for some that are twice as good for the
        batch, and leave residuals as small as what was known did before: a batch of outliers has no such ones.
    """
    known = state.coefficients
    num_features = features.shape[1]
    # Always the same numbers, so that equal examples give equal states.
    drawn = jax.random.uniform(jax.random.key(0), (_STARTS, num_features))
    count = jnp.sum(mask)
    places = jnp.argsort(~mask, stable=True)[jnp.minimum(drawn * count, count - 1).astype(jnp.int32)]
    # Of the ways and states of so many examples, scaled so that rounding does not decide.
    sizes = jnp.sqrt(jnp.sum(jnp.square(features), axis=0) / jnp.maximum(count, 1))
    sizes = jnp.where(sizes > 0, sizes, 1)
    chosen = features[places] / sizes[None, None]
    few = jnp.linalg.solve(chosen, actions[places]) / sizes[None, :, None]
    candidates = jnp.concatenate([known[None], few])
    residuals = actions[None] - jnp.einsum("bf,sfa->sba", features, candidates, precision=jax.lax.Precision.HIGHEST)
    scales = jax.vmap(_scales, in_axes=(0, None))(jnp.abs(residuals), mask)
    typical = _scales(actions, mask)
    totals = jnp.sum(scales / jnp.where(typical > 0, typical, 1)[None], axis=1)
    totals = jnp.where(jnp.isfinite(totals) & jnp.all(jnp.isfinite(candidates), axis=(1, 2)), totals, jnp.inf)
    best = jnp.argmin(totals)
    before = 2 * jnp.sum(state.scale / jnp.where(typical > 0, typical, 1))
    is_new = (state.num_updates == 0) | ((totals[best] < totals[0] / 2) & (totals[best] <= before))
    return jnp.where(is_new, candidates[best], known), is_new


def _scales(residuals: Array, mask: Array) -> Array:
    """`[A]`: of residuals `[B, A]`, by the median of their sizes."""
    return _NORMAL * jax.vmap(_median, in_axes=(1, None))(jnp.abs(residuals), mask)


def _length_weights(steps: Array, mask: Array) -> Array:
    """`[B]`: 1/2 for a step `[B, D]` of median length, and less for longer ones, so that no step outweighs the rest."""
    count = jnp.maximum(jnp.sum(mask), 1)
    means = jnp.sum(jnp.where(mask[:, None], jnp.abs(steps), 0), axis=0) / count
    lengths = jnp.sqrt(jnp.mean(jnp.square(steps / jnp.where(means > 0, means, 1)[None]), axis=1))
    # Of those that go anywhere: there may be many that don't.
    median = _median(lengths, mask & (lengths > 0))
    return 1 / (1 + jnp.square(lengths / jnp.where(median > 0, median, 1)))


def _median(values: Array, mask: Array) -> Array:
    """The median `[]` of the unmasked of values `[B]`, of an even number the lower one; 0 if there are none."""
    count = jnp.sum(mask)
    ordered = jnp.sort(jnp.where(mask, values, jnp.inf))
    return jnp.where(count > 0, ordered[jnp.maximum(count - 1, 0) // 2], 0)
