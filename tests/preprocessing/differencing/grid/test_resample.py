"""Two passes against all taps at once; turned, mirrored and distorted frames against their rendered truth."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits
from astropy.wcs import WCS

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.grid.align import Align, AlignNone, turned
from astrid_ml.preprocessing.differencing.grid.resample import _resample_at_once, resample
from astrid_ml.preprocessing.differencing.pixels.masks import spread
from astrid_ml.preprocessing.simulated_sky.command_pairs import SimulatePairs
from astrid_ml.preprocessing.simulated_sky.pair import add_points, moffat_stamp

SIZE = 220


def _header(cd: list[list[float]], crpix: tuple[float, float] = (110.0, 110.0)) -> fits.Header:
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"], header["CRVAL1"], header["CRVAL2"] = "RA---TAN", "DEC--TAN", 150.0, 20.0
    header["CRPIX1"], header["CRPIX2"] = crpix
    for i in (0, 1):
        for j in (0, 1):
            header[f"CD{i + 1}_{j + 1}"] = cd[i][j] / 3600
    return header


def _frame(
    header: fits.Header, sky: np.ndarray[tuple[int, ...], np.dtype[np.float64]], shape: tuple[int, int]
) -> Image:
    """Stars at fixed places on the sky, rendered without noise in the header's grid."""
    wcs = WCS(header)
    plane = np.zeros(shape)
    x, y = wcs.all_world2pix(sky[0], sky[1], 0)
    add_points(plane, x, y, sky[2], 3.6, 3.5)
    data = torch.from_numpy(plane.astype(np.float32))
    return Image(data=data, variance=torch.ones(shape), mask=torch.zeros(shape, dtype=torch.bool), wcs=wcs)


@pytest.fixture(scope="module")
def sky() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rng = np.random.default_rng(8)
    x, y = rng.uniform(20, SIZE - 20, 60), rng.uniform(20, SIZE - 20, 60)
    ra, dec = WCS(_header([[-1.0, 0.0], [0.0, 1.0]])).all_pix2world(x, y, 0)
    return np.array([ra, dec, rng.uniform(1e3, 2e4, 60)])


def _sip() -> fits.Header:
    header = _header([[-1.0, 0.0], [0.0, 1.0]], (112.3, 108.6))
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header["A_ORDER"] = header["B_ORDER"] = 2
    header["A_2_0"], header["A_0_2"], header["B_1_1"] = 6e-5, -3e-5, 5e-5
    return header


def _tpv() -> fits.Header:
    header = _header([[-1.0, 0.0], [0.0, 1.0]], (109.2, 111.4))
    header["CTYPE1"], header["CTYPE2"] = "RA---TPV", "DEC--TPV"
    for name, value in {"PV1_0": 1e-5, "PV1_1": 1.0005, "PV1_4": 0.3, "PV2_1": 0.9996, "PV2_6": 0.2}.items():
        header[name] = value
    return header


@pytest.mark.parametrize(
    "header",
    [
        _header([[-1.0, 0.02], [0.02, 1.0]], (107.7, 112.1)),
        _header([[0.0, 1.0], [1.0, 0.0]]),
        _header([[1.0, 0.0], [0.0, -1.0]]),
        _header([[-0.7071, 0.7071], [0.7071, 0.7071]]),
        _sip(),
        _tpv(),
    ],
    ids=["turned a little", "a quarter", "mirrored", "45 degrees", "SIP", "TPV"],
)
def test_any_celestial_grid_is_met(header: fits.Header, sky: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    truth = _frame(_header([[-1.0, 0.0], [0.0, 1.0]]), sky, (SIZE, SIZE))
    other = _frame(header, sky, (SIZE + 12, SIZE + 20))
    aligned = Align(min_overlap=0.5)(truth, other)
    keep = ~aligned.mask
    error = (aligned.data - truth.data)[keep]
    assert float(keep.float().mean()) > 0.6
    assert float(error.square().mean().sqrt() / truth.data[keep].std()) < 0.02


def test_two_passes_are_the_taps_all_at_once() -> None:
    generator = torch.Generator().manual_seed(2)
    data = torch.nn.functional.avg_pool2d(torch.randn(1, 1, 160, 160, generator=generator), 3, 1, 1)[0, 0]
    y, x = torch.meshgrid(torch.arange(140.0).double(), torch.arange(140.0).double(), indexing="ij")
    at = torch.stack([1.002 * x + 0.01 * y + 8.3, 0.998 * y - 0.012 * x + 9.7])
    mask = torch.zeros(160, 160, dtype=torch.bool)
    mask[70, 80] = True
    ones = torch.ones(160, 160)
    fast, slow = resample(data, ones, mask, at), _resample_at_once(data, ones, mask, at, 5)
    good = ~(fast[2] | slow[2])
    assert float(good.float().mean()) > 0.95
    assert float((fast[0] - slow[0])[good].std() / slow[0][good].std()) < 0.02
    assert float((fast[1] / slow[1])[good].mean()) == pytest.approx(1.0, abs=0.01)
    assert fast[2].any() and int((slow[2] & ~fast[2]).sum()) < 20


def test_masks_grow_by_a_square() -> None:
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[10, 3] = True
    grown = spread(mask, 2)
    assert int(grown.sum()) == 25 and bool(grown[8:13, 1:6].all())
    assert torch.equal(spread(mask, 0), mask)


def test_a_psf_turns_with_its_image() -> None:
    stamp = torch.zeros(31, 31)
    t = torch.arange(31.0) - 15
    stamp = torch.exp(-(t[None, :] ** 2 / (2 * 3.0**2) + t[:, None] ** 2 / (2 * 1.5**2)))
    stamp = stamp / stamp.sum()
    y, x = torch.meshgrid(torch.arange(40.0).double(), torch.arange(40.0).double(), indexing="ij")
    quarter = turned(stamp, torch.stack([y, 40 - x]))
    assert float((quarter - stamp.T).abs().max() / stamp.max()) < 0.01
    assert turned(stamp, torch.stack([x + 3.2, y])) is stamp


def test_frames_taken_as_aligned_are_moved_where_stars_say_so() -> None:
    plane = torch.zeros(64, 64)
    plane[32 - 15 : 32 + 16, 32 - 15 : 32 + 16] = torch.from_numpy(moffat_stamp(3.4, 3.5, 15).astype(np.float32))
    none = torch.zeros(64, 64, dtype=torch.bool)
    image = Image(data=plane, variance=torch.ones(64, 64), mask=none)
    off = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
    moved = AlignNone()(image, image, off)
    t = torch.arange(64.0)
    assert float((moved.data.sum(0) * t).sum() / moved.data.sum()) == pytest.approx(31.5, abs=0.03)


def test_plain_pairs_bring_truth_and_psfs(tmp_path: Path) -> None:
    summary = SimulatePairs(n=2, shape=(96, 96), transients=900.0).run(tmp_path, 3)
    manifest = pd.read_csv(tmp_path / "manifest.csv")
    assert summary["pairs"] == len(manifest) == 2
    with fits.open(tmp_path / manifest["science"][1]) as hdus:
        assert hdus["PSF"].data.sum() == pytest.approx(1.0, abs=1e-3) and hdus[0].data.shape == (96, 96)
    truth = pd.read_csv(tmp_path / manifest["truth"][0])
    assert {"x", "y", "flux", "snr_opt", "object_id"} <= set(truth.columns) and len(truth) >= 1
