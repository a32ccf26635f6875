"""Whole runs of the graph planner: what they leave, what they answer, what they refuse, and what kills do to them."""

import html.parser
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from tasks import simple
from tasks.graphs import curve, scale

_CONFIG = '''
from configs import simple


def get_config(variant="default"):
    """Two sets and little training; variants as in the task's own config."""
    if variant in ("smoke", "curve", "scale"):
        return simple.get_config(variant)
    config = simple.get_config("smoke")
    config.world.num_nodes = 8
    config.world.edge_probability = 0.3
    config.world.num_walks = 60
    config.test.max_react_steps = 16
    for name in list(config.sets):
        if name not in ("linear", "table"):
            del config.sets[name]
        else:
            config.sets[name].update(
                {"num_steps": 40, "chunk_steps": 10, "batch_size": 32, "stride": 2, "max_nodes": 16}
            )
    config.sets.linear.num_layers = 1
    config.sets.linear.kernel.num_keys = 16
    config.sets.table.num_layers = 2
    if variant == "scale_of_two":
        config.experiment = "scale"
    elif variant == "no_sets":
        config.sets = {}
    elif variant == "no_experiment":
        del config["experiment"]
    elif variant == "no_walks":
        del config.world["num_walks"]
    elif variant == "no_replay":
        del config.sets.table["replay"]
    elif variant != "default":
        raise ValueError(f"there is no variant {variant!r}")
    return config
'''
# Words as names. Nothing leads to the pier.
_TOWN = "# one-way streets\nhome shop\nshop park\npark lake\nlake home\nshop home\npier home\npark home\n"
_SCORE_KEYS = {"pairs", "arrived", "optimal", "mean_length", "ratio_to_optimal", "invalid_steps", "seconds"}


@pytest.fixture(scope="module", name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where the user stands: a folder with a config and a graph."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "tiny.py").write_text(_CONFIG)
    (folder / "town.txt").write_text(_TOWN)
    return folder


@pytest.fixture(autouse=True)
def _stand_there(place: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(place))
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(place))


