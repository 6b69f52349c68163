"""A small fixed sample of ``make chaos``, and whether it would see what it looks for."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pandas as pd
import pytest
from monkey import wrong_end
from products import litter, products
from scenarios import SCENARIOS
from trials import run


def written(folder: Path, *, probability: float = 0.5, seconds: float = 1.0) -> Path:
    folder.mkdir()
    pd.DataFrame({"id": ["a"], "probability": [probability]}).to_parquet(folder / "predictions.parquet")
    (folder / "run.json").write_text(json.dumps({"out": str(folder), "seconds": seconds}))
    return folder


def test_equal_runs_are_equal_wherever_and_whenever(tmp_path: Path) -> None:
    assert products(written(tmp_path / "a")) == products(written(tmp_path / "b", seconds=9.0))


def test_another_content_and_a_missing_file_are_seen(tmp_path: Path) -> None:
    right, wrong = products(written(tmp_path / "a")), products(written(tmp_path / "b", probability=0.6))
    assert {name for name in right if right[name] != wrong[name]} == {"predictions.parquet"}
    (tmp_path / "b" / "run.json").unlink()
    assert set(products(tmp_path / "b")) == {"predictions.parquet"}


def test_a_temporary_file_is_litter(tmp_path: Path) -> None:
    written(tmp_path / "a")
    (tmp_path / "a" / ".predictions.part-1-2.parquet").touch()
    assert litter(tmp_path / "a") == [".predictions.part-1-2.parquet"]


@pytest.mark.parametrize(
    ("kind", "code", "text", "right"),
    [
        ("KILL", -9, "", True),
        ("KILL", 1, "", False),
        ("TERM", 130, "astrid: interrupted; run the same command again\n", True),
        ("INT", 0, "done", True),
        ("INT", 1, "astrid: interrupted\n", False),
        ("INT", 130, "astrid: interrupted\nastrid: interrupted\n", False),
        ("TERM", 130, "Traceback (most recent call last)\nastrid: interrupted\n", False),
        ("TERM", -15, "", False),
    ],
)
def test_a_wrong_end_is_seen(kind: str, code: int, text: str, right: bool) -> None:
    assert (wrong_end(kind, code, text) == []) is right


@pytest.mark.slow
def test_stopped_commands_end_as_undisturbed_ones(tmp_path: Path) -> None:
    names = random.Random(3).sample([scenario.name for scenario in SCENARIOS], 1)
    trials = [trial for name in names for trial in run(1, 1, 1, seed=3, only=name, work=tmp_path)]
    said = ((f"{trial.scenario}, {trial.signal} at {trial.moments}", trial.faults) for trial in trials)
    faults = [f"{where}: {fault}" for where, found in said for fault in found]
    assert not faults, "\n".join(faults)
