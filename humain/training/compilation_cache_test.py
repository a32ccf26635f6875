"""Tests of the cache of compiled programs: what is damaged is harmless, what is kept is bounded."""

import os
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src import compilation_cache as jax_cache

from humain.testing import damaged_files
from humain.training import compilation_cache
from humain.training.compilation_cache import Store


@pytest.fixture(autouse=True)
def _without_the_tests_own():
    """Has JAX know of no cache: tests may share one, see humain/testing/settings.py."""
    folder = jax.config.values["jax_compilation_cache_dir"]
    cache = jax_cache._cache, jax_cache._cache_initialized
    jax.config.update("jax_compilation_cache_dir", None)
    jax_cache.reset_cache()
    yield
    jax.config.update("jax_compilation_cache_dir", folder)
    jax_cache._cache, jax_cache._cache_initialized = cache


def _make_directory(place):
    place.unlink()
    (place / "inside").mkdir(parents=True)


_DAMAGES = {
    "empty": lambda place: place.write_bytes(b""),
    "garbage": lambda place: place.write_bytes(b"garbage" * 1000),
    "truncated": damaged_files.truncate,
    "longer": lambda place: place.write_bytes(place.read_bytes() + b"\0"),
    "unreadable": lambda place: place.chmod(0),
    "directory": _make_directory,
    "flipped in the checksum": damaged_files.flip(0),
    "flipped behind the checksum": damaged_files.flip(32),
    "flipped at a quarter": damaged_files.flip(0.25),
    "flipped in the middle": damaged_files.flip(0.5),
    "flipped at the end": damaged_files.flip(-1),
}


def test_a_program_is_found_again(tmp_path):
    store = Store(tmp_path, "here")
    assert store.get("a") is None
    store.put("a", b"first")
    store.put("b", b"")
    store.put("a", b"second")
    again = Store(tmp_path, "here")
    assert (again.get("a"), again.get("b")) == (b"second", b"")
    assert Store(tmp_path, "elsewhere").get("a") is None
    store.clear()
    assert again.get("a") is None


@pytest.mark.parametrize("damage", _DAMAGES.values(), ids=_DAMAGES)
def test_what_is_damaged_is_not_there(tmp_path, capfd, damage):
    store = Store(tmp_path, "here", task="toy")
    for key in ("a", "b"):
        store.put(key, key.encode() * 100)
    for place in damaged_files.places(tmp_path):
        damage(place)
    readable = all(os.access(place, os.R_OK) for place in damaged_files.places(tmp_path))
    found = {key: store.get(key) for key in ("a", "b")}
    # Whom permissions don't stop reads on.
    intact = damage is _DAMAGES["unreadable"] and readable
    assert found == {key: key.encode() * 100 if intact else None for key in ("a", "b")}
    error = capfd.readouterr().err
    assert error.count("\n") == (0 if intact else 1)
    assert intact or error.startswith("toy: warning: some of the compiled programs in ")
    store.put("a", b"anew")
    assert store.get("a") == (None if damage is _make_directory else b"anew")
    assert capfd.readouterr().err == ""


def test_the_program_of_another_key_is_none(tmp_path):
    store = Store(tmp_path, "here")
    store.put("a", b"program")
    (place,) = damaged_files.places(tmp_path)
    store.put("b", b"other")
    (other,) = set(damaged_files.places(tmp_path)) - {place}
    os.replace(place, other)
    assert store.get("b") is None


def test_what_is_kept_is_bounded_and_what_was_used_longest_ago_goes_first(tmp_path):
    # Each takes 32 bytes of checksum and 68 more: ten fill the bound.
    stores = [Store(tmp_path, name, max_bytes=1000) for name in ("old", "here")]
    for number in range(10):
        stores[number % 2].put(str(number), bytes(68))
        os.utime(stores[number % 2]._place(str(number)), ns=(number, number))
    assert stores[0].get("0") is not None
    # The eleventh has three more go, down to three quarters: 1 to 4 are the oldest since 0 was used.
    Store(tmp_path, "old", max_bytes=1000).put("10", bytes(68))
    found = [number for number in range(11) if stores[number % 2].get(str(number)) is not None]
    assert found == [0, 5, 6, 7, 8, 9, 10]
    # One that is larger than all that may be kept is not.
    stores[0].put("large", bytes(1000))
    assert stores[0].get("large") is None


