"""The installer of wheels, offline, on tiny wheels: what it puts where, and each refusal in one line with a remedy."""

import errno
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

from third_party.pypi import install_wheel
from third_party.pypi.tiny_wheels import make_wheel, spec


@pytest.fixture(name="offered")
def _offered(tmp_path):
    """The folder whose wheels pip is offered."""
    folder = tmp_path / "offered"
    folder.mkdir()
    return folder


@pytest.fixture(name="install")
def _install(tmp_path, offered):
    """Runs the script in a new repository; returns the run and the repository's folder."""
    number = 0

    def install(what):
        nonlocal number
        number += 1
        repository = tmp_path / f"repository{number}"
        repository.mkdir()
        run = subprocess.run(
            [sys.executable, install_wheel.__file__, json.dumps(what)],
            cwd=repository,
            env={
                **os.environ,
                "BAZEL_WHEEL_CACHE": str(tmp_path / "cache"),
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_FIND_LINKS": str(offered),
                "PIP_NO_INDEX": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return run, repository

    return install


def _refusal(run):
    """The one line on which the script explained why it failed."""
    assert run.returncode == 1
    lines = run.stderr.strip().splitlines()
    assert len(lines) == 1, run.stderr
    return lines[0]


def test_a_wheel_is_installed_with_byte_code_and_the_record_of_its_files(install, offered):
    run, repository = install(spec(make_wheel(offered, "tiny", "1.0")))
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {"deps": []}
    site = repository / "site-packages"
    assert (site / "tiny.py").read_text() == "VERSION = '1.0'\n"
    assert [path.name for path in (site / "__pycache__").iterdir()] == ["tiny.cpython-311.pyc"]
    assert sorted(path.name for path in (site / "tiny-1.0.dist-info").iterdir()) == ["METADATA", "WHEEL"]
    assert "tiny.py,sha256=" in (repository / "wheel_record.txt").read_text()


def test_the_cache_answers_when_the_wheel_is_gone(install, offered):
    what = spec(make_wheel(offered, "tiny", "1.0"))
    first, _ = install(what)
    (offered / "tiny-1.0-py3-none-any.whl").unlink()
    second, repository = install(what)
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert (repository / "site-packages" / "tiny.py").exists()


def _link(tmp_path, what, version=sys.version):
    """What link_wheel.sh does in a new repository, as the rule starts it; the run and the repository's folder."""
    repository = tmp_path / "linked"
    repository.mkdir()
    runtime = tmp_path / "runtime.txt"
    runtime.write_text(f"{version}\nthe digest of its library\n")
    text = json.dumps(what, sort_keys=True, separators=(",", ":"))
    script = pathlib.Path("third_party/pypi/link_wheel.sh").resolve()
    run = subprocess.run(
        ["sh", script, text, runtime, install_wheel.__file__],
        cwd=repository,
        env={**os.environ, "BAZEL_WHEEL_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    return run, repository


def test_the_shortcut_does_as_the_installer_with_what_is_in_the_cache(install, offered, tmp_path):
    what = spec(make_wheel(offered, "tiny", "1.0", ["beta"]), deps=["beta"])
    installed, repository = install(what)
    linked, shortcut = _link(tmp_path, what)
    assert (linked.returncode, linked.stdout.strip()) == (0, installed.stdout.strip()), linked.stderr
    assert (shortcut / "wheel_record.txt").read_text() == (repository / "wheel_record.txt").read_text()
    files = [path.relative_to(shortcut) for path in shortcut.rglob("site-packages/**/*") if path.is_file()]
    assert sorted(files) == sorted(
        path.relative_to(repository) for path in repository.rglob("site-packages/**/*") if path.is_file()
    )
    assert files and all((shortcut / file).samefile(repository / file) for file in files)


@pytest.mark.parametrize("change", ["another spec", "another Python", "half an entry"])
def test_the_shortcut_leaves_the_rest_to_the_installer_and_nothing_behind(install, offered, tmp_path, change):
    what = spec(make_wheel(offered, "tiny", "1.0"))
    install(what)
    if change == "another spec":
        what["wheels"][0]["requirement"] = "tiny==2.0"
    if change == "half an entry":
        next((tmp_path / "cache").glob("*/result.json")).unlink()
    version = "3.12.0 (main)" if change == "another Python" else sys.version
    run, repository = _link(tmp_path, what, version)
    assert (run.returncode, list(repository.iterdir())) == (1, [])


def test_what_nothing_imports_gets_no_byte_code(install, offered):
    folders = ("tiny", "tiny/tests", "pygments/lexers", "fontTools", "fontTools/misc", "fontTools/subset")
    files = {f"{folder}/__init__.py": "" for folder in folders}
    files |= {f"pygments/lexers/{name}.py": "" for name in ("ada", "python", "_mapping")}
    _, repository = install(spec(make_wheel(offered, "tiny", "1.0", files=files)))
    site = repository / "site-packages"
    compiled = {str(path.parent.parent.relative_to(site) / path.name.split(".")[0]) for path in site.rglob("*.pyc")}
    assert compiled == {
        "tiny",
        *("tiny/__init__", "pygments/lexers/__init__", "pygments/lexers/_mapping", "pygments/lexers/python"),
        *("fontTools/__init__", "fontTools/misc/__init__"),
    }


@pytest.mark.parametrize(
    "imported",
    ["jaxlib/mlir/dialects/_mhlo_ops_gen.py", "pip/_vendor/pygments/lexers/python.py"],
)
def test_what_the_tests_here_import_gets_byte_code(imported):
    assert not install_wheel._WITHOUT_BYTE_CODE.search(f"/site-packages/{imported}")


def test_a_repository_stays_whole_when_the_cache_is_deleted(install, offered, tmp_path):
    _, repository = install(spec(make_wheel(offered, "tiny", "1.0")))
    (cached,) = (tmp_path / "cache").glob("*/site-packages/tiny.py")
    module = repository / "site-packages" / "tiny.py"
    assert module.samefile(cached)  # it takes no space of its own
    shutil.rmtree(tmp_path / "cache")
    assert module.read_text() == "VERSION = '1.0'\n"


def test_where_no_link_can_be_made_there_is_a_copy(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "source").write_text("text")
    install_wheel.link_or_copy(str(tmp_path / "source"), str(tmp_path / "destination"))
    assert (tmp_path / "destination").read_text() == "text"
    assert not (tmp_path / "destination").samefile(tmp_path / "source")


def test_what_killed_fetches_left_is_swept_and_what_is_at_work_is_not(install, offered, tmp_path):
    for name, age in ("new-dead", 3 * 3600), ("new-alive", 60):
        (tmp_path / "cache" / name / "site-packages").mkdir(parents=True)
        began = time.time() - age
        os.utime(tmp_path / "cache" / name, (began, began))
    run, _ = install(spec(make_wheel(offered, "tiny", "1.0")))
    assert run.returncode == 0, run.stderr
    assert [path.name for path in (tmp_path / "cache").glob("new-*")] == ["new-alive"]


def test_the_same_wheel_gives_the_same_bytes(install, offered, tmp_path):
    what = spec(make_wheel(offered, "tiny", "1.0"))

    def contents(repository):
        site = repository / "site-packages"
        return {str(path.relative_to(site)): path.read_bytes() for path in site.rglob("*") if path.is_file()}

    first = contents(install(what)[1])
    (tmp_path / "cache").rename(tmp_path / "another")
    assert contents(install(what)[1]) == first


def test_a_wrong_hash_is_refused(install, offered, tmp_path):
    digest = make_wheel(offered, "tiny", "1.0")
    run, _ = install(spec("0" * 64))
    line = _refusal(run)
    assert line.startswith("wrong hash: the wheel of tiny==1.0") and digest in line and "tools/update_lock" in line
    assert list((tmp_path / "cache").iterdir()) == []  # nothing half done stays


def test_a_wheel_that_is_not_offered_is_refused(install, offered):
    make_wheel(offered, "tiny", "2.0")
    line = _refusal(install(spec("0" * 64))[0])
    assert line.startswith("no wheel: pip was offered none of tiny==1.0 for Python 3.11") and "pip config list" in line
    assert "The first that pip said: ERROR: Could not find a version that satisfies" in line


def test_trouble_with_the_network_is_not_hidden_behind_a_missing_wheel():
    output = (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'SSLError(certificate verify failed)'\n"
        "ERROR: Could not find a version that satisfies the requirement tiny==1.0 (from versions: none)\n"
        "ERROR: No matching distribution found for tiny==1.0\n"
    )
    line = install_wheel.explain(["tiny==1.0"], output)
    assert line.startswith("no wheel: ") and "\n" not in line
    assert line.endswith("by 'SSLError(certificate verify failed)'")


def test_a_source_distribution_is_not_built(install, offered):
    (offered / "tiny-1.0.tar.gz").write_bytes(b"")
    assert _refusal(install(spec("0" * 64))[0]).startswith("no wheel: ")


def test_dependencies_follow_markers_and_extras(install, offered):
    requires = [
        "beta>=1",
        "gamma; python_version < '3'",
        "delta; extra == 'fast'",
        "epsilon; extra == 'slow'",
        "Zeta.Eta",
    ]
    digest = make_wheel(offered, "tiny", "1.0", requires)
    what = spec(digest, extras=["fast"], deps=["beta", "delta", "together", "unused"], members={"zeta_eta": "together"})
    run, _ = install(what)
    assert json.loads(run.stdout) == {"deps": ["beta", "delta", "together"]}


def test_a_dependency_that_the_lock_does_not_have_is_refused(install, offered):
    line = _refusal(install(spec(make_wheel(offered, "tiny", "1.0", ["nvidia-thing"])))[0])
    assert line.startswith("wrong build: tiny==1.0") and "nvidia_thing" in line


def test_the_local_build_comes_first(install, offered):
    digests = [make_wheel(offered, "tiny", "1.0"), make_wheel(offered, "tiny", "1.0+cpu")]
    _, repository = install(spec(*digests, local_build="tiny==1.0+cpu"))
    assert (repository / "site-packages" / "tiny.py").read_text() == "VERSION = '1.0+cpu'\n"


def test_the_public_build_serves_where_there_is_no_local_one(install, offered):
    digest = make_wheel(offered, "tiny", "1.0")
    run, repository = install(spec(digest, local_build="tiny==1.0+cpu"))
    assert run.returncode == 0, run.stderr
    assert (repository / "site-packages" / "tiny.py").read_text() == "VERSION = '1.0'\n"


def test_another_build_in_place_of_the_local_one_is_refused(install, offered):
    digest = make_wheel(offered, "tiny", "1.0+cpu")
    (offered / "tiny-1.0+cpu-py3-none-any.whl").unlink()
    make_wheel(offered, "tiny", "1.0")
    run, _ = install(spec(digest, local_build="tiny==1.0+cpu"))
    line = _refusal(run)
    assert line.startswith("no local build: pip was not offered tiny==1.0+cpu, and ") and "PIP_FIND_LINKS" in line


def test_scripts_go_and_programs_stay(install, offered):
    scripts = {"tiny-1.0.data/scripts/tool": "\x7fELF\n", "tiny-1.0.data/scripts/script": "#!python\n"}
    run, repository = install(spec(make_wheel(offered, "tiny", "1.0", files=scripts)))
    assert run.returncode == 0, run.stderr
    assert [path.name for path in (repository / "site-packages" / "bin").iterdir()] == ["tool"]
    record = pathlib.Path(repository, "wheel_record.txt").read_text()
    assert "bin/tool,sha256=" in record and "bin/script" not in record


def test_the_script_says_what_to_do_before_bazel_ends_it():
    """A wait for another process and an index that never finishes leave time for pip's other tries."""
    rules = pathlib.Path("third_party/pypi/pypi.bzl").read_text()
    (allowed,) = re.findall(r"timeout = (\d+),", rules)
    assert int(allowed) - install_wheel.PATIENCE_SECONDS - install_wheel.INDEX_SECONDS >= 1200
