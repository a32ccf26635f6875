"""Mutants of a module: each is its source with one small change that a test should notice.

A change replaces a piece of the text, so that everything else stays as it was written. What no test could notice, or
should hold on to, is left alone: docstrings and other text, annotations and type aliases, `if TYPE_CHECKING`, what a
`raise` says, `__repr__` and `__str__`, `__all__`, and keyword arguments that change no result (`_WITHOUT_EFFECT`).
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from typing import TypeAlias

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_COMPARISONS = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
_ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "&"),
}
_OPPOSITES = {
    one: other
    for pair in (
        ("min", "max"),
        ("minimum", "maximum"),
        ("argmin", "argmax"),
        ("floor", "ceil"),
        ("any", "all"),
        ("zeros", "ones"),
        ("zeros_like", "ones_like"),
    )
    for one, other in (pair, pair[::-1])
}
_UNSAID = {"__repr__", "__str__"}
# What refuses mistakes that are not made, what a warning points at, and how a loop is compiled.
_WITHOUT_EFFECT = {"frozen", "stacklevel", "strict", "unroll"}


@dataclasses.dataclass(frozen=True, order=True)
class Change:
    """Bytes of a module from `start` to `end` become `new`.

    Attributes:
        start: of what is replaced, in bytes of UTF-8.
        end: of it.
        operator: what kind of change it is.
        new: what takes its place.
    """

    start: int
    end: int
    operator: str
    new: str


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A module with one change.

    Attributes:
        line: where the change is, from 1.
        column: in bytes of UTF-8, from 0.
        operator: what kind of change it is.
        before: the line as it was, without its indentation.
        after: the same line of the mutated text.
        text: the whole mutated text.
    """

    line: int
    column: int
    operator: str
    before: str
    after: str
    text: str = dataclasses.field(repr=False)


def changes(source: str) -> list[Change]:
    """All changes of a module, in the order of the text; some may come to nothing, see `apply`."""
    content = source.encode()
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return sorted(set(_Visitor(content, starts).changes(ast.parse(source))))


def apply(source: str, change: Change) -> Mutant | None:
    """The mutant that a change makes; None where that says the same in other words, or is no Python."""
    content = source.encode()
    text = (content[: change.start] + change.new.encode() + content[change.end :]).decode()
    try:
        if ast.dump(ast.parse(text)) == ast.dump(ast.parse(source)):
            return None
    except SyntaxError:
        return None
    line = content[: change.start].count(b"\n") + 1
    before, after = (whole.splitlines()[line - 1].strip() for whole in (source, text))
    column = change.start - (content.rfind(b"\n", 0, change.start) + 1)
    return Mutant(line, column, change.operator, before, after, text)


