"""Both forms of the sparse table are measured, in the same rounds."""

from tasks.benchmarks import small_settings, sparse_forms


def test_every_operation_is_measured():
    lines = sparse_forms.measure(capacity=64, batch_size=8, effort=small_settings.EFFORT)
    assert [line.name for line in lines] == ["find", "recall", "learn"]
    for line in lines:
        for interval in (line.jax_seconds, line.native_seconds, line.ratio):
            assert 0 < interval.low <= interval.median <= interval.high
    printed = sparse_forms.to_table(lines).to_text().splitlines()
    assert [row.split()[0] for row in printed[2:]] == ["find", "recall", "learn"]
