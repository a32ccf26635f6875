"""The peak is that of the process on Linux, in the right unit on macOS, and unknown on Windows."""

import importlib
import sys
import types

import numpy as np
import pytest

from tasks.harness import memory


def test_the_peak_grows_with_what_is_held() -> None:
    before = memory.peak_rss_mb()
    held = np.ones(2**25)  # 256 MB
    after = memory.peak_rss_mb()
    assert before is not None and after is not None
    assert before > 10 and before + 200 < after < 100_000
    del held


def test_macos_counts_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = types.SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: types.SimpleNamespace(ru_maxrss=3 * 2**20))
    monkeypatch.setattr(memory, "resource", usage)
    assert memory.peak_rss_mb() == 3 * 2**10
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory.peak_rss_mb() == 3


def test_windows_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)  # importing it fails
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        assert importlib.reload(memory).peak_rss_mb() is None
    monkeypatch.undo()
    importlib.reload(memory)
