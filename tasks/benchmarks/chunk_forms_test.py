"""The forms of a training run, and what can't be trained is refused."""

import pytest

from tasks.benchmarks import chunk_forms
from tasks.benchmarks.chunk_forms import Sizes

_SMALL = Sizes(batch_size=2, chunk_steps=4, num_layers=1, num_states=4, num_keys=2, width=4, hidden=4, num_heads=1)


@pytest.mark.parametrize("kernel", chunk_forms.KERNELS)
def test_every_form_is_compiled_and_goes_on_from_call_to_call(kernel):
    built = chunk_forms.build(kernel, _SMALL, unrolls=(1, 2))
    assert list(built) == ["one by one", "chunk", "chunk, unrolled by 2"]
    for form in built.values():
        assert form.compile_seconds > 0
        # The state is donated: a second call would fail on the buffers of the first.
        form.run()
        form.run()


def test_an_unknown_kernel_is_refused():
    with pytest.raises(ValueError, match="kernel 'tabel' is not one of table, linear, transformer"):
        chunk_forms.build("tabel", Sizes())


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="num_layers must be 1 or more, not 0"):
        Sizes(num_layers=0)
