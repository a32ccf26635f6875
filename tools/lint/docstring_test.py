"""The sections of docstrings (Args:, Returns: and the like) have one indentation, which ruff does not check.

What a section holds is indented by four from its header, and where an entry goes on in the next line, by eight.
"""

import ast
import re

import pytest

from tools.lint import sources

_HEADER = re.compile(r"( *)(Args|Attributes|Example|Examples|Note|Notes|Raises|Returns|Yields):$")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def indentation(line):
    """The number of spaces in front of a line."""
    return len(line) - len(line.lstrip(" "))


def misplaced(docstring):
    """The lines in sections of a docstring that are not indented as they should be."""
    header: int | None = None
    expected: tuple[int, ...] = ()
    for line in docstring.splitlines():
        if match := _HEADER.match(line):
            header, expected = len(match[1]), (4,)
        elif header is not None and line.strip():
            indented = indentation(line) - header
            if indented <= 0:
                header = None
            elif indented not in expected:
                yield line
            else:
                expected = (4, 8)


def violations(path, text):
    """One line for each wrongly indented line in the docstrings of a file."""
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, _DOCUMENTED):
            for line in misplaced(ast.get_docstring(node) or ""):
                name = getattr(node, "name", "the module")
                yield f"{path}, docstring of {name}: indent by four from the section's header, or by eight: {line}"


@pytest.mark.parametrize(
    "section",
    [
        "Args:\n  x: two.",
        "Args:\n        x: eight at once.",
        "Args:\n    x: four,\n      then six.",
        "Returns:\n  Two.",
        "Text.\n\n    Raises:\n      ValueError: in a nested section.",
    ],
)
def test_a_violation_is_found(section):
    text = f'def f(x):\n    """Does.\n\n{section}\n    """\n'
    indented = text.replace("\n", "\n    ").rstrip() + "\n"
    assert len(list(misplaced(section))) == 1
    assert len(list(violations("f.py", f"class C:\n    {indented}"))) == 1


def test_what_is_right_is_not_a_violation():
    section = "Does.\n\nArgs:\n    x: four,\n        then eight.\n\nReturns:\n    Four.\n\nText:\n  a list."
    assert list(misplaced(section)) == []


def test_sections_are_indented_by_four():
    root = sources.workspace()
    found = [line for path in sources.list_sources(".py") for line in violations(path, (root / path).read_text())]
    assert not found, "\n".join(found)
