"""Sentences of prose, and of lists as language models write them."""

import pytest

from humain.language import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mine ore. Smelt it! Done? Yes.", ["Mine ore.", "Smelt it!", "Done?", "Yes."]),
        ("  Mine\t ore \n\n\n Smelt it", ["Mine ore", "Smelt it"]),
        ("Mine ore.\r\nSmelt it.\r\n", ["Mine ore.", "Smelt it."]),
        ("Mine ore.Smelt it.", ["Mine ore.Smelt it."]),
        ("第一步。第二步！完", ["第一步。", "第二步！", "完"]),
        ("Wait... Then go. Wait … then go.", ["Wait...", "Then go.", "Wait … then go."]),
    ],
)
def test_prose(text, expected):
    assert sentences.split(text) == expected


@pytest.mark.parametrize(
    "sentence",
    [
        "Use 3.5 plates of version 1.2.3 from www.example.org today.",
        "Take metal, e.g. iron or copper, i.e. what is there.",
        "Ask Dr. Smith and Mrs. Jones.",
        "Build No. 5, see Fig. 2, max. 10 of them.",
        "Wait approx. Sunday.",
        "The U.S. Army came.",
        "J. R. Smith mines.",
        "Bring ore etc. to the furnace.",
        '"Stop!" he said.',
        'He said "Mine ore. Smelt it."',
        "Read “One. Two.” today.",
        "Build it (see above. It is easy) now.",
    ],
)
def test_these_are_one_sentence_each_and_another_may_follow(sentence):
    assert sentences.split(sentence) == [sentence]
    assert sentences.split(f"{sentence} Then rest.") == [sentence, "Then rest."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He says no. Then he goes.", ["He says no.", "Then he goes."]),
        ("I need ore etc. Then I smelt.", ["I need ore etc.", "Then I smelt."]),
        ("Go to point B. Then build.", ["Go to point B.", "Then build."]),
        ("Come at 5 p.m. Then rest.", ["Come at 5 p.m.", "Then rest."]),
        ("You need 12. Then go.", ["You need 12.", "Then go."]),
        ('A 5" pipe. Then a 6" pipe.', ['A 5" pipe.', 'Then a 6" pipe.']),
        ('"Where?" She left.', ['"Where?"', "She left."]),
        ("It is (almost). Done.", ["It is (almost).", "Done."]),
    ],
)
def test_these_are_two_sentences(text, expected):
    assert sentences.split(text) == expected


def test_lower_case_tells_only_where_there_is_upper_case():
    assert sentences.split("mine ore. smelt it.") == ["mine ore.", "smelt it."]
    assert sentences.split("Mine the ores of qty. seven.") == ["Mine the ores of qty. seven."]


@pytest.mark.parametrize(
    "marks",
    [
        ("1. ", "2. ", "3. "),
        ("1) ", "2) ", "3) "),
        ("(1) ", "(2) ", "(3) "),
        ("a) ", "b) ", "c) "),
        ("i) ", "ii) ", "iii) "),
        ("- ", "- ", "- "),
        ("* ", "+ ", "• "),
        ("- [ ] ", "- [x] ", "> "),
        ("Step 1: ", "Step 2 - ", "**Step 3:** "),
        ("   1.1. ", "  **2.** ", "- 3. "),
        ("", "", ""),
    ],
)
def test_items_of_a_list_lose_their_marks(marks):
    said = ("Mine ore", "Smelt it. Twice.", "10 gears are made")
    text = "\n".join(mark + item for mark, item in zip(marks, said, strict=True))
    assert sentences.split(text) == ["Mine ore", "Smelt it.", "Twice.", "10 gears are made"]


def test_a_list_within_a_line():
    assert sentences.split("1. Mine ore. 2. Smelt it. 3. Go.") == ["Mine ore.", "Smelt it.", "Go."]


def test_emphasis_is_taken_off_and_products_stay():
    assert sentences.split("**Mine** the *best* `ore`, __all__ of it. Make 2 * 3 * 4 some_wide_name.") == [
        "Mine the best ore, all of it.",
        "Make 2 * 3 * 4 some_wide_name.",
    ]


def test_what_is_no_step_is_left_out():
    text = """# A radar

Sure! Here are the steps:

**Phase 1: Mining**
1. **Mine ore**: ten pieces.
---
***
**Step 2: Smelt it.**
```python
```
"""
    assert sentences.split(text) == ["Sure!", "Mine ore: ten pieces.", "Smelt it."]


def test_an_item_may_introduce_a_list():
    assert sentences.split("1. Make gears:\n   - Mine ore\n   - Smelt it") == ["Make gears:", "Mine ore", "Smelt it"]


