"""Alignment against scenes rendered in the target grid, and the noise that it leaves."""

from typing import Any

import numpy as np
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.grid.align import Align, AlignNone
from astrid_ml.preprocessing.differencing.grid.resample import noise_autocorrelation, resample
from astrid_ml.preprocessing.simulated_sky.pair import _wcs, add_points

SHAPE = (256, 256)


def _scene(scale: float = 1.0) -> tuple[Image, Image]:
    """A star field rendered without noise in two grids; the second has pixels ``scale`` times as large."""
    rng = np.random.default_rng(4)
    frames = (_wcs(SHAPE, 1.0, (0.0, 0.0), 0.0), _wcs(SHAPE, scale, (0.37, -0.21), 1.0))
    x, y, flux = rng.uniform(0, 255, 150), rng.uniform(0, 255, 150), rng.uniform(1e3, 2e4, 150)
    images = []
    for wcs, size in zip(frames, (1.0, scale), strict=True):
        plane = np.zeros(SHAPE)
        px, py = wcs.all_world2pix(*frames[0].all_pix2world(x, y, 0), 0)
        add_points(plane, px, py, flux, 3.5 / size, 3.5)
        data = torch.from_numpy(plane.astype(np.float32))
        mask = torch.zeros(SHAPE, dtype=torch.bool)
        images.append(Image(data=data, variance=torch.ones(SHAPE), mask=mask, wcs=wcs))
    return images[0], images[1]


def _error(truth: Image, aligned: Image) -> float:
    keep = ~aligned.mask
    keep[:8], keep[-8:], keep[:, :8], keep[:, -8:] = False, False, False, False
    return float((aligned.data - truth.data)[keep].square().mean().sqrt() / truth.data[keep].std())


def test_nearer_the_rendered_truth_than_bicubic() -> None:
    truth, other = _scene()
    ours, theirs = (_error(truth, Align(method=m)(truth, other)) for m in ("lanczos", "interp"))
    assert ours < theirs and ours < 0.01


def test_flux_is_kept_across_pixel_scales() -> None:
    truth, other = _scene(scale=0.8)
    aligned = Align(min_overlap=0.5)(truth, other)
    inner = ~aligned.mask
    assert float(aligned.data[inner].sum() / truth.data[inner].sum()) == pytest.approx(1.0, abs=0.01)


def test_noise_after_resampling_is_as_stated() -> None:
    noise = torch.randn(512, 512, generator=torch.Generator().manual_seed(1))
    y, x = torch.meshgrid(torch.arange(480.0), torch.arange(480.0), indexing="ij")
    at = torch.stack([x + 16.3, y + 16.45]).double()
    out, var, bad = resample(noise, torch.ones(512, 512), torch.zeros(512, 512, dtype=torch.bool), at, 3)
    lags = noise_autocorrelation(at, 3)
    assert not bad.any() and float(var.mean()) == pytest.approx(float(lags[5, 5]), rel=1e-4)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2)):
        measured = float((out[: 480 - dy, : 480 - dx] * out[dy:, dx:]).mean())
        assert measured == pytest.approx(float(lags[5 + dy, 5 + dx]), abs=0.01)


def test_masked_pixels_spread_and_do_not_leak() -> None:
    truth, other = _scene()
    mask = other.mask.clone()
    mask[100:103, 100:103] = True
    aligned = Align()(truth, other.with_(mask=mask))
    assert 25 <= int(aligned.mask[60:160, 60:160].sum()) <= 81


def test_saturated_cores_move_with_their_stars() -> None:
    truth, other = _scene()
    peak = torch.nonzero(other.data == other.data[20:-20, 20:-20].max())[0]
    saturated = torch.zeros(SHAPE, dtype=torch.bool)
    saturated[peak[0] - 1 : peak[0] + 2, peak[1] - 1 : peak[1] + 2] = True
    aligned = Align()(truth, other.with_(saturated=saturated))
    assert aligned.saturated is not None
    found = torch.nonzero(aligned.saturated).double().mean(dim=0)
    assert other.wcs is not None and truth.wcs is not None
    sky = other.wcs.all_pix2world([[float(peak[1]), float(peak[0])]], 0)
    expected = truth.wcs.all_world2pix(sky, 0)[0]
    assert 4 <= int(aligned.saturated.sum()) <= 16
    assert np.hypot(*(found.numpy()[::-1] - expected)) < 0.75
    assert np.hypot(*(expected - peak.numpy()[::-1])) > 0.75  # else the test would hold without moving anything
    assert Align()(truth, other).saturated is None


@pytest.mark.parametrize("wrong", ["science", "reference"])
@pytest.mark.parametrize("factor", [1e9, 1e-9, 1e3])
@pytest.mark.parametrize("method", ["lanczos", "interp"])
def test_a_pixel_that_covers_the_other_frame_is_refused_at_once(wrong: str, factor: float, method: Any) -> None:
    frames = dict(zip(("science", "reference"), _scene(), strict=True))
    wcs: Any = frames[wrong].wcs
    wcs = wcs.deepcopy()
    wcs.wcs.cd = wcs.wcs.cd * np.array([[1.0], [factor]])  # of one axis, as one damaged card does
    wcs.wcs.set()
    frames[wrong] = frames[wrong].with_(wcs=wcs)
    with pytest.raises(UserError, match=r"a pixel of \w+ as long as [\d.e+]+ of"):
        Align(method=method, min_overlap=0.0)(frames["science"], frames["reference"])


def test_overlap_and_shapes_are_refused_with_numbers() -> None:
    truth, other = _scene()
    far = other.with_(wcs=_wcs(SHAPE, 1.0, (100.0, 0.0), 0.0))
    with pytest.raises(UserError, match=r"0\.6"):
        Align()(truth, far)
    with pytest.raises(UserError, match="align=none"):
        Align()(truth, other.with_(wcs=None))
    assert torch.equal(AlignNone()(truth, other).data, other.data)
