"""Real light curves end to end: five folds of supernova types; a random split that another survey's objects refute."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hydra.core.global_hydra import GlobalHydra

from astrid_ml.build import plain
from astrid_ml.config import compose
from astrid_ml.run.prediction.evaluate import evaluate
from astrid_ml.run.prepare import prepare
from astrid_ml.run.training.train import train

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
QUIET = ["trainer.enable_progress_bar=false", "logger=none", "evaluation.bootstrap.replicates=50"]


def composed(experiment: str, folder: Path, *overrides: str) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    places = [f'paths.data="{folder / "store"}"', f'paths.run_dir="{folder / "run"}"', "paths.sweep_dir=none"]
    return plain(compose("train", [f"experiment={experiment}", *QUIET, *places, *overrides]))  # type: ignore[no-any-return]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_types_of_supernovae_in_five_folds(real_data: Path, tmp_path: Path) -> None:
    raw = f'paths.raw="{real_data / "snana" / "OODcontrol-0001_HEAD.FITS"}"'
    metrics = train(composed("lightcurves_real", tmp_path, raw, "trainer.max_epochs=12"))
    tested = pd.read_parquet(tmp_path / "run" / "predictions" / "test.parquet")
    assert tested["id"].nunique() == 319  # every object is tested once
    assert not tested.duplicated(["id", "days"]).any()
    low, value, high = (metrics[f"test/level1/aucpr_Ia/64d{end}"] for end in ("_low", "", "_high"))
    assert low < value < high
    assert value > 157 / 319 + 0.1  # a guess reaches the share of the class
    assert metrics["test/leaf/macro_aucpr/64d"] > 1.5 / 7


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_survey_that_names_the_class_fools_a_random_split(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "ztf_lightcurves"
    raw = f'paths.raw="{folder / "snad_test_data.tar.gz"}"'
    metrics = train(composed("lightcurves_surveys", tmp_path, raw, "trainer.max_epochs=3"))
    assert metrics["test/leaf/macro_aucpr/64d"] > 0.99  # SDSS or ZTF is all that it needs to tell
    others = tmp_path / "others"
    others.mkdir()
    for path in sorted(folder.glob("*")):
        if path.name.startswith(("30_sne", "periodic")):
            shutil.copy(path, others)
    dataset, _ = prepare(composed("lightcurves_surveys", tmp_path, f'paths.raw="{others}"', "name=ztf"), progress=False)
    checkpoint = tmp_path / "run" / "checkpoints" / "best.ckpt"
    crossed = evaluate(checkpoint, dataset.path, tmp_path / "crossed")
    assert crossed["test/n"] == 50  # five of the supernovae are in both samples
    # A random split calls it perfect; on one survey alone its probabilities are worse than knowing nothing.
    assert crossed["test/leaf/nll/64d"] > 2 * crossed["test/leaf/nll_prior/64d"]
    assert crossed["test/leaf/macro_f1/64d"] < 0.6
    assert crossed["test/leaf/macro_aucpr/64d"] < metrics["test/leaf/macro_aucpr/64d"]
