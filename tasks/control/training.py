"""Training a set within a task, which may be interrupted and goes on from there."""

from humain.environments import transitions
from tasks.control import curriculum, datasets, sets
from tasks.control.curriculum import Stage, Trainer
from tasks.control.domain import Domain
from tasks.harness.context import TaskContext


class Trainers:
    """What each set trains with, built from the task's config, and from the user's own steps if --dataset names any.

    Sets with equally many layers that learn alike share a trainer, so that it is compiled once.
    """

    def __init__(self, task: TaskContext, domain: Domain) -> None:
        """Reads the dataset; a trainer is built when it is asked for.

        Args:
            task: the run.
            domain: to learn in.
        """
        path = task.flags.dataset
        self._config, self._domain = task.config, domain
        self._recorded = None if path is None else datasets.load(task.resolve(path), domain.tested_in)
        self._built: list[tuple[sets.Ablation, Trainer]] = []

    def of(self, name: str) -> Trainer:
        """The trainer of a set."""
        wanted = sets.ablation(self._config, name)
        for ablation, trainer in self._built:
            if ablation == wanted:
                return trainer
        self._built.append((wanted, curriculum.build_trainer(self._config, self._domain, self._recorded, name=name)))
        return self._built[-1][1]


def train_set(task: TaskContext, trainer: Trainer, name: str, train: curriculum.Train | None = None) -> list[Stage]:
    """Trains a set, or goes on where an earlier process stopped, or restores it where it was finished.

    Args:
        task: the run; it says how many seeds to train, from its own on.
        trainer: what all sets share.
        name: of the set.
        train: trains a learner; as the task does by default.

    Returns:
        What came of each stage, in order.
    """
    done = []
    task.interruption.check()
    for stage in curriculum.run(
        trainer,
        name,
        task.config.sets[name],
        seed=task.seed,
        num_seeds=task.flags.num_seeds,
        train=train or task.train,
        ahead=task.ahead if task.mesh is None else None,
    ):
        done.append(stage)
        task.interruption.check()
    return done


def save_dataset(task: TaskContext, trainer: Trainer, stage: Stage) -> None:
    """Writes what the first seed experienced as a Minari dataset, if --save_dataset asks for it."""
    path = task.flags.save_dataset
    if path is None or not task.processes.leads:
        return
    recorded = transitions.to_trajectories(transitions.select(stage.store, 0))
    datasets.save(task.resolve(path), recorded, trainer.domain.tested_in)
