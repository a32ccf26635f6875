"""--config=cuda reaches select(), and nothing else does."""

import pathlib
import re

import pytest


@pytest.mark.parametrize("accelerator", ["cpu", "cuda"])
def test_the_flag_decides_what_is_selected(accelerator):
    assert pathlib.Path(f"tools/accelerator/selected_for_{accelerator}.txt").read_text() == f"{accelerator}\n"


def test_the_configs_set_the_flag():
    lines = pathlib.Path(".bazelrc").read_text().splitlines()
    settings = [match.groups() for line in lines if (match := re.match(r"(\S+) --//tools/accelerator=(\S+)", line))]
    assert settings == [("build:cpu", "cpu"), ("build:cuda", "cuda")]
