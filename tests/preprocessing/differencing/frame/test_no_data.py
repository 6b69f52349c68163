"""Pixels without data are known by their values; counts of few photons, integers and clipped frames are data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import gaussian_filter

from astrid_ml.preprocessing.differencing.detect.measure import forced
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.preprocessing.differencing.frame.no_data import find_no_data
from astrid_ml.preprocessing.differencing.frame.saturation import integer_ceiling
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline

N = 384
Y, X = np.mgrid[:N, :N]
TURNED = (X - 0.3 * Y < 60) | (Y > 370)  # what a drizzled frame leaves empty
DISC = np.hypot(X - N / 2, Y - N / 2) > 0.48 * N  # what a round field of view does


def _sky(sigma: float = 15.0) -> np.ndarray:
    return np.random.default_rng(1).normal(200, sigma, (N, N))


def _counts(rate: float) -> np.ndarray:
    return np.asarray(np.random.default_rng(2).poisson(rate * (1 - 0.5 * X / N)), float)


def _smooth() -> np.ndarray:
    return np.asarray(gaussian_filter(_sky() - 200, 1.5))


FRAMES = {
    "floats": _sky(),
    "integers": np.rint(_sky()),
    "integers of 1 sigma": np.rint(_sky(1.0)),
    "smooth integers": np.rint(3 * _smooth()),
    "clipped at 0": np.clip(_sky() - 200, 0, None),
    "smooth, clipped at 0": np.clip(_smooth(), 0, None),
    "0.005 counts": _counts(0.005),
    "0.05 counts": _counts(0.05),
    "0.2 counts": _counts(0.2),
    "1 count": _counts(1.0),
    "0.2 counts over an exposure that varies": _counts(0.2) / (1000 + X),
    "a model without noise": np.where((abs(X - 90) < 3) & (abs(Y - 50) < 3), 100.0, 0.0),
    "a saturated star": np.minimum(_sky() + 1e5 * np.exp(-np.hypot(X - 100, Y - 100) / 5), 4e4),
}


@pytest.mark.parametrize("name", FRAMES)
def test_what_is_data_stays(name: str) -> None:
    found = find_no_data(FRAMES[name], np.zeros((N, N), bool))
    assert not found.mask.any() and found.values == ()


@pytest.mark.parametrize("value", [0.0, -999.0, 65535.0])
@pytest.mark.parametrize("name", ["floats", "integers", "integers of 1 sigma", "smooth integers"])
def test_a_region_of_one_value_is_empty(name: str, value: float) -> None:
    found = find_no_data(np.where(TURNED, value, FRAMES[name]), np.zeros((N, N), bool))
    assert (found.mask == TURNED).mean() > 0.9995
    assert found.values == (value,)


@pytest.mark.parametrize(("name", "missed"), [("0.2 counts", 0.06), ("1 count", 0.02), ("clipped at 0", 0.03)])
def test_zeros_around_a_frame_of_zeros_are_told_by_their_size(name: str, missed: float) -> None:
    found = find_no_data(np.where(DISC, 0.0, FRAMES[name]), np.zeros((N, N), bool)).mask
    assert (DISC & ~found).mean() < missed
    assert (found & ~DISC).mean() < 0.01


def test_borders_of_a_pixel_holes_and_sentinels() -> None:
    frame = np.zeros((N, N), bool)
    frame[0] = frame[:, -3:] = frame[100:120, 200:230] = True
    assert np.array_equal(find_no_data(np.where(frame, 0.0, _sky()), np.zeros((N, N), bool)).mask, frame)
    some = np.random.default_rng(3).uniform(size=(N, N)) < 0.001
    found = find_no_data(np.where(some, -32768.0, _sky()), np.zeros((N, N), bool))
    assert np.array_equal(found.mask, some) and found.values == (-32768.0,)
    few = np.zeros((N, N), bool)
    few[5, 5] = few[9, 80] = True  # two low pixels may be anything
    assert not find_no_data(np.where(few, -32768.0, _sky()), np.zeros((N, N), bool)).mask.any()


def _written(path: Path, data: np.ndarray, **cards: object) -> str:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [30, 30]
    wcs.wcs.cdelt = [-1 / 3600, 1 / 3600]
    header = wcs.to_header()
    header.update(cards)
    fits.PrimaryHDU(data, header).writeto(path)
    return str(path)


def test_integers_at_their_end_are_saturated_and_no_region_without_data(tmp_path: Path) -> None:
    star = _sky() + 3e5 * np.exp(-np.hypot(X - 100, Y - 100) / 9)
    path = _written(tmp_path / "s.fits", np.minimum(np.rint(star), 32767).astype(np.int16))
    assert integer_ceiling(fits.getheader(path)) == 32767
    image = LoadFits()(Frame(path))
    assert image.saturated is not None and int(image.saturated.sum()) > 300
    assert "no_data" not in image.header.get("assumed", {}) and image.no_data == 0


def test_what_was_found_is_said_and_can_be_overruled(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.fits", np.where(TURNED, 0.0, _sky()).astype(np.float32), GAIN=1.0)
    image = LoadFits()(Frame(path))
    assert image.no_data == pytest.approx(TURNED.mean()) and np.array_equal(image.mask.numpy(), TURNED)
    assert image.header["assumed"]["no_data"] == f"{TURNED.mean():.4f} of the pixels, which are exactly 0"
    assert float(image.variance.median()) == pytest.approx(15**2, rel=0.05)
    kept = LoadFits(constant_is_data=True)(Frame(path))
    assert not kept.mask.any() and kept.no_data == 0 and "no_data" not in kept.header.get("assumed", {})


@pytest.mark.parametrize(
    ("cards", "numbers", "bad", "told"),
    [
        ({"TELESCOP": "P48", "INSTRUME": "ZTF/MOSAIC"}, [2, 2048, 2050, 256, 512, 1], [256, 512, 1], "bits of"),
        ({"INSTRUME": "DECam", "TELESCOP": "CTIO 4.0-m telescope"}, [7, 3, 5], [3, 5], "numbers of"),
        ({"INSTRUME": "DECam", "TELESCOP": "CTIO 4.0-m telescope"}, [7, 64, 16], [7, 64, 16], "not 0"),
        ({"TELESCOP": "NONE"}, [2, 4], [2, 4], "not 0"),
        ({"TELESCOP": "P48", "INSTRUME": "ZTF/MOSAIC"}, [1], [1], "pixels of 1"),
    ],
)
def test_a_source_is_no_defect_in_the_mask_of_an_archive(
    tmp_path: Path, cards: dict[str, str], numbers: list[int], bad: list[int], told: str
) -> None:
    mask = np.zeros((N, N), np.int16)
    mask[10, : len(numbers)] = numbers
    frame = Frame(_written(tmp_path / "s.fits", _sky(), **cards), mask=_written(tmp_path / "m.fits", mask))
    image = LoadFits()(frame)
    assert np.array_equal(image.mask.numpy(), np.isin(mask, bad))
    assert told in image.header["read"]["mask"]


def test_a_mask_that_names_its_bits_is_read_by_them(tmp_path: Path) -> None:
    mask = np.zeros((N, N), np.int16)
    mask[10, :3] = [1 << 5, 1 << 1, (1 << 5) + 1]
    named = _written(tmp_path / "m.fits", mask, MP_BAD=0, MP_SAT=1, MP_EDGE=5)
    image = LoadFits()(Frame(_written(tmp_path / "s.fits", _sky(), TELESCOP="NONE"), mask=named))
    assert image.mask.nonzero().tolist() == [[10, 1], [10, 2]]
    assert "MP_" in image.header["read"]["mask"]


@pytest.mark.real_data
def test_the_kept_pair_whose_edge_is_zero(real_data: Path) -> None:
    import torch

    folder = real_data.parent / "cases" / "differencing" / "zero-filled-edge"
    done = DifferencingPipeline().difference(Frame(str(folder / "sci.fits.gz")), Frame(str(folder / "ref.fits.gz")))
    truth = pd.read_csv(folder / "truth.csv")
    mask = done.result.mask.numpy()
    seen = ~mask[truth["y"].round().astype(int), truth["x"].round().astype(int)] & (truth["snr"] > 7).to_numpy()
    found = done.candidates[["x", "y"]].to_numpy()
    distance = np.hypot(*(found[:, None] - truth[["x", "y"]].to_numpy()[None]).transpose(2, 0, 1))
    assert (distance.min(0)[seen] < 2.5).all() and (distance.min(1) > 4).sum() <= 1
    assert float(done.result.flux_error[done.blank].median()) < 140  # 697 with the zeros as sky
    assert done.quality.record()["no_data_science"] == pytest.approx(0.2286, abs=1e-4)
    at = (torch.from_numpy(truth[c].to_numpy(copy=True)) for c in ("x", "y"))
    flux = forced(done.result, *at)[0].numpy()
    assert np.median(flux[seen] / truth["flux"].to_numpy()[seen]) == pytest.approx(1.0, abs=0.05)
