"""The class path below another root: what is listed, and what manifests lead to."""

import zipfile

from tools.module_mode import class_path


def make_jar(path, manifest=None):
    """Writes a jar, with this text as its manifest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("A.class", "")
        if manifest is not None:
            archive.writestr("META-INF/MANIFEST.MF", manifest)


def test_a_manifest_names_jars_over_folded_lines(tmp_path):
    make_jar(tmp_path / "a.jar", "Manifest-Version: 1.0\r\nClass-Path: /usr/b.jar fil\r\n e:///usr/c.jar\r\nX: y\r\n")
    assert class_path.manifest_class_path(tmp_path / "a.jar") == ["/usr/b.jar", "file:///usr/c.jar"]
    make_jar(tmp_path / "none.jar")
    assert class_path.manifest_class_path(tmp_path / "none.jar") == []


def test_what_manifests_lead_to_is_put_below_the_root_once(tmp_path):
    make_jar(tmp_path / "usr/a.jar", "Class-Path: /usr/share/b.jar /usr/gone.jar\n")
    make_jar(tmp_path / "usr/share/b.jar", "Class-Path: c.jar /usr/a.jar\n")  # beside it, and back again
    make_jar(tmp_path / "usr/share/c.jar", "Class-Path: file:///usr/d.jar\n")
    make_jar(tmp_path / "usr/d.jar")
    listing = tmp_path / "listing.txt"
    listing.write_text("/usr/a.jar\n/usr/not_unpacked.jar\n")
    class_path.main(tmp_path, listing)
    found = [line.removeprefix(f"{tmp_path}/") for line in listing.read_text().splitlines()]
    assert found == ["usr/a.jar", "usr/not_unpacked.jar", "usr/share/b.jar", "usr/share/c.jar", "usr/d.jar"]
