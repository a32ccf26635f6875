"""Operators on snippets: what becomes of them, by hand, and what is left alone."""

import pytest

from tools.mutation import operators


def mutants(source):
    """All mutants of a module."""
    found = [operators.apply(source, change) for change in operators.changes(source)]
    return [mutant for mutant in found if mutant is not None]


def lines(source, operator=None):
    """The lines that a module's mutants have in place of its own."""
    return [mutant.after for mutant in mutants(source) if operator in (None, mutant.operator)]


@pytest.mark.parametrize(
    ("line", "operator", "expected"),
    [
        ("x = a < b", "comparison", ["x = a <= b", "x = a >= b"]),
        ("x = a  is not b", "comparison", ["x = a  is b"]),
        ("x = a in b", "comparison", ["x = a not in b"]),
        ("x = a <= b < c", "comparison", ["x = a < b < c", "x = a > b < c", "x = a <= b <= c", "x = a <= b >= c"]),
        ("x = (a) + b * c", "arithmetic", ["x = (a) - b * c", "x = (a) + b / c"]),
        ("x = -a ** b", "arithmetic", ["x = -(a * b)"]),
        ("x //= b", "arithmetic", ["x *= b"]),
        ("x = a & ~b", None, ["x = a | ~b", "x = a & (b)"]),
        ("x = a and b or c", "and/or", ["x = ((a and b) and (c))", "x = ((a) or (b)) or c"]),
        ("x = not a", None, ["x = (a)"]),
        ("x = -a", None, ["x = (a)"]),
        ("x = f(2)", "constant", ["x = f(3)", "x = f((1))"]),
        ("x = 0.5", "constant", ["x = 1.5", "x = (-0.5)"]),
        ("x = True", "constant", ["x = False"]),
        ("x = jnp.max(y, min(z))", "min/max", ["x = jnp.min(y, min(z))", "x = jnp.max(y, max(z))"]),
        ("f(x)", None, ["pass"]),
        ("x = y[n:m]", None, ["x = y[n + 1:m]", "x = y[n:m + 1]"]),
        ("x = y[1:]", None, ["x = y[2:]", "x = y[(0):]"]),
        ("x = a if b else c", None, ["x = a if True else c", "x = a if False else c"]),
        ("x = [a for a in b if c]", None, ["x = [a for a in b if True]"]),
        ("while a: f = b", None, ["while False: f = b"]),
        ("def f(): return x", None, ["def f(): return None"]),
    ],
)
def test_what_becomes_of_a_line(line, operator, expected):
    assert sorted(lines(line, operator)) == sorted(expected)


@pytest.mark.parametrize(
    "source",
    [
        '"""Text 1."""',
        'x = "a" + f"{a + 1}"',
        "x: Array | None",
        "def f(x: Array | None = None) -> Array | None: ...",
        "Name: TypeAlias = Array | None",
        "if TYPE_CHECKING:\n    x = 1",
        'raise ValueError(f"{a}" + str(1))',
        "def __repr__(self):\n    return self.x + 1",
        '__all__ = ["a"][0:]',
        "isinstance",
        "x = isinstance(a, int | float)",
        "x = zip(a, b, strict=True)",
        "from a import b",
        "def f():\n    return None",
        "x = a  # 1 < 2",
    ],
)
def test_what_is_left_alone(source):
    assert lines(source) == []


def test_the_rest_of_the_text_stays_as_it_is():
    source = 'def f(a):\n    # Größer?\n    return "ä" if a > 1 else "ö"  # ü\n'
    (mutant,) = (mutant for mutant in mutants(source) if ">=" in mutant.after)
    assert mutant.text == source.replace(">", ">=")
    assert (mutant.line, mutant.operator, mutant.before) == (3, "comparison", 'return "ä" if a > 1 else "ö"  # ü')
    # Columns are bytes: 4 of the indentation, and 'return "ä" if a ' with one letter of two.
    assert mutant.column == 4 + 17


def test_an_operator_is_not_looked_for_in_comments():
    source = "x = (a  # a + b\n     + b)\n"
    (mutant,) = mutants(source)
    assert (mutant.text, mutant.line) == ("x = (a  # a + b\n     - b)\n", 2)


def test_a_change_that_says_the_same_is_no_mutant():
    source = "if True:\n    x = a\n"
    assert len(operators.changes(source)) > len(mutants(source))
    assert set(lines(source)) == {"if False:"}
