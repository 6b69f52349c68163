"""Frames of several reads: photon and read noise in the electrons of their gain, against simulated pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.preprocessing.differencing.frame.header.exposures import ExposureTime, is_of_all
from astrid_ml.preprocessing.differencing.frame.header.gains import Combination, combination_of
from astrid_ml.preprocessing.differencing.frame.header.said import Said
from astrid_ml.preprocessing.differencing.frame.headers import read_calibration
from astrid_ml.preprocessing.surveys.survey import FluxConvention

GAIN, NOISE, PIXELS = 2.5, 8.0, 40_000
ESO = {"ESO DET DIT": 10.0, "ESO DET NDIT": 6}
HST = {"TELESCOP": "HST", "BUNIT": "adu/s", "EXPTIME": 120.0, "READNSEA": NOISE, "CCDGAIN": GAIN}
VISTA = {"TELESCOP": "ESO-VISTA", "INSTRUME": "VIRCAM"}

# name, cards, reads, what is made of them, seconds that the pixels are divided by
FRAMES: list[tuple[str, dict[str, Any], int, Any, float]] = [
    ("one read", {}, 1, np.sum, 1.0),
    ("a mean", {"NCOMBINE": 9, "COMBINE": "average"}, 9, np.mean, 1.0),
    ("a mean that nobody names", {"STACKCNT": 4}, 4, np.mean, 1.0),
    ("a sum", {"NCOMBINE": 9, "COMBINE": "sum"}, 9, np.sum, 1.0),
    ("a median", {"NCOMBINE": 9, "COMBINE": "median"}, 9, np.median, 1.0),
    ("a rate", {"BUNIT": "adu/s"}, 1, np.sum, 30.0),
    ("a mean of rates", {"BUNIT": "adu/s", "NCOMBINE": 5}, 5, np.mean, 30.0),
    (
        "a mean of rates of the whole",
        {"BUNIT": "adu/s", "NCOMBINE": 5, "EXPTIME": (150.0, "total exposure")},
        5,
        np.mean,
        30.0,
    ),
    (
        "a median of rates of the whole",
        {"BUNIT": "adu/s", "NCOMBINE": 5, "COMBINE": "median", "EXPTIME": (150.0, "total")},
        5,
        np.median,
        30.0,
    ),
    ("coadds of Keck", {"ITIME": 6.0, "EXPTIME": 30.0, "COADDEXP": 6.0, "COADDS": 5}, 5, np.sum, 1.0),
    ("ESO's means", ESO | {"EXPTIME": 10.0}, 6, np.mean, 1.0),
    ("VISTA's sums", VISTA | ESO | {"EXPTIME": 10.0}, 6, np.sum, 1.0),
    ("means of ESO's means", ESO | {"EXPTIME": 10.0, "NCOMBINE": 3}, 18, np.mean, 1.0),
    ("drizzled", HST | {"DETECTOR": "IR", "NDRIZIM": 4}, 4, np.mean, 30.0),
    ("drizzled chips", HST | {"DETECTOR": "WFC", "NDRIZIM": 8}, 4, np.mean, 30.0),
    ("noise in counts", {"NCOMBINE": 4, "RDNOISE": (NOISE / GAIN, "[ADU]")}, 4, np.mean, 1.0),
    ("an effective gain", {"NCOMBINE": 4, "GAIN": (4 * GAIN, "effective gain (e-/ADU)")}, 4, np.mean, 1.0),
]


@pytest.mark.parametrize("electrons", [20.0, 900.0])
@pytest.mark.parametrize(("cards", "reads", "combine", "seconds"), [x[1:] for x in FRAMES], ids=[x[0] for x in FRAMES])
def test_the_noise_of_a_frame(
    cards: dict[str, Any], reads: int, combine: Any, seconds: float, electrons: float
) -> None:
    """The variance of pixels of one level is that of gain and read noise, within 2 % (its own error is 0.7 %)."""
    random = np.random.default_rng(reads)
    counts = (random.poisson(electrons, (reads, PIXELS)) + random.normal(0, NOISE, (reads, PIXELS))) / GAIN / seconds
    pixels = combine(counts, axis=0)
    header = fits.Header()
    for key, value in ({"GAIN": GAIN, "RDNOISE": NOISE, "EXPTIME": 30.0} | cards).items():
        header[f"HIERARCH {key}" if " " in key else key] = value
    said = read_calibration(header)
    assert said.gain is not None and said.read_noise is not None
    model = pixels.mean() / said.gain + (said.read_noise / said.gain) ** 2
    assert pixels.var() == pytest.approx(model, rel=0.02), said.account
    several = reads > 1
    assert ("sqrt of" in said.account.read["read_noise"]) is several
    assert ("read_noise" in said.account.assumed) is several


def test_how_reads_were_combined() -> None:
    said = Said(fits.Header({"NCOMBINE": 4}))
    once = ExposureTime(30.0, 30.0)
    assert combination_of(Said(fits.Header()), FluxConvention(), once) == Combination()
    assert combination_of(said, FluxConvention(mean=False), once) == Combination(1.0, 4.0, "NCOMBINE")
    assert combination_of(said, FluxConvention(mean=True), once) == Combination(4.0, 4.0, "NCOMBINE", frames=4.0)
    coadded = ExposureTime(30.0, 30.0, integrations=5, key="COADDS")
    assert combination_of(said, FluxConvention(), coadded).reads == 20.0
    rate = fits.Header({"BUNIT": "adu/s", "GAIN": 2.0, "EXPTIME": 30.0, "NCOMBINE": 4})
    assert "each exposure of NCOMBINE" in read_calibration(rate).account.doubted["gain"]
    whole = Said(fits.Header({"TEXPTIME": 60.0, "EXPTIME": 30.0}))
    assert is_of_all(whole, "TEXPTIME") and not is_of_all(whole, "EXPTIME")
    assert combination_of(Said(fits.Header()), FluxConvention(), coadded) == Combination(1.0, 5, "COADDS")
