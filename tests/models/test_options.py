"""Every option of ``model``, also one of your own: a batch forward and backward, in bfloat16, saved and loaded."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from astrid_ml.build import build, conf_folder, plain
from astrid_ml.checkpoint.load import load_model, save_model
from astrid_ml.checkpoint.record import Record
from astrid_ml.config import compose, option_names
from astrid_ml.errors import UserError
from astrid_ml.run.parts import check_batch, check_purposes
from astrid_ml.run.training.rounds import PREDICTION_NODES

PLACES = ["paths.run_dir=run", "paths.sweep_dir=sweep"]
# One experiment of each kind; a network belongs to the first that it fits.
EXPERIMENTS = ("realbogus_triplets", "realbogus_roman", "lightcurves_sim", "lightcurves_pretrain", "ramp_anomalies")


@cache
def fitting(option: str) -> dict[str, Any]:
    """The configuration of an experiment that the option fits."""
    refusals = []
    for experiment in EXPERIMENTS:
        config: dict[str, Any] = plain(compose("train", [f"experiment={experiment}", f"model={option}", *PLACES]))
        try:
            task, datamodule = build(config["model"]["task"]), build(config["datamodule"])
            check_purposes(task, build(config["evaluation"]), None)
            check_batch(task, datamodule)
        except UserError as error:
            refusals.append(f"{experiment}: {error}")
            continue
        return config
    raise AssertionError(f"model={option} fits no experiment: " + "; ".join(refusals))


# Programs of others and trees have no weights to train: tests/models/external, tests/models/lightcurves/test_trees.py.
WITHOUT_WEIGHTS = ("external", "lightcurve_trees")
OURS = [name for name in option_names(conf_folder() / "model") if not name.startswith(WITHOUT_WEIGHTS)]


@pytest.fixture(params=OURS)
def parts(request: pytest.FixtureRequest) -> tuple[dict[str, Any], Any, dict[str, torch.Tensor]]:
    config = fitting(request.param)
    torch.manual_seed(0)
    task, batch = build(config["model"]["task"]), build(config["datamodule"]).example()
    random = torch.Generator().manual_seed(1)
    filled = {
        k: v + 0.1 * torch.randn(v.shape, generator=random) if v.is_floating_point() else v for k, v in batch.items()
    }
    filled["y"] = batch["y"]
    return config, task, filled


def test_forward_and_backward_reach_every_weight(parts: tuple[dict[str, Any], Any, dict[str, torch.Tensor]]) -> None:
    _, task, batch = parts
    task.train()
    loss = task.compute_loss(batch)
    assert loss.ndim == 0 and torch.isfinite(loss)
    loss.backward()
    without = [name for name, weight in task.network.named_parameters() if weight.requires_grad and weight.grad is None]
    assert without == []
    assert all(torch.isfinite(weight.grad).all() for weight in task.weights_to_train())


def test_in_bfloat16_it_is_the_same_network(parts: tuple[dict[str, Any], Any, dict[str, torch.Tensor]]) -> None:
    _, task, batch = parts
    task.eval()
    with torch.no_grad():
        full = task.compute_loss(batch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = task.compute_loss(batch)
    assert torch.isfinite(half)
    assert float(half) == pytest.approx(float(full), rel=0.05, abs=0.05)


def test_saved_and_loaded_it_gives_the_same_scores(
    parts: tuple[dict[str, Any], Any, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    config, task, batch = parts
    task.eval()
    record = Record("test", {name: config[name] for name in PREDICTION_NODES})
    save_model(tmp_path / "best.ckpt", task.state_dict(), record)
    again: Any = load_model(tmp_path / "best.ckpt").task
    with torch.no_grad():
        for name, value in task.scores(batch).items():
            assert torch.equal(again.scores(batch)[name], value), name
