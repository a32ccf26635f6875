"""Learning curves of Stable-Baselines3's DQN and PPO on CartPole-v1, beside this repository's, in one run.

    bazel run //tasks/control:benchmark
    bazel run //tasks/control:benchmark -- --algorithms=dqn --num_seeds=1 --dqn_steps=5_000

The settings are those published for CartPole-v1 in RL Baselines3 Zoo (A. Raffin, "RL Baselines3 Zoo",
github.com/DLR-RM/rl-baselines3-zoo, hyperparams/dqn.yml and hyperparams/ppo.yml), with the numbers of steps given
there, unless flags say otherwise; schedules run over those. The networks run on the CPU, with one thread: for networks
as small as these that is fastest (2,500 steps of DQN on two busy cores: 4.5 s, and 82 s with two threads).

This repository's learner is the set `curriculum` of configs/rl_cart_pole.py, one seed at a time. Its seconds hold its
compilation, anew for each seed, and JAX takes as many threads as there are cores.

All learners are tested alike: greedily, on `--num_episodes` episodes of the real CartPole-v1, the same for all, which
count neither as environment steps nor as seconds. The first test comes before the first step; this repository's
learner then pushes at random, as its first stage does. Another comes right after a round of learning, so that the
model has learned from all of the steps that are held against it: of the baselines at least `--test_every` steps after
the one before, of this repository's learner after each of its stages.

Needs the wheels stable_baselines3 and torch, which the task itself does without; so it is built only when it is named.
"""

import importlib.metadata
import os
import pathlib
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from absl import app, flags
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv

from configs import rl_cart_pole
from humain.files import records
from tasks.control import cart_pole, learning_curves, own_curve
from tasks.control.learning_curves import Learner
from tasks.harness import paths

_ENVIRONMENT = "CartPole-v1"
_WORKDIR = "artifacts/rl_cart_pole_benchmark"
_OWN_SET = "curriculum"
# Seeds of tests lie apart from those of training.
_TEST_SEED = 1_000_000


def ours(*, num_episodes: int) -> dict[str, Learner]:
    """This repository's own learner, by the name to show: it is compared whatever --algorithms says.

    Args:
        num_episodes: of a test.
    """
    config = rl_cart_pole.get_config()
    return {
        "HUMAIN": own_curve.learner(
            config, _OWN_SET, cart_pole.domain(), num_episodes=num_episodes, test_seed=_TEST_SEED
        )
    }


def _linear(first: float) -> Callable[[float], float]:
    """The zoo's `lin_` schedule: from `first` to 0, over the share of the steps that is left."""
    return lambda share_left: share_left * first


DQN_SETTINGS: dict[str, Any] = {
    "policy": "MlpPolicy",
    "learning_rate": 2.3e-3,
    "batch_size": 64,
    "buffer_size": 100_000,
    "learning_starts": 1_000,
    "gamma": 0.99,
    "target_update_interval": 10,
    "train_freq": 256,
    "gradient_steps": 128,
    "exploration_fraction": 0.16,
    "exploration_final_eps": 0.04,
    "policy_kwargs": {"net_arch": [256, 256]},
}
"""hyperparams/dqn.yml, CartPole-v1; 50,000 steps."""

PPO_ENVIRONMENTS = 8
PPO_SETTINGS: dict[str, Any] = {
    "policy": "MlpPolicy",
    "n_steps": 32,
    "batch_size": 256,
    "gae_lambda": 0.8,
    "gamma": 0.98,
    "n_epochs": 20,
    "ent_coef": 0.0,
    "learning_rate": _linear(0.001),
    "clip_range": _linear(0.2),
}
"""hyperparams/ppo.yml, CartPole-v1; 8 environments, 100,000 steps."""


class _Testing(BaseCallback):
    """Tests before a rollout, that is, after learning from the one before, and keeps the clock of all but the tests."""

    def __init__(self, environments: VecEnv, *, num_episodes: int, test_every: int, started: float) -> None:
        super().__init__()
        self.points: list[tuple[int, float, float]] = []
        self._environments = environments
        self._num_episodes = num_episodes
        self._test_every = test_every
        self._started = started
        self._next = 0

    def test(self, model: BaseAlgorithm) -> None:
        """Adds the present point."""
        begun = time.perf_counter()
        self._environments.seed(_TEST_SEED)
        mean_return, _ = evaluate_policy(model, self._environments, self._num_episodes, deterministic=True)
        self.points.append((model.num_timesteps, float(mean_return), begun - self._started))
        self._next = model.num_timesteps + self._test_every
        self._started += time.perf_counter() - begun

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self._next:
            self.test(self.model)

    def _on_step(self) -> bool:
        return True


