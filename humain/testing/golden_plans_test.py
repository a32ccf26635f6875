"""Plans from walks to text are what they were; where they change on purpose, golden_plans.py writes them anew."""

import pytest

from humain.testing import golden_plans


@pytest.fixture(scope="module")
def texts():
    return golden_plans.texts()


@pytest.mark.parametrize("name", ["graph.txt", "not_reached.txt"])
def test_a_plan_is_what_it_was(texts, name):
    assert texts[name] == (golden_plans.FOLDER / name).read_text(encoding="utf-8")