def _main(*words: str) -> int:
    """Runs the task in this process and returns its exit code."""
    with pytest.raises(SystemExit) as ended:
        simple.main(["--config=tiny.py", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def _refused(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The exit code and the one line that a run which is refused ends with."""
    capfd.readouterr()
    code = _main(*words)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("simple: ")
    assert printed.err.count("\n") == 1
    return code, printed.err[len("simple: ") : -1]


@pytest.fixture(scope="module", name="town")
def _town(place: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command line of a finished run on the user's graph."""
    words = ["--graph=town.txt", f"--workdir={tmp_path_factory.mktemp('town') / 'w'}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUILD_WORKING_DIRECTORY", str(place))
        patch.setenv("BUILD_WORKSPACE_DIRECTORY", str(place))
        assert _main(*words) == 0
    return words


def _workdir(words: Sequence[str]) -> pathlib.Path:
    return pathlib.Path(words[-1].removeprefix("--workdir="))


class _Page(html.parser.HTMLParser):
    """The addresses in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")]


def test_results_have_the_documented_form(town):
    record = json.loads((_workdir(town) / "results.json").read_text())
    assert set(record) == {
        "task",
        "config",
        "seed",
        "versions",
        "device",
        "matmul_precision",
        "wall_seconds",
        "steps",
        "results",
    }
    assert (record["task"], record["seed"], record["steps"]) == ("simple", 0, 80)
    results = record["results"]
    assert set(results) == {"sets", "baselines"}
    assert set(results["sets"]) == {"linear", "table"}
    scores = list(results["baselines"].values())
    assert set(results["baselines"]) == {"random", "dijkstra"}
    for entry in results["sets"].values():
        by = {"react", "think", "lookup", "search"}
        assert set(entry) == by | {"train_seconds", "compile_seconds", "plans", "trace", "walk"}
        scores += [entry[name] for name in by]
    for score in scores:
        assert set(score) == _SCORE_KEYS
        # Every ordered pair of home, shop, park and lake, and from the pier to each of them.
        assert score["pairs"] == 4 * 3 + 4
        assert 0 <= score["optimal"] <= score["arrived"] <= 1
        assert isinstance(score["invalid_steps"], int)
    dijkstra = results["baselines"]["dijkstra"]
    assert (dijkstra["arrived"], dijkstra["ratio_to_optimal"], dijkstra["invalid_steps"]) == (1, 1, 0)


def test_tables_know_a_small_town_by_heart(town):
    entry = json.loads((_workdir(town) / "results.json").read_text())["results"]["sets"]["table"]
    # They got a shortest way for each pair, which a lookup finds as well, and a search.
    for score in (entry["react"], entry["think"], entry["lookup"], entry["search"]):
        assert (score["arrived"], score["optimal"], score["ratio_to_optimal"], score["invalid_steps"]) == (1, 1, 1, 0)


def test_plans_use_the_user_s_words(town):
    plans = json.loads((_workdir(town) / "results.json").read_text())["results"]["sets"]["table"]["plans"]
    # The pair farthest apart is from the pier to the lake, four steps.
    assert (plans[0]["start"], plans[0]["goal"]) == ("pier", "lake")
    steps = [line.split("─ ")[1].split()[0] for line in plans[0]["text"].splitlines() if "(step" in line]
    assert steps == ["home", "shop", "park", "lake"]
    assert plans[0]["tree"]["state"] == "lake"


def test_pictures_and_report_are_there(town):
    workdir = _workdir(town)
    pictures = {path.name for path in workdir.glob("*.png")}
    assert pictures == {
        "graph.png",
        *(f"plan_{name}_{number}.png" for name in ("linear", "table") for number in (0, 1)),
        *(f"learning_{name}.png" for name in ("linear", "table")),
    }
    for name in pictures:
        assert (workdir / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    page = _Page()
    page.feed((workdir / "report.html").read_text())
    assert len(page.addresses) == len(pictures)
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert (workdir / "metrics.jsonl").read_text().count("\n") == 2 * 4


def test_a_finished_run_is_shown_again(town, capfd):
    before = (_workdir(town) / "results.json").read_bytes()
    assert _main(*town) == 0
    printed = capfd.readouterr().out.splitlines()
    assert printed[0].startswith("simple: finished already, results are in ")
    assert [line.split()[:2] for line in printed[3:11]] == [
        [name, by] for name in ("linear", "table") for by in ("react", "think", "lookup", "search")
    ]
    assert (_workdir(town) / "results.json").read_bytes() == before


def test_a_finished_run_answers_questions(town, capfd):
    assert _main(*town, "--start=pier", "--goal=park") == 0
    printed = capfd.readouterr().out
    assert "\nlinear\nfrom pier to park" in printed
    table = printed.split("\ntable\n")[1].splitlines()
    assert table[0] == "from pier to park"
    assert [line.split("─ ")[1].split()[0] for line in table if "(step" in line] == ["home", "shop", "park"]
    assert _main(*town, "--start=lake", "--goal=lake") == 0
    assert capfd.readouterr().out.rstrip().endswith("\ntable\nfrom lake to lake")


def test_questions_that_have_no_answer_are_refused(town, capfd):
    assert _refused(capfd, *town, "--start=home", "--goal=moon") == (
        1,
        "the graph has no node 'moon'; there are 5, such as home, lake, park, pier, shop",
    )
    unreachable = _refused(capfd, *town, "--start=home", "--goal=pier")
    assert unreachable == (1, "there is no way from home to pier in this graph")
    for word in ("--start=home", "--goal=home"):
        assert _refused(capfd, *town, word) == (2, "--start and --goal go together; one of them is missing")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.txt", None, "--graph=absent.txt can't be read: No such file or directory"),
        ("empty.txt", b"", "empty.txt has no edges; expected lines of two different node names each"),
        ("garbage.csv", b"\xff\xfe\x00", "can't decode byte 0xff in position 0: invalid start byte"),
        ("words.txt", b"home work\nwork\n", "line 2 is 'work'; expected two node names"),
    ],
)
def test_a_graph_that_can_t_be_used_is_refused(place, tmp_path, capfd, name, content, message):
    if content is not None:
        (place / name).write_bytes(content)
    code, line = _refused(capfd, f"--graph={name}", f"--workdir={tmp_path / 'w'}")
    assert code == 1
    assert line.endswith(message)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--config.experiment=dance",), 1, "experiment 'dance' is not one of sets, curve, scale"),
        (("--config.world.num_nodes=1",), 1, "num_nodes=1, edge_probability=0.3: expected 2 or more"),
        (("--config.world.num_walks=0",), 1, "world.num_walks must be at least 1, not 0"),
        (("--config.test.max_pairs=0",), 1, "test.max_pairs must be at least 1, not 0"),
        (("--config=tiny.py:scale_of_two",), 1, "experiment 'scale' needs exactly one of the config's sets, not 2"),
        (("--config=tiny.py:no_sets",), 1, "experiment 'sets' needs at least one of the config's sets, not 0"),
        (("--config=tiny.py:no_experiment",), 1, "experiment None is not one of sets, curve, scale"),
        (("--config=tiny.py:no_walks",), 1, "the config has no world.num_walks, which experiment 'sets' needs"),
        (("--config=tiny.py:no_replay",), 1, "set table: its config lacks replay.sweep_batch_size"),
        (("--config.sets.table.replay.pivot_share=7.0",), 1, "set table: replay.pivot_share must lie between 0 and 1"),
        (("--config.sets.linear.learning_rate=-1.0",), 1, "set linear: learning_rate must be a number above 0, not -1"),
        (
            ("--config.sets.table.num_steps=45",),
            1,
            "set table: num_steps must be a multiple of chunk_steps (10), not 45",
        ),
        (("--config.sets.linear.kernel.num_keys=0",), 1, "set linear: num_keys must be at least 1, not 0"),
        (("--config.sets.tabel.num_steps=40",), 2, "--config.sets.tabel.num_steps: the config has no such key; did"),
        (("--config=tiny.py:curve", "--start=1", "--goal=2"), 2, "--graph, --start and --goal are for one graph"),
        (("--config=tiny.py:curve", "--graph=town.txt"), 2, "--graph, --start and --goal are for one graph"),
        (("--config=tiny.py:smok",), 2, "--config=tiny.py:smok: "),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(tmp_path, capfd, words, code, message):
    refused = _refused(capfd, *words, f"--workdir={tmp_path / 'w'}")
    assert refused[0] == code
    assert refused[1].startswith(message)


def test_the_curve_is_reported(tmp_path, capfd, monkeypatch):
    def measure(task: Any, steps: int) -> dict[str, float]:
        return {"walk_steps": steps, "ideal": 0.75, "replay": 0.5, "hindsight": 0.25}

    monkeypatch.setattr(curve, "measure", measure)
    words = ["--config=tiny.py:curve", "--config.world.walk_steps=(4, 8)", f"--workdir={tmp_path / 'w'}"]
    assert _main(*words) == 0
    assert [line.split() for line in capfd.readouterr().out.splitlines()[3:]] == [
        ["4", "75.00", "50.00", "25.00"],
        ["8", "75.00", "50.00", "25.00"],
    ]
    results = json.loads((tmp_path / "w" / "results.json").read_text())["results"]
    assert results == {"curve": [measure(None, 4), measure(None, 8)]}
    assert (tmp_path / "w" / "curve.png").exists()
    assert (tmp_path / "w" / "report.html").exists()


def test_the_scale_is_reported(tmp_path, capfd, monkeypatch):
    def measure(task: Any, graph: Any, name: str) -> dict[str, float]:
        task.metrics.write(name, 10, {"layer_0/improved": 0.5})
        return {"nodes": graph.num_nodes, "arrived": 1.0}

    monkeypatch.setattr(scale, "measure", measure)
    assert _main("--config=tiny.py:scale", "--graph=town.txt", f"--workdir={tmp_path / 'w'}") == 0
    assert "nodes" in capfd.readouterr().out
    results = json.loads((tmp_path / "w" / "results.json").read_text())["results"]
    assert results == {"scale": {"nodes": 5, "arrived": 1.0}}
    assert (tmp_path / "w" / "report.html").exists()


def test_ways_too_long_for_the_config_are_warned_of(tmp_path, capfd, monkeypatch):
    def measure(task: Any, graph: Any, name: str) -> dict[str, float]:
        task.metrics.write(name, 10, {"layer_0/improved": 0.5})
        return {"nodes": graph.num_nodes, "sweep_dropped": 3, "sweep_waiting": 0}

    monkeypatch.setattr(scale, "measure", measure)
    (tmp_path / "row.txt").write_text("".join(f"{node} {node + 1}\n" for node in range(40)))
    words = ["--config=tiny.py:scale", f"--graph={tmp_path / 'row.txt'}", f"--workdir={tmp_path / 'w'}"]
    words.append("--config.test.max_react_steps=39")
    assert _main(*words) == 0
    printed = capfd.readouterr()
    # From 0 to 40. The config has room for 32 nodes in a plan.
    assert printed.err.splitlines()[0] == (
        "simple: warning: the longest way in this graph has 40 steps, more than can be planned with "
        "sets.table_replay.max_nodes (32), test.max_react_steps (39); raise these, or such pairs will not "
        "arrive"
    )
    assert printed.out.splitlines()[-1].startswith("warning: 3 pairs found the queue of sweeping full")
    assert _main(*words, "--config.sets.table_replay.max_nodes=40", "--config.test.max_react_steps=40", "--clear") == 0
    words = [*words[:-1], "--config.sets.table_replay.max_nodes=40", "--config.test.max_react_steps=40"]
    assert _main(*words) == 0
    assert "warning" not in capfd.readouterr().err


def test_demonstrations_that_do_not_fit_are_refused_at_once(tmp_path, capfd):
    (tmp_path / "ring.txt").write_text("".join(f"{node} {(node + 1) % 600}\n" for node in range(600)))
    words = (f"--graph={tmp_path / 'ring.txt'}", f"--workdir={tmp_path / 'w'}")
    code, line = _refused(capfd, *words)
    assert code == 1
    assert line.startswith("demonstrations for the 359400 pairs of this graph, up to 599 steps long, would take 0.8 GB")


def test_clear_removes_the_run_and_nothing_else(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(
        curve, "measure", lambda task, steps: {"walk_steps": 1, "ideal": 1, "replay": 1, "hindsight": 1}
    )
    (tmp_path / "mine.txt").write_text("keep")
    words = ["--config=tiny.py:curve", "--config.world.walk_steps=(4,)", f"--workdir={tmp_path / 'w'}"]
    assert _main(*words) == 0
    capfd.readouterr()
    assert _main(*words, "--clear") == 0
    assert capfd.readouterr().out.startswith(f"removed {tmp_path / 'w'} (")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert _main(*words, "--clear") == 0
    assert "nothing to clear" in capfd.readouterr().out
    code, line = _refused(capfd, "--clear", f"--workdir={tmp_path}")
    assert code == 1
    assert "it is not a work directory; --clear leaves it alone" in line
    assert (tmp_path / "mine.txt").read_text() == "keep"


def _run(place: pathlib.Path, workdir: pathlib.Path, before: str = "") -> tuple[int, str]:
    """Runs the task in a process of its own, after the statements `before`; returns exit code and standard error."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import os, signal\n{before}\nfrom tasks import simple\nsimple.main()\n",
            "--config=tiny.py",
            f"--workdir={workdir}",
        ],
        capture_output=True,
        check=False,
        text=True,
        timeout=240,
        env={
            **os.environ,
            "BUILD_WORKING_DIRECTORY": str(place),
            "BUILD_WORKSPACE_DIRECTORY": str(place),
            "JAX_PLATFORMS": "cpu",
            # The runs compile the same programs.
            "JAX_COMPILATION_CACHE_DIR": str(place / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "PYTHONWARNINGS": "error",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
    )
    return done.returncode, done.stderr


def _signal_after_chunk(number: str, name: str, step: int) -> str:
    """Statements that make a process send itself a signal when a learner's metrics up to a step have been read."""
    return (
        "from humain.training import loop\n"
        "from tasks.harness import context\n"
        "context.TaskContext.checkpoint_seconds = 0.0\n"
        "read = loop._Loop._read\n"
        "def fatal(self, unread):\n"
        "    read(self, unread)\n"
        f"    if unread is not None and (self._name, unread[0]) == ({name!r}, {step}):\n"
        f"        os.kill(os.getpid(), signal.{number})\n"
        "loop._Loop._read = fatal\n"
    )


def _but_seconds(value: Any) -> Any:
    """Results without the times they took."""
    if isinstance(value, dict):
        return {key: _but_seconds(part) for key, part in value.items() if not key.endswith("seconds")}
    return [_but_seconds(part) for part in value] if isinstance(value, list) else value


def test_kills_and_signals_change_nothing(place, tmp_path):
    assert _run(place, tmp_path / "whole")[0] == 0
    broken = tmp_path / "broken"
    # First in the midst of training, at a place that is not saved yet.
    assert _run(place, broken, _signal_after_chunk("SIGKILL", "linear", 20))[0] == -9
    assert not (broken / "stages" / "linear.json").exists()
    # Then by request: the second learner is saved.
    code, error = _run(place, broken, _signal_after_chunk("SIGTERM", "table", 10))
    assert code == 143, error
    assert error.splitlines()[-1] == "simple: interrupted; all is saved, the same command goes on from there"
    assert (broken / "stages" / "linear.json").exists()
    assert not (broken / "results.json").exists()
    # Then by request in the middle of testing: what is tested is stored, and nothing else is begun.
    asking = (
        "from tasks.graphs import evaluation\n"
        "score = evaluation.score_react\n"
        "def ask_and_score(*arguments, **keywords):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return score(*arguments, **keywords)\n"
        "evaluation.score_react = ask_and_score\n"
        # However slow the machine, the watcher does not end the process before that.
        "from humain.training import interruption\n"
        "interruption.Interruption.__init__.__kwdefaults__['grace_seconds'] = 3600.0\n"
    )
    code, error = _run(place, broken, asking)
    assert code == 143, error
    assert error.splitlines()[-1] == "simple: interrupted; all is saved, the same command goes on from there"
    assert (broken / "stages" / "table.json").exists()
    assert not (broken / "stages" / "baselines.json").exists()
    (broken / "stages" / "table.json").unlink()  # as if it had not come so far
    # Then between training and testing.
    deadly = (
        "from tasks.graphs import evaluation\nevaluation.score_think = lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert _run(place, broken, deadly)[0] == -9
    code, error = _run(place, broken)
    assert code == 0, error

    whole, mended = (json.loads((path / "results.json").read_text()) for path in (tmp_path / "whole", broken))
    assert _but_seconds(mended) == _but_seconds(whole)
    assert (broken / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    for picture in sorted((tmp_path / "whole").glob("*.png")):
        assert (broken / picture.name).read_bytes() == picture.read_bytes()