def test_lines_that_were_wrapped_are_put_together():
    # The first line has 61 characters and ends no sentence.
    wrapped = "The drill that stands on the coal field mines the coal which\nthe furnaces burn. Build it.\nSmelt ore"
    assert sentences.split(wrapped) == [
        "The drill that stands on the coal field mines the coal which the furnaces burn.",
        "Build it.",
        "Smelt ore",
    ]
    assert sentences.split("- Mine ore\n  until there is enough\n- Smelt it") == [
        "Mine ore until there is enough",
        "Smelt it",
    ]


def test_short_lines_and_finished_ones_are_not():
    assert sentences.split("Mine\nsmelt it") == ["Mine", "smelt it"]
    finished = "The drill that stands on the coal field mines coal for furnaces."
    assert sentences.split(f"{finished}\nsmelt it") == [finished, "smelt it"]


@pytest.mark.parametrize("text", ["", " \n\t\n", "...", "# Plan", "- \n* ", "```\n```", "---"])
def test_a_text_that_says_nothing_has_no_sentence(text):
    assert sentences.split(text) == []


def test_normalize_leaves_one_space():
    assert sentences.normalize(" Mine\n\u00a0 ore\t") == "Mine ore"


@pytest.mark.parametrize(("length", "is_wrapped"), [(59, False), (60, True)])
def test_a_line_of_60_characters_may_have_been_wrapped(length, is_wrapped):
    first = "Mine " + "o" * (length - 5)
    expected = [f"{first} and more"] if is_wrapped else [first, "and more"]
    assert sentences.split(f"{first}\nand more") == expected


def test_a_line_goes_on_only_in_lower_case_and_within_its_item():
    long = "The drill that stands on the coal field mines the coal which"
    assert sentences.split(f"{long}\nFurnaces burn.") == [long, "Furnaces burn."]
    assert sentences.split(f"{long}\n- furnaces burn.") == [long, "furnaces burn."]
    # Under an item it is enough to be indented farther than that.
    assert sentences.split("- Mine\nore") == ["Mine", "ore"]
    assert sentences.split("  - Mine\n  ore") == ["Mine", "ore"]
    assert sentences.split("  - Mine\n   ore") == ["Mine ore"]
    assert sentences.split("Mine\n   ore") == ["Mine", "ore"]
    # And after a heading nothing goes on.
    assert sentences.split(f"{long}\n# Plan\nfurnaces burn.") == [long, "furnaces burn."]


def test_only_what_comes_before_a_list_and_ends_with_a_colon_introduces_it():
    assert sentences.split("Do this:\n- Mine") == ["Mine"]
    assert sentences.split("First rest. Do this:\n- Mine") == ["First rest.", "Mine"]
    assert sentences.split("Do this\n- Mine") == ["Do this", "Mine"]
    assert sentences.split("Do this:\nMine") == ["Do this:", "Mine"]
    assert sentences.split("Do this:") == ["Do this:"]


def test_bold_lines_are_titles_unless_they_end_like_sentences():
    assert sentences.split("**Mining**\nMine ore.") == ["Mine ore."]
    for end in (".", "!", "?"):
        assert sentences.split(f"**Mine ore{end}**\nGo.") == [f"Mine ore{end}", "Go."]
    assert sentences.split("**1. Mining**\nMine ore.") == ["Mining", "Mine ore."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("J. Smith mines. Then rest.", ["J. Smith mines.", "Then rest."]),
        ("Ask George W. Bush.", ["Ask George W.", "Bush."]),
        ("12. Then go.", ["Then go."]),
        ("See fig. 3 there. See fig. There.", ["See fig. 3 there.", "See fig.", "There."]),
        ("Stop . Then go.", ["Stop .", "Then go."]),
        ("One.” Two.", ["One.”", "Two."]),
        ("第一步。’ 第二步", ["第一步。’", "第二步"]),
        ("第一步。", ["第一步。"]),
        # Marks that need no space need no upper case either.
        ("Then 第一步。then go.", ["Then 第一步。", "then go."]),
        # An abbreviation has a full stop.
        ("Ask Mr! Then go.", ["Ask Mr!", "Then go."]),
    ],
)
def test_what_stands_before_a_full_stop_decides(text, expected):
    assert sentences.split(text) == expected


def test_a_wrapped_line_stays_what_it_began_as():
    # An item may introduce a list within it, also where it is not the first and goes on in a further line.
    assert sentences.split("- Make gears\n  of iron:\n  - Mine") == ["Make gears of iron:", "Mine"]
    assert sentences.split("Rest.\n- Make gears\n  of iron:\n  - Mine") == ["Rest.", "Make gears of iron:", "Mine"]
    # A line that is none introduces a list, however far it is indented.
    first = "   Mine. The drill that stands on the coal field mines the coal of all"
    assert sentences.split(f"{first}\n   these:\n- Iron") == ["Mine.", "Iron"]
