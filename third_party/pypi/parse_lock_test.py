"""What a lock says becomes the right repositories: pins, hashes, extras, local builds, edges, cycles, merged wheels."""

import pytest

from third_party.pypi import parse_lock

_LOCK = """\
# a header
Alpha.One[fast,x-y]==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via -r requirements.in
beta==2.0 \\
    --hash=sha256:cc
    # local build: 2.0+cpu
    # via
    #   -r requirements.in
    #   alpha-one
gamma==3 --hash=sha256:dd
    # via
    #   beta
    #   delta
delta==4 ; python_version >= "3.8" --hash=sha256:ee
    # via gamma
"""


def test_pins():
    packages = parse_lock.parse(_LOCK)
    assert list(packages) == ["alpha_one", "beta", "gamma", "delta"]
    assert packages["alpha_one"] == {
        "requirement": "Alpha.One==1.0",
        "local_build": "",
        "hashes": ["sha256:aa", "sha256:bb"],
        "via": [],
        "extras": ["fast", "x_y"],
    }
    assert packages["beta"]["local_build"] == "beta==2.0+cpu"
    assert packages["beta"]["via"] == ["alpha_one"]


def test_a_pin_without_hash_is_an_error_of_one_line():
    with pytest.raises(SystemExit) as failure:
        parse_lock.parse("alpha==1.0\n    # via x\n")
    assert str(failure.value) == "missing hash: the lock has none for alpha==1.0; run tools/update_lock"


def test_edges_go_from_the_one_that_requires():
    specs, where = parse_lock.repositories(_LOCK, {})
    assert where["beta"] == "beta"
    assert specs["alpha_one"]["deps"] == ["beta"]
    assert specs["beta"]["deps"] == ["gamma"]
    assert specs["alpha_one"]["cycle"] == []
    assert specs["gamma"]["cycle"] == specs["delta"]["cycle"] == ["delta", "gamma"]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({}, []),
        ({"a": {"b"}, "b": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": {"e"}, "e": {"d"}}, [["b", "c"], ["d", "e"]]),
    ],
)
def test_cycles(edges, expected):
    assert sorted(parse_lock.cycles(edges)) == expected


def test_merged_wheels_share_a_repository():
    specs, where = parse_lock.repositories(_LOCK, {"both": ["gamma", "del*"]})
    assert where == {"alpha_one": "alpha_one", "beta": "beta", "gamma": "both", "delta": "both"}
    assert [wheel["requirement"] for wheel in specs["both"]["wheels"]] == ["delta==4", "gamma==3"]
    assert specs["beta"]["deps"] == ["both"]
    assert specs["both"]["deps"] == specs["both"]["cycle"] == []


def test_what_is_the_same_in_both_locks_is_there_once():
    other = _LOCK.replace("gamma==3", "gamma==5") + "epsilon==6 --hash=sha256:ff\n    # via gamma\n"
    parsed = parse_lock.combine({"cpu": _LOCK, "gpu": other}, {"more": ["eps*"]})
    assert parsed["hub"]["alpha_one"] == {"cpu": "alpha_one", "gpu": "alpha_one"}
    assert parsed["hub"]["gamma"] == {"cpu": "gamma__cpu", "gpu": "gamma__gpu"}
    assert parsed["hub"]["more"] == {"gpu": "more"}
    assert parsed["members"] == {"epsilon": "more"}
