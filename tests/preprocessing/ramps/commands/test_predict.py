"""A simulated exposure through ``task=ramps``: every output, and how good it is."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.exposure import exposure as strips_module
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.judge.truth import (
    Truth,
    completeness,
    false_positives,
    match_snowballs,
    telegraph_called,
)
from astrid_ml.preprocessing.ramps.ramp.codes import BACKGROUND, COSMIC_RAY, SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps
from astrid_ml.types import Floats32

SIMULATION = SimulateRamps(
    gain_library={"held": 1.8},
    n=2,
    num_baseline_exposures=0,
    image_shape=(160, 160),
    num_frames=40,
    num_integrations=2,
    exp_time=4000.0,
    cosmic_ray_per_exp_range=(150, 150),
    cosmic_ray_charge_range=(60.0, 3000.0),
    rtn_per_exp_range=(50, 50),
    rtn_period_range=(8.0, 30.0),
    rtn_offset_range=(120.0, 300.0),
    snowballs_per_exp_range=(1, 1),
    snowball_radius_range=(5.0, 9.0),
    snowball_halo_decay_scale_range=(2.0, 4.0),
)


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("ramps")
    SIMULATION.run(folder / "raw", 11)
    assert PredictRamps(str(folder / "raw"), str(folder / "out")).run()["failed"] == 0
    return folder / "raw", folder / "out"


def test_every_output_is_there_and_consistent(predicted: tuple[Path, Path]) -> None:
    raw, out = predicted
    folder = out / "held_0000"
    mask = np.load(folder / "prediction_mask.npy")
    assert (mask.shape, mask.dtype) == ((160, 160), np.uint8)
    np.testing.assert_array_equal(fits.getdata(folder / "prediction_mask.fits"), mask)
    jumps = pd.read_parquet(folder / "jumps.parquet")
    names = ["integration", "group", "y", "x", "type", "amplitude", "snr", "probability", "found_by"]
    assert list(jumps.columns) == names
    assert set(jumps.type) - {BACKGROUND} == {COSMIC_RAY, TELEGRAPH_NOISE, SNOWBALL}
    assert (jumps.amplitude[jumps.type == BACKGROUND] < 0).all()  # lone falls
    assert (mask[jumps.y, jumps.x] >= jumps.type).all()  # the mask's order of classes is that of the codes
    assert jumps.probability.between(0, 1).all()
    events = json.loads((folder / "detections.json").read_text())
    assert {event["type"] for event in events} == {"cosmic_ray", "telegraph_noise", "snowball"}
    for event in events:
        assert {"first_frame", "mean_intensity", "max_intensity", "spatial_extent", "confidence"} <= set(event)
        assert ("centroid" in event) or ("position" in event)
    cube = np.load(folder / "held_0000_processed.npy", mmap_mode="r")
    assert cube.shape == (2, 40, 160, 160)
    assert not np.nan_to_num(cube[:, 0]).any()  # the first read is the zero
    features = np.load(folder / "held_0000_temporal.npz")
    wanted = {"first_appearance", "persistence_count", "max_intensity", "intensity_variance", "transition_count"}
    assert wanted | {"slope", "chi2", "largest_step_group", "two_state_r2"} <= set(features.files)
    assert raw.is_dir()


def test_quality_against_the_truth(predicted: tuple[Path, Path]) -> None:
    raw, out = predicted
    false, area, found = 0, 0.0, []
    called = {"decidable": 0, "telegraph": 0}
    for name in ("held_0000", "held_0001"):
        truth = Truth.read(raw / f"{name}.fits")
        jumps = pd.read_parquet(out / name / "jumps.parquet")
        usable = np.isfinite(np.load(out / name / f"{name}_temporal.npz")["slope"])
        n, million = false_positives(truth, jumps, usable, 40)
        false, area = false + n, area + million
        found.append(completeness(truth, jumps).set_index("low"))
        for key in called:
            called[key] += telegraph_called(truth, jumps)[key]
        events = json.loads((out / name / "detections.json").read_text())
        assert match_snowballs(truth, events)["matched"] >= 1
    assert false <= 10 * area + 3 * np.sqrt(10 * area)
    total = found[0] + found[1]
    share = total.found / total.n
    assert share[3.0] > 0.75
    assert share[5.0] > 0.95
    assert share[7.0] > 0.99
    assert called["telegraph"] >= 0.8 * called["decidable"] > 0


def test_strips_do_not_change_the_answer(
    predicted: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, out = predicted
    monkeypatch.setattr(strips_module, "STRIP_BYTES", 40 * 160 * 4 * 7)  # seven rows
    PredictRamps(str(raw / "held_0000.fits"), str(tmp_path)).run()
    one = pd.read_parquet(out / "held_0000" / "jumps.parquet")
    two = pd.read_parquet(tmp_path / "held_0000" / "jumps.parquet")
    keys = ["integration", "group", "y", "x", "type"]
    pd.testing.assert_frame_equal(one[keys], two[keys])
    np.testing.assert_allclose(one.amplitude, two.amplitude, rtol=1e-3)


def test_an_npy_of_the_same_reads_gives_the_same_jumps(predicted: tuple[Path, Path], tmp_path: Path) -> None:
    raw, out = predicted
    header = fits.getheader(raw / "held_0000.fits")
    np.save(tmp_path / "held_0000.npy", fits.getdata(raw / "held_0000.fits").astype(np.float32))
    load = RampOptions(unit="DN", gain=header["GAIN"], read_noise=header["READNOIS"], group_time=100.0, border=4)
    base = PredictRamps(str(tmp_path / "held_0000.npy"), str(tmp_path / "out"), load=load)
    saturated = replace(base, processing=replace(base.processing, saturation_dn=65535.0))
    saturated.run()
    one = pd.read_parquet(out / "held_0000" / "jumps.parquet")
    two = pd.read_parquet(tmp_path / "out" / "held_0000" / "jumps.parquet")
    pd.testing.assert_frame_equal(one, two)


def test_user_mistakes(predicted: tuple[Path, Path], tmp_path: Path) -> None:
    raw, _ = predicted
    with pytest.raises(UserError, match="the checkpoint of a run"):
        PredictRamps(str(raw), str(tmp_path), ckpt_path="best.ckpt").run()
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="input with ramps"):
        PredictRamps(str(tmp_path / "none"), str(tmp_path)).run()
    np.save(tmp_path / "full.npy", np.full((5, 20, 20), 65535, np.float32))
    load = RampOptions(unit="DN", gain=1.0, read_noise=10.0, group_time=1.0)
    whole = PredictRamps(str(tmp_path / "full.npy"), str(tmp_path), load=load)
    with pytest.raises(UserError, match="reads within the limit of saturation"):
        replace(whole, processing=replace(whole.processing, saturation_dn=60000.0)).run()


def test_exposures_of_one_name_have_folders_of_their_own(tmp_path: Path) -> None:
    for place in ("a/exp1.fits", "b/exp1.fits", "night.1.fits", "night.2.fits", "other.fits"):
        path = tmp_path / "raw" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        fits.writeto(path, small_cube(1))
    load = RampOptions(unit="DN", gain=1.8, group_time=3.0, read_noise=10.0)
    done = PredictRamps(str(tmp_path / "raw"), str(tmp_path / "out"), load=load).run()
    assert (done["exposures"], done["failed"]) == (5, 0), (tmp_path / "out" / "report.json").read_text()
    folders = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert folders == ["a-exp1", "b-exp1", "night.1", "night.2", "other", "parts"]
    for entry in json.loads((tmp_path / "out" / "report.json").read_text())["exposures"]:
        assert (tmp_path / "out" / entry["name"] / "detections.json").is_file()


LOAD = RampOptions(unit="DN", gain=1.8, group_time=3.0, read_noise=10.0)


def small_cube(seed: int) -> Floats32:
    """18 e- a group and 10 e- of read noise, in DN of 1.8 e-."""
    random = np.random.default_rng(seed)
    light = random.poisson(18.0, (12, 24, 24)).cumsum(axis=0)
    return ((light + random.normal(0, 10.0, light.shape)) / 1.8).astype(np.float32)


def test_dots_within_a_name_stay(tmp_path: Path) -> None:
    """Two exposures that differ behind the first dot have folders of their own names."""
    names = ("a03_sky.1_rn5", "a03_sky.2_rn5", "night.1")
    raw = small_ramps(tmp_path / "raw", *names)
    PredictRamps(str(raw), str(tmp_path / "out"), LOAD).run()
    folders = sorted(path.name for path in (tmp_path / "out").iterdir() if (path / "detections.json").is_file())
    assert folders == sorted(names)
    assert (tmp_path / "out" / "night.1" / "night.1_rate.fits").is_file()


def small_ramps(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for seed, name in enumerate(names):
        fits.writeto(folder / f"{name}.fits", small_cube(seed))
    return folder


def products(out: Path) -> dict[str, bytes]:
    """What was written of exposures; archives and FITS files without their times."""
    kept = ("jumps.parquet", "detections.json", "prediction_mask.npy")
    found = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.name in kept}
    return {name: found[name] for name in sorted(found)}


def test_processes_and_shards_find_what_one_process_finds(tmp_path: Path) -> None:
    raw = str(small_ramps(tmp_path / "raw", "a", "b", "c"))
    PredictRamps(raw, str(tmp_path / "plain"), LOAD).run()
    PredictRamps(raw, str(tmp_path / "many"), LOAD, executor=Processes(2)).run()
    for shard in ("1/2", "2/2"):
        assert PredictRamps(raw, str(tmp_path / "shards"), LOAD, shard=shard).run()["failed"] == 0
    assert PredictRamps(raw, str(tmp_path / "shards"), LOAD, shard="join").run()["exposures"] == 3
    assert len(products(tmp_path / "plain")) == 9
    assert products(tmp_path / "plain") == products(tmp_path / "many") == products(tmp_path / "shards")
    reports = [(tmp_path / name / "report.json").read_text() for name in ("plain", "many", "shards")]
    assert reports[0] == reports[1] == reports[2]


def test_a_second_prediction_does_what_is_missing(tmp_path: Path) -> None:
    raw, out = small_ramps(tmp_path / "raw", "a", "b"), tmp_path / "out"
    PredictRamps(str(raw), str(out), LOAD).run()
    before = {name: (out / name / "detections.json").stat().st_mtime_ns for name in ("a", "b")}
    (out / "b" / "jumps.parquet").unlink()
    PredictRamps(str(raw), str(out), LOAD).run()
    after = {name: (out / name / "detections.json").stat().st_mtime_ns for name in ("a", "b")}
    assert before["a"] == after["a"] and before["b"] != after["b"]
    assert (out / "b" / "jumps.parquet").is_file()
    PredictRamps(str(raw), str(out), replace(LOAD, gain=2.0)).run()
    assert (out / "a" / "detections.json").stat().st_mtime_ns != after["a"]


@dataclass(frozen=True)
class Dies(PredictRamps):
    """Whose process is killed in the middle of the exposure b."""

    def _write(self, folder: Path, name: str, processed: Processed) -> dict[str, Any]:
        if name == "b":
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._write(folder, name, processed)


def test_an_exposure_that_kills_its_process_costs_itself_and_leaves_no_half_folder(tmp_path: Path) -> None:
    raw, out = small_ramps(tmp_path / "raw", "a", "b", "c"), tmp_path / "out"
    executor = Serial(Limits(retries=1, backoff=0))
    assert Dies(str(raw), str(out), LOAD, executor=executor).run()["failed"] == 1
    (failure,) = json.loads((out / "report.json").read_text())["failed"]
    assert failure["file"] == str(raw / "b.fits") and "killed" in failure["reason"]
    assert not (out / "b").exists() and (out / "a").is_dir() and (out / "c").is_dir()
    with pytest.raises(UserError, match="killed"):
        Dies(str(raw / "b.fits"), str(tmp_path / "alone"), LOAD, executor=executor).run()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    raw, out = small_ramps(tmp_path / "raw", "a", "parts"), tmp_path / "out"
    (out / "a").mkdir(parents=True)
    (out / "a" / "notes.txt").write_text("mine")
    assert PredictRamps(str(raw), str(out), LOAD).run()["failed"] == 1
    assert (out / "a" / "notes.txt").read_text() == "mine"
    assert (out / "parts-exposure" / "detections.json").is_file()
