"""`//tasks:simple`: learns ways through a graph from walks, and plans between every pair of nodes.

See `docs/tasks/simple.md` for what it shows and `configs/simple.py` for its configs.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np
from absl import flags

from humain import errors
from humain.types import Trajectories
from humain.viewing import plan_tree
from tasks.graphs import curve, drawing, evaluation, examples, layers, report, scale, sets, training, world
from tasks.graphs.world import Graph, Pairs
from tasks.harness import entry
from tasks.harness.context import TaskContext

_NAME = "simple"
_ONE_GRAPH = (
    *(f"world.{key}" for key in ("num_nodes", "edge_probability", "num_walks", "max_walk_steps")),
    *(f"test.{key}" for key in ("max_pairs", "max_react_steps")),
)
_KEYS = {
    "sets": _ONE_GRAPH,
    "curve": (
        *(f"world.{key}" for key in ("num_graphs", "num_nodes", "edge_probability", "max_walk_steps", "walk_steps")),
        *(f"sets.{key}" for key in ("table_replay", "table_hindsight")),
    ),
    "scale": _ONE_GRAPH,
    "layers": (
        *(f"world.{key}" for key in ("num_regions", "region_communities", "community_nodes", "num_bridges")),
        *(f"world.{key}" for key in ("num_walks", "max_walk_steps")),
        *(f"learning.{key}" for key in ("num_steps", "chunk_steps", "batch_size", "sweep_batch_size")),
        *(f"learning.{key}" for key in ("longest", "max_nodes")),
        *(f"test.{key}" for key in ("num_starts", "num_pairs")),
    ),
}
"""The keys of the config that each experiment reads, apart from its sets."""


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags that only this task has."""
    flags.DEFINE_string(
        "graph",
        None,
        "Graph to plan on instead of a random one: an edge list, CSV (.csv) or GraphML (.graphml) file.",
        flag_values=values,
    )
    flags.DEFINE_string("start", None, "Node to start from, with --goal.", flag_values=values)
    flags.DEFINE_string("goal", None, "Node to plan a way to; prints the plan of every set.", flag_values=values)


def check(task: TaskContext) -> None:
    """Checks the config, and that start and goal are in the graph, before anything is trained."""
    config, values = task.config, task.flags
    _check_keys(config)
    if (values.start is None) != (values.goal is None):
        raise errors.UsageError("--start and --goal go together; one of them is missing")
    one_graph = config.experiment not in ("curve", "layers")
    if not one_graph and (values.graph is not None or values.goal is not None):
        whose = "has many" if config.experiment == "curve" else "makes its own"
        raise errors.UsageError(f"--graph, --start and --goal are for one graph, but this config {whose}")
    for group in ("world", "learning", "test"):
        for key, value in config.get(group, {}).items():
            if isinstance(value, int | tuple) and np.min(value, initial=1) < 1:
                raise errors.UserError(f"{group}.{key} must be at least 1, not {value}")
    if config.experiment == "layers":
        layers.check(task)
        return
    graph = training.make_graph(task) if one_graph else None
    for name, set_config in config.sets.items():
        if graph is None:
            sets.check(name, set_config, config.world.num_nodes)
        else:
            sets.check(name, set_config, graph.num_nodes, graph.places)
        task.check_batches({f"sets.{name}.{key}": size for key, size in sets.batch_sizes(set_config).items()})
    if graph is not None and values.graph is not None:
        if any(set_config.demonstrations for set_config in config.sets.values()):
            world.check_demonstrations(graph)
        _warn_of_distances(config, graph)
    if graph is not None and config.experiment == "sets":
        pairs = training.make_pairs(graph, task.seed, config.test.max_pairs)
        for set_config in config.sets.values():
            training.tested_pairs(set_config, graph, pairs, task.seed)
    if graph is not None and values.goal is not None:
        _question(task, graph)


