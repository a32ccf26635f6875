"""Corpora come back as they were written, and what is none is refused by file and line."""

import pytest

from humain import errors
from humain.language import plans
from humain.language.plans import TextPlan

_GOOD = b'{"goal": "a radar", "steps": ["Mine ore."]}'


def _corpus(tmp_path, content):
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(content)
    return path


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "corpus.jsonl"
    written = [
        TextPlan("build a radar", ("Mine ore.", 'Say "hé".'), split="heldout", items=("radar",)),
        TextPlan("build nothing", ("Rest.",)),
    ]
    plans.write_corpus(path, written)
    assert plans.read_corpus(path) == written
    assert [entry.name for entry in path.parent.iterdir()] == ["corpus.jsonl"]


def test_steps_are_taken_and_text_is_split(tmp_path):
    path = _corpus(
        tmp_path,
        b'\xef\xbb\xbf{"goal": " a\\n radar ", "steps": ["Mine  ore. And coal.", "Rest."], "id": 7}\r\n'
        b"\r\n \n"
        b'{"text": "1. Mine ore.\\n2. Smelt it.", "goal": "a gear", "split": "pairs", "items": ["gear"]}',
    )
    assert plans.read_corpus(path) == [
        TextPlan("a radar", ("Mine ore. And coal.", "Rest.")),
        TextPlan("a gear", ("Mine ore.", "Smelt it."), split="pairs", items=("gear",)),
    ]


def test_only_a_line_feed_ends_a_line(tmp_path):
    path = _corpus(tmp_path, '{"goal": "a\u2028b\x85c", "steps": ["Mine."]}\n'.encode())
    assert plans.read_corpus(path)[0].goal == "a b c"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"goal: a radar", r"is not JSON \(Expecting value.*\); expected \{\"goal\": "),
        (b'{"goal": "a radar", "steps": ["Mine', "is not JSON"),
        (b'{"goal": "\xff", "steps": ["Mine."]}', "is not JSON .*utf-8"),
        (b"[" * 100_000, "is not JSON"),
        (b'["a radar"]', "is a list; expected"),
        (b'"a radar"', "is a text; expected"),
        (b"null", "is null; expected"),
        (b'{"steps": ["Mine."]}', "has no 'goal'; expected"),
        (b'{"goal": "a radar"}', "has neither of the keys 'steps' and 'text'"),
        (b'{"goal": "a radar", "steps": ["Mine."], "text": "Mine."}', "has both of the keys"),
        (b'{"goal": 5, "steps": ["Mine."]}', "has 5 for 'goal'; expected a text"),
        (b'{"goal": " ", "steps": ["Mine."]}', "has an empty text for 'goal'"),
        (b'{"goal": "a radar", "steps": "Mine."}', "has a text for 'steps'; expected a list of texts"),
        (b'{"goal": "a radar", "steps": []}', "has no steps; write at least one"),
        (b'{"goal": "a radar", "text": "---"}', "has no steps; write at least one"),
        (b'{"goal": "a radar", "text": ["Mine."]}', "has a list for 'text'; expected a text"),
        (b'{"goal": "a radar", "steps": ["Mine.", {"do": 1}]}', "has an object for number 2 of 'steps'"),
        (b'{"goal": "a radar", "steps": ["Mine.", ""]}', "has an empty text for number 2 of 'steps'"),
        (b'{"goal": "a radar", "steps": ["\\ud83d"]}', r"has half a character .* in number 1 of 'steps'"),
        (b'{"goal": "a radar", "steps": ["Mine \\ud800."]}', r"has half a character .* in number 1 of 'steps'"),
        (b'{"goal": "a \\udfff radar", "steps": ["Mine."]}', "has half a character .* in 'goal'"),
        (b'{"goal": "a radar", "steps": ["Mine."], "given": ["", "x"]}', "has an empty text for number 1 of 'given'"),
        (b'{"goal": "a radar", "steps": ["Mine."], "split": true}', "has true for 'split'"),
        (b'{"goal": "a radar", "steps": ["Mine."], "items": "radar"}', "has a text for 'items'"),
    ],
)
def test_a_line_that_is_no_plan_is_named(tmp_path, line, problem):
    path = _corpus(tmp_path, _GOOD + b"\n\n" + line + b"\n" + _GOOD)
    with pytest.raises(errors.UserError, match=f"^{path}, line 3, {problem}") as caught:
        plans.read_corpus(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n \r\n"])
def test_a_corpus_without_plans_is_refused(tmp_path, content):
    with pytest.raises(errors.UserError, match=r"^there is no plan in .*corpus\.jsonl; write one per line, as "):
        plans.read_corpus(_corpus(tmp_path, content))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(errors.UserError, match=r"missing\.jsonl can't be read \(No such file or directory\)"):
        plans.read_corpus(tmp_path / "missing.jsonl")
    with pytest.raises(errors.UserError, match=r"can't be read \(Is a directory\)"):
        plans.read_corpus(tmp_path)


def test_lines_of_a_text_begin_sentences_and_what_is_given_goes_with_the_goal(tmp_path):
    path = _corpus(tmp_path, b'{"goal": "a\\nradar", "text": "Mine\\nsmelt it", "given": ["Two  plates."]}')
    assert plans.read_corpus(path) == [TextPlan("a radar", ("Mine", "smelt it"), given=("Two plates.",))]
    plain = TextPlan("a", ("b",))
    assert (plain.split, plain.items, plain.given) == ("train", (), ())
