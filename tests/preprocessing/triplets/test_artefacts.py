"""What artefacts leave in a difference is not what a source that changed leaves."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.preprocessing.triplets.artefacts import CENTRE, Optics, bad_kernel, dipole, hot_pixel
from astrid_ml.preprocessing.triplets.render import SIZE

N = 200


def optics() -> Optics:
    place = np.full(N, CENTRE, np.float32)
    return Optics(np.full(N, 2.5, np.float32), 3.0, place, place)


@pytest.mark.parametrize("make", [dipole, bad_kernel])
def test_stars_that_do_not_change_leave_no_flux(make: object) -> None:
    """Case: dipoles kept up to a tenth of their star, and published networks called them real variables."""
    assert callable(make)
    found = make(optics(), np.random.default_rng(1))
    left, star = found.difference.sum(axis=(1, 2)), found.science.sum(axis=(1, 2))
    assert np.abs(left / star).max() < 0.02
    assert found.difference.max() > 0 > found.difference.min()


def test_the_neighbours_of_a_hot_pixel_hold_little_of_it() -> None:
    image = hot_pixel(optics(), np.random.default_rng(1)).difference
    assert image.shape == (N, SIZE, SIZE)
    assert (image.max(axis=(1, 2)) / image.sum(axis=(1, 2)) > 1 / 1.13).all()
