"""The execution log is counted right: actions apart from tests, hits in the words of each Bazel line."""

import json

import pytest

from tools.cache import execution_log

_ENTRIES = [
    {"mnemonic": "CppCompile", "remoteCacheHit": True, "listedOutputs": ["a.o"]},
    {"mnemonic": "Genrule", "cacheHit": True, "targetLabel": "//a:b"},
    {"mnemonic": "Genrule", "remoteCacheHit": False, "listedOutputs": ["bazel-out/c.txt"]},
    {"mnemonic": "TestRunner", "remoteCacheHit": True, "targetLabel": "//a:test"},
]


def test_counts():
    log = "\n\n".join(json.dumps(entry, indent=2) for entry in _ENTRIES) + "\n"
    answered = execution_log.read(log)
    assert (answered.num_actions, answered.num_actions_hit) == (3, 2)
    assert (answered.num_tests, answered.num_tests_hit) == (1, 1)
    assert answered.share == pytest.approx(3 / 4)
    assert answered.missed == ("Genrule bazel-out/c.txt",)
    assert str(answered) == "2 of 3 actions and 1 of 1 tests answered by the cache (75.0%)"


def test_a_build_that_ran_nothing_has_no_share():
    assert execution_log.read("").share == 0.0


def test_a_cut_log_is_an_error():
    with pytest.raises(json.JSONDecodeError):
        execution_log.read('{"mnemonic": "Genr')
