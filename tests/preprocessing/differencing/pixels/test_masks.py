"""How far a mask grows: whole around blocks, around single pixels as far as a source misses them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import convolve

from astrid_ml.preprocessing.differencing.difference import Subtraction
from astrid_ml.preprocessing.differencing.pixels.masks import FELT, grow, grow_where_felt
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair

PSF = gaussian_stamp(1.3, 25)


def at(*places: tuple[int, int]) -> torch.Tensor:
    mask = torch.zeros(31, 31, dtype=torch.bool)
    for row, column in places:
        mask[row, column] = True
    return mask


def test_a_single_pixel_takes_what_its_weight_says() -> None:
    grown = grow_where_felt(at((15, 15)), 3, (PSF, PSF))
    weight = PSF.numpy() ** 2 / (PSF.numpy() ** 2).sum()
    expected = weight[9:16, 9:16] > FELT
    np.testing.assert_array_equal(grown.numpy()[12:19, 12:19], expected)
    assert 9 <= int(grown.sum()) == int(expected.sum()) < 25


def test_blocks_grow_whole_and_nothing_grows_beyond_the_square() -> None:
    block = at((10, 10), (10, 11), (11, 10), (11, 11))
    assert torch.equal(grow_where_felt(block, 3, (PSF,)), grow(block, 3))
    wide = gaussian_stamp(6.0, 49)
    some = at((4, 4), (20, 3), (20, 4), (9, 25))
    for radius in (0, 1, 3, 40):
        grown = grow_where_felt(some, radius, (wide, PSF))
        assert bool((grown >= some).all()) and bool((grown <= grow(some, radius)).all())


def test_many_single_pixels_that_together_are_missed_count_together() -> None:
    checked = torch.zeros(31, 31, dtype=torch.bool)
    checked[::3, ::3] = True
    assert bool(grow_where_felt(checked, 3, (gaussian_stamp(3.0, 25),)).all())
    assert not bool(grow_where_felt(checked, 3, (gaussian_stamp(0.4, 25),)).all())


@pytest.mark.parametrize("rows", [1, 255, 256, 257, 259, 600])
@pytest.mark.parametrize("radius", [1, 5, 300])
def test_rows_at_a_time_mark_what_the_whole_marks(rows: int, radius: int) -> None:
    small = torch.from_numpy(np.random.default_rng(rows).random((rows, 9)) < 0.02)
    small[1:] &= ~small[:-1]
    small[:, 1:] &= ~small[:, :-1]  # single pixels: what touches its neighbour is no block of 2 x 2 either
    wide = gaussian_stamp(4.0, 25).double().square().numpy() / float(gaussian_stamp(4.0, 25).double().square().sum())
    half = min(radius, 12)
    lost = convolve(small.numpy().astype(float), wide[12 - half : 13 + half, 12 - half : 13 + half], mode="constant")
    clear = abs(lost - FELT) > 1e-6  # float32 there, float64 here
    found = grow_where_felt(small, radius, (gaussian_stamp(4.0, 25),)).numpy()
    np.testing.assert_array_equal(found[clear], (small.numpy() | (lost > FELT))[clear])


def test_a_grid_of_psfs_counts_by_its_mean() -> None:
    grid = PSF.expand(2, 2, *PSF.shape)
    assert torch.equal(grow_where_felt(at((15, 15)), 3, (grid,)), grow_where_felt(at((15, 15)), 3, (PSF,)))


@pytest.mark.parametrize("share", [0.0084])
def test_scattered_bad_pixels_cost_little_of_the_frame(sky: SkyPair, share: float) -> None:
    """A square of 7 x 7 around each would take 34 % of the frame, and two of five transients."""
    bad = torch.from_numpy(np.random.default_rng(11).random(sky.science.shape) < share)
    science = sky.science.with_(mask=sky.science.mask | bad, data=sky.science.data.masked_fill(bad, 0.0))
    done = Subtraction()(science, sky.reference)
    assert float(done.result.mask.float().mean()) < 0.2
    found, truth = (table[["x", "y"]].to_numpy() for table in (done.candidates, inner(sky.truth, sky)))
    distance = np.hypot(*(found[:, None] - truth[None]).transpose(2, 0, 1))
    assert (distance.min(0) < 2.5).mean() > 0.75


def inner(truth: pd.DataFrame, sky: SkyPair) -> pd.DataFrame:
    """The transients above S/N 7, 20 px off the border."""
    height, width = sky.science.shape
    inside = truth["x"].between(20, width - 21) & truth["y"].between(20, height - 21)
    return truth[inside & (truth["snr_opt"] > 7)]
