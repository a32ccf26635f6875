"""tools/bazelw on machines that have and lack things: each machine is a PATH with stand-ins for the programs on it."""

import pathlib
import shutil
import subprocess

import pytest

_COREUTILS = ["dirname", "env", "grep", "head", "mkdir", "mktemp", "printf", "rm", "sh", "cat", "chmod"]
_ANSWER = '#!/bin/sh\necho "$0 in $(pwd) got: $*"\nexit 7\n'


class Machine:
    """A workspace with tools/bazelw in it, and a PATH that holds what the test puts there."""

    def __init__(self, root: pathlib.Path) -> None:
        self.bin = root / "bin"
        self.workspace = root / "workspace"
        self.elsewhere = root / "elsewhere"
        self.calls = root / "calls"
        self.tmp = root / "tmp"
        for folder in (self.bin, self.workspace / "tools", self.elsewhere, self.tmp):
            folder.mkdir(parents=True)
        for name in ("bazelw", "debian.sh"):
            shutil.copy(pathlib.Path("tools", name), self.workspace / "tools")
        for name in _COREUTILS:
            if program := shutil.which(name):
                (self.bin / name).symlink_to(program)

    def add(self, name: str, script: str = "#!/bin/sh\n") -> None:
        """Puts a program on the PATH."""
        (self.bin / name).unlink(missing_ok=True)  # never through a link
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def add_apt(self, *installs: str) -> None:
        """An apt-get that notes its arguments, and whose `install` puts these programs on the PATH."""
        lines = [f"printf '%s\\n' '{_ANSWER}' > {self.bin}/{name}; chmod +x {self.bin}/{name};" for name in installs]
        script = f'#!/bin/sh\necho "apt-get $*" >> {self.calls}\n'
        self.add("apt-get", script + f'case " $* " in *" install "*) {" ".join(lines) or "exit 100"} ;; esac\n')
        self.add("id", "#!/bin/sh\necho 0\n")

    def add_apt_lists(self, *offers: str) -> None:
        """An apt-cache that knows these packages; without one it is as on a machine whose lists are not there yet."""
        known = "".join(f"  {name}) echo '  Candidate: 1.0' ;;\n" for name in offers)
        source = "echo '  Candidate: 2.6'; echo '        500 http://mirror.example bookworm/main'"
        self.add("apt-cache", f'#!/bin/sh\ncase "$2" in\n  apt) {source} ;;\n{known}esac\n')

    def run(self, *arguments: str, cwd: pathlib.Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs bazelw on this machine."""
        return subprocess.run(
            [str(self.workspace / "tools" / "bazelw"), *arguments],
            cwd=cwd or self.workspace,
            env={
                "PATH": str(self.bin),
                "HOME": str(self.workspace),
                "TMPDIR": str(self.tmp),
                "BAZELW_SYSTEM_RC": str(self.bin / "no_rc"),
                **env,
            },
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(name="machine")
def _machine(tmp_path):
    """A machine with Python 3.11 and a C compiler, and no Bazel."""
    machine = Machine(tmp_path)
    machine.add("python3.11")
    machine.add("gcc")
    machine.add("id", "#!/bin/sh\necho 1000\n")
    return machine


@pytest.mark.parametrize("name", ["bazel", "bazelisk"])
def test_what_is_on_the_path_gets_every_argument_and_its_exit_code_comes_back(machine, name):
    machine.add(name, _ANSWER)
    done = machine.run("run", "//a:b", "--", "--flag=with space", "*")
    assert done.stdout == f"{machine.bin}/{name} in {machine.workspace} got: run //a:b -- --flag=with space *\n"
    assert (done.returncode, done.stderr) == (7, "")


def test_a_bazel_that_is_named_comes_first(machine):
    machine.add("bazel", _ANSWER)
    machine.add("another", _ANSWER)
    assert machine.run("version", BAZEL="another").stdout.startswith(f"{machine.bin}/another ")


def test_a_named_bazel_that_is_not_there_is_an_error(machine):
    done = machine.run("version", BAZEL="/nowhere/bazel")
    assert (done.returncode, done.stderr) == (1, "bazelw: BAZEL=/nowhere/bazel is not a program\n")


def test_debian_s_bazel_of_modules_asks_no_registry(machine, tmp_path):
    machine.add("bazel", _ANSWER)
    machine.add("bazelisk", _ANSWER)
    rc = tmp_path / "bazelrc"
    rc.write_text("startup --trust_install_base\n")  # as with Bazel 4
    assert "got: test //...\n" in machine.run("test", "//...", BAZELW_SYSTEM_RC=str(rc)).stdout
    rc.write_text("common --override_module=rules_cc=/usr/share/bazel/rules/cc\n")
    offline = f"--bazelrc={machine.workspace}/tools/module_mode/offline.bazelrc"
    assert f"got: {offline} test //...\n" in machine.run("test", "//...", BAZELW_SYSTEM_RC=str(rc)).stdout
    # Others don't read that file.
    assert "got: test //...\n" in machine.run("test", "//...", BAZELW_SYSTEM_RC=str(rc), BAZEL="bazelisk").stdout


def test_it_runs_where_the_user_stands_inside_the_workspace(machine):
    machine.add("bazel", _ANSWER)
    assert f"in {machine.workspace}/tools got" in machine.run(cwd=machine.workspace / "tools").stdout


def test_from_outside_it_runs_in_the_workspace(machine):
    machine.add("bazel", _ANSWER)
    assert f"in {machine.workspace} got" in machine.run(cwd=machine.elsewhere).stdout


def _prefetch_on(machine, *tasks):
    """Has tasks in the workspace, and a Python that notes what it is asked, once Bazel is being installed."""
    (machine.workspace / "tasks").mkdir()
    for task in tasks:
        (machine.workspace / "tasks" / f"{task}.py").touch()
    machine.add(
        "python3.11",
        f'#!/bin/sh\necho "$*" >> {machine.calls}\necho "stray output"\necho "fetching$PYTHONSAFEPATH" >&2\n',
    )
    machine.add("bazel", _ANSWER)


def test_in_a_new_clone_the_task_s_wheels_are_fetched_ahead(machine):
    _prefetch_on(machine, "simple")
    done = machine.run("run", "--config=ci", "//tasks:simple", "--", "//tasks:other", PYTHONSAFEPATH="1")
    assert done.returncode == 7
    assert done.stdout.endswith(" got: run --config=ci //tasks:simple -- //tasks:other\n")
    assert machine.calls.read_text() == "-B -m tools.prefetch tasks.simple configs.simple\n"
    assert (done.stdout.count("\n"), done.stderr) == (1, "fetching\n")


def test_in_a_new_clone_all_wheels_are_fetched_ahead_for_all_targets(machine):
    _prefetch_on(machine, "simple")
    assert machine.run("test", "--config=ci", "//...").returncode == 7
    assert machine.calls.read_text() == "-B -m tools.prefetch\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("test", "//tasks:simple"),
        ("query", "//..."),
        ("test", "--config=cuda", "//..."),
        ("run", "//tasks:other"),
        ("run", "//tools/lint:fix"),
        ("run", "--config=cuda", "//tasks:simple"),
        ("run", "--repo_env=BAZEL_WHEEL_CACHE=/x", "//tasks:simple"),
        ("run", "//tools:x", "--", "//tasks:simple"),
        (),
    ],
)
def test_nothing_is_fetched_ahead_where_it_is_not_known_what_is_needed(machine, arguments):
    _prefetch_on(machine, "simple")
    done = machine.run(*arguments)
    assert (done.returncode, done.stderr, machine.calls.exists()) == (7, "", False)


def test_nothing_is_fetched_ahead_where_something_was_built_before(machine):
    _prefetch_on(machine, "simple")
    (machine.workspace / ".bazel").mkdir()
    assert machine.run("run", "//tasks:simple").returncode == 7
    assert not machine.calls.exists()


def test_where_python_comes_from_apt_it_is_fetched_ahead_after_that(machine):
    _prefetch_on(machine, "simple")
    script = (machine.bin / "python3.11").read_text()
    (machine.bin / "python3.11").unlink()
    machine.add_apt()
    (machine.tmp / "python").write_text(script)
    target = machine.bin / "python3.11"
    machine.add("apt-get", f"#!/bin/sh\ncat {machine.tmp}/python > {target}; chmod +x {target}\n")
    assert machine.run("run", "//tasks:simple").returncode == 7
    assert machine.calls.read_text() == "-B -m tools.prefetch tasks.simple configs.simple\n"


def test_a_prefetch_that_fails_fails_nothing(machine):
    _prefetch_on(machine, "simple")
    machine.add("python3.11", "#!/bin/sh\nexit 1\n")
    assert machine.run("run", "//tasks:simple").returncode == 7


def test_debian_s_package_is_installed(machine):
    machine.add_apt("bazel")
    done = machine.run("info")
    assert (done.returncode, done.stdout) == (7, f"{machine.bin}/bazel in {machine.workspace} got: info\n")
    assert done.stderr == "bazelw: installing bazel-bootstrap (apt-get)\n"
    update, install = machine.calls.read_text().splitlines()
    assert update.endswith(" update") and install.endswith(" install --no-install-recommends bazel-bootstrap")
    assert all("-o DPkg::Lock::Timeout=120" in line for line in (update, install))  # another apt may be at work
    assert list(machine.tmp.iterdir()) == []


def test_what_the_lists_offer_is_installed(machine):
    machine.add_apt("bazel")
    machine.add_apt_lists("bazel-bootstrap")
    assert machine.run("info").returncode == 7
    (install,) = machine.calls.read_text().splitlines()  # the lists are there, and not fetched again
    assert install.endswith(" install --no-install-recommends bazel-bootstrap")


def test_lists_that_are_too_old_are_fetched(machine):
    machine.add_apt("bazel")
    machine.add_apt_lists("bazel-bootstrap")
    script = (machine.bin / "apt-get").read_text()
    stale = f'case " $* " in *" install "*) grep -q " update" {machine.calls} || exit 100 ;; esac\n'
    machine.add("apt-get", script.replace("case", stale + "case", 1))
    assert machine.run("info").returncode == 7
    assert [line.split()[-1 if "update" in line else -3] for line in machine.calls.read_text().splitlines()] == [
        "install",
        "update",
        "install",
    ]


def test_how_much_apt_fetches_is_said(machine):
    machine.add_apt("bazel")
    script = (machine.bin / "apt-get").read_text()
    machine.add("apt-get", script + "echo 'Reading package lists...'\necho 'Need to get 120 MB/271 MB of archives.'\n")
    done = machine.run("info")
    assert done.returncode == 7
    assert done.stderr.splitlines() == [
        "bazelw: installing bazel-bootstrap (apt-get)",
        "bazelw: fetching 120 MB/271 MB of archives. (apt-get)",
    ]


def test_what_the_distribution_does_not_offer_is_not_asked_for_again_and_again(machine):
    machine.add("bazel", _ANSWER)
    machine.add_apt()
    machine.add_apt_lists("python3-pip-whl", "python3.12")
    (machine.bin / "python3.11").unlink()
    done = machine.run("info")
    assert done.returncode == 7
    (line,) = done.stderr.splitlines()
    assert line.startswith("bazelw: no Python 3.11 on PATH: install it") and line.endswith("name one in BAZEL_PYTHON")
    assert not machine.calls.exists()


def test_a_missing_compiler_and_python_are_installed(machine):
    machine.add("bazel", _ANSWER)
    machine.add_apt("gcc", "python3.11")
    (machine.bin / "gcc").unlink()
    (machine.bin / "python3.11").unlink()
    assert machine.run("info").returncode == 7
    assert "python3.11" in machine.calls.read_text()


def test_without_means_to_install_each_lack_is_said_with_its_remedy(machine):
    machine.add("bazel", _ANSWER)
    (machine.bin / "gcc").unlink()
    (machine.bin / "python3.11").unlink()
    done = machine.run("info")
    assert done.returncode == 7  # Bazel may do without, or says itself what it lacks
    python, compiler = done.stderr.splitlines()
    assert python.startswith("bazelw: no Python 3.11 on PATH: install it")
    assert compiler.startswith("bazelw: no C compiler (cc, gcc)") and "apt-get install g++" in compiler


def test_bazelisk_comes_from_npm(machine):
    target = machine.workspace / ".cache" / "bazelw" / "node_modules" / ".bin"
    machine.add("node")
    machine.add(
        "npm",
        f'#!/bin/sh\necho "npm $*" >> {machine.calls}\nmkdir -p {target}\n'
        f"printf '%s\\n' '{_ANSWER}' > {target}/bazelisk; chmod +x {target}/bazelisk\n",
    )
    assert machine.run("info").stdout == f"{target}/bazelisk in {machine.workspace} got: info\n"
    assert machine.run("info").returncode == 7
    (only,) = machine.calls.read_text().splitlines()  # the second time it is there
    assert "@bazel/bazelisk@" in only


def test_where_nothing_can_be_had_one_line_says_what_to_do(machine):
    done = machine.run("test", "//...")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("bazelw: no Bazel, and none could be installed: install the package bazel-bootstrap")


def test_where_apt_fails_its_reason_is_shown(machine):
    machine.add("apt-get", "#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
    machine.add("id", "#!/bin/sh\necho 0\n")
    done = machine.run("test", "//...")
    assert done.returncode == 1
    assert "apt-get could not install bazel-bootstrap: E: Unable to locate package (all of it: " in done.stderr
