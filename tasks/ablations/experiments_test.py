"""The table of experiments, and their settings from a config."""

import pytest

from humain import errors
from humain.hippocampus.tagging import Tagging
from tasks.ablations import crossroads, experiments, loops


def test_settings_are_the_experiment_s_own_but_for_what_is_given():
    assert experiments.build_settings("crossroads", {}) == crossroads.CrossroadsSettings()
    assert experiments.build_settings("crossroads", {"num_ways": 7}) == crossroads.CrossroadsSettings(num_ways=7)


def test_settings_within_settings_are_given_by_name():
    settings = experiments.build_settings("loops", {"num_visits": 3, "tagging": {"capacity": 5}})
    assert settings == loops.LoopsSettings(num_visits=3, tagging=Tagging(capacity=5))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("crossroad", {}, "experiment 'crossroad' is not one of "),
        ("crossroads", {"num_way": 7}, "crossroads: .*num_way"),
        ("loops", {"tagging": {"capacity": 0}}, "loops: the capacity must be at least 1 prototype, not 0"),
        ("loops", {"tagging": {"size": 3}}, "loops: .*size"),
    ],
)
def test_what_there_is_not_is_refused(name, values, message):
    with pytest.raises(errors.UserError, match=message):
        experiments.build_settings(name, values)
