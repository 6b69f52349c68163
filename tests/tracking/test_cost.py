"""The cost of a run is what it took, not what it mapped."""

from __future__ import annotations

import gc
import mmap
import time
from pathlib import Path

import numpy as np
import pytest

from astrid_ml.tracking import cost
from astrid_ml.tracking.cost import CostMeter, anonymous_memory


def test_a_peak_that_was_given_back_is_counted() -> None:
    gc.collect()
    before = anonymous_memory()
    assert before is not None
    with CostMeter(interval=0.01) as meter:
        # pages that no allocator had before, and more than what other tests may give back meanwhile
        held = mmap.mmap(-1, 160 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        held.write(bytes(160 * 2**20))
        time.sleep(0.1)
        held.close()
        account = meter.account()
    assert account["peak_anonymous_mb"] - before > 35


def test_mapped_pages_are_not_counted(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(40 * 2**20 // 8))
    with CostMeter(interval=0.01) as meter:
        before = meter.account()["peak_anonymous_mb"]
        mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
        assert mapped[::64].sum() > 0
        time.sleep(0.05)
        account = meter.account()
    assert account["peak_anonymous_mb"] - before < 10


def test_sleep_costs_time_but_no_processor() -> None:
    with CostMeter() as meter:
        time.sleep(0.5)
        account = meter.account()
    assert account["wall_seconds"] >= 0.5
    assert account["cpu_seconds"] < 0.4


def test_a_system_that_does_not_tell_its_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cost, "STATUS", tmp_path / "none")
    with CostMeter() as meter:
        assert set(meter.account()) == {"wall_seconds", "cpu_seconds"}
