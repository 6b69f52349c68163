"""The sweeps of the pages run to their end: every job is done, and each beside its own settings."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

PAGES = ("README.md", "docs/splits.md", "docs/first_run.md", "docs/configuration.md")
SMALL = ["trainer.fast_dev_run=true", "trainer.enable_progress_bar=false", "trainer.precision=32-true", "logger=none"]


def sweeps(repository: Path) -> set[str]:
    """Every ``astrid train -m ...`` of the pages."""
    found: set[str] = set()
    for page in PAGES:
        text = (repository / page).read_text(encoding="utf-8").replace("\\\n", " ")
        found |= {
            " ".join(shlex.split(line.split("#")[0])[2:]) for line in re.findall(r"^astrid train -m .*$", text, re.M)
        }
    return found


def test_the_pages_have_sweeps(repository: Path) -> None:
    assert any("leave_one_mission_out" in words for words in sweeps(repository))


@pytest.mark.slow
def test_every_sweep_of_the_pages_runs_to_its_end(repository: Path, tmp_path: Path) -> None:
    form = yaml.safe_load((repository / "tests" / "experiments" / "realbogus_sim.yaml").read_text(encoding="utf-8"))
    for number, words in enumerate(sorted(sweeps(repository))):
        folder = tmp_path / str(number)
        places = [f"paths.data={tmp_path / 'store'}", f"paths.sweep_dir={folder}"]
        command = [sys.executable, "-m", "astrid_ml", "train", *words.split(), *SMALL, *form["words"], *places]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}\n{done.stdout[-800:]}{done.stderr[-2000:]}"
        jobs = pd.read_parquet(folder / "sweep.parquet")
        assert set(jobs["status"]) == {"done"} and len(jobs) > 1
        swept = [word for word in words.split()[1:] if "," in word]
        for word in swept:
            key, _, values = word.partition("=")
            assert sorted(jobs[key].astype(str)) == sorted(values.split(","))
