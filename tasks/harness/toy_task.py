"""A tiny but complete task for tests: linear regression with a known optimum.

The target is 3 x_0 - 2 x_1 + 1, without noise, so the best weights are (3, -2) and the best bias is 1.
"""

import functools
from collections.abc import Mapping
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import optax
from absl import flags

from humain.training import loop, sharding
from tasks.harness import context, entry


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags that only this task has."""
    flags.DEFINE_string("data", None, "A text file that only counts as part of the run.", flag_values=values)


def run(task: context.TaskContext) -> Mapping[str, Any]:
    """Trains two learners, `first` and `second`, one stage each."""
    task.checkpoint_seconds = task.config.checkpoint_seconds
    return {name: task.stage(name, functools.partial(_fit, task, name)) for name in ("first", "second")}


def show(record: Mapping[str, Any]) -> None:
    """Prints one line per learner."""
    for name, result in record["results"].items():
        print(f"{name}: loss {result['loss']:.3g}")


def _fit(task: context.TaskContext, name: str) -> dict[str, Any]:
    config = task.config
    optimizer = optax.adam(config.learning_rate)
    params = {"weights": jnp.zeros(2), "bias": jnp.zeros(())}
    state = (params, optimizer.init(params), jax.random.key(task.seed))

    def update(state: Any, inputs: jax.Array, step: jax.Array) -> tuple[Any, dict[str, jax.Array]]:
        params, optimizer_state, root_key = state
        rows = jax.random.randint(jax.random.fold_in(root_key, step), (config.batch_size,), 0, len(inputs))
        batch = sharding.split_batch(inputs[rows])

        def loss_of(params: Any) -> jax.Array:
            return jnp.mean((batch @ params["weights"] + params["bias"] - batch @ jnp.array([3.0, -2.0]) - 1.0) ** 2)

        loss, gradients = jax.value_and_grad(loss_of)(params)
        updates, optimizer_state = optimizer.update(gradients, optimizer_state)
        return (optax.apply_updates(params, updates), optimizer_state, root_key), {"loss": loss}

    result = task.train(
        name,
        state,
        chunk=loop.make_chunk(update, config.chunk_steps),
        data=jax.random.normal(jax.random.key(1), (256, 2)),
        num_steps=config.num_steps,
        chunk_steps=config.chunk_steps,
    )
    params = result.state[0]
    return {**params, "loss": jnp.square(params["weights"] - jnp.array([3.0, -2.0])).sum()}


TASK = entry.Task(
    name="toy",
    run=run,
    show=show,
    define_flags=define_flags,
    input_flags=("data",),
    description="Linear regression.",
)


def main() -> NoReturn:
    """Runs the task as a program."""
    entry.main(TASK)


if __name__ == "__main__":
    main()
