"""Job folders end to end: train on simulated jobs, score others whose truth is gone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra.core.global_hydra import GlobalHydra

from astrid_ml.build import plain
from astrid_ml.config import compose
from astrid_ml.preprocessing.roman.simulate.command import SimulateRoman
from astrid_ml.run.training.train import train

QUICK = ["logger=none", "trainer.enable_progress_bar=false", "trainer.precision=32-true", "trainer.max_epochs=2"]
QUICK += ["evaluation.evaluation.bootstrap.replicates=30", "channels.size=32", "paths.sweep_dir=none"]


def trained(jobs: Path, folder: Path, *overrides: str) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    given = [
        "experiment=realbogus_roman",
        *QUICK,
        f'paths.raw="{jobs}"',
        f'paths.data="{folder / "store"}"',
        *overrides,
    ]
    return train(plain(compose("train", given)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_simulated_jobs_train_and_jobs_without_truth_are_scored(tmp_path: Path, repository: Path) -> None:
    jobs, others = tmp_path / "jobs", tmp_path / "others"
    SimulateRoman(n=16, fields=16, shape=(160, 160), transients=500, injections=400).run(jobs, 1)
    SimulateRoman(n=2, fields=2, shape=(160, 160), transients=500, injections=400).run(others, 2)
    runs = {}
    for model in ("fusion", "fusion_pixels", "fusion_features"):
        runs[model] = tmp_path / model
        metrics = trained(jobs, tmp_path, f"model={model}", f'paths.run_dir="{runs[model]}"')
        assert 0 < metrics["test/aucpr"] <= 1
        assert 0 < metrics["test/prevalence"] < 0.7
    tables = {name: pd.read_parquet(run / "predictions" / "test.parquet").set_index("id") for name, run in runs.items()}
    first = tables["fusion"]
    assert all(table.index.equals(first.index) for table in tables.values())
    assert not first["ambiguous"].any()
    page = (runs["fusion"] / "report.html").read_text(encoding="utf-8")
    for heading in ("By filter", "By injected", "By true magnitude", "Clipped by the scaling"):
        assert heading in page
    assert page.count("data:image/png") > 3
    for pattern in ("*_inject.txt", "*_index_*.txt"):  # what a night's jobs lack
        for path in others.rglob(pattern):
            path.unlink()
    command = [sys.executable, "predict.py", f"ckpt_path={runs['fusion'] / 'checkpoints' / 'best.ckpt'}"]
    done = subprocess.run(
        [*command, f"input={others}", f"output_dir={tmp_path / 'out'}"], cwd=repository, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    scored = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    account = json.loads((tmp_path / "out" / "report.json").read_text())
    assert account["scored"] == len(scored) > 20
    assert account["counts"]["jobs_without_truth"] == 2
    assert scored["score"].between(0, 1).all()
    assert scored["id"].is_unique
    numbers = scored["jid"].str.removeprefix("jid").astype(int)
    assert set(numbers % 10**9) == {1090821, 1090822}  # of the second seed
    assert (numbers > 10**9).all()  # and of other settings than the usual ones
    assert scored[["x", "y", "ra", "dec", "filter", "sign"]].notna().all().all()
    assert set(np.sign(scored["sign"])) == {-1, 1}
    assert (tmp_path / "out" / "contact_sheet.png").stat().st_size > 10_000
