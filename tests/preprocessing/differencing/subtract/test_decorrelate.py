"""A difference of drizzled frames, whitened on request: neighbours hardly correlate, the significance is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import conv2d

from astrid_ml.preprocessing.differencing.detect.significance import neighbour_correlation
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.sky.spectra import autocovariance, flat_topped
from astrid_ml.preprocessing.differencing.subtract.kernel import Kernel
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy

SHAPE = (420, 420)
BLANK = torch.ones(SHAPE, dtype=torch.bool)
NIRCAM = ("jw02561001002-02561-o001_t003", "jw01324001001-01324-o001_t001")


def drizzled() -> SubtractionInput:
    """Two frames of noise whose neighbours correlate by .37, as measured; said to be white."""
    g = torch.Generator().manual_seed(2)
    drop = torch.tensor([0.2, 1.0, 0.2])[:, None] * torch.tensor([0.2, 1.0, 0.2])
    drop = drop / drop.square().sum().sqrt()
    noises, planes = [], []
    for sigma in (10.0, 8.0):
        white = sigma * torch.randn(SHAPE[0] + 2, SHAPE[1] + 2, generator=g)
        planes.append(conv2d(white[None, None], drop[None, None])[0, 0])
        noises.append(autocovariance(planes[-1], BLANK))
    variances = (torch.full(SHAPE, 100.0), torch.full(SHAPE, 64.0))
    psfs = (gaussian_stamp(1.6, 31), gaussian_stamp(1.4, 31))
    said = (torch.full((1, 1), 100.0), torch.full((1, 1), 64.0))
    masks = (~BLANK, ~BLANK)
    pair = SubtractionInput(planes[0], planes[1], variances, masks, psfs, (noises[0], noises[1]))
    return replace(pair, difference_noises=said, whitening_noises=(flat_topped(noises[0]), flat_topped(noises[1])))


@pytest.mark.parametrize("way", [Zogy(), Kernel()], ids=["zogy", "kernel"])
def test_neighbours_correlate_by_less_than_a_tenth(way: Zogy | Kernel) -> None:
    pair = drizzled()
    kept, white = way(pair), replace(way, decorrelate=True)(pair)
    inner = torch.zeros_like(BLANK)
    inner[40:-40, 40:-40] = True
    before, after = (neighbour_correlation(r.diff, inner) for r in (kept, white))
    assert abs(before[(0, 1)][0]) > 0.3
    assert max(abs(value) for value, _ in after.values()) < 0.1
    assert torch.allclose(kept.significance[inner], white.significance[inner], atol=1e-4)
    assert float(white.psf.sum()) == pytest.approx(1.0, abs=1e-3)
    assert float(white.psf.max()) > float(kept.psf.max())
    assert float(white.diff[inner].var()) == pytest.approx(float(white.variance[inner].mean()), rel=0.15)


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_a_nircam_pair_is_whitened_beyond_the_published_map(real_data: Path) -> None:
    stems = [str(real_data / "nircam" / f"{name}_nircam_clear-f200w_i2d_stamp") for name in NIRCAM]
    frames = [Frame(f"{s}.fits", noise=f"{s}.noise.fits", psf=f"{s}.WebbPSF.fits") for s in stems]
    done = DifferencingPipeline(subtract=Zogy(decorrelate=True)).difference(*frames)
    assert abs(done.quality.significance.correlation) < 0.1  # the published map's: .13 to .16
    assert done.quality.significance.std_raw == pytest.approx(0.975, abs=0.01)
