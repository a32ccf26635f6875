"""Every block of code on docs/library.md and the README runs and prints what they say; the first one is short."""

import os
import pathlib
import re

import pytest

from examples import page

_LIBRARY = pathlib.Path(os.environ["LIBRARY_PAGE"]).read_text(encoding="utf-8")
_README = pathlib.Path(os.environ["README"]).read_text(encoding="utf-8")


def _lines(code):
    """Lines of code: neither empty nor a comment."""
    return [line for line in code.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _section(title):
    (found,) = re.findall(rf"^## {title}$(.*?)(?=^## |\Z)", _LIBRARY, re.DOTALL | re.MULTILINE)
    return [block["code"] for block in page.blocks(found)]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return list(page.run(_LIBRARY, tmp_path_factory.mktemp("page")))


def test_every_block_runs_and_prints_what_the_page_says(ran):
    assert len(ran) > 10
    for block, printed in ran:
        assert printed == (block["output"] or ""), f"line {_LIBRARY.count(chr(10), 0, block.start()) + 1} of the page"


def test_walks_to_plans_take_twenty_lines_and_three_imports():
    lines = _lines(next(page.blocks(_LIBRARY))["code"])
    assert len(lines) <= 20
    assert sum(line.startswith(("import ", "from ")) for line in lines) <= 3


def test_an_environment_takes_thirty_lines():
    # Those of the section, and the two imports that it takes from the one before.
    assert sum(len(_lines(code)) for code in _section("Your own environment")) + 2 <= 30


def test_the_readme_shows_the_same_program():
    (shown,) = page.blocks(_README)
    first = next(page.blocks(_LIBRARY))
    assert (shown["code"], shown["output"]) == (first["code"], first["output"])


def test_no_section_depends_on_another_one(tmp_path):
    sections = ("a = 1", "a = 2\nb = 3", "print(a, 'b' in globals())")
    text = "\n## Part\n".join(f"```python\n{code}\n```" for code in sections)
    assert [printed for _, printed in page.run(text, tmp_path)] == ["", "", "1 False\n"]


def test_outputs_are_written_where_the_page_has_some(tmp_path):
    text = "# T\n\n```python\nprint(1)\n```\n\n```text\nold\n```\n\n```python\nprint(2)\n```\n"
    assert page.with_outputs(text, tmp_path) == text.replace("old", "1")
