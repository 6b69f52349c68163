"""Stars beside bad pixels: where a share of a detector is flagged, none would be left."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.pixels.stamps import render_sources
from astrid_ml.preprocessing.differencing.stars.select import SelectStars, Sources, find_sources
from astrid_ml.types import Floats, Mask

_SIZE, _EVERY = 320, 40  # px


def stars(mask: Tensor) -> tuple[Image, Tensor]:
    """Stars of one flux every 40 px, and their places (n, 2)."""
    along = torch.arange(_EVERY // 2, _SIZE, _EVERY).double()
    y, x = (t.flatten() for t in torch.meshgrid(along, along, indexing="ij"))
    data = render_sources((_SIZE, _SIZE), gaussian_stamp(1.4, 25), x, y, torch.full((len(x),), 2e4))
    noise = torch.randn(_SIZE, _SIZE, generator=torch.Generator().manual_seed(2)) * 5
    image = Image(data=(data + noise).masked_fill(mask, 0.0), variance=torch.full_like(data, 25.0), mask=mask)
    return image, torch.stack([x, y], 1)


def test_single_bad_pixels_leave_most_stars_and_holes_in_cores_none() -> None:
    scattered = torch.rand(_SIZE, _SIZE, generator=torch.Generator().manual_seed(3)) < 0.005
    image, _ = stars(scattered)
    assert len(SelectStars()(image, find_sources(image))) > 30  # of 64; one in five would be whole within 8 px
    image, _ = stars(torch.rand(_SIZE, _SIZE, generator=torch.Generator().manual_seed(3)) < 0.15)
    assert len(SelectStars()(image, find_sources(image))) == 0


@pytest.mark.parametrize(("off", "side", "kept"), [(0, 1, False), (3, 1, False), (6, 1, True), (6, 5, False)])
def test_the_core_must_be_whole_and_most_of_what_is_around_it(off: int, side: int, kept: bool) -> None:
    mask = torch.zeros(_SIZE, _SIZE, dtype=torch.bool)
    mask[140 + off : 140 + off + side, 140 : 140 + side] = True
    image, _ = stars(mask)
    found = SelectStars()(image, find_sources(image))
    near = np.hypot(found["x"] - 140, found["y"] - 140) < 3
    assert near.any() == kept


@pytest.mark.parametrize(("stars_there", "crowd", "kept"), [(1, 60, 60), (2, 60, 60), (4, 60, 4), (2, 4, 2)])
def test_a_crowd_is_not_left_for_one_or_two_sharper_sources(stars_there: int, crowd: int, kept: int) -> None:
    random = np.random.default_rng(4)
    galaxies = random.uniform(2.5, 6.0, 20)
    width = np.concatenate([np.full(stars_there, 1.2), random.normal(1.65, 0.01, crowd), galaxies])
    table = pd.DataFrame({"width": width, "width_err": 0.01})
    there = np.arange(len(width)) < stars_there
    chosen, _ = SelectStars()._agreed(Sources(table, torch.zeros(1, 1)), np.ones(len(width), dtype=bool), there, False)
    assert int(chosen.sum()) == kept


def agreed(width: Floats, there: Mask, crowd_there: bool) -> tuple[Mask, bool]:
    table = pd.DataFrame({"width": width, "width_err": 0.01})
    good = np.ones(len(width), dtype=bool)
    return SelectStars()._agreed(Sources(table, torch.zeros(1, 1)), good, there, crowd_there)


def test_a_crowd_is_not_left_for_the_few_of_it_that_the_other_image_knows() -> None:
    """Case: 26 stars of a crowd, of which the other image, deep and full of galaxies, called three stars."""
    random = np.random.default_rng(5)
    width = np.concatenate([random.normal(2.2, 0.01, 60), random.uniform(2.8, 5.0, 32)])
    chosen, distinct = agreed(width, np.arange(92) < 3, False)
    assert distinct and chosen[:60].all() and chosen.sum() == 60
    chosen, distinct = agreed(width, np.arange(92) < 30, False)
    assert distinct and chosen.sum() == 30


def test_stars_that_the_other_image_knows_are_found_below_sharper_rays() -> None:
    """Case: one ray of half the stars' width was the sharpest source, and 18 stars were left for it."""
    random = np.random.default_rng(6)
    width = np.concatenate([random.normal(2.1, 0.05, 18), [0.63, 0.77], random.uniform(2.8, 5.0, 32)])
    there = (np.arange(52) < 18) | (np.arange(52) == 19)
    chosen, distinct = agreed(width, there, True)
    assert distinct and chosen[:18].all() and chosen.sum() == 18
