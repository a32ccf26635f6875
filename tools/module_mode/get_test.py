"""tools/module_mode/get with an apt of the test's own: what it unpacks, what it refuses, and what it keeps."""

import hashlib
import os
import pathlib
import shutil
import subprocess

import pytest

_PACKAGES = {"bazel-bootstrap_7.7.1+ds-8_amd64.deb": b"one", "bazel-bootstrap-data_7.7.1+ds-8_all.deb": b"two"}
_LIB = "usr/lib/x86_64-linux-gnu"
# What `dpkg-deb -x` finds in each package: programs that stand in for Debian's, and notes of what is done to them.
_UNPACK = f"""#!/bin/sh
root=$3
echo "unpack $(basename "$2")" >> "$CALLS"
mkdir -p "$root/usr/bin" "$root/usr/libexec/x86_64-linux-gnu/bazel" "$root/{_LIB}" "$root/etc/bazel" \
  "$root/usr/lib/jvm/java-25-openjdk-amd64/bin" "$root/usr/lib/jvm/java-25-openjdk-amd64/lib" "$root/usr/share/bazel"
printf '#!/bin/sh\necho "bazel 7.7.1"\necho "$@" >> "$CALLS"\n' > "$root/usr/bin/bazel"
printf '#!/bin/sh\necho patched >> "$CALLS"\n' > "$root/{_LIB}/ld-linux-x86-64.so.2"
chmod +x "$root/usr/bin/bazel" "$root/{_LIB}/ld-linux-x86-64.so.2"
touch "$root/usr/libexec/x86_64-linux-gnu/bazel/linux-sandbox"
echo /usr/share/java/a.jar > "$root/usr/share/bazel/bazel_classpath_debian_depends.txt"
ln -sfn /usr/bin/bazel "$root/usr/bin/link"
printf 'build --sandbox_debug\ncommon --override_module=rules_cc=/usr/share/bazel/rules/cc\n' \
  > "$root/etc/bazel/bazelrc"
"""
_APT = """#!/bin/sh
echo "apt-get $*" >> "$CALLS"
case " $* " in
  *" indextargets "*) echo http://mirror.example/debian/ ;;
  *" update "*) [ ! -e "$OFFERED/unreachable" ] || { echo "E: no route" >&2; exit 100; } ;;
  *" --simulate "*) printf 'Inst %s (1)\\n' bazel-bootstrap bazel-bootstrap-data cowsay ;;
  *" --print-uris "*)
    for deb in "$OFFERED"/*.deb; do
      echo "'http://mirror.example/$(basename "$deb")' $(basename "$deb") 3 SHA256:$(sha256sum < "$deb" | cut -c 1-64)"
    done ;;
  *" download "*) cp "$OFFERED"/*.deb . ;;
esac
"""


