"""When a multirun ends, its table stands and its failures are counted."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from astrid_ml.cli.sweep import SweepCallback


def end_of(folder: Path) -> None:
    SweepCallback().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}}))


def test_the_table_and_the_page_stand_and_failures_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, status in enumerate(("done", "failed", "done")):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "run.json").write_text(json.dumps({"status": status, "overrides": ["seed=1"]}))
        if status == "done":
            (tmp_path / str(number) / "metrics.json").write_text("{}")
    end_of(tmp_path)
    assert pd.read_parquet(tmp_path / "sweep.parquet")["status"].tolist() == ["done", "failed", "done"]
    assert "3 jobs, 2 done, 1 not" in (tmp_path / "sweep.html").read_text()
    assert "sweep: 3 jobs, 1 failed" in capsys.readouterr().out


def test_jobs_that_leave_no_record_are_no_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "0").mkdir()
    end_of(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
    assert capsys.readouterr().out == ""
