"""A lock, entry by entry: hashes of more wheels than one machine is offered, and pins that only some systems need.

uv resolves for Linux. That a lock serves pip on other systems too takes three things: hashes of their wheels, also
where a folder or index of this machine alone has one of a name; markers at what is not for all of them; and no hash of
a wheel that pip must not take. The last one is for a local build such as torch 2.13.0+cpu: the index's Linux wheels of
that version are CUDA builds, whose requirements are not in the lock. pip ranks a file whose index states a hash allowed
over one in a find-links folder, which states none, so it takes the local build where the lock leaves the others out.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Collection, Mapping

_ENTRY = re.compile(
    r"^(?P<name>[a-z0-9][a-z0-9-]*)(?P<extras>\[[^\]]*\])?==(?P<version>[^\s;]+)(?: ; (?P<marker>[^\\\n]+?))?"
    r"(?P<hashes>(?: \\\n    --hash=\S+)*)(?P<comments>(?:\n    #.*)*)$",
    re.MULTILINE,
)
_LOCAL_BUILD = "# local build: "


@dataclasses.dataclass(frozen=True)
class Entry:
    """One pin.

    Attributes:
        name: the name of the distribution, as uv writes it.
        extras: the extras with the brackets, or "".
        version: the version, with the local part, as in `2.13.0+cpu`, if the resolution has one.
        marker: the systems it is for; empty for all.
        hashes: the hashes as `sha256:...`, in their order.
        comments: the lines under it, with their `#`.
    """

    name: str
    extras: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    comments: tuple[str, ...]

    @property
    def text(self) -> str:
        """Returns the entry as it is in the file, without the line feed at its end."""
        pin = f"{self.name}{self.extras}=={self.version}" + (f" ; {self.marker}" if self.marker else "")
        lines = [" \\\n    ".join([pin, *(f"--hash={digest}" for digest in self.hashes)]), *self.comments]
        return "\n    ".join(lines)


def parse(text: str) -> dict[str, Entry]:
    """The entries of a lock or of what uv resolved, by name, in their order."""
    return {
        match["name"]: Entry(
            name=match["name"],
            extras=match["extras"] or "",
            version=match["version"],
            marker=match["marker"] or "",
            hashes=tuple(re.findall(r"--hash=(\S+)", match["hashes"])),
            comments=tuple(line.strip() for line in match["comments"].splitlines() if line.strip()),
        )
        for match in _ENTRY.finditer(text)
    }


def render(entries: Mapping[str, Entry]) -> str:
    """The text of a lock, without its header."""
    return "".join(f"{entries[name].text}\n" for name in sorted(entries))


def wheels(pylock: str) -> dict[str, dict[str, str]]:
    """{name: {file name: hash}} of all wheels in the text of a `pylock.toml`."""
    return {
        package["name"]: {
            wheel.get("name") or wheel["url"].rsplit("/", 1)[-1]: f"sha256:{wheel['hashes']['sha256']}"
            for wheel in package.get("wheels", [])
        }
        for package in tomllib.loads(pylock)["packages"]
    }


def with_index_wheels(entries: Mapping[str, Entry], index: Mapping[str, Mapping[str, str]]) -> dict[str, Entry]:
    """The entries with the hashes of all wheels of an index; a local build as its public version, see above.

    Args:
        entries: the resolved entries.
        index: {name: {file name: hash}}.
    """
    found = {}
    for name, entry in entries.items():
        version, _, local = entry.version.partition("+")
        offered = index.get(name, {})
        if local:
            others = {digest for file, digest in offered.items() if "linux" not in file.rsplit("-", 1)[-1]}
            hashes = (*entry.hashes, *sorted(others - set(entry.hashes)))
            comments = (f"{_LOCAL_BUILD}{entry.version}", *entry.comments)
            found[name] = dataclasses.replace(entry, version=version, hashes=hashes, comments=comments)
        else:
            hashes = tuple(sorted({*entry.hashes, *offered.values()}))
            found[name] = dataclasses.replace(entry, hashes=hashes)
    return found


def with_local_builds(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries with each pin that notes a local build as that build: what uv is to prefer.

    Without its hashes: uv would keep all of them, and those of other builds are not its own.
    """
    found = {}
    for name, entry in entries.items():
        builds = [line.removeprefix(_LOCAL_BUILD) for line in entry.comments if line.startswith(_LOCAL_BUILD)]
        found[name] = dataclasses.replace(entry, version=builds[0], hashes=()) if builds else entry
    return found


def local_builds(entries: Mapping[str, Entry]) -> set[str]:
    """Returns the local builds that entries name, as `NAME VERSION`."""
    return {
        f"{name} {line.removeprefix(_LOCAL_BUILD)}"
        for name, entry in entries.items()
        for line in entry.comments
        if line.startswith(_LOCAL_BUILD)
    }


def with_systems(entries: Mapping[str, Entry], elsewhere: Mapping[str, Mapping[str, Entry]]) -> dict[str, Entry]:
    """The entries with a marker at what other systems do without, and with what only these need.

    Args:
        entries: what Linux needs.
        elsewhere: what other systems need, by their `sys.platform`, at the same versions.
    """
    found = {}
    for name, entry in entries.items():
        without = [f"sys_platform != '{system}'" for system, others in elsewhere.items() if name not in others]
        found[name] = dataclasses.replace(entry, marker=" and ".join(without))
    for others in elsewhere.values():
        for name, entry in others.items():
            if name not in entries:
                needing = [f"sys_platform == '{system}'" for system, needs in elsewhere.items() if name in needs]
                found.setdefault(name, dataclasses.replace(entry, marker=" or ".join(needing)))
    return found


def with_extra_apart(
    entries: Mapping[str, Entry], name: str, extra: str, asked_by: str, brings: Collection[str]
) -> dict[str, Entry]:
    """The entries with what an extra brings required by who asks for the extra, and not by all who use the package.

    pip, told to install who asks, finds the extra in its metadata; what follows a lock's `# via` comments from the
    package alone does not meet what only the extra needs.

    Args:
        entries: the resolved entries.
        name: of the package.
        extra: one that no requirements file asks for; nothing changes where the package is locked without it.
        asked_by: the package that asks for it.
        brings: what the package needs for the extra alone.
    """
    extras = [each.strip() for each in entries[name].extras.strip("[]").split(",")] if name in entries else []
    if extra not in extras:
        return dict(entries)
    left = ", ".join(each for each in extras if each != extra)
    found = {**entries, name: dataclasses.replace(entries[name], extras=f"[{left}]" if left else "")}
    for brought in brings:
        via = {line.removeprefix("# via").lstrip("# ") for line in entries[brought].comments} - {"", name}
        requirers = sorted({*via, asked_by})
        lines = ("# via", *(f"#   {each}" for each in requirers)) if len(requirers) > 1 else (f"# via {asked_by}",)
        found[brought] = dataclasses.replace(entries[brought], comments=lines)
    return found


def with_systems_of(entries: Mapping[str, Entry], lock: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries with the markers of another lock, and with what that one has for other systems alone."""
    marked = {name: entry for name, entry in lock.items() if entry.marker}
    return {
        **entries,
        **{name: dataclasses.replace(entries.get(name, entry), marker=entry.marker) for name, entry in marked.items()},
    }
