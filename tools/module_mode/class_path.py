"""Puts Bazel's class path below another root: class_path.py ROOT LISTING, run by `get`.

LISTING is Debian's list of jars, one absolute path a line. Jars name more in their manifests, absolutely as well; those
are put on the list too, since the list is all that a Java below another root can find.
"""

from __future__ import annotations

import pathlib
import re
import sys
import zipfile


def manifest_class_path(jar: pathlib.Path) -> list[str]:
    """What a jar's manifest names, as it is there; nothing where it has none."""
    with zipfile.ZipFile(jar) as archive:
        if "META-INF/MANIFEST.MF" not in archive.namelist():
            return []
        manifest = archive.read("META-INF/MANIFEST.MF").decode()
    # A line of a manifest ends after 72 bytes and goes on, after a space, in the next.
    unfolded = re.sub(r"\r?\n ", "", manifest)
    return [name for line in re.findall(r"^Class-Path: (.*?)\r?$", unfolded, re.MULTILINE) for name in line.split()]


def below(root: pathlib.Path, jars: list[str]) -> list[pathlib.Path]:
    """The jars, and all that their manifests lead to and is there, below `root`; each once, the given ones first.

    Args:
        root: where the packages were unpacked.
        jars: absolute paths, as they would be on a machine with the packages installed.
    """
    found = [root / jar.lstrip("/") for jar in jars]
    waiting = list(found)
    while waiting:
        jar = waiting.pop(0)
        if not jar.exists():
            continue
        for name in manifest_class_path(jar):
            plain = name.removeprefix("file://")
            named = root / plain.lstrip("/") if plain.startswith("/") else jar.parent / plain
            if named.exists() and named not in found:
                found.append(named)
                waiting.append(named)
    return found


def main(root: pathlib.Path, listing: pathlib.Path) -> None:
    """Rewrites `listing`."""
    jars = below(root, listing.read_text(encoding="utf-8").split())
    listing.write_text("".join(f"{jar}\n" for jar in jars), encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
