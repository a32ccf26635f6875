"""The benchmark's forms are the same training, and its figures are what they say."""

import pytest
from absl import app, flags

from tasks.benchmarks import chunk_forms, chunks
from tasks.benchmarks.chunk_forms import ChunkSizes
from tasks.benchmarks.chunks import ChunkRow


@pytest.mark.parametrize("kernel", chunk_forms.KERNELS)
def test_every_kernel_is_measured_in_every_form(kernel):
    rows = chunks.measure(kernel, ChunkSizes(batch_size=2, chunk_steps=4), repeats=2)
    assert [row.form for row in rows] == ["one by one", "chunk", "chunk, unrolled by 4"]
    assert {row.kernel for row in rows} == {kernel}
    assert (rows[0].ratio, rows[0].lowest, rows[0].highest) == (1, 1, 1)
    for row in rows:
        assert row.updates_per_second > 0
        assert row.compile_seconds > 0
        assert row.lowest <= row.ratio <= row.highest


def test_the_table_names_kernel_form_and_figures():
    row = ChunkRow("table", "chunk", 1.84, 20461.7, 3.4812, 2.7, 4.75)
    assert chunks.to_table([row]).to_text().splitlines()[2].split() == [
        *("table", "chunk", "20,462", "3.48", "2.70", "4.75", "1.8")
    ]


def test_the_flags_choose_what_is_measured(capsys, monkeypatch):
    measured = []

    def measure(name, sizes, *, repeats):
        measured.append((name, sizes, repeats))
        return [ChunkRow(name, "chunk", 1.0, 2.0, 3.0, 3.0, 3.0)]

    monkeypatch.setattr(chunks, "measure", measure)
    values = flags.FlagValues()
    chunks.define_flags(values)
    values(["benchmark", "--kernels=linear", "--repeats=3"])
    chunks.main(["benchmark"], values)
    assert measured == [("linear", ChunkSizes(), 3)]
    assert capsys.readouterr().out.splitlines()[-1].startswith("linear")
    with pytest.raises(app.UsageError, match="got the argument 'table'"):
        chunks.main(["benchmark", "table"], values)