def test_what_is_not_the_caches_own_stays(tmp_path):
    foreign = [tmp_path / "photos" / "a.jpg", tmp_path / "here" / "b.jpg"]
    for place in foreign:
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"x" * 1000)
        os.utime(place, (0, 0))
    store = Store(tmp_path, "here", max_bytes=100)
    store.put("a", b"program")
    store.clear()
    assert all(place.exists() for place in foreign)


def test_what_a_killed_process_began_goes_after_a_while(tmp_path):
    folder = Store(tmp_path, "here")._path
    stale, fresh = folder / ".begun-stale", folder / ".begun-fresh"
    stale.write_bytes(b"half")
    fresh.write_bytes(b"half")
    os.utime(stale, (0, 0))
    Store(tmp_path, "elsewhere")
    assert (stale.exists(), fresh.exists()) == (False, True)


def test_where_nothing_can_be_kept_a_line_says_so(tmp_path, capfd):
    (tmp_path / "file").write_text("")
    with compilation_cache.used(tmp_path / "file", "toy"):
        assert jax.config.values["jax_compilation_cache_dir"] is None
        assert int(jax.jit(lambda value: value + 1)(1)) == 2
    error = capfd.readouterr().err
    assert error.startswith(f"toy: warning: compiled programs can't be kept in {tmp_path / 'file'} (")
    assert error.count("\n") == 1


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="modes mean nothing here")
def test_a_folder_that_others_may_write_is_not_used(tmp_path, capfd):
    with compilation_cache.used(tmp_path, "toy"):
        pass
    (tmp_path / compilation_cache.machine()).chmod(0o777)
    with compilation_cache.used(tmp_path, "toy"):
        assert jax.config.values["jax_compilation_cache_dir"] is None
    assert "(other users can write to it)" in capfd.readouterr().err
    (tmp_path / compilation_cache.machine()).chmod(0o700)
    tmp_path.chmod(0o777)
    with compilation_cache.used(tmp_path, "toy"):
        assert jax.config.values["jax_compilation_cache_dir"] is None
    assert "(other users can write to it)" in capfd.readouterr().err


def test_a_folder_that_goes_away_does_no_harm(tmp_path, capfd):
    store = Store(tmp_path, "here", task="toy")
    (tmp_path / "here").rmdir()
    store.put("a", b"program")
    store.put("b", b"program")
    assert store.get("a") is None
    assert capfd.readouterr().err.count("\n") == 1


def test_jaxs_own_setting_stays(tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "theirs"))
    try:
        with compilation_cache.used(tmp_path / "ours", "toy"):
            assert jax.config.values["jax_compilation_cache_dir"] == str(tmp_path / "theirs")
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
    assert not (tmp_path / "ours").exists()


def test_one_within_another_is_used_for_its_time(tmp_path):
    outer, inner = tmp_path / "outer", tmp_path / "inner"

    def compile_anew(factor):
        jax.clear_caches()
        jax.jit(lambda values: values * factor)(jnp.arange(3.0))

    with compilation_cache.used(outer, "toy"):
        compile_anew(2.0)
        kept = damaged_files.places(outer)
        with compilation_cache.used(inner, "toy"):
            compile_anew(3.0)
        assert kept and damaged_files.places(outer) == kept and damaged_files.places(inner)
        compile_anew(5.0)
        assert len(damaged_files.places(outer)) > len(kept)


def test_settings_are_as_before_afterwards(tmp_path):
    names = (*compilation_cache._SETTINGS, "jax_compilation_cache_dir")
    before = {name: jax.config.values[name] for name in names}
    with compilation_cache.used(tmp_path, "toy"):
        assert jax.config.values["jax_compilation_cache_dir"] == str(tmp_path)
    assert {name: jax.config.values[name] for name in names} == before
    count = len(damaged_files.places(tmp_path))
    jax.jit(lambda value: value * 3 + 1)(2)
    assert len(damaged_files.places(tmp_path)) == count


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "~/.cache/humain/jax"),
        ({"XDG_CACHE_HOME": "/caches"}, "/caches/humain/jax"),
        ({"XDG_CACHE_HOME": "relative"}, "~/.cache/humain/jax"),
        ({"TEST_TMPDIR": "/tmp/test"}, ""),
        ({"TEST_TMPDIR": "/tmp/test", "HUMAIN_COMPILATION_CACHE": "/there"}, "/there"),
        ({"HUMAIN_COMPILATION_CACHE": ""}, ""),
    ],
)
def test_the_default_is_in_the_users_cache_and_nowhere_in_a_test(environment, expected):
    assert compilation_cache.default(environment) == expected


