"""Snowballs and showers that users of other packages reported: each comes out right here.

Each test names the thread in which the situation was described. Data are drawn here; nothing is taken from there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from astrid_ml.preprocessing.ramps.exposure.dq import group_dq
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.fusion.showers import with_showers
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, JUMP_DET
from astrid_ml.preprocessing.ramps.readers.options import border_mask
from astrid_ml.types import Floats
from tests.made.ramps import FULL, WHOLE, ball, crowded, ramp_of, searched, star


def test_a_snowball_within_a_mean_is_found() -> None:
    """spacetelescope/jwst 7797: of a ball between the reads of a group only the group after has a full core."""
    reads = crowded(8, frames=4)
    reads[4 * 3 + 2 :] += 0.35 * ball(50, 40, 7)
    reads[4 * 4 :] += ball(50, 40, 7)
    [one] = searched(ramp_of(reads, frames=4)).snowballs
    assert one.group in (3, 4) and np.hypot(one.y - 50, one.x - 40) < 1.5


def test_a_snowball_with_a_trail_is_one_and_stands_where_its_core_is() -> None:
    """spacetelescope/jwst 8516: the centre of the ellipse around core and trail need not be full."""
    reads = crowded(8)
    reads[3:] += ball(50, 40, 8, trail=True)
    [one] = searched(ramp_of(reads)).snowballs
    assert one.group == 3 and np.hypot(one.y - 50, one.x - 40) < 1.5


def test_rays_at_the_edge_are_no_snowballs() -> None:
    """spacetelescope/jwst 9446: near the edges no full core is asked for there."""
    reads, random = crowded(8), np.random.default_rng(9)
    for _ in range(60):  # short tracks, within 25 px of an edge
        y, x, along = random.integers(0, 25), random.integers(0, 95), random.integers(1, 5)
        reads[random.integers(1, 8) :, y, x : x + along] += random.uniform(100, 3000)
    assert searched(ramp_of(reads)).snowballs == []


@pytest.mark.parametrize("radius", [1.0, 2.0])
def test_small_cores_have_a_size(radius: float) -> None:
    """spacetelescope/jwst 10557: cores of one or two pixels had none. Smaller ones are asked for by an option."""
    reads = crowded(8)
    reads[4:] += ball(50, 40, radius)
    asked = replace(Processing().config, snowball_min_radius=radius)
    [one] = searched(ramp_of(reads), config=asked).snowballs
    assert one.core_radius >= 1 and len(one.core) >= 4 and np.hypot(one.y - 50, one.x - 40) < 1


def test_stars_that_fill_the_well_are_no_snowballs() -> None:
    """spacetelescope/stcal 144: each in another group."""
    rate = sum(star(y, x, flux) for y, x, flux in ((20, 20, 3e4), (20, 70, 3e3), (70, 20, 1.2e3), (70, 70, 800.0)))
    reads = crowded(10) + np.random.default_rng(3).poisson(10 * np.asarray(rate), (10, 100, 100)).cumsum(0)
    assert searched(ramp_of(reads)).snowballs == []


def test_a_snowball_before_the_first_read_and_what_stays_of_it() -> None:
    """spacetelescope/jwst 10355, 8174: full from the start; its core is masked in the next integration."""
    first, then = crowded(8), crowded(8, seed=5)
    first += ball(50, 40, 7)
    found = searched(ramp_of(np.stack([first, then])))
    [one] = found.snowballs
    assert (one.integration, one.group) == (0, 0) and np.hypot(one.y - 50, one.x - 40) < 1.5
    assert (group_dq(found, 1, WHOLE)[:, 50, 40] & JUMP_DET).all()  # 80 s of the 4,000


def showers(reads: Floats, folder: Path, **more: Any) -> Processed:
    found = process(Exposure(ramp_of(reads, **more)), folder / "cube.npy")
    return with_showers(found, np.load(folder / "cube.npy", mmap_mode="r"))


def test_bad_pixels_borders_and_bright_lines_are_no_showers(tmp_path: Path) -> None:
    """spacetelescope/jwst 8279, 8333, 8616: blobs of forbidden pixels, reference pixels, emission lines."""
    reads = crowded(8) + np.random.default_rng(3).poisson(10 * star(60, 50, 500.0, wide=6.0), (8, 100, 100)).cumsum(0)
    bad, lost = np.zeros((100, 100), np.uint32), np.random.default_rng(2).random((100, 100))
    bad[star(30, 30, 1.0, wide=7.0) > lost] = DO_NOT_USE
    reads[:, bad > 0] = np.random.default_rng(1).uniform(0, FULL, (8, int((bad > 0).sum())))
    border = border_mask(100, 100, 4)
    reads[:, border] = 1000.0
    assert showers(reads, tmp_path, pixel_dq=bad, reference=border).showers == []
