"""One binary per experiment, and what they share."""

import sys

# Before the first import that an older Python doesn't understand.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        f"HUMAIN needs Python 3.11, and this is {sys.version_info[0]}.{sys.version_info[1]}: without Bazel, make the "
        "virtual environment with python3.11 (Windows: py -3.11)"
    )
