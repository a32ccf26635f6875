"""Build events become the right two numbers, and no target that ran nothing goes unnoticed."""

import pytest

from tools.ci import count_tests

_PASS = "<testcase name='a'/>"
_FAIL = "<testcase name='b'><failure message='no'/></testcase>"
_ERROR = "<testcase name='c'><error/></testcase>"
_SKIP = "<testcase name='d'><skipped/></testcase>"


@pytest.fixture(name="make")
def _make(tmp_path):
    """Makes the events of a test target, with one report for each shard."""

    def make(label, status, *reports, attempt=1):
        events = [{"id": {"targetConfigured": {"label": label}}, "configured": {"testSize": "SMALL"}}]
        for shard, cases in enumerate(reports, 1):
            path = tmp_path / f"{label.replace('/', '_')} {shard} {attempt}.xml"
            path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
            output = {"name": "test.xml", "uri": "file://" + str(path).replace(" ", "%20")}
            events.append(
                {
                    "id": {"testResult": {"label": label, "run": 1, "shard": shard, "attempt": attempt}},
                    "testResult": {"testActionOutput": [{"name": "test.log", "uri": "file:///x"}, output]},
                }
            )
        if status:
            events.append({"id": {"testSummary": {"label": label}}, "testSummary": {"overallStatus": status}})
        return events

    return make


def _numbers(events):
    total, lines = count_tests.count(events)
    return total.passed, total.failed, len([line for line in lines if not line.startswith("skipped: ")])


def test_cases_are_added_up_over_targets_and_shards(make):
    events = make("//a:x", "PASSED", _PASS + _PASS + _SKIP, _PASS) + make("//a:y", "FAILED", _PASS + _FAIL + _ERROR)
    assert _numbers(events) == (4, 2, 1)


def test_the_last_attempt_counts(make):
    events = make("//a:x", None, _FAIL, attempt=1) + make("//a:x", "FLAKY", _PASS, attempt=2)
    assert _numbers(events) == (1, 0, 0)


def test_only_skipped_cases_are_no_failure(make):
    assert _numbers(make("//a:x", "PASSED", _SKIP)) == (0, 0, 0)


def test_each_reason_to_skip_is_a_line(make):
    buildifier = "<testcase name='e'><skipped message='no buildifier:&#10; npm is not on PATH'/></testcase>"
    _, lines = count_tests.count(make("//a:x", "PASSED", _SKIP + buildifier + _PASS, buildifier))
    assert lines == [
        "skipped: //a:x: no buildifier: npm is not on PATH (2)",
        "skipped: //a:x: no reason given (1)",
    ]


@pytest.mark.parametrize(
    ("status", "reports"),
    [
        ("PASSED", []),  # no report
        ("PASSED", [""]),  # no case
        ("TIMEOUT", [_PASS]),
        ("FAILED", []),
        (None, []),  # configured, never run: it could not be built
        ("FAILED_TO_BUILD", []),
        ("PASSED", ["<cut"]),
    ],
)
def test_what_did_not_run_is_a_failure(make, status, reports):
    _, failed, num_problems = _numbers(make("//a:x", status, *reports))
    assert (failed, num_problems) == (1, 1)


def test_what_the_filters_left_out_is_not(make):
    skipped = {"id": {"targetCompleted": {"label": "//a:gpu"}}, "aborted": {"reason": "SKIPPED"}}
    assert _numbers([*make("//a:gpu", None), skipped]) == (0, 0, 0)


def test_targets_that_are_no_tests_do_not_count():
    assert _numbers(
        [{"id": {"targetConfigured": {"label": "//a:lib"}}, "configured": {"targetKind": "py_library"}}]
    ) == (
        0,
        0,
        0,
    )
