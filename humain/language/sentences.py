"""Splits text into sentences: prose, and the lists, headings and emphasis that language models write.

Rules instead of a trained splitter give the same sentences everywhere. First each line is classified (a heading, an
item of a list, an introduction to a list, a continuation of the previous line), then its sentences are found. A full
stop does not end a sentence after an abbreviation, in a number, in an address, or inside quotation marks or brackets;
nor before a lower-case word, if the text uses upper case at all. `point B. Then` is split into two sentences, and so is
`George W. Bush`, after the initial.
"""

import bisect
import itertools
import re
from collections.abc import Iterator

_MARKERS = re.compile(
    r"""\s*(?:
        [-*+•‣◦▪●–—>]\s+                       # - item
        | \[[ xX]?\]\s+                         # [ ] item
        | step\s+\d{1,3}\s*[.:)–—-]+\s+         # Step 1: item
        | \(?\d{1,3}(?:\.\d{1,2})*[.:)]\)?\s+   # 1. item, 1) item, (1) item, 1.2. item
        | \(?[a-z]\)\s+                         # a) item
        | \(?[ivx]{1,4}\)\s+                    # ii) item
    )+(?=\S)""",
    re.VERBOSE | re.IGNORECASE,
)
_EMPHASIS = (
    re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"),
    re.compile(r"(?<![\w*])(\*)(?=[^\s*])([^*]*?)(?<=\S)\*(?![\w*])"),
    re.compile(r"(`)([^`]+)`"),
)
_HEADING = re.compile(r"\s*#{1,6}\s")
_BOLD_LINE = re.compile(r"\s*(\*\*|__)(?!\s)[^*_]+\1:?\s*")
_NOTHING = re.compile(r"[\W_]*|\s*(?:```|~~~)\s*\w*\s*")
_SPANS = re.compile(r"""(?<!\w)"[^"]*"(?!\w)|“[^”]*”|«[^»]*»|\([^()]*\)|\[[^][]*\]""")
_END = re.compile(r"""(?:[.!?…]+["'”’»)\]]*(?=\s|$)|[。！？]+[”’」』）]*)""")
_NEXT = re.compile(r"""\s*["'“‘«(\[*]*(\w?)""")
_OPENING = "\"'“‘«(["
_CLOSING = "\"'”’»)]"

# With their full stop, these do not end a sentence ...
_ABBREVIATIONS = frozenset(
    ("approx", "ca", "cf", "dr", "eg", "esp", "ie", "incl", "mr", "mrs", "ms", "prof", "resp", "st", "vs", "viz")
)
# ... and these do not if a number follows.
_BEFORE_NUMBERS = frozenset(
    ("art", "ch", "eq", "fig", "figs", "max", "min", "no", "nos", "nr", "p", "pp", "sec", "vol")
)
_DOTTED = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]")  # e.g, U.S
_INITIALS = re.compile(r"(?:[A-Z]\.\s*)*")
_MAY_END = frozenset({"a.m", "p.m"})
# How many characters before a full stop decide whether it ends a sentence.
_LOOK_BACK = 80
# A line of at least this length may have been wrapped, and continue in the next.
_WRAPPED = 60


def normalize(text: str) -> str:
    """Replaces each run of white space by one space, and removes it at both ends."""
    return " ".join(text.split())


def split(text: str) -> list[str]:
    """Splits a text into sentences, in order, each on one line and without the marks of lists and emphasis.

    Each item of a list and each line begins a new sentence; a line continues the previous one if it begins in lower
    case and the previous one was long, or it is indented under it. Headings, rules, the fences of code blocks, and
    introductions to a list (`Here is the plan:`) are left out.

    Args:
        text: any number of lines; markdown or plain.

    Returns:
        The sentences, normalised; an empty list if the text has none.
    """
    case_tells = text != text.lower()
    return [sentence for block in _blocks(text) for sentence in _sentences(block, case_tells=case_tells)]


