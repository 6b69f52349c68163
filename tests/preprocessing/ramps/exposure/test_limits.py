"""Limits of saturation that all reads are beyond, that nobody says, and that are above the wells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.limits import OPTION, nothing_usable, saturation_warnings
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.types import Array

NOISE, SIZE = 12.0, 32


def reads(n: int = 10, full: int = 0, rate: float = 5.0, well: float = 30000.0, rays: int = 0, seed: int = 0) -> Array:
    """DN of gain 2 above 1000 DN, 10 s apart: sky, ``full`` pixels that fill up, and ``rays`` of 2000 to 20000 e-."""
    random = np.random.default_rng(seed)
    flux = np.full(SIZE * SIZE, rate)
    flux[:full] = random.uniform(1500, 4000, full)
    light = random.poisson(flux[None] * 10.0, (n, SIZE * SIZE)).cumsum(0).astype(float)
    light[3:, full : full + rays] += random.uniform(2000, 20000, rays)
    light = np.minimum(light, well) + random.normal(0, NOISE, light.shape)
    dn: Array = np.rint(1000 + random.normal(0, 50, SIZE * SIZE) + light / 2).reshape(n, SIZE, SIZE).astype(np.float32)
    return dn


def ramp_of(data: Array, **more: Any) -> Ramp:
    times = ReadTimes.of_pattern([[k + 1] for k in range(len(data))], 10.0)
    return Ramp(data[None], times, "DN", 2.0, NOISE, **more)


def warned(ramp: Ramp, tmp_path: Path, **settings: Any) -> list[str]:
    found = process(Exposure(ramp, Processing(reference=None, **settings)), tmp_path / "cube.npy")
    return saturation_warnings(found, np.load(tmp_path / "cube.npy"))


def test_saturation_that_nobody_says_is_asked_for(tmp_path: Path) -> None:
    (said,) = warned(ramp_of(reads()), tmp_path)
    assert said.startswith("exposure: nobody says where reads saturate") and OPTION in said
    assert not warned(ramp_of(reads(), saturation_dn=15000.0), tmp_path)
    assert not warned(ramp_of(reads()), tmp_path, saturation_dn=15000.0)
    bits = np.zeros((1, 10, SIZE, SIZE), np.uint8)
    bits[0, 6:, 3, 3] = 2  # somebody has looked
    assert not warned(ramp_of(reads(), dq=bits), tmp_path)


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("full", [6, 200])
def test_pixels_that_stand_at_one_level_are_told(full: int, inverted: bool, tmp_path: Path) -> None:
    """Where the limit is missing, and where it is above the wells; of turned detectors, too."""
    shift = -60000.0 if inverted else 0.0
    data = reads(full=full) + shift
    for limit in (None, 20000.0 + shift):
        said = warned(ramp_of(data, saturation_dn=limit, inverted=inverted), tmp_path)[-1]
        assert f"{full} pixels stand at " in said and OPTION in said
        level = float(said.split(" stand at ")[1].split(" DN")[0])
        assert level == pytest.approx(abs(16000 + shift), abs=150) and ("above" in said) == inverted
    assert not warned(ramp_of(data, saturation_dn=14500.0 + shift, inverted=inverted), tmp_path)


@pytest.mark.parametrize(
    "more", [{"rays": 400}, {"rate": 400.0}, {"n": 80, "rate": 4.5}, {"n": 3, "rays": 200}, {"n": 60, "rate": 40.0}]
)
def test_rays_and_bright_skies_are_no_plateau(more: dict[str, Any], tmp_path: Path) -> None:
    assert not warned(ramp_of(reads(well=1e9, **more), saturation_dn=1e6), tmp_path)


def test_a_limit_that_all_reads_are_beyond_is_named(tmp_path: Path) -> None:
    """SATURATE of a detector that counts down, in the sense of one that counts up; and one in another unit."""
    cards = {"GAIN": 2.0, "READNOIS": NOISE, "TGROUP": 10.0, "BUNIT": "DN", "SATURATE": 59852}
    fits.writeto(tmp_path / "down.fits", 40000 - reads(rate=20.0), fits.Header(cards))
    load = RampOptions(polarity="inverted")
    with pytest.raises(UserError, match=rf"at or below SATURATE or {OPTION}, 59852 DN.*LOWEST read.*give {OPTION}"):
        PredictRamps(str(tmp_path / "down.fits"), str(tmp_path / "out"), load).run()
    done = PredictRamps(str(tmp_path / "down.fits"), str(tmp_path / "out"), replace(load, saturation=8000.0)).run()
    assert done["failed"] == 0 and "warnings" not in done
    fits.writeto(tmp_path / "up.fits", reads(), fits.Header(cards | {"SATURATE": 100}))
    with pytest.raises(UserError, match=r"at or above SATURATE or .*, 100 DN"):
        PredictRamps(str(tmp_path / "up.fits"), str(tmp_path / "out2")).run()
    blank = Exposure(ramp_of(np.full_like(reads(), np.nan), saturation_dn=100.0))
    assert "flagged or NaN" in str(nothing_usable(blank))


def test_the_warning_stands_in_the_report_and_the_summary(tmp_path: Path) -> None:
    cards = {"GAIN": 2.0, "READNOIS": NOISE, "TGROUP": 10.0, "BUNIT": "DN"}
    fits.writeto(tmp_path / "a.fits", reads(full=9), fits.Header(cards))
    done = PredictRamps(str(tmp_path / "a.fits"), str(tmp_path / "out")).run()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert done["warnings"] == report["warnings"] == [report["exposures"][0]["warning"]]
    assert "nobody says" in done["warnings"][0] and "9 pixels stand at" in done["warnings"][0]
