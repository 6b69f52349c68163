"""Forced photometry of sources whose flux is known, on written difference images, and the curves that it makes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits
from astropy.wcs import WCS

from astrid_ml.errors import UserError
from preprocessing.differencing.forced import (
    DETECTED,
    FORCED_COLUMNS,
    MASKED,
    by_mission,
    forced_photometry,
    light_curves,
    read_epoch,
)
from preprocessing.differencing.gaussian import gaussian_stamp
from preprocessing.differencing.stamp_fit import render_sources
from preprocessing.differencing.subtract import Gaussian, Subtract, SubtractionInput, Zogy
from preprocessing.lightcurves.exchange import ExchangeWriter, is_exchange, read_exchange

SHAPE, ZERO_POINT = (220, 240), 25.0


def wcs() -> WCS:
    out = WCS(naxis=2)
    out.wcs.ctype, out.wcs.crval, out.wcs.crpix = ["RA---TAN", "DEC--TAN"], [359.99, 40.0], [120.0, 110.0]
    out.wcs.cdelt = [-1 / 3600, 1 / 3600]
    out.array_shape = SHAPE
    return out


def positions() -> pd.DataFrame:
    """A grid of objects between pixels, with true fluxes of either sign and none."""
    x, y = (a.ravel() for a in np.meshgrid(np.arange(24, 217, 32) + 0.37, np.arange(24, 197, 32) - 0.21))
    ra, dec = wcs().all_pix2world(x, y, 0)
    flux = np.resize([0.0, 800.0, -1500.0, 3000.0, 250.0], len(x))
    return pd.DataFrame(
        {"object_id": [f"o{i}" for i in range(len(x))], "ra": ra, "dec": dec, "x": x, "y": y, "flux": flux}
    )


@pytest.fixture
def epoch(tmp_path: Path) -> Callable[..., Path]:
    """Write a difference image in which the objects have their fluxes times ``share``."""

    def make(seed: int, share: float = 1.0, step: Subtract | None = None, **cards: object) -> Path:
        g = torch.Generator().manual_seed(seed)
        psfs = (gaussian_stamp(1.5, 25), gaussian_stamp(1.2, 25))
        table = positions()
        x, y, flux = (torch.from_numpy(table[c].to_numpy(copy=True)) for c in ("x", "y", "flux"))
        grown, faded = flux.clamp_min(0).float() * share, (-flux).clamp_min(0).float() * share
        n = 10 * torch.randn(SHAPE, generator=g) + render_sources(SHAPE, psfs[0], x, y, grown)
        r = 8 * torch.randn(SHAPE, generator=g) + render_sources(SHAPE, psfs[1], x, y, faded)
        mask = torch.zeros(SHAPE, dtype=torch.bool)
        mask[22:25, 23:26] = True  # on the first object
        v = (torch.full(SHAPE, 100.0), torch.full(SHAPE, 64.0))
        pair = SubtractionInput(n, r, v, (mask, torch.zeros_like(mask)), psfs, (100.0, 64.0))
        result = (step or Zogy())(pair)
        header = wcs().to_header()
        given = {"MJD": 60000.0 + seed, "FILTER": "r", "MISSION": "ZTF", "ZP": ZERO_POINT} | cards
        for name, value in given.items():
            if value is not None:
                header[name] = value
        planes = {"DIFF": result.diff, "SIG": result.significance, "FLUXERR": result.flux_error, "VAR": result.variance}
        hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(p.numpy(), header, name=k) for k, p in planes.items())]
        hdus += [fits.ImageHDU(result.mask.numpy().astype(np.uint8), header, name="MASK")]
        hdus += [fits.ImageHDU(result.psf.numpy(), name="PSF")]
        path = tmp_path / f"difference_{seed}.fits"
        fits.HDUList(hdus).writeto(path)
        return path

    return make


@pytest.mark.parametrize("step", [Zogy(), Gaussian()])
def test_fluxes_between_pixels_are_unbiased_with_honest_errors(epoch: Callable[..., Path], step: Subtract) -> None:
    truth = positions()
    pulls: list[pd.Series] = []
    ratios: list[pd.Series] = []
    for seed in range(4):
        table = forced_photometry(read_epoch(epoch(seed, step=step)), truth)
        assert tuple(table.columns) == FORCED_COLUMNS and len(table) == len(truth)
        calibrated = truth["flux"].to_numpy() * 10 ** (0.4 * (27.5 - ZERO_POINT))
        good = ~table["masked"].to_numpy()
        pulls.append(((table["flux"] - calibrated) / table["flux_err"])[good])
        strong = good & (np.abs(truth["flux"].to_numpy()) > 1000)
        ratios.append((table["flux"] / np.where(calibrated == 0, 1, calibrated))[strong])
    pull = np.concatenate(pulls)
    assert abs(pull.mean()) < 3 / math.sqrt(len(pull)) and 0.85 < pull.std() < 1.15
    assert np.concatenate(ratios).mean() == pytest.approx(1, abs=0.015)


def test_limits_detections_and_masks(epoch: Callable[..., Path]) -> None:
    truth = positions()
    table = forced_photometry(read_epoch(epoch(3)), truth, n_sigma=3.0)
    assert table["masked"].tolist() == [True, *[False] * (len(truth) - 1)]
    assert math.isnan(table["flux"][0]) and table["phot_flag"][0] == MASKED
    strong = np.abs(truth["flux"].to_numpy()) > 1000
    assert table["detected"][strong].all() and (table["phot_flag"][strong] == DETECTED).all()
    assert not table["detected"][(truth["flux"] == 0) & ~table["masked"]].any()
    faded = table[truth["flux"] < 0]
    assert (faded["snr"] < -5).all() and faded["mag"].isna().all()
    bright = table[truth["flux"] == 3000]
    assert np.allclose(bright["mag"], ZERO_POINT - 2.5 * np.log10(3000), atol=0.15)
    # an optimal error of a Gaussian PSF in two images of white noise lies between the two bounds
    error = 10 ** (-0.4 * (table["limit"][1:] - ZERO_POINT)) / 3
    assert (error > 10 * math.sqrt(4 * math.pi) * 1.5).all()
    assert (error < math.hypot(10, 8) * math.sqrt(4 * math.pi) * 1.5).all()


def test_positions_beyond_the_frame_or_behind_the_sky_are_left_out(epoch: Callable[..., Path]) -> None:
    far = pd.DataFrame({"object_id": ["in", "out", "behind"], "ra": [359.99, 0.5, 179.99], "dec": [40.0, 40.0, -40.0]})
    assert forced_photometry(read_epoch(epoch(1)), far)["object_id"].tolist() == ["in"]
    assert len(forced_photometry(read_epoch(epoch(2)), far.iloc[1:])) == 0


def test_epochs_become_curves_that_light_curve_tools_read(epoch: Callable[..., Path], tmp_path: Path) -> None:
    truth = positions().assign(label="SN")
    paths = [epoch(9, 0.0), epoch(7, 1.0), epoch(8, 0.5, MISSION="PS1")]
    table = pd.concat([forced_photometry(read_epoch(path), truth) for path in paths], ignore_index=True)
    curves, account = light_curves(by_mission(table), truth)
    assert account.counts["rows_flux_not_finite"] == 3  # the masked one
    assert len(curves) == len(truth) - 1 and (curves.lengths == 3).all()
    with ExchangeWriter(tmp_path / "part.parquet") as writer:
        writer.write(curves)
    assert is_exchange(tmp_path / "part.parquet")
    back = next(read_exchange(tmp_path / "part.parquet"))
    row = back.objects.set_index("object_id").loc["o3"]
    assert (row["flux_kind"], row["label"], row["survey"]) == ("difference", "SN", "PS1+ZTF")
    i = int(np.flatnonzero(back.objects["object_id"] == "o3")[0])
    part = slice(back.offsets[i], back.offsets[i + 1])
    assert back.mjd[part].tolist() == [60007.0, 60008.0, 60009.0]
    assert [back.bands[b] for b in back.band[part]] == ["ZTF-r", "PS1-r", "ZTF-r"]
    assert (
        np.allclose(back.flux[part] / np.array([30000, 15000, 1]), [1, 1, 0], atol=0.2) or abs(back.flux[part][2]) < 3e3
    )
    assert (back.phot_flag[part] == DETECTED).tolist() == [True, True, False]
    assert np.allclose(back.wavelengths, 0.6223)


@pytest.mark.parametrize(
    ("cards", "message"), [({"ZP": None}, "ZP"), ({"MJD": None}, "MJD"), ({"FILTER": None}, "FILTER")]
)
def test_what_a_curve_needs_is_asked_for(epoch: Callable[..., Path], cards: dict[str, object], message: str) -> None:
    path = epoch(1, **cards)
    with pytest.raises(UserError, match=message):
        read_epoch(path)
    if message != "MJD":
        found = read_epoch(path, zero_point=24.0, band="g")
        assert (found.zero_point, found.band) == (24.0, "g")


def test_other_files_are_refused(tmp_path: Path) -> None:
    fits.PrimaryHDU().writeto(tmp_path / "a.fits")
    with pytest.raises(UserError, match="extensions"):
        read_epoch(tmp_path / "a.fits")
    (tmp_path / "b.fits").write_text("no")
    with pytest.raises(UserError, match="difference"):
        read_epoch(tmp_path / "b.fits")
