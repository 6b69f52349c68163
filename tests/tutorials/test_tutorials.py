"""Every text-first notebook runs from its first to its last cell, and leaves what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "tutorials"
TUTORIALS = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_its_cells_are_marked_and_told(path: Path) -> None:
    """Percent format: cells of text and of code in turn, as jupytext reads them, with a picture and a summary."""
    text = path.read_text(encoding="utf-8")
    marks = re.findall(r"^# %%(.*)$", text, re.M)
    assert text.startswith("# %% [markdown]\n# # ")
    assert sum("[markdown]" in mark for mark in marks) >= len(marks) // 2 - 1
    assert len(re.findall(r"^# ## (.*)$", text, re.M)) >= 3
    assert pictures(path) and 'PLACE / "summary.json"' in text


def pictures(path: Path) -> list[str]:
    """The figures that a tutorial leaves."""
    return re.findall(r'savefig\(PLACE / "(\w+\.png)"', path.read_text(encoding="utf-8"))


def test_the_site_shows_every_picture_of_every_tutorial() -> None:
    stored = {path.name for path in (FOLDER / "pictures").glob("*.png")}
    assert stored == {f"{path.stem}_{name}" for path in TUTORIALS for name in pictures(path)}


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_it_runs_and_leaves_what_it_says(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(path), "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=1500,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    out = tmp_path / "out"
    assert all((out / name).stat().st_size > 5000 for name in pictures(path))
    summary = json.loads((out / "summary.json").read_text())
    assert all(value is not None for value in summary.values())
    if path.stem == "supernovae":
        exported(out, summary)


def exported(out: Path, summary: dict[str, Any]) -> None:
    """The same triplets in each format."""
    table, stamps = pd.read_csv(out / "triplets.csv"), np.load(out / "triplets.npy")
    assert len(table) == len(stamps) == summary["real"] + summary["bogus"] > 0
    assert json.loads((out / "labels.json").read_text())
    with h5py.File(out / "triplets.h5") as file:
        assert np.array_equal(file["stamps"][:], stamps, equal_nan=True)
        assert file["label"][:].tolist() == table["label"].tolist()
