"""Which settings of imagination there can be, and which there can't."""

import dataclasses

import pytest

from humain.testing.imagining import SMALL

CONFIG = dataclasses.replace(SMALL, goal_weights=(1.0, 0.3))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pool_size": 0}, "pool_size must be at least 1, not 0"),
        ({"num_judged": 3}, r"num_branches \(4\) is not a multiple of num_judged \(3\)"),
        ({"num_pushes": 3}, r"branch_steps \(4\) is not a multiple of num_pushes \(3\)"),
        ({"subgoal_steps": 4}, r"subgoal_steps \(4\) must be less than branch_steps \(4\)"),
        ({"discount": 1.0}, "discount must lie between 0 and 1, not 1.0"),
        ({"explore": -0.1}, r"explore must lie in \[0, 1\], not -0.1"),
        (
            {"target": ((2, 1.0),)},
            r"goal_coordinates and target name coordinates \(0,\) and \(2,\); with 2 goal_weights there are 0 to 1",
        ),
        ({"closeness_width": float("nan")}, "closeness_width must be more than 0, not nan"),
    ],
)
def test_a_config_that_can_not_be_is_an_error(values, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        dataclasses.replace(CONFIG, **values)


@pytest.mark.parametrize(
    "values",
    [
        dict.fromkeys(("num_branches", "num_judged", "num_pushes", "subgoal_steps", "action_examples", "pool_size"), 1),
        dict.fromkeys(("explore", "restart", "goal_share", "reach", "averaging"), 0.0),
        dict.fromkeys(("explore", "restart", "goal_share", "reach", "averaging"), 1.0),
        dict.fromkeys(("goal_distance", "closeness_width", "stretch", "discount"), 1e-06),
        {"discount": 1 - 1e-6, "goal_weights": (0.0, 0.0), "goal_coordinates": (0, 1)},
        {"branch_steps": 3, "num_pushes": 3, "subgoal_steps": 2},
    ],
)
def test_a_config_may_go_to_the_very_edge(values):
    assert dataclasses.replace(CONFIG, **values) != CONFIG


@pytest.mark.parametrize("name", ["num_branches", "num_judged", "branch_steps", "num_pushes", "subgoal_steps"])
@pytest.mark.parametrize("count", [0, -1])
def test_no_count_of_a_config_is_below_1(name, count):
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, not {count}$"):
        dataclasses.replace(CONFIG, **{name: count})


@pytest.mark.parametrize("name", ["explore", "restart", "goal_share", "reach", "averaging"])
@pytest.mark.parametrize("share", [-0.01, 1.01])
def test_no_share_of_a_config_lies_beyond_0_and_1(name, share):
    with pytest.raises(ValueError, match=rf"^{name} must lie in \[0, 1\], not {share}$"):
        dataclasses.replace(CONFIG, **{name: share})


@pytest.mark.parametrize("discount", [0.0, 1.0])
def test_a_discount_is_neither_0_nor_1(discount):
    with pytest.raises(ValueError, match="discount must lie between 0 and 1"):
        dataclasses.replace(CONFIG, discount=discount)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"subgoal_steps": 5}, r"subgoal_steps \(5\) must be less than branch_steps \(4\)"),
        ({"goal_weights": (1.0, -0.1)}, "goal_weights must be at least 0"),
        ({"goal_coordinates": (0, -1)}, "there are 0 to 1"),
        ({"goal_coordinates": (2,)}, "there are 0 to 1"),
        ({"target": ((-1, 0.0),)}, "there are 0 to 1"),
        *(({name: 0.0}, f"{name} must be more than 0") for name in ("goal_distance", "closeness_width", "stretch")),
        ({"branch_steps": 0}, "branch_steps must be at least 1"),
        ({"action_examples": 0}, "action_examples must be at least 1"),
    ],
)
def test_settings_just_beyond_the_edge_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CONFIG, **values)


def test_a_goal_is_asked_for_in_the_middle_unless_a_target_is_named():
    assert CONFIG.target == ()
    assert dataclasses.replace(CONFIG, target=((1, 2.0), (0, -3.0))).target == ((1, 2.0), (0, -3.0))
