"""Training a set of the cart pole within a task, which may be interrupted and goes on from there."""

import jax
import numpy as np

from tasks.control import courses, datasets, steps
from tasks.control.courses import Course, Pupil
from tasks.harness.context import TaskContext


def build_pupil(task: TaskContext) -> Pupil:
    """Builds what the sets share from the task's config, and from the user's own steps if --dataset names any."""
    path = task.flags.dataset
    recorded = None if path is None else steps.from_episodes(datasets.load(task.resolve(path)))
    return courses.build_pupil(task.config, recorded)


def train_set(task: TaskContext, pupil: Pupil, name: str, train: courses.Train | None = None) -> list[Course]:
    """Trains a set, or goes on where an earlier process stopped, or restores it where it was finished.

    Args:
        task: the run; it says how many seeds to train, from its own on.
        pupil: what all sets share.
        name: of the set.
        train: trains a learner; as the task does by default.

    Returns:
        What came of each course, in order.
    """
    done = []
    task.interruption.check()
    for course in courses.follow(
        pupil,
        name,
        task.config.sets[name],
        seed=task.seed,
        num_seeds=task.flags.num_seeds,
        train=train or task.train,
        ahead=task.ahead if task.mesh is None else None,
    ):
        done.append(course)
        task.interruption.check()
    return done


def save_dataset(task: TaskContext, course: Course) -> None:
    """Writes what the first seed experienced as a Minari dataset, if --save_dataset asks for it."""
    path = task.flags.save_dataset
    if path is None or not task.processes.leads:
        return
    store = jax.tree.map(lambda leaf: np.asarray(leaf[0]), course.store)
    datasets.save(task.resolve(path), steps.episodes(store))
