"""Exposures that are what they are said to be, and those that are not: each bound, and what follows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.sanity import Sanity, SanityBounds, examine
from astrid_ml.preprocessing.ramps.exposure.sanity_figure import sanity_figure
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.options import RampOptions, border_mask
from astrid_ml.types import Floats32

NOISE, SIZE = 12.0, 40


def made(n: int = 12, rate: float = 2.0, frames: int = 1, seed: int = 0, **more: Any) -> Ramp:
    """Sky with a gradient, stars and rays, in e-; groups of ``frames`` reads, 10 s apart."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    sky = rate * (1 + x / SIZE) + 100 * np.exp(-0.5 * ((y - 9) ** 2 + (x - 30) ** 2) / 4)
    step = 10.0 / frames
    light = random.poisson(sky * step, (n * frames, SIZE, SIZE)).cumsum(0)
    reads = (light + random.normal(0, NOISE, light.shape)).reshape(n, frames, SIZE, SIZE).mean(1)
    hit = random.random((n, SIZE, SIZE)) < 0.003
    reads += (hit * random.uniform(50, 900, hit.shape)).cumsum(0)
    pattern = [[k * frames + j for j in range(1, frames + 1)] for k in range(n)]
    return Ramp(reads[None].astype(np.float32), ReadTimes.of_pattern(pattern, step), "e-", 1.0, NOISE, **more)


def examined(ramp: Ramp, tmp_path: Path, bounds: SanityBounds | None = None, **settings: Any) -> Sanity:
    found = process(Exposure(ramp, Processing(**settings)), tmp_path / "cube.npy")
    return examine(found, np.load(tmp_path / "cube.npy"), bounds)


@pytest.mark.parametrize("rate", [0.05, 2.0, 60.0])
@pytest.mark.parametrize(("n", "frames"), [(3, 1), (5, 1), (12, 1), (40, 1), (6, 4)])
def test_a_plain_exposure_is_sound(n: int, frames: int, rate: float, tmp_path: Path) -> None:
    found = examined(made(n, rate, frames), tmp_path)
    assert found.sound, found.reasons
    ratio = found.measures["read_noise_ratio"]
    assert ratio == pytest.approx(1.0, abs=0.25 if rate > 10 else 0.12)  # of much light little is left to measure
    assert found.measures["chi2"] == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("full", [3, 4, 5, 9])
