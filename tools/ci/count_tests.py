"""Adds up the test reports of one `bazel test`: count_tests.py BUILD_EVENTS, from --build_event_json_file.

Prints a line for each reason that a target skipped cases for, a line for each target that failed, and last "PASSED
FAILED", two numbers of test cases. Every requested test target counts: one that was not built or not run, or whose
report is missing or empty, counts as one failure.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import pathlib
import sys
import urllib.parse
import xml.etree.ElementTree
from collections.abc import Iterable
from typing import Any

_GOOD = ("PASSED", "FLAKY")


@dataclasses.dataclass
class Cases:
    """The test cases in some reports."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def add(self, other: Cases) -> None:
        """Adds the cases of another report."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.reasons += other.reasons


def read_report(text: str) -> Cases:
    """The cases of one junit report.

    Raises:
        xml.etree.ElementTree.ParseError: if the report is not XML, as when the test was stopped while it wrote.
    """
    cases = Cases()
    for case in xml.etree.ElementTree.fromstring(text).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            cases.failed += 1
        elif (skipped := case.find("skipped")) is not None:
            cases.skipped += 1
            cases.reasons[" ".join(skipped.get("message", "").split()) or "no reason given"] += 1
        else:
            cases.passed += 1
    return cases


def reports(events: Iterable[dict[str, Any]]) -> dict[str, list[pathlib.Path]]:
    """The reports of each test target: the last attempt's, one for each shard and run."""
    last: dict[tuple[str, int, int], tuple[int, list[pathlib.Path]]] = {}
    for event in events:
        if (result := event["id"].get("testResult")) and "testResult" in event:
            key = (result["label"], result.get("run", 1), result.get("shard", 1))
            paths = [
                pathlib.Path(urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path))
                for output in event["testResult"].get("testActionOutput", [])
                if output["name"] == "test.xml"
            ]
            attempt = result.get("attempt", 1)
            if key not in last or attempt >= last[key][0]:
                last[key] = (attempt, paths)
    found: dict[str, list[pathlib.Path]] = collections.defaultdict(list)
    for (label, _, _), (_, paths) in sorted(last.items()):
        found[label] += paths
    return found


def count(events: list[dict[str, Any]]) -> tuple[Cases, list[str]]:
    """The cases of all test targets in the build events, and what was skipped or is wrong in a target, a line each."""
    # A target that the tag filters left out is configured, and then aborted as skipped; all others are expected.
    expected = {
        event["id"]["targetConfigured"]["label"]
        for event in events
        if "targetConfigured" in event["id"] and event.get("configured", {}).get("testSize")
    }
    left_out = {
        label
        for event in events
        if event.get("aborted", {}).get("reason") == "SKIPPED"
        for label in [event["id"].get("targetCompleted", {}).get("label")]
    }
    status = {
        event["id"]["testSummary"]["label"]: event["testSummary"]["overallStatus"]
        for event in events
        if "testSummary" in event["id"] and "testSummary" in event
    }
    found = reports(events)
    total, lines = Cases(), []
    for label in sorted((expected | set(status)) - left_out):
        cases, problem = Cases(), ""
        for path in found.get(label, []):
            try:
                cases.add(read_report(path.read_text(encoding="utf-8")))
            except (OSError, xml.etree.ElementTree.ParseError) as error:
                problem = f"has no readable report ({error})"
        if status.get(label, "NOT RUN") not in _GOOD:
            problem = problem or status.get(label, "NOT RUN").lower().replace("_", " ")
        elif not cases.passed + cases.failed + cases.skipped:
            problem = problem or "reports no test case"
        if problem and not cases.failed:
            cases.failed = 1
        if problem or cases.failed:
            lines.append(f"{label}: {problem or 'failed'} ({cases.passed} passed, {cases.failed} failed)")
        lines += [f"skipped: {label}: {reason} ({number})" for reason, number in sorted(cases.reasons.items())]
        total.add(cases)
    return total, lines


def main(arguments: list[str]) -> None:
    """Prints what was skipped or is wrong, a line each, and then the two numbers."""
    (path,) = arguments
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    total, remarks = count([json.loads(line) for line in lines if line.strip()])
    for remark in remarks:
        print(remark)
    print(total.passed, total.failed)


if __name__ == "__main__":
    main(sys.argv[1:])