def sums(packages):
    """The text of packages.sums for these files."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(packages.items()))


class Machine:
    """A workspace with the script in it, and a Debian whose apt offers what the test puts there."""

    def __init__(self, root: pathlib.Path) -> None:
        self.tools = root / "workspace" / "tools"
        self.offered = root / "offered"
        self.cache = root / "cache"
        self.calls = root / "calls"
        self.bin = root / "bin"
        self.hidden = root / "hidden"
        for folder in (self.tools / "module_mode", self.offered, self.bin):
            folder.mkdir(parents=True)
        shutil.copy("tools/debian.sh", self.tools)
        for name in ("bazel", "class_path.py", "get", "offline.bazelrc"):
            shutil.copy(pathlib.Path("tools/module_mode", name), self.tools / "module_mode")
        self.sums = self.tools / "module_mode" / "packages.sums"
        self.sums.write_text(sums(_PACKAGES))
        for name, data in _PACKAGES.items():
            (self.offered / name).write_bytes(data)
        self.add("apt-get", _APT)
        self.add("dpkg-deb", _UNPACK)
        self.add("dpkg", "#!/bin/sh\necho amd64\n")

    def add(self, name: str, script: str) -> None:
        """Puts a program first on the PATH."""
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def run(self, *arguments: str, script: str = "get", **env: str) -> subprocess.CompletedProcess[str]:
        """Runs the script."""
        return subprocess.run(
            [str(self.tools / "module_mode" / script), *arguments],
            env={
                **os.environ,
                "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
                "XDG_CACHE_HOME": str(self.cache),
                "OFFERED": str(self.offered),
                "CALLS": str(self.calls),
                "MODULE_MODE_HIDDEN": str(self.hidden),
                **env,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def called(self, what: str) -> int:
        """How many calls of the stand-ins have this in them."""
        return self.calls.read_text().count(what) if self.calls.exists() else 0


@pytest.fixture(name="machine")
def _machine(tmp_path):
    """A Debian that offers just what packages.sums says."""
    return Machine(tmp_path.resolve())


def test_it_is_unpacked_once_and_the_place_of_its_program_is_printed(machine):
    first = machine.run()
    assert first.returncode == 0, first.stderr
    program = pathlib.Path(first.stdout.strip())
    assert (
        subprocess.run([program], env={"CALLS": os.devnull}, capture_output=True, check=True).stdout == b"bazel 7.7.1\n"
    )
    asked = machine.called("apt-get")
    second = machine.run()
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")
    assert machine.called("apt-get") == asked and machine.called("unpack bazel") == 2


def test_what_is_unpacked_lies_below_the_prefix(machine):
    place = pathlib.Path(machine.run().stdout.strip()).parent
    root = place / "root"
    assert (root / "usr/bin/link").readlink() == root / "usr/bin/bazel"
    listing = root / "usr/share/bazel/bazel_classpath_debian_depends.txt"
    assert listing.read_text() == f"{root}/usr/share/java/a.jar\n"
    assert (root / "version/build-data.properties").read_text() == "build.label=7.7.1\n"
    rc = (place / "bazelrc").read_text()
    assert f"common --override_module=rules_cc={root}/usr/share/bazel/rules/cc" in rc and "sandbox_debug" not in rc
    # bazel, linux-sandbox, java and jspawnhelper.
    assert machine.called("patched") == 4


def test_only_what_is_wanted_is_fetched(machine):
    machine.run()
    wanted = [line for line in machine.calls.read_text().splitlines() if line.endswith("bazel-bootstrap-data")]
    assert len(wanted) == 2 and "cowsay" not in machine.calls.read_text()  # --print-uris and download


def test_kept_packages_are_unpacked_anew_without_asking(machine):
    machine.run()
    asked = machine.called("apt-get")
    with (machine.tools / "module_mode" / "get").open("a") as script:
        script.write("# another version\n")
    assert machine.run().returncode == 0
    assert machine.called("apt-get") == asked and machine.called("unpack bazel") == 4


def test_another_set_of_packages_is_refused_before_it_is_fetched(machine):
    (machine.offered / "bazel-bootstrap_7.7.1+ds-8_amd64.deb").rename(
        machine.offered / "bazel-bootstrap_7.8.0_amd64.deb"
    )
    done = machine.run()
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-1] == (
        "module_mode: no Bazel 7: Debian sid has moved on, from bazel-bootstrap_7.7.1+ds-8 to bazel-bootstrap_7.8.0; "
        "1 of 2 packages are others than in packages.sums: tools/module_mode/get --accept takes them"
    )
    assert machine.called("download") == 1  # with --print-uris


def test_accepted_packages_are_written_down(machine):
    (machine.offered / "bazel-bootstrap_7.7.1+ds-8_amd64.deb").write_bytes(b"new")
    assert machine.run().returncode == 3
    assert machine.run("--accept").returncode == 0
    assert machine.sums.read_text() == sums({**_PACKAGES, "bazel-bootstrap_7.7.1+ds-8_amd64.deb": b"new"})
    assert machine.run().returncode == 0


def test_a_suite_that_cannot_be_reached_is_one_line_with_apt_s_reason(machine):
    (machine.offered / "unreachable").touch()
    done = machine.run()
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "module_mode: no Bazel 7: Debian sid can't be reached: E: no route"


def test_a_place_that_the_sandbox_hides_is_refused(machine):
    done = machine.run(XDG_CACHE_HOME=str(machine.hidden / "cache"))
    assert done.returncode == 3
    assert f"is below {machine.hidden}, which Bazel's sandbox hides: set XDG_CACHE_HOME" in done.stderr


def test_a_place_that_no_rc_file_can_name_is_refused(machine):
    done = machine.run(XDG_CACHE_HOME=str(machine.cache / "with space"))
    assert done.returncode == 3 and "has a character that Bazel's rc files can't hold" in done.stderr


def test_an_unknown_argument_is_wrong_usage(machine):
    done = machine.run("--acept")
    assert done.returncode == 2
    assert done.stderr == "module_mode: --accept is the one argument that it takes, not: --acept\n"
    assert machine.called("apt-get") == 0


def test_without_a_mirror_of_debian_a_line_says_so(machine):
    machine.add("apt-get", "#!/bin/sh\ntrue\n")
    done = machine.run()
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "module_mode: no Bazel 7: apt is set up with no mirror of Debian"


def test_a_package_that_is_gone_is_one_line_with_apt_s_reason(machine):
    gone = '*" --print-uris "*) echo "E: no such package" >&2; exit 100 ;;\n  never)'
    machine.add("apt-get", _APT.replace('*" --print-uris "*)', gone))
    done = machine.run()
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "module_mode: no Bazel 7: Debian sid doesn't offer it: E: no such package"


def test_packages_that_are_no_longer_named_are_removed(machine):
    assert machine.run().returncode == 0
    kept = machine.cache / "humain" / "bazel-7" / "packages"
    (kept / "old_1_amd64.deb").write_bytes(b"")
    with (machine.tools / "module_mode" / "get").open("a") as script:
        script.write("# another version\n")
    assert machine.run().returncode == 0
    assert {path.name for path in kept.iterdir()} == set(_PACKAGES)


def test_another_architecture_is_refused(machine):
    machine.add("dpkg", "#!/bin/sh\necho arm64\n")
    done = machine.run()
    assert done.returncode == 3 and done.stderr.startswith("module_mode: no Bazel 7: this is no amd64 machine")


def test_a_program_that_does_not_run_is_not_kept(machine):
    machine.add("dpkg-deb", _UNPACK.replace("bazel 7.7.1", "bazel 9"))
    done = machine.run()
    # A failure of the script's own, not something that can't be had.
    assert done.returncode == 1 and 'says that it is "bazel 9", not Bazel 7.7.1' in done.stderr
    machine.add("dpkg-deb", _UNPACK)
    assert machine.run().returncode == 0


def test_the_launcher_adds_the_flags_without_a_registry(machine):
    done = machine.run("build", "//...", script="bazel")
    assert done.returncode == 0, done.stderr
    rc = machine.tools / "module_mode" / "offline.bazelrc"
    assert f"--bazelrc={rc} build //..." in machine.calls.read_text()
