"""Configs of `//tasks:point_maze`: OGBench's point mazes, learned from trajectories alone.

    bazel run //tasks:point_maze
        Giant stitch, seed 0: 100 % of 250 episodes.
    bazel run //tasks:point_maze -- --config=configs/point_maze.py:all --workdir=artifacts/point_maze_all
        All eight data sets, with rivals and ablations.
    bazel run //tasks:point_maze -- --config=configs/point_maze.py:smoke --workdir=artifacts/point_maze_smoke
        Does it run at all; about a minute of processor time.
    bazel run //tasks:point_maze -- --config=configs/point_maze.py:scale --workdir=artifacts/point_maze_scale
        A synthetic maze of 100,000 places: 100 % of 200 plans arrive at the cost of a shortest way.

`docs/tasks/point_maze.md` has the results, and says what was not measured yet.
"""

from ml_collections import ConfigDict

_VARIANTS = ("default", "all", "smoke", "scale")


def get_config(variant: str = "default") -> ConfigDict:
    """The config of a variant.

    Args:
        variant: `default` (one data set), `all` (all eight, with rivals and ablations), `smoke`, or `scale` (a
            synthetic maze of many places, with settings of its own alone).

    Raises:
        ValueError: for any other.
    """
    if variant not in _VARIANTS:
        raise ValueError(f"there is no variant {variant!r} of this config; there are {', '.join(_VARIANTS)}")
    config = ConfigDict()
    if variant == "scale":
        # See `tasks.mazes.scale.Settings`.
        config.scale = ConfigDict(
            {
                "width": 500,
                "height": 200,
                "opened": 0.1,
                "longest_passage": 3,
                "num_walks": 20_000,
                "walk_rooms": 128,
                "sizes": (64, 128),
                "longest": 4096.0,
                "sweep_goals": 256,
                "max_updates": 8000,
                "max_nodes": 2048,
                "num_pairs": 200,
                "batch_size": 64,
            }
        )
        return config
    # What is learned from, unless --size, --kind and --data_share say otherwise.
    config.size = ("giant",)
    config.kind = ("stitch",)
    config.data_share = 1.0
    # Standard deviation of what is added to all positions, in the data and in the evaluation.
    config.noise = 0.0
    config.model = ConfigDict(
        {
            # The bottom layer: updates, and single steps in each.
            "action_steps": 8,
            "action_batch_size": 4096,
            # Steps less surprising than this, in units of what is normal, are taken to lead back as well.
            "undo": "learned",
            "undo_surprise": 3.0,
            # There are as many places as a grid needs whose cells have this radius, in lengths of a free step.
            "places": "kmeans",
            "place_radius": 1.6,
            # Places are found with so many states, drawn from all.
            "place_states": 2**16,
            "place_iterations": 20,
            "least_seen": 1,
            # Ways that take longer than an episode are worth nothing.
            "horizon": 1000,
            "num_layers": 3,
            "sweep": True,
            "sweep_goals": 128,
            "num_steps": 40,
            "batch_size": 4096,
            # Updates of the ablation that learns from hindsight alone, which looks far ahead.
            "hindsight_steps": 400,
            "lookahead": 1,
            "piece_places": 64,
            # The top layer: updates, and imagined ways in each.
            "imagine_steps": 40,
            "imagine_batch_size": 1024,
            "max_nodes": 512,
            "chunk_steps": 4,
        }
    )
    config.test = ConfigDict({"episodes": 50, "max_steps": 1000})
    # The rival that clones behaviour.
    config.gcbc = ConfigDict(
        {
            "width": 256,
            "num_layers": 3,
            "learning_rate": 3e-4,
            "num_steps": 10_000,
            "batch_size": 256,
            "chunk_steps": 100,
        }
    )
    config.baselines = ()
    config.ablations = ()
    # Moving pictures of each data set.
    config.shown = ConfigDict({"episodes": 2})
    if variant == "all":
        config.size = ("medium", "large", "giant", "teleport")
        config.kind = ("navigate", "stitch")
        config.baselines = ("map", "gcbc", "nearest", "search")
        config.ablations = ("one_layer", "two_layers", "hindsight", "grid", "random", "undo_all", "undo_none")
    if variant == "smoke":
        config.size, config.kind, config.data_share = ("medium",), ("stitch",), 0.02
        config.model.update({"place_radius": 4.0, "num_steps": 8, "imagine_steps": 4, "imagine_batch_size": 64})
        config.model.hindsight_steps = 8
        config.model.update({"action_steps": 4, "sweep_goals": 64, "batch_size": 256, "place_states": 4096})
        config.test.update({"episodes": 1, "max_steps": 200})
        config.gcbc.update({"width": 16, "num_steps": 20, "chunk_steps": 10, "batch_size": 32})
        config.baselines = ("map", "gcbc", "nearest", "search")
        config.ablations = ("one_layer", "hindsight")
        config.shown.episodes = 1
    return config
