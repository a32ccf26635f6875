"""Configs of `//tasks:simple`, planning on a graph.

    bazel run //tasks:simple
        Eleven model sets on a random graph of 32 nodes. By react and by think, `skip`, `entropy`, `table` and
        `table_replay` (seeds 0 to 4) and `one_layer` (0 to 5) arrive on 992 of 992 pairs by a shortest way, as does a
        lookup in the walks. `linear` (0 to 4, 19) arrives on all, and misses a shortest way that no walk shows (one
        pair, seed 19). From demonstrations of half of the pairs alone, replay arrives on all others, 97.4 to 99.2 % by
        a shortest way, with layers or without, as does a search over these steps, and lookup on 35.3 to 41.5 %
        (0 to 5).
        A whole run takes some minutes on two cores.
    bazel run //tasks:simple -- --config=configs/simple.py:curve --workdir=artifacts/simple_curve
        How much experience a plan needs, 30 graphs; 4 minutes on two cores. Replay plans what the edges seen allow, to
        0.01 points: 92.3, 98.5, 99.9, 100.0, 100.0 % of the pairs after 512 to 8,192 steps.
    bazel run //tasks:simple -- --config=configs/simple.py:scale --workdir=artifacts/simple_scale
        A graph of 1,024 nodes, 10,000 pairs; 90 s on two cores. 100 % arrive, 97.6 % by a shortest way.
    bazel run //tasks:simple -- --config=configs/simple.py:layers --workdir=artifacts/simple_layers
        One, two and three layers with the same memory on 1,024 nodes in communities: 6, 64 to 85 and 100 % of the pairs
        arrive (seeds 0, 1). `layers_256` and `layers_10000` are worlds of other sizes; the last one takes 4
        minutes of processor time.
    bazel run //tasks:simple -- --config=configs/simple.py:smoke --workdir=artifacts/simple_smoke
        Takes seconds: tests that it runs; its results mean little.

`docs/tasks/simple.md` has the results in full.
"""

from typing import Any

from ml_collections import ConfigDict

_VARIANTS = ("default", "smoke", "curve", "scale", "layers", "layers_256", "layers_10000", "layers_smoke")


def get_config(variant: str = "default") -> ConfigDict:
    """Returns the config of a variant.

    Args:
        variant: `default`, `smoke`, `curve`, `scale`, `layers`, `layers_256`, `layers_10000` or `layers_smoke`.

    Raises:
        ValueError: if there is no such variant.
    """
    if variant == "default":
        return _default()
    if variant == "smoke":
        return _smoke()
    if variant == "curve":
        return _curve()
    if variant == "scale":
        return _scale()
    if variant in _LAYERS:
        return _LAYERS[variant]()
    raise ValueError(f"there is no variant {variant!r} of this config; there are {', '.join(_VARIANTS)}")


def _default() -> ConfigDict:
    return ConfigDict(
        {
            "experiment": "sets",
            "mesh": _mesh(),
            "world": {
                "num_nodes": 32,
                "edge_probability": 0.2,
                "num_walks": 5000,
                # Self-avoiding walks end by themselves, at the latest when all nodes were visited.
                "max_walk_steps": 64,
            },
            # Every ordered pair with a path, or a sample of this many if there are more.
            "test": {"max_pairs": 20_000, "max_react_steps": 128},
            "sets": {
                "skip": _set(kernel=_transformer()),
                # Distances between pivots vary, so a layer must distinguish distances one by one; the geometric rule
                # does that for short ones, on every layer.
                "entropy": _set(kernel=_transformer(num_slots=8), abstraction="entropy", score_rule="geometric"),
                "linear": _set(kernel=_linear(), learning_rate=6e-2, batch_size=384, num_steps=1250, remembered=64),
                # Without the balance of examples, which counts exactly what was best for each pair.
                "linear_unbalanced": _set(
                    kernel=_linear(), learning_rate=6e-2, batch_size=384, num_steps=1250, candidates=1
                ),
                "table": _table_set(demonstrations=True),
                "table_half": _table_set(demonstrations=True, demonstrated_share=0.5),
                "table_half_alone": _table_set(walks=False, demonstrations=True, demonstrated_share=0.5),
                "table_half_replay": _table_set(
                    walks=False,
                    demonstrations=True,
                    demonstrated_share=0.5,
                    replay=_replay(sweep_batch_size=256, imagine_batch_size=2048),
                ),
                # Without layers above the steps; and as `table_half_replay`, but without these layers.
                "one_layer": _table_set(num_layers=1, max_sub_steps=64, replay=_replay(sweep_batch_size=256)),
                "one_layer_half": _table_set(
                    num_layers=1,
                    max_sub_steps=64,
                    walks=False,
                    demonstrations=True,
                    demonstrated_share=0.5,
                    replay=_replay(sweep_batch_size=256),
                ),
                "table_replay": _table_set(replay=_replay(sweep_batch_size=256, imagine_batch_size=2048)),
            },
        }
    )