class _Visitor:
    """Walks through what is mutated, and gives the changes."""

    def __init__(self, content: bytes, starts: list[int]) -> None:
        self._content = content
        self._starts = starts

    def changes(self, node: ast.AST) -> Iterator[Change]:
        if _left_alone(node):
            return
        match node:
            case ast.Compare():
                yield from self._compare(node)
            case ast.BinOp():
                yield from self._arithmetic(node)
            case ast.BoolOp():
                yield from self._boolean(node)
            case ast.UnaryOp():
                yield from self._unary(node)
            case ast.Constant():
                yield from self._constant(node)
            case ast.Call():
                yield from self._call(node)
            case ast.Expr(value=ast.Call()):
                yield self._whole("removed call", node, "pass")
            case ast.Return(value=value) if value is not None and not _is_none(value):
                yield self._whole("return None", value, "None")
            case ast.Slice():
                yield from self._slice(node)
            case ast.If() | ast.IfExp() | ast.While():
                yield from self._branch(node)
            case ast.comprehension():
                for condition in node.ifs:
                    yield self._whole("branch", condition, "True")
            case ast.AugAssign():
                yield from self._augmented(node)
        for child in _visited(node):
            yield from self.changes(child)

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.expr | ast.stmt) -> str:
        return self._content[self._start(node) : self._end(node)].decode()

    def _whole(self, operator: str, node: ast.expr | ast.stmt, new: str) -> Change:
        return Change(self._start(node), self._end(node), operator, new)

    def _between(self, operator: str, left: ast.expr, right: ast.expr, old: str, new: str) -> Iterator[Change]:
        """The change of the operator `old` between two operands; in a comment between them, it is not looked for."""
        start, end = self._end(left), self._start(right)
        gap = re.sub(rb"#[^\n]*", lambda comment: b" " * len(comment[0]), self._content[start:end])
        if found := re.search(re.escape(old).replace(r"\ ", r"\s+").encode(), gap):
            yield Change(start + found.start(), start + found.end(), operator, new)

    def _compare(self, node: ast.Compare) -> Iterator[Change]:
        operands = [node.left, *node.comparators]
        for left, right, kind in zip(operands, operands[1:], node.ops, strict=False):
            old, others = _COMPARISONS[type(kind)]
            for new in others:
                yield from self._between("comparison", left, right, old, new)

    def _arithmetic(self, node: ast.BinOp) -> Iterator[Change]:
        if type(node.op) not in _ARITHMETIC or _is_text(node.left) or _is_text(node.right):
            return
        old, new = _ARITHMETIC[type(node.op)]
        if isinstance(node.op, ast.Pow):  # binds tighter than what takes its place
            yield self._whole("arithmetic", node, f"({self._text(node.left)} {new} {self._text(node.right)})")
        else:
            yield from self._between("arithmetic", node.left, node.right, old, new)

    def _augmented(self, node: ast.AugAssign) -> Iterator[Change]:
        if type(node.op) in _ARITHMETIC and not _is_text(node.value):
            old, new = _ARITHMETIC[type(node.op)]
            yield from self._between("arithmetic", node.target, node.value, old + "=", new + "=")

    def _boolean(self, node: ast.BoolOp) -> Iterator[Change]:
        new = " or " if isinstance(node.op, ast.And) else " and "
        yield self._whole("and/or", node, "(" + new.join(f"({self._text(value)})" for value in node.values) + ")")

    def _unary(self, node: ast.UnaryOp) -> Iterator[Change]:
        if isinstance(node.op, (ast.Not, ast.Invert)):
            yield self._whole("dropped not", node, f"({self._text(node.operand)})")
        elif isinstance(node.op, ast.USub):
            yield self._whole("dropped minus", node, f"({self._text(node.operand)})")

    def _constant(self, node: ast.Constant) -> Iterator[Change]:
        value = node.value
        if isinstance(value, bool):
            yield self._whole("constant", node, str(not value))
        elif isinstance(value, (int, float)):
            yield self._whole("constant", node, repr(value + 1))
            yield self._whole("constant", node, f"({value - 1!r})")

    def _call(self, node: ast.Call) -> Iterator[Change]:
        name = node.func
        if isinstance(name, ast.Name) and name.id in _OPPOSITES:
            yield self._whole("min/max", name, _OPPOSITES[name.id])
        elif isinstance(name, ast.Attribute) and name.attr in _OPPOSITES:
            end = self._end(name)
            yield Change(end - len(name.attr), end, "min/max", _OPPOSITES[name.attr])

    def _slice(self, node: ast.Slice) -> Iterator[Change]:
        # Bounds that are numbers change as constants.
        for bound in (node.lower, node.upper):
            if bound is not None and not isinstance(bound, (ast.Constant, ast.UnaryOp)):
                yield self._whole("slice", bound, f"{self._text(bound)} + 1")

    def _branch(self, node: ast.If | ast.IfExp | ast.While) -> Iterator[Change]:
        for always in ("True", "False"):
            # A loop that never ends says nothing but that it does not end.
            if not (isinstance(node, ast.While) and always == "True"):
                yield self._whole("branch", node.test, always)


def _left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.JoinedStr() | ast.Raise() | ast.Import() | ast.ImportFrom():
            return True
        case ast.keyword(arg=name):
            return name in _WITHOUT_EFFECT
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name in _UNSAID
        case ast.If(test=test):
            return "TYPE_CHECKING" in ast.unparse(test)
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.AnnAssign(annotation=annotation):
            return "TypeAlias" in ast.unparse(annotation)
    return False


def _visited(node: ast.AST) -> Iterator[ast.AST]:
    """The children that may be mutated: not annotations, and not types as arguments of `TypeVar` and `isinstance`."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("TypeVar", "isinstance", "issubclass", "cast"):
        if node.func.id in ("isinstance", "issubclass") and node.args:  # type: ignore[attr-defined]
            yield node.args[0]
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