def _check_keys(config: Any) -> None:
    """Checks that a config has the keys and the sets that its experiment needs."""
    experiment = config.get("experiment")
    if experiment not in _KEYS:
        raise errors.UserError(f"experiment {experiment!r} is not one of {', '.join(_KEYS)}")
    for key in _KEYS[experiment]:
        group, name = key.split(".")
        if name not in config.get(group, {}):
            raise errors.UserError(f"the config has no {key}, which experiment {experiment!r} needs")
    num_sets = len(config.get("sets", {}))
    if num_sets == 0 or (experiment == "scale" and num_sets != 1):
        expected = "exactly one" if experiment == "scale" else "at least one"
        raise errors.UserError(f"experiment {experiment!r} needs {expected} of the config's sets, not {num_sets}")


def _warn_of_distances(config: Any, graph: Graph) -> None:
    """Warns if the graph's longest way exceeds bounds of the config."""
    bounds = {}
    for name, set_config in config.sets.items():
        steps, key = sets.farthest(set_config)
        if steps < graph.diameter:
            bounds[f"sets.{name}.{key}"] = steps
    if config.test.max_react_steps < graph.diameter:
        bounds["test.max_react_steps"] = config.test.max_react_steps
    if bounds:
        listed = ", ".join(f"{key} ({steps})" for key, steps in bounds.items())
        print(
            f"{_NAME}: warning: the longest way in this graph has {graph.diameter} steps, more than can be planned "
            f"with {listed}; raise these, or such pairs will not arrive",
            file=sys.stderr,
        )


def run(task: TaskContext) -> Mapping[str, Any]:
    """Runs the config's experiment: `sets`, `curve`, `scale` or `layers`."""
    if task.config.experiment == "sets":
        return _run_sets(task)
    if task.config.experiment == "curve":
        rows = [
            task.stage(f"curve_{steps}", partial(curve.measure, task, steps)) for steps in task.config.world.walk_steps
        ]
        results = {"curve": rows}
        report.write_curve_report(task.workdir, results)
        return results
    if task.config.experiment == "layers":
        return _run_layers(task)
    (name,) = task.config.sets
    results = {"scale": task.stage(name, lambda: scale.measure(task, training.make_graph(task), name))}
    report.write_scale_report(task.workdir, results, name)
    return results


def show(record: Mapping[str, Any]) -> None:
    """Prints the results as a table."""
    results = record["results"]
    if "sets" in results:
        print(report.scores_table(results).to_text())
    elif "curve" in results:
        print(report.curve_table(results).to_text())
    elif "layers" in results:
        print(report.layers_table(results).to_text())
        for line in report.layers_warnings(results):
            print(line)
    else:
        print(report.scale_table(results).to_text())
        for line in report.scale_warnings(results):
            print(line)


def answer(task: TaskContext) -> None:
    """Prints the plan of every set for --start and --goal."""
    if task.flags.goal is None:
        return
    graph = training.make_graph(task)
    start, goal = _question(task, graph)
    for name, config in task.config.sets.items():
        trajectories = training.make_trajectories(config, task.config.world, graph, task.seed)
        trained = training.train_set(task, name, config, trajectories, graph.num_nodes, graph.places)
        tree = examples.plan(trained.model, trained.state, graph, start, goal)
        print(f"\n{name}\n{plan_tree.to_text(graph.names[start], tree)}")
        for line in plan_tree.failures(tree):
            print(f"{name}: {line}")


def _question(task: TaskContext, graph: Graph) -> tuple[int, int]:
    start, goal = graph.node(task.flags.start), graph.node(task.flags.goal)
    if graph.distances_from(np.array([start]))[0, goal] == world.UNREACHABLE:
        raise errors.UserError(f"there is no way from {task.flags.start} to {task.flags.goal} in this graph")
    return start, goal


def _run_layers(task: TaskContext) -> Mapping[str, Any]:
    test = task.config.test

    def describe() -> dict[str, Any]:
        graph, trajectories = layers.make_world(task.config, task.seed)
        return layers.describe(graph, trajectories, task.seed, num_starts=test.num_starts)

    results = {
        "world": task.stage("world", describe),
        "max_rows": task.config.max_rows,
        "layers": {
            name: task.stage(f"layers_{name}", partial(layers.measure, task, name)) for name in task.config.sets
        },
        "baselines": {"search": task.stage("search", lambda: layers.measure_search(task))},
    }
    report.write_layers_report(task.workdir, results)
    return results


