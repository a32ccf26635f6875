"""A report: one HTML file that contains everything it shows and loads nothing."""

import base64
import contextlib
import html
import pathlib
import re
from collections.abc import Iterator

from humain.files import records
from humain.viewing import tables

_MEDIA_TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".gif": "image/gif"}

_STYLE = """
:root { color-scheme: light dark; --text: #1c1e21; --quiet: #5c6370; --page: #ffffff; --box: #f4f5f7; --line: #d5d8de; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e6eb; --quiet: #a3a9b5; --page: #17191d; --box: #22252b; --line: #3a3f48; }
}
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: var(--text); background: var(--page);
  font: 16px/1.5 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 0.5rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto;
  font-variant-numeric: tabular-nums; }
caption, figcaption { color: var(--quiet); text-align: left; padding: 0.3rem 0; }
th, td { padding: 0.25rem 0.75rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th.number, td.number { text-align: right; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; background: #ffffff; border-radius: 4px; }
pre { background: var(--box); padding: 0.75rem; overflow-x: auto; border-radius: 4px;
  font-size: 14px; line-height: 1.35; }
code { background: var(--box); padding: 0 0.2rem; border-radius: 3px; }
details { border: 1px solid var(--line); border-radius: 4px; padding: 0.5rem 0.75rem; margin: 0.75rem 0; }
summary { cursor: pointer; }
""".strip()

# Also tells browsers to load and run nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Report:
    """Builds a report from top to bottom; all text is escaped."""

    def __init__(self, title: str):
        self._title = title
        self._parts: list[str] = [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text: str, *, level: int = 2) -> None:
        """Starts a section.

        Args:
            text: the heading.
            level: 2 for a section, 3 for a part of one.

        Raises:
            ValueError: if the level is neither 2 nor 3.
        """
        if level not in (2, 3):
            raise ValueError(f"level is {level}; expected 2 or 3 (1 is the report's title)")
        self._parts.append(f"<h{level}>{html.escape(text)}</h{level}>")

    def prose(self, text: str) -> None:
        """Adds paragraphs: blank lines separate them, and text between backticks is shown as code."""
        for paragraph in re.split(r"\n\s*\n", text.strip()):
            if paragraph:
                marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(paragraph))
                self._parts.append(f"<p>{marked}</p>")

    def table(self, table: tables.ReportTable) -> None:
        """Adds a table."""
        self._parts.append(table.to_html())

    def figure(self, path: pathlib.Path, *, caption: str) -> None:
        """Adds an image file, whose bytes become part of the report.

        Args:
            path: a PNG, SVG, JPEG or GIF file.
            caption: what the image shows; also its alternative text for screen readers.

        Raises:
            ValueError: if the file is of another kind.
        """
        media_type = _MEDIA_TYPES.get(path.suffix.lower())
        if media_type is None:
            raise ValueError(f"{path} can't be a figure; expected one of {', '.join(_MEDIA_TYPES)}")
        content = base64.b64encode(path.read_bytes()).decode("ascii")
        text = html.escape(caption)
        image = f'<img alt="{text}" src="data:{media_type};base64,{content}">'
        self._parts.append(f"<figure>{image}<figcaption>{text}</figcaption></figure>")

    def preformatted(self, text: str) -> None:
        """Adds text whose white space is kept, such as a tree."""
        self._parts.append(f"<pre>{html.escape(text)}</pre>")

    @contextlib.contextmanager
    def details(self, summary: str) -> Iterator[None]:
        """Puts everything added inside the `with` block under one line that the reader can unfold."""
        self._parts.append(f"<details><summary>{html.escape(summary)}</summary>")
        try:
            yield
        finally:
            self._parts.append("</details>")

    def to_html(self) -> str:
        """Returns the report as an HTML page."""
        head = (
            f'<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            f"<title>{html.escape(self._title)}</title>\n<style>\n{_STYLE}\n</style>"
        )
        body = "\n".join(self._parts)
        return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'

    def write(self, path: pathlib.Path) -> None:
        """Writes the page in one step: a reader finds the old file or the complete new one."""
        records.write_text(path, self.to_html())
