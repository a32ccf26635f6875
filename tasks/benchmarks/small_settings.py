"""Settings with which measurements take fractions of a second, for tests."""

from tasks.benchmarks import chunk_forms, clustering_forms, hot_paths
from tasks.benchmarks.rows import PeakSizes, RowSettings
from tasks.benchmarks.timing import MIN_REPEATS, Effort

EFFORT = Effort(repeats=MIN_REPEATS, min_seconds=1e-5, max_seconds=1.0)
SETTINGS = RowSettings(size=100, applications=12, loop_steps=3, peaks={"cpu": PeakSizes(matmul_size=8)}, effort=EFFORT)
SIZES = hot_paths.HotPathSizes(
    updates=chunk_forms.ChunkSizes(
        batch_size=2, chunk_steps=3, num_layers=1, num_states=4, num_keys=2, width=4, hidden=4, num_heads=1
    ),
    points=clustering_forms.ClusteringSizes(num_points=20, num_features=2, num_clusters=2),
)
