"""A small simulated pair, subtracted once for all tests that look at it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from astropy.io import fits

from preprocessing.differencing.difference import Difference, Subtraction
from preprocessing.differencing.simulate import SkyConfig, SkyPair, simulate_pair


@pytest.fixture(scope="session")
def sky() -> SkyPair:
    """A 384 x 384 pair with two dozen transients of S/N 8 to 40."""
    return simulate_pair(SkyConfig(shape=(384, 384), transients=160.0, snr=(8.0, 40.0)), 11)


@pytest.fixture(scope="session")
def subtracted(sky: SkyPair) -> Difference:
    """The pair after the default steps."""
    return Subtraction()(sky.science, sky.reference)


def write_frame(path: Path, pair: SkyPair, side: int, filter_name: str = "r") -> None:
    """One image of a pair as FITS, as a camera would write it."""
    image = (pair.science, pair.reference)[side]
    assert image.wcs is not None
    header = image.wcs.to_header()
    header["GAIN"], header["READNOI"], header["MAGZP"], header["BUNIT"] = 1.0, 5.0, image.zero_point, "adu"
    header["FILTER"], header["TELESCOP"], header["MJD-OBS"], header["EXPTIME"] = (
        filter_name,
        "ZTF",
        60000.0 + side,
        30.0,
    )
    fits.PrimaryHDU(image.data.numpy(), header).writeto(path)


@pytest.fixture(scope="session")
def pair_folder(sky: SkyPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pair as files: science.fits, reference.fits, truth.csv, and a manifest of it."""
    folder = tmp_path_factory.mktemp("pair")
    for side, name in enumerate(("science", "reference")):
        write_frame(folder / f"{name}.fits", sky, side)
    sky.truth.assign(object_id=[f"t{i}" for i in range(len(sky.truth))]).to_csv(folder / "truth.csv", index=False)
    row = {"science": "science.fits", "reference": "reference.fits", "truth": "truth.csv"}
    pd.DataFrame([row]).to_csv(folder / "manifest.csv", index=False)
    return folder
