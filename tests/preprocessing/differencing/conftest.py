"""A small simulated pair, subtracted once for all tests that look at it; written epochs of known fluxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits
from astropy.wcs import WCS
from matplotlib import pyplot
from matplotlib.figure import Figure

from astrid_ml.preprocessing.differencing.difference import Difference, Subtraction
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.pixels.stamps import render_sources
from astrid_ml.preprocessing.differencing.subtract.pair import Subtract, SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair, simulate_pair


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


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    """Figures that the code under test has written."""
    kept: list[Figure] = []
    save = Figure.savefig

    def savefig(figure: Figure, *arguments: Any, **named: Any) -> None:
        kept.append(figure)
        save(figure, *arguments, **named)

    monkeypatch.setattr(Figure, "savefig", savefig)
    monkeypatch.setattr(pyplot, "close", lambda *_: None)
    yield kept
    monkeypatch.undo()
    pyplot.close("all")


EPOCH_SHAPE = (220, 240)


def epoch_wcs() -> WCS:
    """Across RA 0, one arcsec a pixel."""
    out = WCS(naxis=2)
    out.wcs.ctype, out.wcs.crval, out.wcs.crpix = ["RA---TAN", "DEC--TAN"], [359.99, 40.0], [120.0, 110.0]
    out.wcs.cdelt = [-1 / 3600, 1 / 3600]
    out.array_shape = EPOCH_SHAPE
    return out


@pytest.fixture
def positions() -> pd.DataFrame:
    """A grid of objects between pixels, with true fluxes of either sign and none."""
    x, y = (a.ravel() for a in np.meshgrid(np.arange(24, 217, 32) + 0.37, np.arange(24, 197, 32) - 0.21))
    ra, dec = epoch_wcs().all_pix2world(x, y, 0)
    flux = np.resize([0.0, 800.0, -1500.0, 3000.0, 250.0], len(x))
    return pd.DataFrame(
        {"object_id": [f"o{i}" for i in range(len(x))], "ra": ra, "dec": dec, "x": x, "y": y, "flux": flux}
    )


@pytest.fixture
def epoch(tmp_path: Path, positions: pd.DataFrame) -> Callable[..., Path]:
    """Writes a difference image in which the objects have their fluxes times ``share``."""

    def make(seed: int, share: float = 1.0, step: Subtract | None = None, **cards: object) -> Path:
        g = torch.Generator().manual_seed(seed)
        psfs = (gaussian_stamp(1.5, 25), gaussian_stamp(1.2, 25))
        x, y, flux = (torch.from_numpy(positions[c].to_numpy(copy=True)) for c in ("x", "y", "flux"))
        grown, faded = flux.clamp_min(0).float() * share, (-flux).clamp_min(0).float() * share
        n = 10 * torch.randn(EPOCH_SHAPE, generator=g) + render_sources(EPOCH_SHAPE, psfs[0], x, y, grown)
        r = 8 * torch.randn(EPOCH_SHAPE, generator=g) + render_sources(EPOCH_SHAPE, psfs[1], x, y, faded)
        mask = torch.zeros(EPOCH_SHAPE, dtype=torch.bool)
        mask[22:25, 23:26] = True  # on the first object
        v = (torch.full(EPOCH_SHAPE, 100.0), torch.full(EPOCH_SHAPE, 64.0))
        pair = SubtractionInput(n, r, v, (mask, torch.zeros_like(mask)), psfs, (100.0, 64.0))
        path = tmp_path / f"pair_{seed}" / "difference.fits"
        path.parent.mkdir()
        header = epoch_wcs().to_header()
        given: dict[str, object] = {"MJD": 60000.0 + seed, "FILTER": "r", "MISSION": "ZTF", "ZP": 25.0}
        for name, value in (given | cards).items():
            if value is not None:
                header[name] = value
        write_epoch(path, (step or Zogy())(pair), header)
        return path

    return make


def write_epoch(path: Path, result: SubtractionResult, header: fits.Header) -> None:
    """The extensions of ``difference.fits``."""
    planes = {"DIFF": result.diff, "SIG": result.significance, "FLUXERR": result.flux_error, "VAR": result.variance}
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(p.numpy(), header, name=k) for k, p in planes.items())]
    hdus += [fits.ImageHDU(result.mask.numpy().astype(np.uint8), header, name="MASK")]
    hdus += [fits.ImageHDU(result.psf.numpy(), name="PSF")]
    fits.HDUList(hdus).writeto(path)
