"""Tables: one set of rows, shown as aligned text on a terminal and as HTML in a report."""

import dataclasses
import html
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Cell: TypeAlias = str | int | float | bool | None

_ABSENT = "–"


@dataclasses.dataclass(frozen=True)
class ReportTable:
    """A table of text and numbers.

    Attributes:
        columns: the column headings; `formats` refers to columns by them.
        rows: one cell per column; None is shown as a dash.
        formats: how to write the numbers of a column, as a format specification such as ".3f"; by default "," for
            integers and ".4g" for the rest.
        caption: a line above the table.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    formats: Mapping[str, str] = dataclasses.field(default_factory=dict)
    caption: str = ""

    def __post_init__(self) -> None:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"row {index} has {len(row)} cells; expected {len(self.columns)}: {list(self.columns)}"
                )
        unknown = [name for name in self.formats if name not in self.columns]
        if unknown:
            raise ValueError(f"a format is given for {unknown[0]!r}; expected one of {list(self.columns)}")

    def to_text(self) -> str:
        """Returns the table as aligned lines of text: numbers aligned right, other cells left."""
        texts = self._texts()
        right = self._right_aligned()
        widths = [max(len(line[index]) for line in [list(self.columns), *texts]) for index in range(len(self.columns))]

        def line(cells: Sequence[str]) -> str:
            padded = [
                cell.rjust(width) if numeric else cell.ljust(width)
                for cell, width, numeric in zip(cells, widths, right, strict=True)
            ]
            return "  ".join(padded).rstrip()

        rule = "  ".join("-" * width for width in widths)
        lines = [line(self.columns), rule, *(line(row) for row in texts)]
        return "\n".join([self.caption, *lines] if self.caption else lines)

    def to_html(self) -> str:
        """Returns the table as an HTML element, escaped."""
        right = self._right_aligned()

        def row(tag: str, cells: Sequence[str]) -> str:
            marks = [' class="number"' if numeric else "" for numeric in right]
            inner = "".join(
                f"<{tag}{mark}>{html.escape(cell)}</{tag}>" for cell, mark in zip(cells, marks, strict=True)
            )
            return f"<tr>{inner}</tr>"

        caption = f"<caption>{html.escape(self.caption)}</caption>\n" if self.caption else ""
        body = "\n".join(row("td", cells) for cells in self._texts())
        return f"<table>\n{caption}<thead>{row('th', self.columns)}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"

    def _texts(self) -> list[list[str]]:
        return [
            [_text(cell, self.formats.get(column)) for cell, column in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]

    def _right_aligned(self) -> list[bool]:
        """Whether each column has numbers, and otherwise only absent cells."""
        columns = [[row[index] for row in self.rows] for index in range(len(self.columns))]
        present = [[cell for cell in column if cell is not None] for column in columns]
        return [bool(cells) and all(_is_number(cell) for cell in cells) for cells in present]


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _text(cell: Cell, specification: str | None) -> str:
    if cell is None:
        return _ABSENT
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        return cell
    return format(cell, specification or ("," if isinstance(cell, int) else ".4g"))
