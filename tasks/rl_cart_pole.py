"""`//tasks:rl_cart_pole`: two layers learn to balance a pole, and show what they aim for.

See `docs/tasks/rl_cart_pole.md` for what it shows and `configs/rl_cart_pole.py` for its configs.
"""

from collections.abc import Sequence
from typing import NoReturn

from tasks.control import cart_pole, control_task
from tasks.harness import entry


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the task and ends the process; the command line is that of the process by default."""
    description = "Learns to balance a pole, and shows what it aims for."
    entry.main(control_task.make("rl_cart_pole", cart_pole.domain, description=description), arguments)


if __name__ == "__main__":
    main()
