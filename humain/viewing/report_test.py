"""Tests of reports."""

import base64
import html.parser
import pathlib
import re

import pytest

from humain.viewing import report, tables


class _Page(html.parser.HTMLParser):
    """Reads a page: the tags in order, those left open, every address in it, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action", "srcset")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _read(text: str) -> _Page:
    page = _Page()
    page.feed(text)
    page.close()
    return page


def _whole_report(path: pathlib.Path) -> report.Report:
    path.write_bytes(b"\x89PNG image")
    page = report.Report("Plans & <goals>")
    page.heading("Results")
    page.prose("One `x < 1` paragraph.\n\nAnd\nanother.")
    page.table(tables.ReportTable(("a",), ((1,),)))
    page.heading("Part", level=3)
    page.figure(path, caption='A "graph"')
    with page.details("Unfold <me>"):
        page.preformatted("a\n └ b <script>alert(1)</script>")
    return page


def test_a_page_is_well_formed_and_holds_everything(tmp_path: pathlib.Path) -> None:
    page = _read(_whole_report(tmp_path / "image.png").to_html())
    assert page.open == []
    body = page.tags[page.tags.index("body") + 1 :]
    assert body == (
        ["h1", "h2", "p", "code", "p", "table", "thead", "tr", "th", "tbody", "tr", "td"]
        + ["h3", "figure", "img", "figcaption", "details", "summary", "pre"]
    )
    for text in ("Plans & <goals>", "x < 1", "Unfold <me>", " └ b <script>alert(1)</script>", 'A "graph"'):
        assert text in page.text


def test_a_page_loads_nothing(tmp_path: pathlib.Path) -> None:
    text = _whole_report(tmp_path / "image.png").to_html()
    (address,) = _read(text).addresses
    assert address == "data:image/png;base64," + base64.b64encode(b"\x89PNG image").decode()
    assert not re.search(r"https?:|url\(|@import|<link|<script", text)


def test_a_page_can_be_read_in_the_dark() -> None:
    text = report.Report("t").to_html()
    assert "color-scheme: light dark" in text
    assert "prefers-color-scheme: dark" in text


def test_equal_reports_are_equal_files(tmp_path: pathlib.Path) -> None:
    for name in ("a.html", "b.html"):
        _whole_report(tmp_path / "image.png").write(tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_other_files_and_levels_are_refused(tmp_path: pathlib.Path) -> None:
    page = report.Report("t")
    with pytest.raises(ValueError, match="expected one of .png"):
        page.figure(tmp_path / "x.pdf", caption="c")
    with pytest.raises(ValueError, match="level is 1; expected 2 or 3"):
        page.heading("h", level=1)
