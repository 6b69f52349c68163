"""Every text-first notebook runs from its first to its last cell, and leaves what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

TUTORIALS = sorted((Path(__file__).resolve().parents[2] / "docs" / "tutorials").glob("*.py"))
LEAVES = (
    "triplets.h5",
    "triplets.npy",
    "triplets.csv",
    "labels.json",
    "differences.png",
    "triplets.png",
    "summary.json",
)


def test_there_is_one() -> None:
    assert TUTORIALS


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_its_cells_are_marked_and_told(path: Path) -> None:
    """Percent format: cells of text and of code in turn, as jupytext reads them."""
    text = path.read_text(encoding="utf-8")
    marks = re.findall(r"^# %%(.*)$", text, re.M)
    assert text.startswith("# %%")
    assert sum("[markdown]" in mark for mark in marks) >= len(marks) // 2 - 1
    told = " ".join(re.findall(r"^# ## (.*)$", text, re.M)).lower()
    for word in ("acquisition", "zogy", "quality", "extraction", "cut-outs", "export", "figures", "summary"):
        assert word in told


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_it_runs_and_leaves_what_it_says(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(path), "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    out = tmp_path / "out"
    assert all((out / name).stat().st_size > 100 for name in LEAVES)
    summary = json.loads((out / "summary.json").read_text())
    table, stamps = pd.read_csv(out / "triplets.csv"), np.load(out / "triplets.npy")
    assert len(table) == len(stamps) == summary["real"] + summary["bogus"] > 0
    with h5py.File(out / "triplets.h5") as file:
        assert np.array_equal(file["stamps"][:], stamps, equal_nan=True)
        assert file["label"][:].tolist() == table["label"].tolist()