def test_ramps_that_saturate_early_are_sound(full: int, tmp_path: Path) -> None:
    """All pixels, or half of them: chi-square of few differences has another median than that of the whole ramp."""
    ramp = made(rate=200.0)
    for columns in (slice(None), slice(SIZE // 2)):
        data = ramp.data.copy()
        data[:, full:, :, columns] = 1e6
        found = examined(replace(ramp, data=data), tmp_path, saturation_dn=9e5)
        assert found.sound, found.reasons
        assert found.measures["chi2"] == pytest.approx(1.0, abs=0.15)
    wrong = examined(replace(ramp, data=data * 3), tmp_path, saturation_dn=2.7e6)
    assert any("chi-square" in reason for reason in wrong.reasons)


@pytest.mark.parametrize("factor", [2**-0.5, 2**0.5, 0.3, 4.0])
def test_read_noise_that_is_not_that_of_a_read(factor: float, tmp_path: Path) -> None:
    """Measured in electrons, too: what should have been given."""
    found = examined(replace(made(), read_noise=NOISE * factor), tmp_path)
    assert found.reasons[0].startswith(
        f"the read noise is {found.measures['read_noise_ratio']:.2f} times the given one"
    )
    assert found.measures["read_noise"] == pytest.approx(NOISE, rel=0.15)
    assert found.withheld is not None and "read_noise (of ONE read)" in found.withheld


def test_whole_numbers_of_a_coarse_digitisation(tmp_path: Path) -> None:
    """A read noise of .4 DN: half of all differences are 0, and a median deviation would be too."""
    ramp = made(rate=0.02)
    ramp = replace(ramp, data=np.rint(ramp.data / 30.0), unit="DN", gain=30.0)
    assert examined(ramp, tmp_path).measures["read_noise_ratio"] == pytest.approx(np.sqrt(1 + 900 / 12 / 144), abs=0.1)


def spoilt(kind: str) -> tuple[Ramp, str]:
    """An exposure of one fault, and what is to be said of it."""
    ramp, random = made(), np.random.default_rng(5)
    data, times = ramp.data, ramp.group_times
    if kind == "wrong gain":
        return replace(made(rate=80.0), data=made(rate=80.0).data * 3), "chi-square"
    if kind == "inverted":
        return replace(made(rate=20.0), data=-made(rate=20.0).data), "falls by"
    if kind == "persistence":
        return replace(ramp, data=data + 600 * (1 - np.exp(-times / 30.0))[:, None, None].astype(np.float32)), "decays"
    if kind == "hits everywhere":
        storm = (random.random(data.shape) < 0.2) * 400.0
        return replace(ramp, data=(data + storm.cumsum(1)).astype(np.float32)), "have a step"
    if kind == "other pixels":
        noisy = 2.2 * NOISE * random.normal(size=data.shape) * (np.arange(SIZE) % 3 == 0)
        return replace(ramp, data=(data + noisy).astype(np.float32)), "fit no straight ramp"
    if kind == "flagged border":
        mask = border_mask(SIZE, SIZE, 4)
        assert mask is not None
        bad = np.where(mask & (random.random((SIZE, SIZE)) < 0.5), 1, 0).astype(np.uint32)
        dark = np.where(mask, random.normal(0, NOISE, data.shape), data).astype(np.float32)
        return replace(ramp, data=dark, reference=mask, pixel_dq=bad), "reference pixels"
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind", ["wrong gain", "inverted", "persistence", "hits everywhere", "other pixels", "flagged border"]
)
def test_faults_are_named(kind: str, tmp_path: Path) -> None:
    ramp, said = spoilt(kind)
    found = examined(ramp, tmp_path)
    assert any(said in reason for reason in found.reasons), found
    assert all(": check " in reason for reason in found.reasons)
    loose = SanityBounds((1e-9, 1e9), (1e-9, 1e9), 1, 1, 1, 1, 1e9, 1, 1)
    assert examined(ramp, tmp_path, loose).sound


def drifting(kind: str, seed: int = 3) -> Ramp:
    """A ramp with a border of four pixels and a drift of all pixels; of one fault, or none."""
    ramp, random, mask = made(rate=15.0), np.random.default_rng(seed), border_mask(SIZE, SIZE, 4)
    assert mask is not None
    dark = random.normal(0, NOISE, ramp.data.shape)
    light = random.poisson(150.0, ramp.data.shape).cumsum(1)
    rate = {"falls with the electronics": -40.0, "lit": 0.0}.get(kind, 40.0)
    drift = rate * np.arange(12.0)[:, None, None]
    border = dark + light if kind == "lit" else dark
    data = (np.where(mask, border, ramp.data) + drift).astype(np.float32)
    if kind == "copied":
        data[:, 6] = data[:, 5]
    if kind == "copied in part":
        data[:, 6, : SIZE // 3] = data[:, 5, : SIZE // 3]
    if kind == "half rises":
        data[:, 6:, :, SIZE // 2 :] += 170
    return replace(ramp, data=data, reference=mask)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("rises with the electronics", None),
        ("falls with the electronics", None),
        ("lit", "the reference pixels rise, with the noise of light"),
        ("copied", "the number of the group before"),
        ("copied in part", "the number of the group before"),
        ("half rises", "have a step in one group"),
    ],
)
def test_what_happens_to_all_pixels_at_once(kind: str, said: str | None, tmp_path: Path) -> None:
    """A drift is what reference pixels are there for; light in them, repeated groups and common steps are marked."""
    found = examined(drifting(kind), tmp_path)
    assert found.sound == (said is None), found.reasons
    assert said is None or any(said in reason for reason in found.reasons), found.reasons
    assert (found.measures["lit_reference"] is None) == (kind != "lit")


def test_full_pixels_and_one_large_snowball_are_neither_copies_nor_a_crowd(tmp_path: Path) -> None:
    ramp = made(rate=15.0)
    y, x = np.mgrid[:SIZE, :SIZE]
    away = np.hypot(y - 20, x - 20)
    ramp.data[0, 6:] += np.where(away < 5, 1e6, 4000 * np.exp(-(away - 5) / 2.5)).astype(np.float32)
    ramp.data[0, 4:, :6] = 60000.0
    found = examined(replace(ramp, data=np.minimum(ramp.data, 60000.0)), tmp_path)
    assert found.measures["copied"] == pytest.approx(0.0, abs=0.02)
    found = examined(ramp, tmp_path, saturation_dn=59000.0)
    assert found.measures["crowded"] is not None and found.measures["crowded"] < 0.1


def write(path: Path, ramp: Ramp, noise: float) -> None:
    cards = {"GAIN": 1.0, "READNOIS": noise, "TGROUP": 10.0, "BUNIT": "e-"}
    fits.writeto(path, ramp.data[0], fits.Header(cards))


def test_one_exposure_that_fails_is_marked_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    ramp = made()
    ramp.data[0, 5:, 7, 8] += 2000.0
    for name, noise in (("bad", NOISE * 3), ("good", NOISE)):
        write(tmp_path / "raw" / f"{name}.fits", ramp, noise)
    out = tmp_path / "out"
    done = PredictRamps(str(tmp_path / "raw"), str(out)).run()
    assert (done["exposures"], done["failed"]) == (2, 1)
    assert done["failed_files"][0].startswith("bad.fits: the read noise is 0.3")
    report = json.loads((out / "report.json").read_text())
    assert [entry["file"] for entry in report["unsound"]] == [str(tmp_path / "raw" / "bad.fits")]
    for name, sound in (("bad", False), ("good", True)):
        said = json.loads((out / name / "sanity.json").read_text())
        jumps = pd.read_parquet(out / name / "jumps.parquet")
        events = json.loads((out / name / "detections.json").read_text())
        assert said["sound"] == sound and said["withheld"] != sound
        assert len(jumps) and len(events) and (out / name / "sanity.png").is_file() != sound
        assert jumps.probability.isna().all() != sound
        assert all((event["confidence"] is None) != sound for event in events)
        assert all(("the read noise" in event.get("withheld", "")) != sound for event in events)
    again = PredictRamps(str(tmp_path / "raw"), str(out)).run()
    assert again == done  # nothing is done anew, and it is still said
    kept = PredictRamps(str(tmp_path / "raw"), str(tmp_path / "kept"), sanity=SanityBounds(withhold=False)).run()
    assert kept["failed"] == 1
    assert pd.read_parquet(tmp_path / "kept" / "bad" / "jumps.parquet").probability.notna().all()


def test_fewer_pixels_than_say_anything(tmp_path: Path) -> None:
    """Nothing is measured of them, and nothing is held against them."""
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(0, 99.0, (6, 4, 4)).astype(np.float32))
    load = RampOptions(unit="e-", read_noise=10.0, group_time=5.0, axes="tyx")
    assert PredictRamps(str(tmp_path / "a.npy"), str(tmp_path / "out"), load).run()["failed"] == 0
    said = json.loads((tmp_path / "out" / "a" / "sanity.json").read_text())
    assert said["measures"]["chi2"] is None and said["measures"]["read_noise_ratio"] is None


