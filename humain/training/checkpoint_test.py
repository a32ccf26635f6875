"""Tests of checkpoints."""

import logging
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from orbax.checkpoint import v1 as ocp

from humain import errors
from humain.files import records
from humain.training import checkpoint

pytestmark = pytest.mark.filterwarnings("error")


def _checkpointer(directory: pathlib.Path, fingerprint: str = "config a", **keywords: Any) -> checkpoint.Checkpointer:
    return checkpoint.Checkpointer(directory, fingerprint=fingerprint, **keywords)


def _state(seed: int = 0) -> dict[str, Any]:
    """One leaf of each kind that a learner may hold."""
    params = {"layer/0.weights": jax.random.normal(jax.random.key(seed), (3, 4)), "bias": jnp.zeros((0, 3))}
    return {
        "params": params,
        "optimizer": optax.adam(0.1).init(params),
        "key": jax.random.key(seed),
        "keys": jax.random.split(jax.random.key(seed, impl="rbg"), 2),
        "no_keys": jax.random.split(jax.random.key(seed), 0),
        "half": jnp.array([1.5, -0.0], jnp.bfloat16),
        "scores": jnp.array([-jnp.inf, 1e-40, jnp.nan]),
        "counts": jnp.arange(3, dtype=jnp.int8),
        "mask": jnp.array([True, False]),
        "host": np.array([2**60 + 1, -1]),
        "scalar": np.float64(0.1),
        "small": np.float32(0.1),
        "whole": np.int16(-3),
        "number": 7,
        "share": 0.1,
        "flag": True,
        "nothing": None,
    }


def _bits(leaf: Any) -> tuple[Any, ...]:
    if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return str(leaf.dtype), np.asarray(jax.random.key_data(leaf)).tobytes()
    return type(leaf), str(np.asarray(leaf).dtype), np.shape(leaf), np.asarray(leaf).tobytes()


def _assert_equal(found: Any, expected: Any) -> None:
    structures: list[Any] = [jax.tree.structure(found), jax.tree.structure(expected)]
    assert structures[0] == structures[1]
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert _bits(one) == _bits(other)