def _baseline(
    algorithm: type[BaseAlgorithm],
    settings: Mapping[str, Any],
    *,
    num_environments: int,
    num_steps: int,
    num_episodes: int,
    test_every: int,
) -> Learner:
    """A learner of Stable-Baselines3."""

    def train(seed: int) -> list[tuple[int, float, float]]:
        tested = make_vec_env(_ENVIRONMENT, n_envs=num_episodes)
        environments = make_vec_env(_ENVIRONMENT, n_envs=num_environments, seed=seed)
        model = algorithm(env=environments, seed=seed, device="cpu", **settings)
        # Not before: the first model made in a process waits for more of torch to be imported.
        started = time.perf_counter()
        testing = _Testing(tested, num_episodes=num_episodes, test_every=test_every, started=started)
        model.learn(num_steps, callback=testing)
        testing.test(model)
        environments.close()
        tested.close()
        return testing.points

    return train


def baselines(
    names: Sequence[str], *, dqn_steps: int, ppo_steps: int, num_episodes: int, test_every: int
) -> dict[str, Learner]:
    """The learners of Stable-Baselines3, by the name to show.

    Args:
        names: of those to train, out of "dqn" and "ppo".
        dqn_steps: environment steps of DQN; the last round of collecting is finished.
        ppo_steps: the same of PPO.
        num_episodes: of a test.
        test_every: environment steps between tests, at least.
    """
    test = {"num_episodes": num_episodes, "test_every": test_every}
    known = {
        "dqn": lambda: _baseline(DQN, DQN_SETTINGS, num_environments=1, num_steps=dqn_steps, **test),
        "ppo": lambda: _baseline(PPO, PPO_SETTINGS, num_environments=PPO_ENVIRONMENTS, num_steps=ppo_steps, **test),
    }
    return {name.upper(): known[name]() for name in names}


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_multi_enum(
        "algorithms", ["dqn", "ppo"], ["dqn", "ppo"], "Of Stable-Baselines3, to compare with.", flag_values=values
    )
    for name, default, meaning in (
        ("num_seeds", 5, "Trainings of each learner, with the seeds 0, 1, ..."),
        ("dqn_steps", 50_000, "Environment steps of DQN."),
        ("ppo_steps", 100_000, "Environment steps of PPO."),
        ("num_episodes", 20, "Episodes of a test."),
        ("test_every", 2_000, "Environment steps between two tests, at least."),
    ):
        flags.DEFINE_integer(name, default, meaning, lower_bound=1, flag_values=values)
    flags.DEFINE_string(
        "workdir", None, f"Where results.json and curves.png go; {_WORKDIR} by default.", flag_values=values
    )


def main(arguments: Sequence[str], values: flags.FlagValues = flags.FLAGS) -> None:
    """Trains, prints, and writes results.json and curves.png."""
    if len(arguments) > 1:
        raise app.UsageError(f"there are no arguments but flags; got {arguments[1]!r}")
    torch.set_num_threads(1)
    workdir = paths.resolve(values.workdir) if values.workdir else paths.workspace_root() / _WORKDIR
    others = baselines(
        list(dict.fromkeys(values.algorithms)),
        dqn_steps=values.dqn_steps,
        ppo_steps=values.ppo_steps,
        num_episodes=values.num_episodes,
        test_every=values.test_every,
    )
    own = ours(num_episodes=values.num_episodes)
    versions = {
        name: importlib.metadata.version(name) for name in ("gymnasium", "jax", "numpy", "stable-baselines3", "torch")
    }
    print(f"{', '.join(others)}: Stable-Baselines3 {versions['stable-baselines3']}, settings of RL Baselines3 Zoo")
    print(f"{', '.join(own)}: this repository, set {_OWN_SET} of configs/rl_cart_pole.py")
    curves = learning_curves.compare({**others, **own}, seeds=range(values.num_seeds))
    shown = {
        "mean return over "
        f"{values.num_episodes} episodes of CartPole-v1, {values.num_seeds} seeds": learning_curves.curve_table(curves),
        "solved, and at the end": learning_curves.outcome_table(curves),
    }
    for caption, table in shown.items():
        print(f"\n{caption}\n{table.to_text()}")
    _write(workdir, values, versions, curves)
    print(f"\n{workdir}/results.json, {workdir}/curves.png")


def _write(
    workdir: pathlib.Path,
    values: flags.FlagValues,
    versions: Mapping[str, str],
    curves: Mapping[str, Sequence[learning_curves.Curve]],
) -> None:
    learning_curves.draw(workdir / "curves.png", curves, title=f"CartPole-v1, {values.num_seeds} seeds")
    records.write_json(
        workdir / "results.json",
        {
            "curves": curves,
            "outcomes": {name: learning_curves.summarise(several) for name, several in curves.items()},
            "solved_at": learning_curves.SOLVED,
            "num_seeds": values.num_seeds,
            "num_episodes": values.num_episodes,
            "test_every": values.test_every,
            "versions": {"python": platform.python_version(), **versions},
            "machine": {"cores": os.cpu_count(), "platform": platform.platform(), "threads": torch.get_num_threads()},
            "arguments": sys.argv[1:],
        },
    )


if __name__ == "__main__":
    define_flags()
    app.run(main)
