"""Published figures on OGBench's point mazes: success in per cent, mean and standard deviation over 8 seeds.

Source: Park, Frans, Eysenbach and Levine, OGBench: Benchmarking Offline Goal-Conditioned RL (2024, arXiv 2410.20092v2),
the table of all results. They learned from OGBench's own files; those made here follow the same rules with other random
numbers.
"""

from collections.abc import Mapping
from typing import TypeAlias

SOURCE = "Park et al., OGBench: Benchmarking Offline Goal-Conditioned RL (2024, arXiv 2410.20092)"

METHODS = ("GCBC", "GCIVL", "GCIQL", "QRL", "CRL", "HIQL")

_Figure: TypeAlias = tuple[int, int]

FIGURES: Mapping[str, tuple[_Figure, ...]] = {
    "medium_navigate": ((9, 6), (63, 6), (53, 8), (82, 5), (29, 7), (79, 5)),
    "large_navigate": ((29, 6), (45, 5), (34, 3), (86, 9), (39, 7), (58, 5)),
    "giant_navigate": ((1, 2), (0, 0), (0, 0), (68, 7), (27, 10), (46, 9)),
    "teleport_navigate": ((25, 3), (45, 3), (24, 7), (4, 4), (24, 6), (18, 4)),
    "medium_stitch": ((23, 18), (70, 14), (21, 9), (80, 12), (0, 1), (74, 6)),
    "large_stitch": ((7, 5), (12, 6), (31, 2), (84, 15), (0, 0), (13, 6)),
    "giant_stitch": ((0, 0), (0, 0), (0, 0), (50, 8), (0, 0), (0, 0)),
    "teleport_stitch": ((31, 9), (44, 2), (25, 3), (9, 5), (4, 3), (34, 4)),
}
"""For each data set, mean and standard deviation of each of `METHODS`."""


def of(name: str) -> dict[str, dict[str, int]]:
    """The published figures of a data set such as `giant_stitch`, by method."""
    return {
        method: {"mean": mean, "deviation": deviation}
        for method, (mean, deviation) in zip(METHODS, FIGURES[name], strict=True)
    }