def _smoke() -> ConfigDict:
    config = _default()
    config.world.num_nodes = 12
    config.world.num_walks = 200
    # What these add is in what they learn from; that it runs, the others show.
    for name in ("linear_unbalanced", "one_layer_half", "table_half", "table_half_replay"):
        del config.sets[name]
    for name in config.sets:
        config.sets[name].num_steps = 20
        config.sets[name].chunk_steps = 10
        config.sets[name].batch_size = 64
    return config


def _curve() -> ConfigDict:
    common = {"num_steps": 200, "chunk_steps": 10, "batch_size": 4096}
    return ConfigDict(
        {
            "experiment": "curve",
            "mesh": _mesh(),
            "world": {
                "num_graphs": 30,
                "num_nodes": 32,
                "edge_probability": 0.2,
                "max_walk_steps": 64,
                "walk_steps": (512, 1024, 2048, 4096, 8192),
            },
            "sets": {
                "table_replay": _table_set(replay=_replay(sweep_batch_size=256, imagine_batch_size=1024), **common),
                "table_hindsight": _table_set(**common),
            },
        }
    )


def _scale() -> ConfigDict:
    return ConfigDict(
        {
            "experiment": "scale",
            "mesh": _mesh(),
            "world": {
                "num_nodes": 1024,
                # Mean out-degree 6.
                "edge_probability": 6 / 1023,
                "num_walks": 20_000,
                "max_walk_steps": 64,
            },
            "test": {"max_pairs": 10_000, "max_react_steps": 128},
            "sets": {
                "table_replay": _table_set(
                    kernel=_table(num_slots=2, sparse_capacity=2**21),
                    replay=_replay(sweep_batch_size=4096, imagine_batch_size=16_384, imagine_max_steps=16),
                    batch_size=4096,
                    num_steps=500,
                    chunk_steps=4,
                    max_nodes=32,
                ),
            },
        }
    )


def _layers() -> ConfigDict:
    return _communities(
        regions=8,
        communities=8,
        nodes=16,
        max_rows=50 * 2**10,
        bounded={"1": 1, "2": 2, "3": 3},
        unbounded={"1_all": 1, "2_all": 2},
    )


def _layers_256() -> ConfigDict:
    return _communities(
        regions=4,
        communities=4,
        nodes=16,
        max_rows=17 * 2**10,
        bounded={"1": 1, "2": 2, "3": 3},
        unbounded={"1_all": 1},
    )


def _layers_10000() -> ConfigDict:
    # A flat table of all pairs would have 10**8 rows.
    return _communities(
        regions=25,
        communities=20,
        nodes=20,
        max_rows=2**20,
        bounded={"1": 1, "2": 2, "3": 3},
        unbounded={},
    )


def _layers_smoke() -> ConfigDict:
    config = _communities(
        regions=3,
        communities=3,
        nodes=6,
        max_rows=2**10,
        bounded={"1": 1, "3": 3},
        unbounded={},
    )
    config.learning.update({"num_steps": 40, "batch_size": 96, "sweep_batch_size": 256})
    config.test.update({"num_starts": 54, "num_pairs": 200})
    return config


def _communities(
    *,
    regions: int,
    communities: int,
    nodes: int,
    max_rows: int,
    bounded: dict[str, int],
    unbounded: dict[str, int],
) -> ConfigDict:
    """The experiment `layers`: sets by their number of layers, with a common bound of rows or all that they need."""
    return ConfigDict(
        {
            "experiment": "layers",
            "mesh": _mesh(),
            "world": {
                "num_regions": regions,
                "region_communities": communities,
                "community_nodes": nodes,
                "num_bridges": 1,
                # With starts spread evenly, ten for each node.
                "num_walks": 10 * regions * communities * nodes,
                "max_walk_steps": 32,
            },
            "learning": {
                "num_steps": 500,
                "chunk_steps": 10,
                # Of hindsight, of all layers together.
                "batch_size": 3072,
                # Pairs from the queue of one layer.
                "sweep_batch_size": 8192,
                # The distance at which a score reaches 0.
                "longest": 256,
                # The longest plan, in steps.
                "max_nodes": 128,
            },
            # Most rows of a bounded set: of all its tables, with the numbers that its abstractions store. Tables have
            # powers of two of rows; that of a single layer is the next larger one.
            "max_rows": max_rows,
            "sets": {
                name: {"num_layers": num_layers, "bounded": name in bounded}
                for name, num_layers in (bounded | unbounded).items()
            },
            "test": {"num_starts": 500, "num_pairs": 2000},
        }
    )


