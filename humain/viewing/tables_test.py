"""Tests of tables."""

from typing import Any

import pytest

from humain.viewing import tables

TABLE = tables.ReportTable(
    columns=("set", "pairs", "ratio", "whole"),
    rows=(("skip", 992, 1.00456, True), ("a<b", 12345, None, False)),
    formats={"ratio": ".3f"},
    caption="React & think",
)


def test_text_is_aligned() -> None:
    assert TABLE.to_text() == (
        "React & think\n"
        "set    pairs  ratio  whole\n"
        "----  ------  -----  -----\n"
        "skip     992  1.005  yes\n"
        "a<b   12,345      –  no"
    )


def test_html_has_the_same_cells_escaped() -> None:
    assert TABLE.to_html() == (
        "<table>\n"
        "<caption>React &amp; think</caption>\n"
        '<thead><tr><th>set</th><th class="number">pairs</th><th class="number">ratio</th><th>whole</th></tr></thead>\n'
        "<tbody>\n"
        '<tr><td>skip</td><td class="number">992</td><td class="number">1.005</td><td>yes</td></tr>\n'
        '<tr><td>a&lt;b</td><td class="number">12,345</td><td class="number">–</td><td>no</td></tr>\n'
        "</tbody>\n"
        "</table>"
    )


def test_a_table_without_rows_has_its_heads() -> None:
    assert tables.ReportTable(("a", "bc"), ()).to_text() == "a  bc\n-  --"


def test_floats_have_four_digits_by_default() -> None:
    assert (
        tables.ReportTable(("x",), ((3.14159,), (1234567.0,))).to_text() == "        x\n---------\n    3.142\n1.235e+06"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ("a", "b"), "rows": ((1,),)}, "row 0 has 1 cells; expected 2"),
        ({"columns": ("a",), "rows": (), "formats": {"b": ".2f"}}, "'b'; expected one of"),
    ],
)
def test_rows_and_formats_must_fit_the_columns(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tables.ReportTable(**arguments)