def _blocks(text: str) -> Iterator[str]:
    """Returns blocks that certainly begin and end with a sentence: list items and lines, joined where wrapped."""
    blocks: list[tuple[bool, int, str]] = []  # Whether the block is an item, its indentation, its text.
    open_block = False
    for line in text.splitlines():
        plain = line
        for emphasis in _EMPHASIS:
            plain = emphasis.sub(r"\2", plain)
        marked = _MARKERS.match(plain)
        content = normalize(plain[marked.end() :] if marked else plain)
        indentation = len(line) - len(line.lstrip())
        if _HEADING.match(line) or _NOTHING.fullmatch(line) or (_BOLD_LINE.fullmatch(line) and _is_title(plain)):
            open_block = False
        elif open_block and not marked and _goes_on(blocks[-1], indentation, content):
            blocks[-1] = (blocks[-1][0], indentation, f"{blocks[-1][2]} {content}")
        else:
            blocks.append((marked is not None, indentation, content))
            open_block = True
    for (is_item, _, content), following in itertools.zip_longest(blocks, blocks[1:]):
        introduces = not is_item and following is not None and following[0] and content.endswith(":")
        yield content[: _last_start(content)] if introduces else content


def _is_title(plain: str) -> bool:
    return not _MARKERS.match(plain) and not plain.rstrip().endswith((".", "!", "?"))


def _goes_on(block: tuple[bool, int, str], indentation: int, content: str) -> bool:
    """Whether a line continues the block before it."""
    is_item, before, text = block
    wrapped = len(text) >= _WRAPPED or (is_item and indentation > before)
    return wrapped and content[:1].islower() and not _END.search(text[-3:])


def _last_start(content: str) -> int:
    """Returns the index at which the last sentence of a block begins."""
    return next(reversed([0, *_ends(content, case_tells=True)]))


def _sentences(block: str, *, case_tells: bool) -> Iterator[str]:
    start = 0
    for end in [*_ends(block, case_tells=case_tells), len(block)]:
        sentence = block[start:end].strip()
        marked = _MARKERS.match(sentence) if start else None  # 1. Mine ore. 2. Smelt it.
        sentence = sentence[marked.end() :] if marked else sentence
        if not _NOTHING.fullmatch(sentence):
            yield sentence
        start = end


def _ends(block: str, *, case_tells: bool) -> list[int]:
    """Returns the indices at which sentences end within a block, except the block's own end."""
    spans = [match.span() for match in _SPANS.finditer(block)]
    opened = [start for start, _ in spans]
    ends = [0]
    for match in _END.finditer(block):
        end = match.end()
        span = bisect.bisect_left(opened, match.start()) - 1  # The last one that opens before.
        inside = span >= 0 and end < spans[span][1]
        if end < len(block) and not inside and _is_end(block, ends[-1], end, case_tells=case_tells):
            ends.append(end)
    return ends[1:]


def _is_end(block: str, start: int, end: int, *, case_tells: bool) -> bool:
    """Whether the sentence that begins at `start` ends at `end`, just after a full stop or similar mark."""
    if block[end - 1] in "。！？”’」』）" and not block[end].isspace():
        return True
    following = _NEXT.match(block, end)
    first = following[1] if following else ""
    if case_tells and first.islower():
        return False
    marked = block[max(start, end - _LOOK_BACK) : end].rstrip(_CLOSING)
    if not marked.endswith(".") or marked[-2:-1].isspace():
        return True
    before, _, word = f" {marked[:-1]}".rpartition(" ")
    word = word.lstrip(_OPENING)
    name = word.lower()
    if name in _ABBREVIATIONS or (name in _BEFORE_NUMBERS and first.isdigit()):
        return False
    if _DOTTED.fullmatch(word):
        return name in _MAY_END
    # The number of an item, or initials, at the beginning of a sentence.
    before = before.strip()
    return not ((word.isdigit() and not before) or (_INITIALS.fullmatch(f"{word}.") and _INITIALS.fullmatch(before)))
