"""Every environment of the library does what the interface promises; a new one is a line here, or in its own test."""

import pytest

from humain.environments import gymnasium_adapter
from humain.testing.environment_conformance import CHECKS, PURE_CHECKS
from humain.testing.point import BOX, DISCRETE, PointWorld

PURE = [PointWorld(DISCRETE), PointWorld(BOX)]
HOST = [gymnasium_adapter.adapt(name) for name in ("Acrobot-v1", "MountainCarContinuous-v0")]


@pytest.mark.parametrize("environment", [*PURE, *HOST], ids=lambda environment: environment.name)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_an_environment(check, environment):
    check(environment)


@pytest.mark.parametrize("environment", PURE, ids=lambda environment: environment.name)
@pytest.mark.parametrize("check", PURE_CHECKS, ids=lambda check: check.__name__)
def test_a_pure_environment(check, environment):
    check(environment)