def test_a_test_keeps_nothing():
    assert compilation_cache.default() == ""


def test_flags_of_the_compiler_are_part_of_the_machine():
    names = {compilation_cache.machine({"XLA_FLAGS": flags}) for flags in ("", "--xla_a=1", "--xla_a=2")}
    assert len(names) == 3
    assert compilation_cache.machine({}) == compilation_cache.machine({"XLA_FLAGS": ""})


def test_programs_come_out_as_they_went_in(tmp_path):
    values = jnp.linspace(0.1, 3.0, 1000)

    def compute():
        jax.clear_caches()
        return np.asarray(jax.jit(lambda values: jnp.tanh(values) / jnp.sum(jnp.exp(values)))(values))

    plain = compute()
    with compilation_cache.used(tmp_path, "toy"):
        first = compute()
        second = compute()
    np.testing.assert_array_equal(first, plain)
    np.testing.assert_array_equal(second, plain)


_WRITER = """
import itertools, pathlib, sys, time

from humain.training.compilation_cache import Store

root, own = pathlib.Path(sys.argv[1]), int(sys.argv[2])
values = [bytes([number]) * 100_000 for number in range(2)]
store = Store(root / "cache", "here", task="writer")


def meet(point):
    (root / f"{point}_{own}").touch()
    return (root / f"{point}_{1 - own}").exists()


while not meet("ready"):
    time.sleep(0.001)
seen = set()
for turn in itertools.count():
    for key in ("a", "b"):
        store.put(key, values[own])
        value = store.get(key)
        assert value in values, "none" if value is None else "half"
        seen.add(value)
    # Neither leaves the other alone before both have read what the other wrote, and have written a while.
    if turn >= 50 and len(seen) == 2 and meet("done"):
        break
"""


def test_several_processes_may_write_the_same(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), str(number)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        for process in processes:
            _, error = process.communicate(timeout=120)
            assert (process.returncode, error) == (0, "")
    finally:
        for process in processes:
            process.kill()
    assert len(damaged_files.places(tmp_path / "cache")) == 2


def test_what_a_process_has_just_begun_is_left_for_an_hour(tmp_path):
    folder = Store(tmp_path, "here")._path
    old, young = folder / ".begun-old", folder / ".begun-young"
    now = time.time()
    for place, age in ((old, 3660), (young, 3540)):
        place.write_bytes(b"half")
        os.utime(place, (now - age, now - age))
    Store(tmp_path, "elsewhere")
    assert (old.exists(), young.exists()) == (False, True)


def test_by_default_half_a_gigabyte_is_kept_of_every_program(tmp_path):
    assert Store.__init__.__kwdefaults__ == {"max_bytes": 536_870_912, "task": "task"}
    with compilation_cache.used(tmp_path, "toy"):
        assert jax.config.values["jax_persistent_cache_min_compile_time_secs"] == 0
        assert jax.config.values["jax_persistent_cache_min_entry_size_bytes"] < 1


def test_what_just_fits_is_kept(tmp_path):
    # 32 bytes of checksum and 68 more.
    store = Store(tmp_path, "here", max_bytes=100)
    store.put("a", bytes(69))
    assert store.get("a") is None
    store.put("a", bytes(68))
    assert store.get("a") == bytes(68)
    # And nothing goes before the bound is passed.
    assert Store(tmp_path, "here", max_bytes=100).get("a") == bytes(68)
    assert Store(tmp_path, "here", max_bytes=99).get("a") is None


def test_folders_are_their_users_alone(tmp_path):
    Store(tmp_path / "root", "here")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("root", "root/here")] == [0o700] * 2
    Store(tmp_path / "root", "here")  # they may be there already


def test_a_folder_of_which_the_group_may_write_is_not_used(tmp_path):
    Store(tmp_path, "here")
    for mode in (0o720, 0o702):
        (tmp_path / "here").chmod(mode)
        with pytest.raises(PermissionError, match="other users can write to it"):
            Store(tmp_path, "here")
    (tmp_path / "here").chmod(0o755)
    Store(tmp_path, "here")
