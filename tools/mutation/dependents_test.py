"""Which tests a module has, and in what order."""

from tools.mutation import dependents


def test_imports_are_files_of_the_repository(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/__init__.py", "a/one.py", "a/two.py", "a/b/__init__.py", "a/b/three.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "a/one.py").write_text("import os\nfrom a import two\n\ndef f():\n    import a.b.three\n")
    # What is imported from a package imports the package as well.
    assert dependents.imports(tmp_path, "a/one.py") == {"a/__init__.py", "a/two.py", "a/b/three.py"}
    (tmp_path / "a/one.py").write_text("from a.b.three import thing\n")
    assert dependents.imports(tmp_path, "a/one.py") == {"a/b/three.py"}


def test_the_nearest_tests_come_first():
    graph = {
        "p/one.py": set(),
        "p/one_test.py": set(),  # its own, though it does not import it
        "p/one_learns_test.py": {"p/one.py"},
        "p/near_test.py": {"p/one.py"},
        "p/nearer_learns_test.py": {"p/one.py"},
        "p/chain_test.py": {"p/two.py"},
        "p/two.py": {"p/one.py"},
        "p/other_test.py": {"p/other.py"},
        "p/other.py": set(),
        "q/direct_test.py": {"p/one.py"},
        "q/user.py": {"p/one.py"},
        "q/user_test.py": {"q/user.py"},
        "q/far_test.py": {"q/user.py"},
    }
    assert dependents.nearest_tests("p/one.py", graph) == [
        "p/one_test.py",
        "p/one_learns_test.py",
        "p/near_test.py",
        "p/chain_test.py",
        "p/nearer_learns_test.py",
        "q/direct_test.py",
        "q/user_test.py",
        "q/far_test.py",
    ]
    assert dependents.nearest_tests("p/other.py", graph) == ["p/other_test.py"]


def test_modules_that_import_each_other_end_the_search():
    graph = {"a.py": {"b.py"}, "b.py": {"a.py"}, "b_test.py": {"b.py"}}
    assert dependents.nearest_tests("a.py", graph) == ["b_test.py"]


def test_what_is_reached_is_all_that_is_imported_on_any_way():
    graph = {"a.py": {"b.py"}, "b.py": {"c.py", "a.py", "p/__init__.py"}, "c.py": set(), "d.py": {"a.py"}}
    graph["p/__init__.py"] = {"p/one.py"}
    assert dependents.reached("a.py", graph) == {"a.py", "b.py", "c.py"}
    assert dependents.reached("nowhere.py", graph) == {"nowhere.py"}