def _damage(path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _largest_array_file(directory: pathlib.Path) -> pathlib.Path:
    return max(
        (path for path in (directory / "state").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )


def test_a_state_is_restored_bit_for_bit(tmp_path: pathlib.Path) -> None:
    _checkpointer(tmp_path / "c").save(12, _state())
    # The template's values are others: nothing restored may come from it.
    restored = _checkpointer(tmp_path / "c").restore(_state(seed=1) | {"number": 0, "share": 0.0, "flag": False})
    assert restored is not None
    assert restored.step == 12
    _assert_equal(restored.state, _state())


def test_an_abstract_template_will_do(tmp_path: pathlib.Path) -> None:
    state = {"weights": jnp.arange(3.0), "key": jax.random.key(3)}
    _checkpointer(tmp_path).save(1, state)
    restored = _checkpointer(tmp_path).restore(jax.eval_shape(lambda: state))
    assert restored is not None
    _assert_equal(restored.state, state)


def test_a_state_without_any_element_is_restored(tmp_path: pathlib.Path) -> None:
    _checkpointer(tmp_path).save(1, {"empty": jnp.zeros((0,))})
    restored = _checkpointer(tmp_path).restore({"empty": jnp.zeros((0,))})
    assert restored is not None
    assert restored.state["empty"].shape == (0,)


def test_without_a_checkpoint_there_is_none(tmp_path: pathlib.Path) -> None:
    checkpointer = _checkpointer(tmp_path / "none")
    assert checkpointer.restore(_state()) is None
    assert checkpointer.latest_step() is None
    assert checkpointer.steps() == []


def test_the_newest_two_are_kept(tmp_path: pathlib.Path) -> None:
    checkpointer = _checkpointer(tmp_path)
    for step in (0, 5, 10, 1000):
        checkpointer.save(step, {"x": jnp.full(2, float(step))})
    assert checkpointer.steps() == [10, 1000]
    assert checkpointer.latest_step() == 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000000010", "000000001000"]


def test_torn_ones_do_not_count_among_those_kept(tmp_path: pathlib.Path) -> None:
    checkpointer = _checkpointer(tmp_path)
    checkpointer.save(5, {"x": jnp.zeros(2)})
    for step in (10, 20):  # from runs that went farther, before something went wrong with the disk
        shutil.copytree(tmp_path / "000000000005", tmp_path / f"{step:012d}")
        (tmp_path / f"{step:012d}" / "COMPLETE").unlink()
    checkpointer.save(7, {"x": jnp.ones(2)})
    assert checkpointer.steps() == [5, 7]


def test_the_one_just_saved_is_kept_even_if_it_is_not_the_newest(tmp_path: pathlib.Path) -> None:
    checkpointer = _checkpointer(tmp_path, keep=1)
    checkpointer.save(10, {"x": jnp.zeros(2)})
    checkpointer.save(5, {"x": jnp.ones(2)})
    assert checkpointer.steps() == [5]


def test_notes_come_back(tmp_path: pathlib.Path) -> None:
    _checkpointer(tmp_path).save(5, {"x": jnp.zeros(2)}, notes={"seconds": 0.1})
    restored = _checkpointer(tmp_path).restore({"x": jnp.zeros(2)})
    assert restored is not None
    assert restored.notes == {"seconds": 0.1}


def test_saving_a_step_again_changes_nothing(tmp_path: pathlib.Path) -> None:
    checkpointer = _checkpointer(tmp_path)
    checkpointer.save(3, {"x": jnp.zeros(2)})
    before = (tmp_path / "000000000003" / "COMPLETE").stat().st_mtime_ns
    checkpointer.save(3, {"x": jnp.zeros(2)})
    assert (tmp_path / "000000000003" / "COMPLETE").stat().st_mtime_ns == before


@pytest.mark.parametrize("fault", ["marker", "marker content", "array", "description", "missing", "additional"])
def test_a_torn_checkpoint_is_passed_over_with_a_warning(tmp_path: pathlib.Path, fault: str) -> None:
    checkpointer = _checkpointer(tmp_path)
    for step in (5, 10):
        checkpointer.save(step, {"x": jnp.full(2000, float(step))})
    newest = tmp_path / "000000000010"
    if fault == "marker":
        (newest / "COMPLETE").unlink()
    elif fault == "marker content":
        (newest / "COMPLETE").write_text('{"checkpoint.json": [1')
    elif fault == "array":
        _damage(_largest_array_file(newest))
    elif fault == "description":
        _damage(newest / "checkpoint.json")
    elif fault == "missing":
        _largest_array_file(newest).unlink()
    else:
        (newest / "state" / "more").write_text("x")
    assert checkpointer.latest_step() == 5
    with pytest.warns(RuntimeWarning, match="000000000010 is not complete: .*; going back to the one before it"):
        restored = checkpointer.restore({"x": jnp.zeros(2000)})
    assert restored is not None
    assert restored.step == 5
    np.testing.assert_array_equal(restored.state["x"], 5.0)
    assert checkpointer.steps() == [5]
    checkpointer.save(10, {"x": jnp.full(2000, 10.0)})
    assert checkpointer.latest_step() == 10


def test_what_a_killed_save_left_is_swept_away(tmp_path: pathlib.Path) -> None:
    checkpointer = _checkpointer(tmp_path)
    checkpointer.save(5, {"x": jnp.zeros(2)})
    shutil.copytree(tmp_path / "000000000005", tmp_path / "tmp.000000000010")
    assert checkpointer.steps() == [5]
    checkpointer.save(10, {"x": jnp.zeros(2)})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000000005", "000000000010"]


class _Crash(BaseException):
    """The process ends here."""


class _Crashing:
    """Ends the process just before or just after the n-th thing that a save does to the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, crash_at: int) -> None:
        self.done: list[str] = []
        self._crash_at = crash_at
        for owner, name in ((ocp, "save"), (records, "write_json"), (pathlib.Path, "rename"), (shutil, "rmtree")):
            monkeypatch.setattr(owner, name, self._watched(name, getattr(owner, name)))

    def _watched(self, name: str, action: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **keywords: Any) -> Any:
            self._moment(f"before {name}")
            result = action(*arguments, **keywords)
            self._moment(f"after {name}")
            return result

        return run

    def _moment(self, name: str) -> None:
        if len(self.done) == self._crash_at:
            raise _Crash(name)
        self.done.append(name)


def test_a_save_that_ends_anywhere_leaves_whole_checkpoints_alone(tmp_path: pathlib.Path) -> None:
    # What a save does, in this order: arrays, description, marker, rename; then what is too old goes.
    moments = [
        f"{moment} {name}"
        for name in ("save", "write_json", "write_json", "rename", "rmtree")
        for moment in ("before", "after")
    ]
    for crash_at in range(len(moments) + 1):
        checkpointer = _checkpointer(tmp_path / str(crash_at))
        for step in (5, 10):
            checkpointer.save(step, {"x": jnp.full(2, float(step))})
        with pytest.MonkeyPatch.context() as monkeypatch:
            crashing = _Crashing(monkeypatch, crash_at)
            if crash_at < len(moments):
                with pytest.raises(_Crash, match=moments[crash_at]):
                    checkpointer.save(15, {"x": jnp.full(2, 15.0)})
            else:
                checkpointer.save(15, {"x": jnp.full(2, 15.0)})
            assert crashing.done == moments[:crash_at]
        # From the rename on it is the new one, and before it the one before; never a torn one, of which restore warns.
        newest = 15 if "after rename" in moments[: crash_at + 1] else 10
        again = _checkpointer(tmp_path / str(crash_at))
        assert again.steps()[-1] == again.latest_step() == newest
        restored = again.restore({"x": jnp.zeros(2)})
        assert restored is not None
        np.testing.assert_array_equal(restored.state["x"], float(newest))
        # And the next save tidies up.
        again.save(20, {"x": jnp.full(2, 20.0)})
        assert again.steps() == [newest, 20]
        assert len(list((tmp_path / str(crash_at)).iterdir())) == 2


def test_another_configuration_is_refused_with_the_remedy(tmp_path: pathlib.Path) -> None:
    _checkpointer(tmp_path).save(5, {"x": jnp.zeros(2)})
    with pytest.raises(errors.UserError, match="another configuration or seed; use --clear"):
        _checkpointer(tmp_path, "config b").restore({"x": jnp.zeros(2)})


@pytest.mark.parametrize("template", [{"x": np.zeros(3)}, {"x": np.zeros(2, np.int32)}, {"y": np.zeros(2)}, {}])
def test_another_structure_is_refused_by_leaf(tmp_path: pathlib.Path, template: Any) -> None:
    _checkpointer(tmp_path).save(5, {"x": np.zeros(2)})
    with pytest.raises(errors.UserError, match=r"doesn't fit the program: 0000\.[xy] is .* there and .* here"):
        _checkpointer(tmp_path).restore(template)


def test_a_leaf_that_is_no_array_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=r"leaf 0000.x of the state is a str"):
        _checkpointer(tmp_path).save(5, {"x": "text"})
    assert _checkpointer(tmp_path).restore({"x": "text"}) is None


def test_keeping_none_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="keep is 0"):
        _checkpointer(tmp_path, keep=0)


def test_orbax_is_quiet_even_where_others_are_not(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="absl")
    _checkpointer(tmp_path).save(1, _state())
    _checkpointer(tmp_path).restore(_state())
    output = capfd.readouterr()
    assert (output.out, output.err, caplog.text) == ("", "", "")
    assert logging.getLogger("absl").isEnabledFor(logging.INFO)


def test_two_are_kept_by_default(tmp_path: pathlib.Path) -> None:
    assert checkpoint.Checkpointer.__init__.__kwdefaults__ == {"keep": 2, "processes": None}
    one = _checkpointer(tmp_path, keep=1)
    for step in (1, 2, 3):
        one.save(step, {"x": np.zeros(1)})
    assert one.steps() == [3]
    three = _checkpointer(tmp_path, keep=3)
    for step in (4, 5, 6):
        three.save(step, {"x": np.zeros(1)})
    assert three.steps() == [4, 5, 6]
    assert three.directory == tmp_path.absolute()


def test_only_numbers_come_back_as_notes(tmp_path: pathlib.Path) -> None:
    _checkpointer(tmp_path).save(5, {"x": np.zeros(2)})
    restored = _checkpointer(tmp_path).restore({"x": np.zeros(2)})
    assert restored is not None
    assert restored.notes == {}
