"""From ``astrid train`` to figures: a trained checkpoint alone predicts a FITS exposure made by the simulator."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.build import build, plain
from astrid_ml.cli.main import run as astrid
from astrid_ml.config import compose
from astrid_ml.preprocessing.ramps.commands.visualise import ResultVisualizer
from astrid_ml.preprocessing.ramps.judge.truth import Truth, completeness
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps

SMALL = [
    *("experiment=ramp_anomalies", "simulate.n=12", "simulate.image_shape=[72,72]", "simulate.num_frames=16"),
    *("simulate.exp_time=1600", "simulate.cosmic_ray_per_exp_range=[40,60]", "simulate.rtn_per_exp_range=[25,30]"),
    *("simulate.rtn_period_range=[6,10]", "simulate.snowball_radius_range=[4,5]", "trainer.max_epochs=5"),
    *("model.network.widths=[4,8]", "preprocessing.tile=32", "datamodule.crop=24", "optimizer.lr=1e-2"),
    *("logger=none", "trainer.enable_progress_bar=false"),
]


@pytest.mark.slow
def test_a_trained_checkpoint_alone_predicts_a_simulated_exposure(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert astrid(["train", *SMALL, f"paths.run_dir={run}", f"paths.data={tmp_path / 'store'}"]) == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert {f"test/fusion/{name}/aucpr" for name in ANOMALIES} <= set(metrics)
    assert metrics["test/cosmic_ray/aucpr"] > 0.2
    history = json.loads((run / "training_history_unet3d.json").read_text())
    assert len(history["val/aucpr_mean"]) == 5
    # A detector that no training saw.
    node = plain(compose("train", [part for part in SMALL if "widths" not in part]))["simulate"]
    simulator = build(node)
    assert isinstance(simulator, SimulateRamps)
    replace(simulator, gain_library={"held": 1.4}, n=1).run(tmp_path / "raw", 99)
    source, out = tmp_path / "raw" / "held_0000.fits", tmp_path / "out"
    checkpoint = run / "checkpoints" / "best.ckpt"
    assert astrid(["predict", f"ckpt_path={checkpoint}", "task=ramps", f"input={source}", f"output_dir={out}"]) == 0
    folder = out / "held_0000"
    written = {"prediction_mask.npy", "prediction_mask.fits", "jumps.parquet", "detections.json"}
    written |= {"sanity.json", "left_out.json"}
    written |= {f"held_0000_{name}" for name in ("processed.npy", "temporal.npz", "dq.fits", "ramp.fits", "rate.fits")}
    assert written == {path.name for path in folder.iterdir()}
    jumps = pd.read_parquet(folder / "jumps.parquet")
    assert jumps.found_by.str.contains("network").mean() > 0.3
    table = completeness(Truth.read(source), jumps).set_index("low")
    assert table.found[10.0] >= 0.9 * table.n[10.0] > 0
    results = ResultVisualizer.open(folder)
    assert {event["type"] for event in results.detections} == set(ANOMALIES)
    assert np.isfinite(results.slope).mean() > 0.5
    assert all(path.stat().st_size > 5000 for path in results.save(tmp_path / "figures"))
