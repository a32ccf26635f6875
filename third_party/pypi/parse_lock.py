"""Prints, as JSON, the repositories that some lock files need: parse_lock.py SPEC_JSON, run by `pypi_hub`.

SPEC_JSON is {"locks": {CONFIG: LOCK_FILE}, "merged": {NAME: [PATTERN]}}. A repository holds one wheel, or those whose
names match a pattern of "merged". For each: the requirements to install, the names that the lock lets it depend on
(from the "# via" comments that uv and pip-tools write) and the members of the dependency cycle it is in, if any.
Wheels that are the same in every lock are listed once; others get a repository for each configuration.
"""

from __future__ import annotations

import fnmatch
import json
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?\s*==\s*([^\s;]+)")


def normalize(name: str) -> str:
    """Returns a wheel's name as the hub's labels spell it."""
    return re.sub(r"[-_.]+", "_", name).lower()


def parse(text: str) -> dict[str, dict[str, Any]]:
    """{name: {"requirement", "local_build", "hashes", "extras", "via"}} of one lock file's text.

    Raises:
        SystemExit: a pin has no hash.
    """
    packages: dict[str, dict[str, Any]] = {}
    current: dict[str, Any] | None = None
    in_via = False
    for raw in text.replace("\\\n", " ").splitlines():
        line = raw.strip()
        if head := _PIN.match(raw):
            name, extras, version = head.groups(default="")
            hashes = re.findall(r"--hash=(\S+)", line)
            if not hashes:
                sys.exit(f"missing hash: the lock has none for {name}=={version}; run tools/update_lock")
            current = packages[normalize(name)] = {
                "requirement": f"{name}=={version}",
                "local_build": "",
                "hashes": hashes,
                "via": [],
                "extras": sorted(normalize(extra.strip()) for extra in extras.split(",") if extra.strip()),
            }
            in_via = False
        elif line.startswith("#") and current is not None:
            comment = line.lstrip("# ").strip()
            if comment.startswith("local build: "):
                current["local_build"] = f"{current['requirement'].split('==')[0]}=={comment[13:]}"
                continue
            if comment == "via" or comment.startswith("via "):
                in_via, comment = True, comment[3:].strip()
            if in_via and comment and not comment.startswith(("-r ", "-c ")):
                current["via"].append(normalize(re.sub(r"\[.*|\s.*", "", comment)))
    return packages


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Returns the sets of names that reach one another: Tarjan's strongly connected components, without recursion."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found = []
    for root in sorted(edges):
        work: list[tuple[str, Iterator[str] | None]] = [] if root in index else [(root, None)]
        while work:
            node, successors = work.pop()
            if successors is None:
                index[node] = low[node] = len(index)
                stack.append(node)
                on_stack.add(node)
                successors = iter(sorted(edges[node]))
            for following in successors:
                if following not in index:
                    work += [(node, successors), (following, None)]
                    break
                if following in on_stack:
                    low[node] = min(low[node], index[following])
            else:
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    cut = stack.index(node)
                    component, stack[cut:] = stack[cut:], []
                    on_stack.difference_update(component)
                    if len(component) > 1:
                        found.append(sorted(component))
    return found


def repositories(text: str, merged: dict[str, list[str]]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """({repository: its spec}, {name: repository}) for one lock file's text."""
    packages = parse(text)
    where = {name: name for name in packages}
    for group, patterns in merged.items():
        for name in packages:
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                where[name] = group
    specs: dict[str, dict[str, Any]] = {}
    edges: dict[str, set[str]] = {}
    for name, package in sorted(packages.items()):
        for requirer in package.pop("via"):
            if requirer in where:
                edges.setdefault(where[requirer], set()).add(where[name])
        specs.setdefault(where[name], {"wheels": []})["wheels"].append(package)
    edges = {name: edges.get(name, set()) - {name} for name in specs}
    in_cycle = {member: group for group in cycles(edges) for member in group}
    for name, spec in specs.items():
        spec["deps"], spec["cycle"] = sorted(edges[name]), in_cycle.get(name, [])
    return specs, where


def combine(locks: dict[str, str], merged: dict[str, list[str]]) -> dict[str, Any]:
    """Returns the repositories for the texts of locks, and the repository of each name in each configuration.

    Returns:
        "repositories": {repository: spec}; "hub": {name: {config: repository}}; "members": {name: merged repository}.
    """
    by_config, where_is = {}, {}
    for config, text in sorted(locks.items()):
        by_config[config], where = repositories(text, merged)
        where_is.update(where)
    result: dict[str, dict[str, Any]] = {}
    hub: dict[str, dict[str, str]] = {}
    for name in sorted({name for specs in by_config.values() for name in specs}):
        variants = {config: specs[name] for config, specs in by_config.items() if name in specs}
        same = len({json.dumps(spec, sort_keys=True) for spec in variants.values()}) == 1
        for config, spec in variants.items():
            repository = name if same else f"{name}__{config}"
            result[repository] = spec
            hub.setdefault(name, {})[config] = repository
    members = {name: group for name, group in where_is.items() if name != group}
    return {"repositories": result, "hub": hub, "members": members}


def main(spec: dict[str, Any]) -> None:
    """Reads the locks that `spec` names and prints what they need."""
    locks = {config: pathlib.Path(path).read_text(encoding="utf-8") for config, path in spec["locks"].items()}
    print(json.dumps(combine(locks, spec["merged"])))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
