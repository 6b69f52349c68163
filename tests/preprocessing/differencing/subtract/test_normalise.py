"""Flux ratio, registration, refinement and noise of a pair against what the simulation put in."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.preprocessing.differencing.difference import Difference
from astrid_ml.preprocessing.differencing.sky.noise import Noise
from astrid_ml.preprocessing.differencing.stars.match import registration, robust_ratio
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput
from astrid_ml.preprocessing.differencing.subtract.refine import Refine, RefineNone, moved
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.preprocessing.differencing.subtract.tiles import Tiles, psf_at, spans
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair


def test_the_ratio_ignores_variables_and_has_an_honest_error() -> None:
    rng = np.random.default_rng(5)
    pulls, kept_variables = [], 0
    for _ in range(200):
        flux = 10 ** rng.uniform(3, 5, 60)
        errors = np.full(60, 40.0)
        science, reference = 1.25 * flux + rng.normal(0, 40, 60), flux + rng.normal(0, 40, 60)
        science[:6] *= rng.uniform(1.2, 3.0, 6)
        ratio, error, kept = robust_ratio(science, errors, reference, errors)
        pulls.append((ratio - 1.25) / error)
        kept_variables += int(kept[:6].sum())
    assert kept_variables < 0.1 * 6 * 200
    assert abs(np.mean(pulls)) < 0.4 and 0.6 < np.std(pulls) < 1.5


def _stars(n: int, noise: float, shift: tuple[float, float], turn: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(n)
    x, y = rng.uniform(0, 1000, n), rng.uniform(0, 1000, n)
    return pd.DataFrame(
        {
            "x": x,
            "y": y,
            "dx": shift[0] - turn * (y - 500) + rng.normal(0, noise, n),
            "dy": shift[1] + turn * (x - 500) + rng.normal(0, noise, n),
            "spread": noise,
        }
    )


def test_registration_takes_the_simplest_model_that_fits() -> None:
    none, sigma = registration(_stars(60, 0.02, (0.0, 0.0)))
    assert float(none.abs().max()) == 0.0 and sigma < 0.01
    shift, _ = registration(_stars(60, 0.02, (0.15, -0.1)))
    assert shift[:, 0].tolist() == pytest.approx([0.15, -0.1], abs=0.01) and float(shift[:, 1:].abs().max()) == 0.0
    turned, sigma = registration(_stars(200, 0.02, (0.0, 0.0), turn=4e-4))
    assert float(turned[0, 2]) == pytest.approx(-4e-4, rel=0.1) and sigma < 0.01


def test_registration_error_beyond_the_centroids_noise_is_found() -> None:
    stars = _stars(400, 0.05, (0.0, 0.0))
    stars["spread"] = 0.03
    assert registration(stars)[1] == pytest.approx(0.04, rel=0.25)


def test_what_the_pair_was_made_with_is_measured(subtracted: Difference) -> None:
    q = subtracted.quality
    assert q.flux_ratio_err is not None
    assert q.flux_ratio == pytest.approx(1.25, abs=max(4 * q.flux_ratio_err, 0.01))
    assert q.science.fwhm == pytest.approx(3.43, abs=0.08) and q.astrometric_sigma < 0.04
    assert q.registration_left < 0.1 and q.matched_stars >= 8


def test_refinement_finds_a_shift_that_was_put_in(subtracted: Difference) -> None:
    pair = subtracted.pair
    off = replace(pair, psfs=(pair.psfs[0], moved(pair.psfs[1], torch.tensor(0.12), torch.tensor(-0.07))))
    refined, found = Refine()(off)
    assert found["refined"] == 1.0 and found["refine_loss_after"] < found["refine_loss_before"]
    assert (found["refine_dx"], found["refine_dy"]) == pytest.approx((-0.12, 0.07), abs=0.03)
    assert float((refined.psfs[1] - pair.psfs[1]).abs().max() / pair.psfs[1].max()) < 0.03
    assert RefineNone()(off) == (off, {})
    assert Refine()(replace(off, stars=None))[1] == {"refined": 0.0}


def test_noise_is_measured_where_blank_sky_contradicts_the_map(sky: SkyPair) -> None:
    white = torch.randn(400, 400, generator=torch.Generator().manual_seed(3))
    smooth = torch.nn.functional.avg_pool2d(white[None, None], 3, 1, 1)[0, 0] * 3
    blank = torch.ones(400, 400, dtype=torch.bool)
    image = sky.science.with_(data=white, variance=torch.ones(400, 400), mask=~blank, saturated=None)
    plain = Noise()(image, blank)
    assert not plain.measured and plain.autocovariance.shape == (1, 1)
    measured = Noise()(image.with_(data=smooth), blank)
    assert measured.measured
    # a 3 x 3 mean correlates neighbours by 2/3
    assert measured.lag1 == pytest.approx(2 / 3, abs=0.03)
    scaled = Noise(method="measured")(image.with_(variance=torch.full((400, 400), 0.5)), blank)
    assert float(scaled.variance.median()) == pytest.approx(1.0, rel=0.05)
    few = torch.zeros_like(blank)
    assert Noise()(image, few).figures() == {"noise_measured": 0.0}


def test_tiles_give_what_the_whole_gives(subtracted: Difference) -> None:
    pair: SubtractionInput = subtracted.pair
    whole = Zogy()(pair)
    tiled = Tiles(size=160, margin=3.0)(Zogy(), pair)
    for name in ("diff", "significance", "flux_error"):
        a, b = getattr(whole, name), getattr(tiled, name)
        inner = (slice(4, -4), slice(4, -4))
        assert float((a - b)[inner].abs().max()) < 1e-4 * float(a[inner].abs().max()), name
    assert torch.equal(whole.mask, tiled.mask)


def test_tiles_cover_a_frame_once() -> None:
    parts = list(spans(1000, 300, 20))
    assert [p[:2] for p in parts] == [(0, 250), (250, 500), (500, 750), (750, 1000)]
    assert parts[1][2:] == (230, 520)
    grid = torch.arange(4.0).view(2, 2, 1, 1)
    assert float(psf_at(grid, 0.5, 0.5)) == pytest.approx(1.5) and float(psf_at(grid, 0.25, 0.75)) == pytest.approx(1.0)
    assert float(psf_at(grid, 0.0, 1.0)) == pytest.approx(0.5)  # beyond the tiles' middles the line goes on
