"""Plans as indices, counted by hand."""

from humain.language import vocabulary
from humain.language.plans import TextPlan
from humain.language.vocabulary import IndexedPlan

_PLANS = (
    TextPlan("a plate", ("Mine ore.", "Smelt it.")),
    TextPlan(" a\tgear ", ("Mine  ore.", "Smelt it.\n", "Press it.", "Smelt it."), split="heldout", items=("gear",)),
    TextPlan("a rod", ("Press it.", "mine ore.")),
)


def test_a_sentence_has_the_number_of_its_first_use():
    sentences, plans = vocabulary.build(_PLANS)
    # Case tells sentences apart, white space does not.
    assert sentences == ("Mine ore.", "Smelt it.", "Press it.", "mine ore.")
    assert plans == (
        IndexedPlan("a plate", (0, 1)),
        IndexedPlan("a gear", (0, 1, 2, 1), split="heldout", items=("gear",)),
        IndexedPlan("a rod", (2, 3)),
    )


def test_an_index_stands_for_its_sentence():
    sentences, plans = vocabulary.build(_PLANS)
    assert vocabulary.spell_out(plans[1], sentences) == TextPlan(
        "a gear", ("Mine ore.", "Smelt it.", "Press it.", "Smelt it."), split="heldout", items=("gear",)
    )
    assert vocabulary.spell_out(plans[0], sentences) == _PLANS[0]


def test_what_is_given_with_a_goal_is_numbered_after_all_other_sentences():
    gadget = TextPlan("a gadget", ("Mine ore.", "Press  a gadget."), given=("Press a gadget.",))
    sentences, plans = vocabulary.build([gadget, *_PLANS])
    assert sentences == ("Mine ore.", "Smelt it.", "Press it.", "mine ore.", "Press a gadget.")
    assert plans[0] == IndexedPlan("a gadget", (0, 4), given=(4,))
    assert plans[1] == IndexedPlan("a plate", (0, 1))
    assert vocabulary.spell_out(plans[0], sentences).given == ("Press a gadget.",)


def test_no_plans_have_no_vocabulary():
    assert vocabulary.build([]) == ((), ())
