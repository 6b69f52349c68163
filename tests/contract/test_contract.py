"""The contract: three toy domains go from raw files to scored raw files through one path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from toy_domains import write_raw

from astrid_ml.api import load_checkpoint, predict
from astrid_ml.build import plain
from astrid_ml.config import compose
from astrid_ml.errors import UserError
from astrid_ml.run.training.train import train

DOMAINS = {
    "toy_pairs": ("ToyPairs", "ToyData", 128),
    "toy_ramps": ("ToyRamps", "ToyData", 1536),
    "toy_curves": ("ToyCurves", "ToyCurveData", 2),
}


def config_of(domain: str, tmp_path: Path) -> dict[str, Any]:
    pipeline, data, inputs = DOMAINS[domain]
    config: dict[str, Any] = plain(
        compose(
            "train",
            [
                f"name={domain}",
                f'paths.data="{tmp_path / "store"}"',
                f'paths.run_dir="{tmp_path / domain}"',
                f'paths.raw="{tmp_path / "raw"}"',
                'paths.sweep_dir="none"',
                "trainer.max_epochs=6",
                "trainer.enable_progress_bar=false",
                "logger=csv",
                "calibration=temperature",  # the default leaves folds as small as these alone
                "optimizer.lr=0.02",
            ],
        )
    )
    names = [f"toy_domains.{name}" for name in (pipeline, data, "ToyNetwork", "ToyTask")]
    config["trust"] = names
    config["preprocessing"] = {"_target_": names[0]}
    config["datamodule"] = {"_target_": names[1], "batch_size": 32, "eval_batch_size": 64}
    task = {"_target_": names[3], "network": {"_target_": names[2], "inputs": inputs}, "optimizer": config["optimizer"]}
    config["model"] = {"task": task}
    config["label"] = None
    return config


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_from_raw_files_to_scored_raw_files(domain: str, tmp_path: Path) -> None:
    write_raw(tmp_path / "raw", domain)
    config = config_of(domain, tmp_path)
    metrics = train(config)
    run = tmp_path / domain

    assert metrics["test/aucpr"] > 0.6
    assert metrics["test/aucpr_low"] <= metrics["test/aucpr"] <= metrics["test/aucpr_high"]
    on_disk = json.loads((run / "metrics.json").read_text())
    assert on_disk["test/aucpr"] == metrics["test/aucpr"]
    for name in ("run.json", "config.yaml", "report.html", "checkpoints/best.ckpt", "predictions/test.parquet"):
        assert (run / name).is_file(), name

    # The checkpoint alone scores raw files as the run scored them.
    write_raw(tmp_path / "new", domain)
    report = predict(run / "checkpoints" / "best.ckpt", tmp_path / "new", tmp_path / "out", trust=config["trust"])
    assert report["scored"] == 120
    scored = pd.read_parquet(tmp_path / "out" / "predictions.parquet").set_index("id")
    tested = pd.read_parquet(run / "predictions" / "test.parquet").set_index("id")
    assert np.abs(scored.loc[tested.index, "score"] - tested["score"]).max() < 1e-6
    assert np.abs(scored.loc[tested.index, "probability"] - tested["probability"]).max() < 1e-6
    assert scored["decision"].dtype == np.int8


def test_a_checkpoint_is_plain_and_trusts_nobody(tmp_path: Path) -> None:
    write_raw(tmp_path / "raw", "toy_pairs")
    config = config_of("toy_pairs", tmp_path)
    train(config)
    path = tmp_path / "toy_pairs" / "checkpoints" / "best.ckpt"
    content = torch.load(path, weights_only=True)
    assert content["astrid"]["schema"] == 4
    with pytest.raises(UserError, match="trust"):
        load_checkpoint(path)
    assert load_checkpoint(path, config["trust"]).record.domain == "toy_pairs"

    content["astrid"]["schema"] = 99
    torch.save(content, tmp_path / "newer.ckpt")
    with pytest.raises(UserError, match="schema 99"):
        load_checkpoint(tmp_path / "newer.ckpt")


def test_a_rerun_in_a_finished_folder_gives_its_metrics_and_another_configuration_is_refused(tmp_path: Path) -> None:
    write_raw(tmp_path / "raw", "toy_pairs")
    config = config_of("toy_pairs", tmp_path)
    first = train(config)
    again = train(config)
    assert again["test/aucpr"] == first["test/aucpr"]
    config["seed"] = 7
    with pytest.raises(UserError, match="seed"):
        train(config)
