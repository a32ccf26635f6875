"""Ways to damage the files of a cache, to test that it notices."""

import pathlib
from collections.abc import Callable


def places(root: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files in all folders of a cache's root, sorted."""
    return sorted(root.glob("*/*"))


def truncate(place: pathlib.Path) -> None:
    """Cuts off the last 7 bytes of a file."""
    place.write_bytes(place.read_bytes()[:-7])


def flip(position: int | float) -> Callable[[pathlib.Path], None]:
    """Returns a function that flips one bit of a file.

    Args:
        position: the index of the byte, counted from the file's end if negative; a float is a share of the file's
            length.
    """

    def damage(place: pathlib.Path) -> None:
        entry = bytearray(place.read_bytes())
        entry[int(position * len(entry)) if isinstance(position, float) else position] ^= 1
        place.write_bytes(bytes(entry))

    return damage
