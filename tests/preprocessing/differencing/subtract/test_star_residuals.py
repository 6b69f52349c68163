"""What subtraction leaves beside the cores of stars."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.pixels.stamps import render_sources
from astrid_ml.preprocessing.differencing.stars.match import Matched
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.star_residuals import StarResiduals

_SIZE, _ERROR, _SHARE = 400, 50.0, 0.004
FLUX = np.concatenate([np.full(12, 3e5), np.geomspace(2e3, 2e5, 52)])  # of stars every 48 px


def made(share: float, variable: bool = False, at: float = 5.0) -> tuple[SubtractionResult, SubtractionInput, Matched]:
    """White significance; four lobes ``at`` px from each star hold ``share`` of its flux; one may be variable."""
    along = np.arange(30, _SIZE - 20, 48.0)
    x, y = (t.ravel() for t in np.meshgrid(along, along))
    significance = torch.randn(_SIZE, _SIZE, generator=torch.Generator().manual_seed(7))
    lobe = gaussian_stamp(1.5, 9) / gaussian_stamp(1.5, 9).max()
    amount = torch.from_numpy(share * FLUX / _ERROR).float()
    if variable:
        amount[3] += 400
    for dx, dy, sign in ((at, 0, 1), (-at, 0, 1), (0, at, -1), (0, -at, -1)):
        places = [torch.from_numpy(t + d) for t, d in ((x, dx), (y, dy))]
        significance += render_sources((_SIZE, _SIZE), lobe, places[0], places[1], sign * amount)
    flat = torch.ones(_SIZE, _SIZE)
    none, psf = torch.zeros(_SIZE, _SIZE, dtype=torch.bool), gaussian_stamp(1.4, 21)
    result = SubtractionResult(flat, significance, psf, flat, none, flat * _ERROR)
    light = render_sources(
        (_SIZE, _SIZE), psf, torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(FLUX).float()
    )
    pair = SubtractionInput(flat, light, (flat, flat), (none, none), (psf, psf), (1.0, 1.0))
    stars = pd.DataFrame({"x": x, "y": y, "flux_science": FLUX, "kept": True})
    return result, pair, Matched(stars, 1.0, 0.01, torch.zeros(2, 3), 0.01)


def beyond(significance: Tensor, sigma: float = 5.0) -> int:
    return int((significance.abs() > sigma).sum())


@pytest.mark.parametrize("at", [4.0, 5.0, 7.0])
def test_lobes_beside_stars_are_no_detections_and_sky_stays_what_it_is(at: float) -> None:
    result, pair, matched = made(_SHARE, at=at)
    assert beyond(result.significance) > 300
    after, quality = StarResiduals()(result, pair, matched)
    assert quality["residual_share_around"] == pytest.approx(_SHARE / 4, rel=0.5)  # the mean of a ring, not its peak
    assert beyond(after.significance, 6.0) == 0
    assert torch.allclose(after.significance * after.flux_error, result.significance * result.flux_error, atol=0.05)
    assert float((after.flux_error == _ERROR).float().mean()) > 0.2 and float(after.flux_error.min()) >= _ERROR * 0.9999


def test_noise_alone_leaves_nothing_and_one_variable_star_is_no_rule() -> None:
    for variable in (False, True):
        _, quality = StarResiduals()(*made(0.0, variable))
        assert quality["residual_share_around"] < 1e-4
    assert StarResiduals(enabled=False)(*made(_SHARE))[1]["residual_share_around"] == 0.0
    assert StarResiduals(min_stars=65)(*made(_SHARE))[1]["residual_share_around"] == 0.0


def test_the_largest_flux_within_reach_is_the_same_in_bands_and_at_once() -> None:
    flux = torch.rand(301, 217, generator=torch.Generator().manual_seed(1))
    at_once = torch.nn.functional.max_pool2d(flux[None, None], 7, 1, 3)[0, 0]
    assert torch.equal(StarResiduals()._spread(flux), at_once)
