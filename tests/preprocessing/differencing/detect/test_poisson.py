"""Detection in few photons: false alarms as often as said, sources found, and what is chosen where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm, poisson

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.detect.options import PEAK_COLUMNS
from astrid_ml.preprocessing.differencing.detect.poisson import (
    POISSON_SIGMA,
    CountFilter,
    Counts,
    DetectsCounts,
    PoissonPeaks,
    count_filter,
    count_score,
    tail_sigma,
)
from astrid_ml.preprocessing.differencing.difference import Difference, Subtraction
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.pixels.stamps import render_sources
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair

PSFS = (gaussian_stamp(1.45, 25), gaussian_stamp(1.1, 25))
DEEP = 3.0  # exposures of the reference
SIDE = 700


def frames(sky: float, seed: int, light: tuple[torch.Tensor, torch.Tensor] | None = None, side: int = SIDE) -> Counts:
    """Counts of a science image and of a reference of three exposures, with what light (side, side) they hold."""
    rng = np.random.default_rng(seed)
    zero = torch.zeros(side, side)
    new, old = light or (zero, zero)
    means = [sky + new.clamp_min(0).numpy(), DEEP * (sky + old.clamp_min(0).numpy())]
    images = [torch.from_numpy(rng.poisson(m) - s).float() for m, s in zip(means, (sky, DEEP * sky), strict=True)]
    return Counts(images[0], images[1], (sky, DEEP * sky), PSFS, 1 / DEEP)


def threshold(sky: float, weights: CountFilter, sigma: float, sign: float) -> float:
    """The score on a plain sky of which ``tail_sigma`` says ``sigma``."""
    size, low, high = weights.science.shape[-1], 0.0, 1e3
    rates = (torch.full((1, size, size), sky), torch.full((1, size, size), DEEP * sky))
    for _ in range(60):
        middle = (low + high) / 2
        enough = float(tail_sigma(torch.tensor([sign * middle]), rates, weights, sign)) >= sigma
        low, high = (low, middle) if enough else (middle, high)
    return high


@pytest.mark.parametrize("sky", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_false_alarms_are_as_many_as_a_gaussian_has(sky: float, sign: float) -> None:
    weights = count_filter(frames(sky, 0), 5.0)
    limit = threshold(sky, weights, 3.0, sign)
    over = sum(int((sign * count_score(frames(sky, s), weights)[30:-30, 30:-30] > limit).sum()) for s in range(4))
    expected = 4 * (SIDE - 60) ** 2 * norm.sf(3.0)
    assert over == pytest.approx(expected, rel=0.2)  # 2,200 pixels, a dozen of which share their counts


def test_the_tail_of_one_pixel_is_the_poisson_distributions() -> None:
    """Of equal weights the sum is a Poisson count: the saddle point is between P(> n) and P(>= n)."""
    ones = CountFilter(torch.ones(3, 3), torch.zeros(3, 3), 0.0)
    for rate, n in ((0.02, 4), (0.5, 14), (4.0, 70)):
        rates = (torch.full((1, 3, 3), rate), torch.zeros(1, 3, 3))
        said = norm.sf(float(tail_sigma(torch.tensor([n - 9 * rate]), rates, ones, 1.0)))
        assert poisson.sf(n, 9 * rate) < said < poisson.sf(n - 1, 9 * rate)


def test_read_noise_alone_is_a_gaussian() -> None:
    weights = CountFilter(torch.ones(3, 3), torch.zeros(3, 3), 4.0)
    rates = (torch.full((2, 3, 3), 1e-9), torch.zeros(2, 3, 3))
    assert tail_sigma(torch.tensor([10.0, -3.0]), rates, weights, 1.0).tolist() == pytest.approx([5.0, 0.0], abs=1e-3)


def subtracted_counts(counts: Counts) -> SubtractionResult:
    none = torch.zeros(counts.science.shape, dtype=torch.bool)
    variances = [torch.full_like(counts.science, rate) for rate in counts.rates]
    pair = SubtractionInput(
        counts.science, counts.reference, (variances[0], variances[1]), (none, none), PSFS, counts.rates, counts.ratio
    )
    return Zogy()(pair)


@pytest.mark.parametrize(("sky", "flux", "share"), [(0.05, 20.0, 0.95), (0.2, 30.0, 0.9), (1.0, 50.0, 0.9)])
def test_new_and_faded_sources_are_found_and_stars_are_not(sky: float, flux: float, share: float) -> None:
    rng, side = np.random.default_rng(8), 420
    y, x = (torch.from_numpy(a.ravel() + rng.uniform(-0.5, 0.5, 81)) for a in np.mgrid[40:361:40, 40:361:40])
    stars = torch.from_numpy(rng.pareto(1.5, 81) * 60).float()
    new = torch.where(torch.arange(81) % 3 == 0, flux, 0.0)
    stars = torch.where(new > 0, 0.0, stars)
    light = (
        render_sources((side, side), PSFS[0], x, y, stars + new),
        render_sources((side, side), PSFS[1], x, y, stars),
    )
    counts = frames(sky, 3, light, side)
    table, said = PoissonPeaks().of_counts(counts, subtracted_counts(counts))
    assert said["detect"] == "poisson" and f"{sky:.3g} e- a pixel" in said["detect_because"]
    places = np.column_stack([x.numpy(), y.numpy()])[new.numpy() > 0]
    distance = np.hypot(*(table[["x", "y"]].to_numpy()[:, None] - places[None]).transpose(2, 0, 1))
    assert (distance.min(0) < 2.5).mean() >= share
    assert (distance.min(1) > 4).sum() <= 1
    assert table[POISSON_SIGMA].abs().is_monotonic_decreasing and (table[POISSON_SIGMA].abs() >= 5).all()


def test_where_photons_are_many_the_significance_serves(subtracted: Difference, sky: SkyPair) -> None:
    assert isinstance(PoissonPeaks(), DetectsCounts)
    done = replace(Subtraction(), detect=PoissonPeaks(below=5.0))(sky.science, sky.reference)
    said = done.quality.record()
    assert said["detect"] == "peaks" and "blank sky holds" in said["detect_because"]
    expected = subtracted.candidates
    pd.testing.assert_frame_equal(done.candidates[list(PEAK_COLUMNS)], expected[list(PEAK_COLUMNS)])
    assert done.candidates[POISSON_SIGMA].isna().all()


def test_without_a_gain_photons_cannot_be_counted() -> None:
    counts = replace(frames(0.2, 1, side=200), known=False)
    result = subtracted_counts(counts)
    with pytest.raises(UserError, match=r"the gain of both frames.*science\.gain"):
        PoissonPeaks().of_counts(counts, result)
    assert PoissonPeaks(below=5.0).of_counts(counts, result)[1] == {
        "detect": "peaks",
        "detect_because": "the gain is not known",
    }


def test_an_empty_sky_gives_an_empty_table() -> None:
    counts = frames(1e-4, 1, side=120)
    table, _ = PoissonPeaks(threshold=9.0).of_counts(counts, subtracted_counts(counts))
    assert len(table) == 0 and {*PEAK_COLUMNS, POISSON_SIGMA} <= set(table.columns)
