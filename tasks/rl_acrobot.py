"""`//tasks:rl_acrobot`: two layers try to swing a double pendulum up, in Gymnasium's own environment.

See `docs/tasks/rl_acrobot.md` for what it shows and `configs/rl_acrobot.py` for its configs.
"""

from collections.abc import Sequence
from typing import NoReturn

from tasks.control import acrobot, control_task
from tasks.harness import entry


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the task and ends the process; the command line is that of the process by default."""
    description = "Learns a double pendulum's steps, and tries to swing it up."
    entry.main(control_task.make("rl_acrobot", acrobot.domain, description=description), arguments)


if __name__ == "__main__":
    main()