def _mesh() -> dict[str, int]:
    """The number of devices that a batch is split over, of all processes together; 0 for all."""
    return {"data": 0}


def _set(*, kernel: dict[str, Any], **overrides: Any) -> dict[str, Any]:
    """A model set: three layers, every fourth state a pivot.

    With the linear rule the score of layer i reaches 0 at `longest * 4 ** i` steps, and its slots are levels of
    distance: in the bottom layer one for each of 1 to 5 steps, and the last for all longer distances.
    """
    return {
        "num_layers": 3,
        "abstraction": "skip",
        "stride": 4,
        # For the abstraction `neural_entropy`: its network, and the conditions on a peak.
        "neural_entropy": {
            "width": 64,
            "num_steps": 1000,
            "batch_size": 2048,
            "learning_rate": 1e-2,
            "min_separation": 2,
            "hysteresis": 0.02,
        },
        "lookahead": 2,
        "context_length": 1,
        # none, sinusoidal, rotary (transformer only), or location (if the graph's nodes have places); a table needs
        # none.
        "encoding": "none",
        # Wavelengths halve from twice the graph's extent; own_features adds the node's own features to those of its
        # place.
        "location": {"num_scales": 6, "own_features": True},
        "score_rule": "linear",
        "longest": 6,
        "score_discount": 0.8,
        "goal_discount": 0.8,
        "max_sub_steps": 16,
        "max_nodes": 64,
        # What it learns from. Of demonstrations, shortest paths, it may get those of a share of the pairs; then the
        # other pairs are tested.
        "walks": True,
        "demonstrations": False,
        "demonstrated_share": 1.0,
        "num_steps": 1500,
        # A chunk takes about half a second; a signal takes effect after two chunks at most.
        "chunk_steps": 25,
        "batch_size": 512,
        # This many times the batch size is drawn, and the rarest examples are kept.
        "candidates": 16,
        # To these come so many of the best examples of the pairs that were learned least often, drawn or not.
        "remembered": 0,
        "learning_rate": 5e-3,
        "replay": _replay(),
        "kernel": kernel,
    } | overrides


def _table_set(**overrides: Any) -> dict[str, Any]:
    """A model set of tables, which distinguish all distances, so that goals may be farther ahead."""
    settings: dict[str, Any] = {
        "kernel": _table(),
        "longest": 64,
        "candidates": 1,
        "goal_discount": 1.0,
        "num_steps": 500,
        "chunk_steps": 50,
        "batch_size": 4096,
    }
    return _set(**(settings | overrides))


def _replay(**overrides: Any) -> dict[str, Any]:
    """The replay after each update; a batch size of 0 switches that part off."""
    return {
        # Pairs from the queue of those that improved.
        "sweep_batch_size": 0,
        # Random pairs of stored parts.
        "compose_batch_size": 0,
        "pivot_share": 0.5,
        # Ways to follow, which the upper layers learn from.
        "imagine_batch_size": 0,
        "imagine_max_steps": 32,
    } | overrides


def _slots(*, suppression_weight: float, num_slots: int = 6) -> dict[str, Any]:
    return {
        "num_slots": num_slots,
        "access": "score",
        "asymmetry": 0.9,
        "suppression": "per_slot",
        "suppression_weight": suppression_weight,
    }


def _transformer(*, num_slots: int = 6) -> dict[str, Any]:
    sizes = {"num_blocks": 1, "num_heads": 4, "width": 64, "hidden": 512}
    return {"name": "transformer"} | _slots(suppression_weight=1.0, num_slots=num_slots) | sizes


def _linear() -> dict[str, Any]:
    return {"name": "linear"} | _slots(suppression_weight=1.0) | {"num_keys": 512, "sharpness": 2.0}


def _table(*, num_slots: int = 4, sparse_capacity: int = 0) -> dict[str, Any]:
    """The settings of a table; with a sparse capacity of 0 the table chooses its form."""
    return {"name": "table", "num_slots": num_slots, "access": "value", "sparse_capacity": sparse_capacity}


_LAYERS = {
    "layers": _layers,
    "layers_256": _layers_256,
    "layers_10000": _layers_10000,
    "layers_smoke": _layers_smoke,
}
