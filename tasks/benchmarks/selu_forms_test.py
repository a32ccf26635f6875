"""The forms of SELU are compared with `jax.nn.selu`, in the same rounds, and their errors with double precision."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.native import selu as native_selu
from tasks.benchmarks import jax_rows, selu, selu_forms

_NAMES = [
    *("add_one", "add_one_in_place", "builtin", "builtin_in_place", "exp", "exp_in_place"),
    *("native", "native_in_place"),
]


def test_every_form_is_measured():
    forms = selu_forms.forms(selu.inputs(100, 0))
    assert list(forms) == _NAMES
    lines = {line.name: line for line in selu_forms.measure(forms, rounds=6, calls=2)}
    assert list(lines) == _NAMES
    # Each round is compared with its own.
    assert (lines["builtin"].speed.median, lines["builtin"].speed.low, lines["builtin"].speed.high) == (1, 1, 1)
    for line in lines.values():
        assert 0 < line.seconds.low <= line.seconds.median <= line.seconds.high
    assert lines["add_one"].absolute_error is None
    # exp(x) - 1 has nothing left near 0; the C++ operation is no less exact than jax.nn.selu.
    assert lines["exp"].relative_error == 1
    for name in ("builtin", "exp", "native"):
        error = lines[name].absolute_error
        assert error is not None and 0 < error < 2.5e-7
    native, builtin = lines["native"].relative_error, lines["builtin"].relative_error
    assert native is not None and builtin is not None and native < builtin
    printed = selu_forms.to_table(list(lines.values())).to_text().splitlines()
    assert len(printed) == 2 + len(_NAMES)


def test_without_the_library_there_is_no_native_form(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(native_selu, "missing", lambda: "not built")
    assert list(selu_forms.forms(selu.inputs(10, 0))) == _NAMES[:-2]


def test_errors_by_hand():
    # 0.5 too much everywhere; relative to the smallest value that is not 0, SELU's slope left of 0 times 1e-36.
    absolute, relative = selu_forms._errors(lambda values: selu.reference(values.astype(np.float64)) + 0.5)
    assert absolute == pytest.approx(0.5)
    assert relative == pytest.approx(0.5 / 1.7580993408473766e-36, rel=1e-5)


def test_blocks_begin_from_the_same_values():
    start = jnp.array([1.0])
    block = jax_rows.chain(jax_rows.compile_form(lambda values: values + 1, in_place=True), start, in_place=True)
    block(5)
    np.testing.assert_array_equal(start, [1.0])
