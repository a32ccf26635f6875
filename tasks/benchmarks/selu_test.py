"""SELU's values, operations and bytes by hand."""

import numpy as np

from tasks.benchmarks import selu


def test_selu_of_known_values():
    values = np.array([-np.inf, -1.0, 0.0, 2.0])
    # At the left end -SCALE * ALPHA; at -1 that times 1 - 1/e; right of 0 a line.
    expected = [-1.7580993408473766, -1.7580993408473766 * (1 - np.exp(-1)), 0.0, 2 * 1.0507009873554805]
    np.testing.assert_allclose(selu.reference(values), expected, rtol=1e-12)


def test_operations_and_bytes():
    # Six operations an element; four bytes in and four out.
    assert selu.flops(1_000_000) == 6_000_000
    assert selu.bytes_moved(1_000_000) == 8_000_000
    assert selu.flops(10, 1000) == 60_000
    assert selu.bytes_moved(10, 1000) == 80_000


def test_inputs_are_the_same_for_a_seed():
    np.testing.assert_array_equal(selu.inputs(7, 3), selu.inputs(7, 3))
    assert not np.array_equal(selu.inputs(7, 3), selu.inputs(7, 4))
    assert selu.inputs(7, 3).dtype == np.float32