def _run_sets(task: TaskContext) -> Mapping[str, Any]:
    graph = training.make_graph(task)
    pairs = training.make_pairs(graph, task.seed, task.config.test.max_pairs)
    max_steps = task.config.test.max_react_steps
    places = drawing.layout(graph) if graph.num_nodes <= drawing.MAX_NODES else None
    if places is not None:
        drawing.draw_graph(task.workdir / "graph.png", graph, places)
    results = {
        "sets": {
            name: task.stage(name, partial(_run_set, task, name, graph, pairs, places)) for name in task.config.sets
        },
        "baselines": task.stage(
            "baselines",
            lambda: {
                "random": evaluation.score_random(
                    training.generator(task.seed, training.BASELINE), graph, pairs, max_steps=max_steps
                ),
                "dijkstra": evaluation.score_dijkstra(graph, pairs),
            },
        ),
    }
    title = f"Planning on a graph of {graph.num_nodes} nodes and {len(graph.edges)} edges"
    report.write_sets_report(task.workdir, results, title)
    return results


def _run_set(task: TaskContext, name: str, graph: Graph, pairs: Pairs, places: np.ndarray | None) -> dict[str, Any]:
    config = task.config.sets[name]
    pairs = training.tested_pairs(config, graph, pairs, task.seed)
    trajectories = training.make_trajectories(config, task.config.world, graph, task.seed)
    trained = training.train_set(task, name, config, trajectories, graph.num_nodes, graph.places)
    max_steps = task.config.test.max_react_steps
    plans = []
    shown = _shown_pairs(pairs)
    for number, (start, goal) in enumerate(shown):
        task.interruption.check()
        tree = examples.plan(trained.model, trained.state, graph, start, goal)
        if places is not None:
            title = f"{name}: from {graph.names[start]} to {graph.names[goal]}"
            drawing.draw_plan(task.workdir / f"plan_{name}_{number}.png", graph, places, start, tree, title=title)
        text = plan_tree.to_text(graph.names[start], tree)
        plans.append({"start": graph.names[start], "goal": graph.names[goal], "text": text, "tree": tree.to_json()})
    return {
        "react": evaluation.score_react(trained.model, trained.state, graph, pairs, max_steps=max_steps),
        "think": evaluation.score_think(trained.model, trained.state, graph, pairs),
        "lookup": evaluation.score_lookup(trajectories, graph, pairs),
        "search": evaluation.score_search(trajectories, graph, pairs),
        "train_seconds": trained.result.run_seconds,
        "compile_seconds": trained.result.compile_seconds,
        "plans": plans,
        "trace": examples.reaction_trace(trained.model, trained.state, graph, *shown[0], max_steps=max_steps),
        "walk": examples.walk_outline(trained.model, trained.state, graph, _longest_walk(trajectories)),
    }


def _longest_walk(trajectories: Trajectories) -> np.ndarray:
    """Returns the nodes of the first of the longest walks."""
    lengths = np.asarray(trajectories.lengths)
    return np.asarray(trajectories.states)[np.argmax(lengths), : np.max(lengths)]


def _shown_pairs(pairs: Pairs) -> list[tuple[int, int]]:
    """Returns the pair that is farthest apart, and one from the middle of the list."""
    chosen = dict.fromkeys([int(np.argmax(pairs.shortest)), len(pairs.starts) // 2])
    return [(int(pairs.starts[place]), int(pairs.goals[place])) for place in chosen]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the task and ends the process; the command line is that of the process by default."""
    task = entry.Task(
        name=_NAME,
        run=run,
        show=show,
        define_flags=define_flags,
        input_flags=("graph",),
        question_flags=("start", "goal"),
        check=check,
        answer=answer,
        description="Learns ways through a graph from walks, and plans between every pair of nodes.",
    )
    entry.main(task, arguments)


if __name__ == "__main__":
    main()
