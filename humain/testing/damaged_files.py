"""Damage to files that a cache keeps, for tests of what it does about them."""

import pathlib
from collections.abc import Callable


def places(root: pathlib.Path) -> list[pathlib.Path]:
    """The files of all folders in a cache's root, sorted."""
    return sorted(root.glob("*/*"))


def truncate(place: pathlib.Path) -> None:
    """Cuts off the last 7 bytes."""
    place.write_bytes(place.read_bytes()[:-7])


def flip(position: int | float) -> Callable[[pathlib.Path], None]:
    """What flips one bit of a file.

    Args:
        position: of the byte, counted from the file's end if negative; or a share of the file's length, as a float.
    """

    def damage(place: pathlib.Path) -> None:
        entry = bytearray(place.read_bytes())
        entry[int(position * len(entry)) if isinstance(position, float) else position] ^= 1
        place.write_bytes(bytes(entry))

    return damage
