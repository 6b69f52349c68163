"""A checkpoint in ``task=ramps`` and in ``score-ramps``: small network, small exposures, everything written."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits

from astrid_ml.build import plain
from astrid_ml.checkpoint.load import load_model, save_model
from astrid_ml.checkpoint.record import ChannelRecord, Record, TrainingDigest
from astrid_ml.config import compose
from astrid_ml.datamodules.ramps import RampDataModule, event_pixel
from astrid_ml.errors import UserError
from astrid_ml.models.losses.voxels import CrossEntropyDice
from astrid_ml.models.tasks.voxels import VoxelTask
from astrid_ml.models.unet3d.network import UNet3D
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.commands.score_ramps import ScoreRampsCommand
from astrid_ml.preprocessing.ramps.commands.visualise import ResultVisualizer
from astrid_ml.preprocessing.ramps.fusion.fusion import FUSIONS
from astrid_ml.preprocessing.ramps.fusion.network import RampNetwork
from astrid_ml.preprocessing.ramps.fusion.windows import Windows
from astrid_ml.preprocessing.ramps.judge.judge import VoxelJudge
from astrid_ml.preprocessing.ramps.pipeline import RampsPipeline
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES, JUMP_DET
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps

SIMULATION = SimulateRamps(
    gain_library={"a": 1.5, "b": 2.0},
    n=2,
    num_baseline_exposures=0,
    image_shape=(72, 72),
    num_frames=16,
    exp_time=1600.0,
    cosmic_ray_per_exp_range=(60, 60),
    cosmic_ray_charge_range=(60.0, 3000.0),
    rtn_per_exp_range=(25, 25),
    rtn_period_range=(6.0, 10.0),
    rtn_offset_range=(120.0, 300.0),
    snowballs_per_exp_range=(1, 1),
    snowball_radius_range=(4.0, 5.0),
    snowball_halo_decay_scale_range=(2.0, 3.0),
)


@dataclass(frozen=True)
class Trained:
    """A small training: its samples, its predictions, its checkpoint."""

    source: MemorySource
    table: pd.DataFrame
    fitted: dict[str, Any]
    checkpoint: Path
    raw: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("fused")
    SIMULATION.run(folder / "train", 3)
    replace(SIMULATION, gain_library={"held": 1.8}, n=2).run(folder / "raw", 4)
    writer = MemoryUnitWriter()
    pipeline = RampsPipeline(tile=32, group_by="detector")
    for unit in pipeline.plan([folder / "train"]):
        pipeline.process(unit, writer, 0)
    source = writer.source()
    torch.manual_seed(0)
    task = VoxelTask(UNet3D(widths=(4, 8)), CrossEntropyDice(), partial(torch.optim.AdamW, lr=2e-2))
    module, optimizer = RampDataModule(crop=24), task.configure_optimizers()
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        optimizer.zero_grad()
        torch.autograd.backward(task.compute_loss(module.make_batch(source, np.arange(8), generator, True)))
        optimizer.step()
    table = pd.concat([source.index, task.predict_table(RampDataModule(), source).drop(columns="row")], axis=1)
    judge = VoxelJudge(replicates=20)
    fitted = judge.fit(table)
    config = plain(compose("train", ["experiment=ramp_anomalies", "model.network.widths=[4,8]"]))
    nodes = {name: config[name] for name in ("preprocessing", "channels", "datamodule", "model", "evaluation")}
    for name in ("loss", "optimizer", "scheduler"):
        nodes["model"]["task"][name] = None
    digest = TrainingDigest.of(source.index)
    record = Record("ramps", nodes, ChannelRecord(), {}, fitted, False, None, digest, None, {})
    save_model(folder / "best.ckpt", task.state_dict(), record)
    return Trained(source, judge.apply(table, fitted), fitted, folder / "best.ckpt", folder / "raw")


def test_fusion_is_fitted_on_validation_and_judged_beside_the_network(trained: Trained) -> None:
    assert set(trained.fitted["parameters"]["fusions"]) == set(FUSIONS)
    assert trained.fitted["parameters"]["cadence"] == {"n_groups": [16.0], "group_time": [100.0]}
    metrics = VoxelJudge(replicates=20).evaluate(trained.table)
    for name in ANOMALIES:
        fusion = metrics.metrics[f"fusion/{name}/aucpr"]
        likelihood = metrics.metrics[f"likelihood/{name}/aucpr"]
        assert fusion is not None
        assert likelihood is not None
        assert 1 >= fusion >= likelihood - 0.02
        assert f"fusion/{name}/aucpr" not in metrics.intervals  # of fewer than five exposures


def test_a_table_without_evidence_is_judged_as_before(trained: Trained) -> None:
    columns = ["evidence", "quiet_area", *FUSIONS]
    bare = trained.table.drop(columns=columns)
    judge = VoxelJudge(replicates=5)
    assert "parameters" not in judge.fit(bare)
    assert not any(name.startswith("fusion") for name in judge.evaluate(bare).metrics)


def test_a_checkpoint_predicts_an_exposure_with_every_output(trained: Trained, tmp_path: Path) -> None:
    path = trained.raw / "held_0000.fits"
    summary = PredictRamps(str(path), str(tmp_path), ckpt_path=str(trained.checkpoint)).run()
    assert summary == {"exposures": 1, "failed": 0, "output_dir": str(tmp_path)}
    folder = tmp_path / "held_0000"
    jumps = pd.read_parquet(folder / "jumps.parquet")
    plain_out = tmp_path / "plain"
    PredictRamps(str(path), str(plain_out)).run()
    assert list(jumps.columns) == list(pd.read_parquet(plain_out / "held_0000" / "jumps.parquet").columns)
    assert jumps.probability.between(0, 1).all()
    who = set("+".join(jumps.found_by.unique()).split("+"))
    assert who - {"return"} == {"likelihood", "rules", "network"}  # and falls that return
    assert not jumps.duplicated(["integration", "group", "y", "x"]).any()
    mask = np.load(folder / "prediction_mask.npy")
    np.testing.assert_array_equal(fits.getdata(folder / "prediction_mask.fits"), mask)
    assert (mask[jumps.y, jumps.x] >= jumps.type).all()
    assert {e["type"] for e in json.loads((folder / "detections.json").read_text())} == set(ANOMALIES)
    assert (folder / "held_0000_temporal.npz").is_file()
    bits = fits.getdata(folder / "held_0000_dq.fits", "GROUPDQ")
    rays = jumps[jumps.type == 1]
    assert (bits[rays.integration, rays.group, rays.y, rays.x] == JUMP_DET).all()
    results = ResultVisualizer.open(folder)
    assert len(results.save(tmp_path / "figures")) >= 4


def test_windows_hardly_change_the_list(trained: Trained, tmp_path: Path) -> None:
    one = PredictRamps(str(trained.raw / "held_0000.fits"), str(tmp_path / "one"), ckpt_path=str(trained.checkpoint))
    one.run()
    replace(one, output_dir=str(tmp_path / "two"), windows=Windows(size=32, overlap=16)).run()
    sets = []
    for name in ("one", "two"):
        table = pd.read_parquet(tmp_path / name / "held_0000" / "jumps.parquet")
        sets.append(set(map(tuple, table[["group", "y", "x"]].to_numpy())))
    assert len(sets[0] & sets[1]) >= 0.95 * len(sets[0] | sets[1])


def test_another_cadence_is_warned_of_with_the_numbers(trained: Trained, tmp_path: Path) -> None:
    replace(SIMULATION, gain_library={"c": 1.8}, n=1, num_frames=30).run(tmp_path / "raw", 5)
    summary = PredictRamps(str(tmp_path / "raw"), str(tmp_path / "out"), ckpt_path=str(trained.checkpoint)).run()
    (warning,) = summary["warnings"]
    assert "30 groups, trained on 16" in warning
    assert "53.33 s between groups, trained on 100 s" in warning
    assert json.loads((tmp_path / "out" / "report.json").read_text())["warnings"] == [warning]


def test_checkpoints_of_other_tasks_are_refused(trained: Trained, tmp_path: Path) -> None:
    model = load_model(trained.checkpoint)
    other = tmp_path / "other.ckpt"
    save_model(other, model.task.state_dict(), replace(model.record, domain="alerts"))
    with pytest.raises(UserError, match=r"of domain alerts"):
        RampNetwork.load(other)
    save_model(other, model.task.state_dict(), replace(model.record, calibration={}))
    with pytest.raises(UserError, match="weights of its fusion"):
        RampNetwork.load(other)
    with pytest.raises(UserError, match="precision of auto"):
        RampNetwork.load(trained.checkpoint, precision="fp16")


def test_methods_are_compared_on_exposures_with_truth(trained: Trained, tmp_path: Path) -> None:
    command = ScoreRampsCommand(str(trained.raw), str(tmp_path), ckpt_path=str(trained.checkpoint), replicates=20)
    assert command.run()["exposures"] == 2
    score = json.loads((tmp_path / "score.json").read_text())
    methods = {"two_point", "likelihood", "network", "fusion_untrained", *FUSIONS}
    assert set(score["aucpr"]) == set(score["completeness_in_use"]) == methods
    matched = score["false_positives_per_mpix_frame"]["matched"]
    assert all(matched[name][0] <= matched["likelihood"][0] + 1e-9 for name in methods)
    complete = score["completeness_at_matched_false_positives"]
    assert complete["likelihood"]["mean"][0] > complete["two_point"]["mean"][0]
    paired = score["fusion_less_best_single"]["aucpr"]["cosmic_ray"]
    singles = [score["aucpr"][m]["cosmic_ray"][0] for m in ("two_point", "likelihood", "network")]
    difference, low, high = paired["difference"]
    assert difference == pytest.approx(score["aucpr"]["fusion"]["cosmic_ray"][0] - max(singles))
    assert low <= difference <= high
    assert sum(row["n"] for row in score["lists"]["fusion"]["reliability"]) > 100
    assert score["lists"]["fusion"]["snowballs"]["real"] == 2
    assert abs(score["cleaned_slopes"]["without_events"]["mean_pull"]) < 0.3
    assert {"completeness.png", "precision_recall.png"} <= {p.name for p in tmp_path.iterdir()}


def test_without_a_checkpoint_two_methods_are_compared(trained: Trained, tmp_path: Path) -> None:
    ScoreRampsCommand(str(trained.raw / "held_0000.fits"), str(tmp_path), replicates=5).run()
    score = json.loads((tmp_path / "score.json").read_text())
    assert set(score["aucpr"]) == {"two_point", "likelihood", "fusion_untrained"}
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="truth beside them"):
        ScoreRampsCommand(str(tmp_path / "none"), str(tmp_path)).run()


def test_crops_stand_around_events(trained: Trained) -> None:
    codes = np.zeros((4, 20, 20), np.uint8)
    codes[1:, 3:9, 3:9] = 3
    codes[2, 15, 4] = 1
    generator = torch.Generator().manual_seed(0)
    drawn = [event_pixel(codes, generator) for _ in range(400)]
    small = sum(place == (15, 4) for place in drawn)
    assert 150 < small < 250  # each class alike, whatever its size
    assert all(place is not None and codes[:, place[0], place[1]].any() for place in drawn)
    assert event_pixel(np.zeros((2, 5, 5), np.uint8), generator) is None
    batch = RampDataModule(crop=16).make_batch(trained.source, np.arange(4), generator, True)
    assert batch["x"].shape == (4, 2, 16, 16, 16)
    with pytest.raises(UserError, match="event_share"):
        RampDataModule(event_share=2.0)


def test_bf16_calls_the_same_voxels(trained: Trained) -> None:
    """Intersection over union of what is called an anomaly, each class, against float32."""
    task = load_model(trained.checkpoint).task
    assert isinstance(task, VoxelTask)
    cube = torch.from_numpy(trained.source.gather("cube", np.arange(8)))
    times = torch.arange(cube.shape[1]).float()
    full, half = (task.voxel_scorer(precision)(cube, times) > 0 for precision in ("fp32", "bf16"))
    for i, name in enumerate(ANOMALIES):
        either = int((full[:, i] | half[:, i]).sum())
        assert int((full[:, i] & half[:, i]).sum()) >= 0.9 * either, name
