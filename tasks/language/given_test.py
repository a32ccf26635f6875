"""Given sentences of a user's plans: where they may be, and what is said where they may not."""

import pytest

from humain import errors
from humain.language.plans import TextPlan
from tasks.language import crafting, given, recipes

_LONG = TextPlan("a boat", ("wood", "plank", "boat"))
_SHORT = TextPlan("a lamp", ("wood", "lamp"))


def _plan(steps, shown, split="blueprints", goal="a raft"):
    return TextPlan(goal, tuple(steps.split()), split, (), tuple(shown.split()))


@pytest.mark.parametrize(
    "plans",
    [
        (),
        (_plan("wood plank raft", "raft"), _plan("wood lamp kite", "kite", "composition")),
        # In other words for the same.
        (_plan("wood plank raft", "raft"), _plan("wood plank raft", "raft", "heldout", "a float")),
        # Nothing is given with it.
        (_plan("wood lamp", ""), _plan("stone tower", "", "heldout")),
        # Two things, one after the other.
        (_plan("wood plank raft lamp", "raft", "pairs", "a raft and a lamp"),),
        (_plan("wood plank raft lamp kite", "raft kite", "pairs", "a raft, a kite"),),
    ],
)
def test_what_can_be_used_is_taken(plans):
    given.check([_LONG, _SHORT, *plans], "plans.jsonl")


def test_the_plans_of_the_project_are_taken():
    shipped = crafting.corpus(recipes.load(), seed=0, num_blueprints=9, num_compositions=9)
    given.check([TextPlan(each.goal, each.steps, each.split, each.items, each.given) for each in shipped], "crafting")


@pytest.mark.parametrize(
    ("plans", "message"),
    [
        (
            [_plan("wood plank raft", "raft", "train")],
            r"plan 3 \('a raft', split 'train'\) has the given sentence 'raft', .*; leave 'given' out, or make",
        ),
        (
            [_plan("wood raft plank", "raft")],
            r"plan 3 \(.*\) has the given sentence 'raft', which must be its last .* other; it ends with 'plank'$",
        ),
        (
            [_plan("raft wood raft", "raft")],
            r"plan 3 \(.*\) has the given sentence 'raft', which must be its last step",
        ),
        ([_plan("wood", "raft", "heldout")], r"plan 3 \(.*\) has the given sentence 'raft', which must be its last"),
        # One way to all that is asked for, or two things for what is one.
        ([_plan("wood raft lamp", "raft", goal="a raft and a lamp")], "'raft', which must be its last step"),
        ([_plan("wood raft kite", "raft kite", "heldout")], "'raft', which must be its last step"),
        (
            [_plan("wood lamp", "raft", "pairs", "a raft and a lamp")],
            "'raft', which is not one of its steps; add it where it belongs",
        ),
        (
            [_plan("wood plank boat", "boat")],
            r"plan 1 \('a boat', split 'train'\) has the step 'boat', which is given with plan 3; .*: reword one",
        ),
        (
            [_plan("wood raft", "raft"), _plan("raft lamp", "", "heldout")],
            r"plan 4 \(.* 'heldout'\) has the step 'raft', which is given with plan 3; only plans",
        ),
        (
            [_plan("wood stone raft", "raft")],
            r"plan 3 \(.*\) has the step 'stone', which is a step of no plan of the split 'train'; add a plan",
        ),
        ([_plan("wood raft", "")], r"has the step 'raft', which is a step of no plan .*, name it in 'given'$"),
    ],
)
def test_what_can_t_be_used_is_refused_on_one_line(plans, message):
    with pytest.raises(errors.UserError, match=message) as raised:
        given.check([_LONG, _SHORT, *plans], "plans.jsonl")
    assert str(raised.value).startswith("plans.jsonl: plan ")
    assert "\n" not in str(raised.value)
