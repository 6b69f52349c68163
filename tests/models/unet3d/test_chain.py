"""From a simulated exposure to batches, training steps, predictions and metrics of voxels."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.datamodules.ramps import RampDataModule
from astrid_ml.errors import UserError
from astrid_ml.models.losses.voxels import IGNORE, CrossEntropyDice
from astrid_ml.models.tasks.voxels import VoxelTask, class_logits
from astrid_ml.models.unet3d.network import UNet3D
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.ramps.judge.judge import VoxelJudge
from astrid_ml.preprocessing.ramps.pipeline import RampsPipeline
from astrid_ml.preprocessing.ramps.ramp.channels import ramp_channels
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps
from astrid_ml.run.training.history import History
from astrid_ml.stats import robust_sigma


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> MemorySource:
    folder = tmp_path_factory.mktemp("raw")
    SimulateRamps(
        gain_library={"a": 1.5, "b": 2.0},
        n=2,
        image_shape=(72, 72),
        num_frames=16,
        exp_time=1600.0,
        cosmic_ray_per_exp_range=(40, 40),
        rtn_per_exp_range=(20, 20),
        rtn_period_range=(6.0, 10.0),
        snowballs_per_exp_range=(1, 1),
        snowball_radius_range=(4.0, 5.0),
        snowball_halo_decay_scale_range=(2.0, 3.0),
    ).run(folder, 2)
    pipeline = RampsPipeline(tile=32, group_by="detector")
    writer = MemoryUnitWriter(pipeline.describe())
    for unit in pipeline.plan([folder]):
        pipeline.process(unit, writer, 0)
    return writer.source()


def test_tiles_are_in_read_noises_with_truth(source: MemorySource) -> None:
    assert len(source.index) == 8
    assert set(source.index.group_id) == {"a", "b"}
    rows = np.arange(8)
    cube, truth = source.gather("cube", rows), source.gather("truth", rows)
    assert cube.shape == truth.shape == (8, 16, 32, 32)
    quiet = np.diff(cube, axis=1)[(truth[:, 1:] == 0) & np.isfinite(np.diff(cube, axis=1))]
    spread = robust_sigma(quiet)
    assert spread == pytest.approx(np.sqrt(2), rel=0.05)
    steps = np.diff(cube, axis=1)[truth[:, 1:] == 1]
    assert np.nanmedian(steps) > 3
    assert (truth[np.isnan(cube)] == IGNORE).all()
    assert set(np.unique(truth)) >= {0, 1, 2, IGNORE}


def test_files_without_truth_are_undecided_and_unlabelled(tmp_path: Path) -> None:
    SimulateRamps(gain_library={"a": 1.5}, n=1, image_shape=(40, 40), num_frames=5).run(tmp_path, 1)
    (tmp_path / "a_0000_truth.npz").unlink()
    pipeline, writer = RampsPipeline(tile=16), MemoryUnitWriter()
    (unit,) = pipeline.plan([tmp_path])
    pipeline.process(unit, writer, 0)
    out = writer.source()
    assert out.index.label.isna().all()
    assert (out.gather("truth", np.arange(len(out.index))) == IGNORE).all()
    with pytest.raises(UserError, match="exposure or detector"):
        RampsPipeline(group_by="patch")


def test_batches_turn_reads_and_truth_together(source: MemorySource) -> None:
    module = RampDataModule(batch_size=2, eval_batch_size=2)
    plain = module.make_batch(source, np.array([0, 1]), None, False)
    assert plain["x"].shape == (2, 2, 16, 32, 32)
    assert bool(plain["x"].isfinite().all())
    turned = module.make_batch(source, np.array([0, 1]), torch.Generator().manual_seed(3), True)
    assert not torch.equal(turned["y"], plain["y"])
    step, code = turned["x"][:, 1], turned["y"]
    torch.testing.assert_close(step[code == 1].sort().values, plain["x"][:, 1][plain["y"] == 1].sort().values)


def test_channels_are_zero_for_a_straight_ramp() -> None:
    cube = 3.0 * torch.arange(8.0)[None, :, None, None].repeat(1, 1, 2, 2)
    assert float(ramp_channels(cube).abs().max()) < 1e-5


def test_class_logits_are_log_odds() -> None:
    logits = torch.randn(2, 4, 3, 3, 3)
    torch.testing.assert_close(torch.sigmoid(class_logits(logits)), logits.softmax(1)[:, 1:], rtol=1e-4, atol=1e-6)


def test_training_lowers_the_loss_and_the_histograms_add_up(source: MemorySource) -> None:
    torch.manual_seed(0)
    task = VoxelTask(UNet3D(widths=(4, 8)), CrossEntropyDice(), partial(torch.optim.AdamW, lr=1e-2))
    batch = RampDataModule().make_batch(source, np.arange(4), None, False)
    optimizer = task.configure_optimizers()
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = task.compute_loss(batch)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    scores = task.scores(batch)
    decided = batch["y"] != IGNORE
    for i, name in enumerate(("cosmic_ray", "telegraph_noise", "snowball"), start=1):
        torch.testing.assert_close(scores[f"{name}_true"].sum(1), (batch["y"] == i).flatten(1).sum(1))
        total = scores[f"{name}_true"].sum() + scores[f"{name}_false"].sum()
        assert int(total) == int(decided.sum())
    task.update_metrics(batch)
    values = task.compute_metrics()
    assert 0 < float(values["val/aucpr_mean"]) <= 1


def predictions(network: torch.nn.Module, source: MemorySource) -> pd.DataFrame:
    table = VoxelTask(network).predict_table(RampDataModule(eval_batch_size=4), source)
    return table.assign(group_id=source.index.group_id.to_numpy())


class Everything(torch.nn.Module):
    """Calls every voxel a cosmic ray."""

    def __init__(self) -> None:
        super().__init__()
        self.level = torch.nn.Parameter(torch.tensor([0.0, 9.0, 0.0, 0.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.level[:, None, None, None].expand(len(x), 4, *x.shape[2:])


class Threshold(torch.nn.Module):
    """Calls a voxel a cosmic ray by the size of its step."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(4.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        zero = torch.zeros_like(x[:, 1])
        return torch.stack([zero, self.scale * (x[:, 1] - 2.0), zero, zero], dim=1)


