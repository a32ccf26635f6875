"""Runs the code on a page of Markdown, block by block, and has or writes what it prints.

    tools/bazelw run //examples:page    # writes the outputs of docs/library.md anew

Blocks of Python run in order. Those of a section (below a heading of level 2) go on from the names that the page's
first section left, so that no section depends on another one. A block of text right after one of Python is what it
prints.
"""

import contextlib
import io
import os
import pathlib
import re
import runpy
import tempfile
from collections.abc import Iterator

PAGE = "docs/library.md"

_BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```$(?:\n\n^```text\n(?P<output>.*?)^```$)?", re.DOTALL | re.MULTILINE)


def blocks(text: str) -> Iterator[re.Match[str]]:
    """The blocks of Python of a page, with what is said to be printed."""
    yield from _BLOCK.finditer(text)


def run(text: str, folder: pathlib.Path) -> Iterator[tuple[re.Match[str], str]]:
    """Each block, and what it prints.

    Args:
        text: of the page.
        folder: where the blocks' files go, and where relative paths in them lead.
    """
    first: dict[str, object] | None = None
    names: dict[str, object] = {}
    section = 0
    for block in blocks(text):
        here = len(re.findall(r"^## ", text[: block.start()], re.MULTILINE))
        if here != section:
            first = names if first is None else first
            names, section = dict(first), here
        # On its own line of the page, so that a traceback points there.
        line = text.count("\n", 0, block.start("code"))
        script = folder / f"page_line_{line + 1}.py"
        script.write_text("\n" * line + block["code"], encoding="utf-8")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.chdir(folder):
            names = runpy.run_path(str(script), init_globals=names)
        yield block, printed.getvalue()


def with_outputs(text: str, folder: pathlib.Path) -> str:
    """The page with what its blocks print now."""
    parts, end = [], 0
    for block, printed in run(text, folder):
        if block["output"] is not None:
            parts += [text[end : block.start("output")], printed]
            end = block.end("output")
    return "".join([*parts, text[end:]])


def main() -> None:
    """Writes the outputs of the page into the workspace."""
    page = pathlib.Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."), PAGE)
    with tempfile.TemporaryDirectory() as folder:
        page.write_text(with_outputs(page.read_text(encoding="utf-8"), pathlib.Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
