"""Checkpoints, datasets and stores of earlier layouts: same predictions, found again (``make.sh`` made them)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from omegaconf import OmegaConf

from astrid_ml.build import build, plain, registry
from astrid_ml.checkpoint.load import load_model
from astrid_ml.checkpoint.predictions import TEXTS, ordered
from astrid_ml.checkpoint.score import score_source
from astrid_ml.cli.main import run
from astrid_ml.config import compose
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.fingerprint import fingerprint
from astrid_ml.identity import current
from astrid_ml.missions import with_canonical
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.lightcurves.pipeline import LightcurvesPipeline
from astrid_ml.preprocessing.lightcurves.simulate.command import SimulateLightcurves
from astrid_ml.preprocessing.simulated_sky.command_sky import SimulateSky
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets
from astrid_ml.run.prepare import prepare

KEPT = Path(__file__).parent / "kept"
ARCHIVES = {f"{path.parent.name}/{path.name.split('.')[0]}": path for path in sorted(KEPT.glob("layout*/*.tar.xz"))}
# Roman's store is too large to keep; units of FITS pairs hold the absolute paths of their manifest.
WITH_STORE = [name for name in ARCHIVES if "roman" not in name and "realbogus_sim" not in name]
# Sums of numpy and torch end in other last digits on another kind of processor; where they were kept, all were equal.
CHIP = 1e-4
CHIP_OF_PAIRS = 1e-2  # fits of PSFs and registration carry them on: 0.3 % of a peak was seen
# Pipelines and simulations that give other results than they did then, and their version of then.
OTHERS_NOW: dict[Any, int] = {SimulateLightcurves: 0, LightcurvesPipeline: 3, SimulateTriplets: 0, SimulateSky: 0}
RAISED: dict[str, dict[Any, int]] = {"layout1": {DifferencingPipeline: 1, AlertsPipeline: 1, **OTHERS_NOW}}
# Columns that tables have had since then.
ADDED = (
    *("flux_sys", "seen_days", "top_class", "probability_top", "runner_up", "probability_runner_up", "certain_class"),
    *("novelty_p", "pixel_scale"),
)
# What is told of a whole curve goes by its own age since then, not by a window of 1,024 days.
BY_AGE = ("days", "class", "probability", "entropy", "p_", "prediction_set")
STAMPS_AND_CURVES = [name for name in ARCHIVES if "ramp" not in name]


@pytest.fixture(scope="module")
def unpack(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Name -> the folder of that archive, unpacked once."""
    done: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in done:
            target = tmp_path_factory.mktemp(name.replace("/", "_"))
            subprocess.run(["tar", "-xJf", str(ARCHIVES[name]), "-C", str(target)], check=True)
            done[name] = target / name.split("/")[1]
        return done[name]

    return folder


def fingerprint_of(option: str) -> str:
    """The fingerprint of what an option of the configuration builds, as it is."""
    group, _, name = option.rpartition("/")
    parts = group.split("/")
    domain = [f"preprocessing={parts[1]}"] if len(parts) == 3 else []
    cfg = compose("train", [*domain, f"{group}={name}"])
    for key in OmegaConf.missing_keys(cfg):
        OmegaConf.update(cfg, key, "given")
    cfg.paths.run_dir = cfg.paths.sweep_dir = "run"
    return fingerprint(build(plain(cfg)[parts[0]]))