def test_calling_everything_an_anomaly_scores_badly(source: MemorySource) -> None:
    truth = source.gather("truth", np.arange(len(source.index)))
    prevalence = (truth == 1).sum() / (truth != IGNORE).sum()
    everything = VoxelJudge().evaluate(predictions(Everything(), source)).metrics
    assert everything["cosmic_ray/aucpr"] == pytest.approx(prevalence, rel=1e-6)
    assert everything["cosmic_ray/recall"] == 0.0
    simple = VoxelJudge().evaluate(predictions(Threshold(), source))
    assert simple.metrics["cosmic_ray/aucpr"] is not None
    assert simple.metrics["cosmic_ray/aucpr"] > 20 * prevalence
    assert "cosmic_ray/aucpr" not in simple.intervals  # of fewer than five exposures


def test_metrics_of_histograms() -> None:
    """Three bins from the highest logit down; at most three false voxels in ten may pass."""
    ray = {"cosmic_ray_true": [1.0, 1.0, 2.0], "cosmic_ray_false": [7.0, 3.0, 0.0]}
    none = {f"{name}_{kind}": [0.0, 0.0, 0.0] for name in ("telegraph_noise", "snowball") for kind in ("true", "false")}
    table = pd.DataFrame([{"group_id": "a", "score": 0.5, **ray, **none}])
    metrics = VoxelJudge(false_positive_rate=0.3, replicates=5).evaluate(table).metrics
    assert metrics["cosmic_ray/aucpr"] == pytest.approx((2 * 1 + 3 / 6 + 4 / 14) / 4)
    assert metrics["aucpr_mean"] == metrics["cosmic_ray/aucpr"]
    assert metrics["cosmic_ray/recall"] == 0.75
    assert VoxelJudge(false_positive_rate=0.0, replicates=5).evaluate(table).metrics["cosmic_ray/recall"] == 0.5
    assert metrics["snowball/aucpr"] is None


def test_the_history_is_a_file_that_survives_a_resume(tmp_path: Path) -> None:
    file = tmp_path / "training_history_unet3d.json"
    callback = History(False, file)
    for epoch in range(3):
        trainer = SimpleNamespace(
            current_epoch=epoch,
            callback_metrics={"train/loss": torch.tensor(1.0 / (1 + epoch))},
            is_global_zero=True,
        )
        resumed = History(False, file)
        resumed.load_state_dict(callback.state_dict())
        resumed.on_train_epoch_end(trainer, None)  # type: ignore[arg-type]
        callback = resumed
    written = json.loads(file.read_text())
    assert written["epoch"] == [0.0, 1.0, 2.0]
    assert written["train/loss"] == pytest.approx([1.0, 0.5, 1 / 3])
