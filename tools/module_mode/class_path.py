"""Moves Bazel's class path to another root: class_path.py ROOT LISTING, run by `get`.

LISTING is Debian's list of jars, one absolute path per line. Jars name further ones in their manifests, by absolute
paths too; those are added to the list, since a Java under another root can find only jars on the list.
"""

from __future__ import annotations

import pathlib
import re
import sys
import zipfile


def manifest_class_path(jar: pathlib.Path) -> list[str]:
    """Returns the class path in a jar's manifest, unchanged; empty if there is none."""
    with zipfile.ZipFile(jar) as archive:
        if "META-INF/MANIFEST.MF" not in archive.namelist():
            return []
        manifest = archive.read("META-INF/MANIFEST.MF").decode()
    # A line of a manifest ends after 72 bytes and goes on, after a space, in the next.
    unfolded = re.sub(r"\r?\n ", "", manifest)
    return [name for line in re.findall(r"^Class-Path: (.*?)\r?$", unfolded, re.MULTILINE) for name in line.split()]


def below(root: pathlib.Path, jars: list[str]) -> list[pathlib.Path]:
    """Returns the jars and those that their manifests lead to, under `root`; each once, the given ones first.

    Args:
        root: the folder in which the packages were unpacked.
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