@pytest.mark.parametrize("layout", sorted(path.name for path in KEPT.glob("layout*")))
def test_no_fingerprint_of_an_earlier_layout_changed(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was prepared, simulated and labelled then is found again: every option, as it was.

    But for pipelines whose results changed: their version says so, and nothing else in the fingerprint differs.
    """
    kept = json.loads((KEPT / layout / "fingerprints.json").read_text())
    assert len(kept) > 40
    now = {option: fingerprint_of(option) for option in kept}
    for pipeline, version in RAISED[layout].items():
        monkeypatch.setattr(pipeline, "version", version)
    assert {option: fingerprint_of(option) for option in kept} == kept
    changed = {option for option in kept if now[option] != kept[option]}
    raised = ("preprocessing/differencing", "preprocessing/alerts", "preprocessing/lightcurves")
    made = ("simulate/lightcurves", "simulate/triplets", "simulate/sky")
    assert all(option.startswith((*raised, *made)) for option in changed) and changed


def raw_of(folder: Path) -> Path:
    """The raw files of a kept run: in its store, or beside it."""
    inside = list((folder / "store" / "raw").glob("*")) if (folder / "store").is_dir() else []
    return inside[0] if inside else folder / "raw"


def same(found: pd.DataFrame, kept: pd.DataFrame, digits: float) -> None:
    """Equal, but for where the files lie, canonical missions, the columns of schema 2 and a chip's last digits."""
    kept = kept.rename(columns={"anomaly": "entropy"})
    found, kept = (ordered(table) for table in (found, with_canonical(kept)))
    for name in TEXTS:  # a column of nulls has no kind of its own
        found[name], kept[name] = (
            table[name].astype(object).where(table[name].notna(), None) for table in (found, kept)
        )
    assert [name for name in found.columns if name not in ADDED] == list(kept.columns)
    found = found[kept.columns]
    if "days" in kept:
        assert np.isfinite(found["days"]).all()
        changed = [str(name) for name in kept if str(name).startswith(BY_AGE)]
        found, kept = found.drop(columns=changed), kept.drop(columns=changed)
    if "decision" in kept:  # a score at its threshold may fall on either side of it
        values = kept["probability"].fillna(kept["score"]) if "probability" in kept else kept["score"]
        near = (values - kept["threshold"]).abs() < digits
        found.loc[near, "decision"] = kept.loc[near, "decision"]
    pd.testing.assert_frame_equal(
        found.drop(columns="source"), kept.drop(columns="source"), rtol=digits, atol=digits, check_dtype=True
    )


@pytest.mark.parametrize("name", STAMPS_AND_CURVES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_old_checkpoint_predicts_the_same(name: str, unpack: Any, tmp_path: Path) -> None:
    folder = unpack(name)
    checkpoint = folder / "run" / "checkpoints" / "best.ckpt"
    assert run(["predict", f"ckpt_path={checkpoint}", f"input={raw_of(folder)}", f"output_dir={tmp_path / 'out'}"]) == 0
    found = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    kept = pd.read_parquet(folder / "predicted" / "predictions.parquet")
    if name.endswith("realbogus_sim"):
        found, kept = of_one_place(found, kept)
        # The PSF of frames with two stars or none is another since the sharpest sources of both images make it.
        alike = np.abs(found["snr"].to_numpy() / kept["snr"].to_numpy() - 1) < 0.05
        assert alike.sum() >= 10
        np.testing.assert_allclose(found["score"][alike], kept["score"].to_numpy()[alike], atol=CHIP_OF_PAIRS)
    else:
        same(found, kept, CHIP)


def of_one_place(found: pd.DataFrame, kept: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Candidates that both have: the subtraction of now is another (``RAISED``).

    What it finds beside them are transients of the truth (4), what it no longer finds are none (5).
    """
    assert [name for name in found.columns if name not in ADDED] == list(ordered(kept).columns)
    both = found.merge(kept, how="cross", suffixes=("", "_kept"))
    far = np.hypot(both["x"] - both["x_kept"], both["y"] - both["y_kept"])
    both = both[(far < 0.5) & (both["field"] == both["field_kept"])]
    assert len(both) >= 0.8 * max(len(found), len(kept))
    return both, both[[f"{name}_kept" for name in kept.columns]].set_axis(kept.columns, axis=1)


def rightly_called(steps: pd.DataFrame, truth: Path) -> int:
    """How many steps have the type that the simulation gave them."""
    with np.load(truth) as known:
        true = pd.DataFrame({name: known[name] for name in ("integration", "group", "y", "x", "type")})
    both = steps.merge(true, on=["integration", "group", "y", "x"], suffixes=("", "_true"))
    return int((both["type"] == both["type_true"]).sum())


@pytest.mark.parametrize("name", [name for name in ARCHIVES if "ramp" in name])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_old_ramp_checkpoint_is_read_and_finds_what_it_found(name: str, unpack: Any, tmp_path: Path) -> None:
    """Steps are found by other priors since then, and corners of the border are no levels of rows: some few differ.

    What a step is called differs more, since telegraph noise needs two levels: it is rightly so as often as then.
    """
    folder = unpack(name)
    checkpoint = folder / "run" / "checkpoints" / "best.ckpt"
    arguments = ["task=ramps", f"ckpt_path={checkpoint}", f"input={raw_of(folder)}", f"output_dir={tmp_path / 'out'}"]
    assert run(["predict", *arguments]) == 0
    exposures = sorted(path.name for path in (folder / "predicted").iterdir() if path.is_dir())
    assert exposures
    right = np.zeros(2)
    for exposure in exposures:
        found, kept = tmp_path / "out" / exposure, folder / "predicted" / exposure
        now, then = (pd.read_parquet(place / "jumps.parquet") for place in (found, kept))
        both = then.merge(now, on=["integration", "group", "y", "x"], suffixes=("", "_now"))
        assert len(both) >= 0.95 * max(len(now), len(then))
        truth = next(raw_of(folder).glob(f"{exposure}_truth.npz"))
        right += np.array([rightly_called(steps, truth) for steps in (now, then)])
        masks = [np.load(place / "prediction_mask.npy") for place in (found, kept)]
        assert (masks[0] != masks[1]).mean() <= 0.03
        assert {path.name for path in kept.iterdir()} <= {path.name for path in found.iterdir()}
    assert right[0] >= right[1]


@pytest.mark.parametrize("name", WITH_STORE)
def test_an_old_store_is_found_again(name: str, unpack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, version in OTHERS_NOW.items():
        monkeypatch.setattr(kind, "version", version)  # its results are others now, and would be made anew
    folder = unpack(name)
    config = yaml.safe_load((folder / "run" / "config.yaml").read_text())
    config = current(config, registry())
    config["paths"] = {**config["paths"], "data": str(folder / "store")}
    before = sorted(path.name for part in ("", "raw", "units") for path in (folder / "store" / part).iterdir())
    dataset, outcome = prepare(config, progress=False)
    assert outcome is not None and outcome.reused
    assert sorted(path.name for part in ("", "raw", "units") for path in (folder / "store" / part).iterdir()) == before
    assert dataset.meta["fingerprint"].startswith(dataset.path.name.rpartition("-")[2])


@pytest.mark.parametrize("name", WITH_STORE)
def test_the_units_of_an_old_store_are_found_again(name: str, unpack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset of the same units under another name costs no unit."""
    for kind, version in OTHERS_NOW.items():
        monkeypatch.setattr(kind, "version", version)
    folder = unpack(name)
    config = current(yaml.safe_load((folder / "run" / "config.yaml").read_text()), registry())
    config["paths"], config["name"] = {**config["paths"], "data": str(folder / "store")}, "another"
    _, outcome = prepare(config, progress=False)
    assert outcome is not None and not outcome.reused
    assert (outcome.units_done, outcome.units_reused > 0) == (0, True)


@pytest.mark.parametrize("name", [name for name in STAMPS_AND_CURVES if "realbogus" in name and "roman" not in name])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_old_dataset_is_scored_the_same(name: str, unpack: Any) -> None:
    """The run's own predictions of its test fold, again, from the kept dataset."""
    folder = unpack(name)
    kept = pd.read_parquet(folder / "run" / "predictions" / "test.parquet")
    model = load_model(folder / "run" / "checkpoints" / "best.ckpt")
    datasets = [path.parent for path in (folder / "store").glob("*/dataset.json") if "another" not in path.parent.name]
    dataset = PreparedDataset(datasets[0])
    scored = score_source(model, build(model.record.config["evaluation"]), model.record.calibration, dataset)
    joined = kept.merge(scored, on="id", suffixes=("_kept", ""))
    assert len(joined) >= len(kept) > 0
    columns = [name for name in map(str, kept) if name.startswith(("score", "probability")) and name in scored]
    assert columns
    for column in columns:
        np.testing.assert_allclose(
            joined[column].to_numpy(float), joined[f"{column}_kept"].to_numpy(float), rtol=CHIP, atol=CHIP
        )
