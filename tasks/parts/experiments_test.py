"""The table of experiments, and their settings from a config."""

import pytest

from humain import errors
from tasks.parts import crossroads, experiments


def test_settings_are_the_experiment_s_own_but_for_what_is_given():
    assert experiments.build_settings("crossroads", {}) == crossroads.Settings()
    assert experiments.build_settings("crossroads", {"num_ways": 7}) == crossroads.Settings(num_ways=7)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("crossroad", {}, "experiment 'crossroad' is none of "),
        ("crossroads", {"num_way": 7}, "crossroads: .*num_way"),
    ],
)
def test_what_there_is_not_is_refused(name, values, message):
    with pytest.raises(errors.UserError, match=message):
        experiments.build_settings(name, values)
