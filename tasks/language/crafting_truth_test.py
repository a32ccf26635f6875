"""Each rule of the truth, seen to hold and to fail."""

import pytest

from tasks.language import crafting_truth, crafting_writer, recipes
from tasks.language.crafting_truth import Verdict
from tasks.language.small_recipes import small_recipes

RECIPES = small_recipes()
_DIG_THE_MOON = "Dig up the moon."


def _check(plan, *goals):
    """The verdict on a plan given by names; what is no name is a sentence."""
    known = {item.name for item in RECIPES.items}
    steps = [crafting_writer.step(RECIPES[name]) if name in known else name for name in plan]
    return crafting_truth.check(RECIPES, steps, goals=goals)


def test_a_plan_may_be_right():
    assert _check(["ore", "bar", "gem", "ring"], "ring") == Verdict(True, True, True, ())
    # Another order than the writer's is as good.
    assert _check(["gem", "ore", "bar", "ring"], "ring") == Verdict(True, True, True, ())
    assert _check(["ore"], "ore") == Verdict(True, True, True, ())


def test_a_step_before_its_inputs_is_not_valid_and_makes_nothing():
    # The bar is made before its ore, so there is none for the ring.
    assert _check(["bar", "ore", "gem", "ring"], "ring") == Verdict(
        valid=False,
        complete=False,
        minimal=True,
        faults=("step 1 makes bar and lacks ore", "step 4 makes ring and lacks bar", "ring is a goal and is not made"),
    )
    assert _check(["coach"], "coach").faults[0] == "step 1 makes coach and lacks cart, ring"


def test_a_goal_that_is_not_made_is_not_complete():
    assert _check(["ore", "bar", "gem"], "ring") == Verdict(True, False, True, ("ring is a goal and is not made",))
    assert _check(["ore", "bar", "wheel"], "wheel", "ring") == Verdict(
        True, False, True, ("ring is a goal and is not made",)
    )


def test_a_plan_without_steps_makes_nothing():
    assert _check([], "ore") == Verdict(True, False, True, ("ore is a goal and is not made",))


def test_a_step_that_no_goal_needs_is_idle():
    assert _check(["ore", "bar", "wheel", "gem", "ring"], "ring") == Verdict(
        True, True, False, ("step 3 makes wheel, which no goal needs",)
    )
    # Beyond the goal is idle too.
    assert _check(["ore", "bar", "wheel"], "bar").faults == ("step 3 makes wheel, which no goal needs",)


def test_a_step_made_again_is_idle():
    assert _check(["ore", "bar", "ore"], "bar") == Verdict(True, True, False, ("step 3 makes ore again",))
    # Also where it made nothing the first time.
    assert _check(["bar", "ore", "bar"], "bar") == Verdict(
        False, True, False, ("step 1 makes bar and lacks ore", "step 3 makes bar again")
    )


@pytest.mark.parametrize("goals", [("wheel", "ring"), ("ring", "wheel")])
def test_what_either_goal_needs_is_not_idle(goals):
    assert _check(["ore", "bar", "wheel", "gem", "ring"], *goals) == Verdict(True, True, True, ())


def test_a_sentence_that_is_no_step_is_named():
    assert _check(["ore", _DIG_THE_MOON, "bar"], "bar") == Verdict(
        False, True, False, (f"step 2 is not a recipe: {_DIG_THE_MOON!r}",)
    )
    # Only the exact text counts.
    almost = crafting_writer.step(RECIPES["ore"]).lower()
    assert not _check([almost], "ore").complete


def test_no_goal_and_no_item_are_refused():
    for goals in ((), "ore"):
        with pytest.raises(ValueError, match="expected a list of one name at least"):
            crafting_truth.check(RECIPES, [], goals=goals)
    with pytest.raises(ValueError, match="no item 'moon'"):
        _check(["ore"], "moon")


@pytest.mark.parametrize("goal", [item.name for item in recipes.load().items])
def test_the_plans_of_the_writer_are_right_and_need_every_step(goal):
    shipped = recipes.load()
    steps = crafting_writer.steps(shipped, [goal])
    assert crafting_truth.check(shipped, steps, goals=[goal]) == Verdict(True, True, True, ())
    for place in range(len(steps)):
        verdict = crafting_truth.check(shipped, steps[:place] + steps[place + 1 :], goals=[goal])
        assert not verdict.complete
        assert verdict.minimal
