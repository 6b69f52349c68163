"""Masks of bright stars on frames whose haloes, spikes and trails are known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.stars.bright import (
    BRIGHT_COLUMNS,
    BrightStars,
    bleed_mask,
    saturated_cores,
    wings_of,
)
from astrid_ml.preprocessing.differencing.stars.bright_spikes import find_angles, spike_lengths, spike_mask
from astrid_ml.preprocessing.simulated_sky.artefacts import saturate
from astrid_ml.types import Floats, Mask

SHAPE, SIGMA, BETA, ALPHA = (400, 420), 5.0, 2.0, 3.0


def moffat(x: float, y: float) -> Floats:
    """Unit flux, wings as r^-4."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    r2 = (columns - x) ** 2 + (rows - y) ** 2
    return np.asarray((BETA - 1) / (np.pi * ALPHA**2) * (1 + r2 / ALPHA**2) ** -BETA)


def psf(radius: int = 20) -> torch.Tensor:
    t = np.arange(-radius, radius + 1)
    stamp = (1 + (t[:, None] ** 2 + t[None, :] ** 2) / ALPHA**2) ** -BETA
    return torch.from_numpy((stamp / stamp.sum()).astype(np.float32))


def spikes(x: float, y: float, angles: tuple[float, ...], height: float, scale: float) -> Floats:
    """Lines 2 px wide whose brightness falls exponentially with ``scale`` px."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    out = np.zeros(SHAPE)
    for angle in np.radians(angles):
        along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
        across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
        out += height * np.exp(-np.abs(along) / scale) * np.exp(-(across**2) / 2)
    return out


def noise(seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, SIGMA, SHAPE)


def image(data: Floats, mask: Mask, saturated: torch.Tensor | None = None) -> Image:
    return Image(
        torch.from_numpy(data.astype(np.float32)),
        torch.full(SHAPE, SIGMA**2),
        torch.from_numpy(mask),
        saturated=saturated,
    )


def test_wings_are_the_power_law_of_the_profile_and_invert() -> None:
    wings = wings_of(psf())
    assert wings.slope == pytest.approx(4, abs=0.25)
    r = np.array([1.5, 6.0, 15.0, 60.0])
    expected = (BETA - 1) / (np.pi * ALPHA**2) * (1 + r**2 / ALPHA**2) ** -BETA
    assert np.allclose(wings.at(r)[:3], expected[:3], rtol=0.12) and wings.at(r)[3] == pytest.approx(
        expected[3], rel=0.4
    )
    assert np.allclose(wings.reach(wings.at(r)), r, rtol=0.01)


def test_halo_radius_grows_with_flux_to_where_the_star_sinks_into_the_noise() -> None:
    stars = pd.DataFrame({"x": [100.0, 300.0, 200.0], "y": [100.0, 100.0, 300.0], "flux": [3e5, 3e6, 300.0]})
    data = noise() + sum(f * moffat(x, y) for x, y, f in stars.to_numpy())
    found = BrightStars(spike_angles=[])(image(data, np.zeros(SHAPE, bool)), psf(), stars)
    assert tuple(found.stars.columns) == BRIGHT_COLUMNS and found.stars["flux"].tolist() == [3e6, 3e5]
    for radius, flux in found.stars[["radius", "flux"]].to_numpy():
        exact = ALPHA * math.sqrt(math.sqrt(flux / (np.pi * ALPHA**2) / SIGMA) - 1)
        assert radius == pytest.approx(exact, rel=0.08)
    assert int(found.halo.sum()) == pytest.approx(math.pi * float((found.stars["radius"] ** 2).sum()), rel=0.03)
    left = torch.from_numpy((data - noise() - 300 * moffat(200, 300)).astype(np.float32))[~found.mask]
    assert float(left.max()) < 1.3 * SIGMA
    assert not bool(found.spikes.any()) and not bool(found.bleeds.any())


def test_saturated_stars_are_found_by_their_rim_and_weighed_by_their_wings() -> None:
    data = noise() + 2e6 * moffat(150.3, 210.6)
    full, over = saturate(data, 2e4, bleed=True)
    bad = over.copy()
    bad[50:53, 60:62] = True  # bad pixels, no star
    full[bad] = 0
    cores = saturated_cores(full, bad, SIGMA)
    assert np.array_equal(cores, over)
    found = BrightStars(spike_angles=[])(image(full, bad), psf())
    assert len(found.stars) == 1 and bool(found.stars["saturated"][0])
    star = found.stars.iloc[0]
    assert np.allclose([star["x"], star["y"]], [150.3, 210.6], atol=0.8)
    assert star["flux"] == pytest.approx(2e6, rel=0.15)
    named = BrightStars(spike_angles=[])(image(full, bad, saturated=torch.from_numpy(over)), psf())
    pd.testing.assert_frame_equal(named.stars, found.stars)
    assert bool(found.mask[torch.from_numpy(over)].all()) and not bool(found.mask[50:53, 60:62].any())


def test_a_trail_is_followed_below_saturation_and_a_round_core_has_none() -> None:
    data, saturated = noise(), np.zeros(SHAPE, bool)
    data[100:160, 200] = 2000.0
    saturated[110:150, 200] = True
    saturated[127:133, 197:204] = True
    saturated[300:306, 300:306] = True
    data[saturated] = 5000.0
    trail = bleed_mask(data, saturated, 10 * SIGMA)
    rows, columns = np.nonzero(trail)
    assert (rows.min(), rows.max()) == (100, 159) and set(columns) == {199, 200, 201}
    assert np.array_equal(bleed_mask(data.T, saturated.T, 10 * SIGMA, along="rows"), trail.T)


@pytest.mark.parametrize("angles", [(45.0, 135.0), (0.0, 90.0), (12.4, 72.4, 132.4)])
def test_spikes_are_found_and_covered(angles: tuple[float, ...]) -> None:
    places = np.array([[120.0, 130.0], [300.0, 120.0], [210.0, 300.0]])
    data = noise(1)
    lines = np.zeros(SHAPE)
    for (x, y), strength in zip(places, (2.0, 1.0, 0.5), strict=True):
        lines += spikes(x, y, angles, 200 * strength, 25)
        data += 1e6 * strength * moffat(x, y)
    data += lines
    mask = np.zeros(SHAPE, bool)
    found = find_angles(data, mask, SIGMA, places[:, 0], places[:, 1])
    apart = np.abs((np.array(sorted(found))[:, None] - np.array(angles) + 90) % 180 - 90)
    assert len(found) == len(angles) and float(apart.min(1).max()) < 1
    lengths = spike_lengths(data, mask, 2 * SIGMA, places[:, 0], places[:, 1], found)
    # the first star's spikes sink to two sigma at 25 ln(400 / 10) px
    assert np.median(lengths[0]) == pytest.approx(25 * math.log(400 / 10), abs=15)
    assert np.median(lengths[2]) < np.median(lengths[0])
    covered = spike_mask(SHAPE, places[:, 0], places[:, 1], found, lengths, 5.0)
    bright = lines > 4 * SIGMA
    assert (covered & bright).sum() > 0.85 * bright.sum() and covered.mean() < 0.06


def test_round_stars_have_no_spikes_and_an_empty_frame_has_nothing() -> None:
    data = noise(2) + 2e6 * moffat(120, 130) + 1e6 * moffat(300, 240)
    clean = np.zeros(SHAPE, bool)
    stars = pd.DataFrame({"x": [120.0, 300.0], "y": [130.0, 240.0], "flux": [2e6, 1e6]})
    assert BrightStars()(image(data, clean), psf(), stars).angles == ()
    nothing = BrightStars()(image(noise(3), clean), psf())
    assert tuple(nothing.stars.columns) == BRIGHT_COLUMNS and len(nothing.stars) == 0
    assert not bool(nothing.mask.any()) and nothing.angles == ()