def test_the_figure_says_the_verdict_and_shows_all_pixels() -> None:
    random = np.random.default_rng(0)
    maps: dict[str, Floats32] = {
        name: random.normal(1, 0.2, (2, 9, 8)).astype(np.float32) for name in ("chi2", "decay_snr", "slope")
    }
    maps["chi2"][1] += 3
    steps = pd.DataFrame({"group": [1, 2, 2], "amplitude": [5.0, -3.0, 9.0]})
    said = {"sound": False, "reasons": ["it decays"], "measures": {"read_noise_ratio": 1.5}}
    figure = sanity_figure(said, maps, steps, 5, "x")
    assert figure.get_suptitle() == "x: NOT SOUND: it decays; measured / given read noise 1.50"
    image = figure.axes[0].images[0].get_array()
    assert image is not None
    np.testing.assert_array_equal(np.asarray(image), maps["chi2"][1])  # of two the one that is worse
    assert sanity_figure(said | {"sound": True}, maps, steps.iloc[:0], 5, "y").get_suptitle().startswith("y: sound")


def test_other_bounds_judge_what_is_done_already_anew(tmp_path: Path) -> None:
    """The verdict is kept with the exposure: it must not be that of the bounds before."""
    np.save(tmp_path / "x.npy", made().data)
    load = RampOptions(unit="e-", gain=1.0, read_noise=NOISE, group_time=10.0, saturation=1e6)
    work = PredictRamps(str(tmp_path / "x.npy"), str(tmp_path / "out"), load)
    assert work.run()["failed"] == 0
    assert replace(work, sanity=SanityBounds(flagged=1e-9)).run()["failed"] == 1
    assert work.run()["failed"] == 0
