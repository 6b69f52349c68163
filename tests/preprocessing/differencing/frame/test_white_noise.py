"""Level and noise of a frame: those of all its pixels, or of bands that say the same."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.preprocessing.differencing.frame.white_noise import level_of, white_sigma


@pytest.mark.parametrize("shape", [(300, 400), (1400, 1500), (20, 90_000), (60_000, 30)])
def test_noise_and_level_under_sources_and_a_slope(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    data = rng.normal(0, 7.0, shape) + 1000 + np.linspace(-30, 30, shape[0])[:, None]
    data[rng.uniform(size=shape) < 0.002] += 5e4
    mask = rng.uniform(size=shape) < 0.1
    data[mask] = np.nan
    assert white_sigma(data, mask) == pytest.approx(7.0, rel=0.01)
    assert level_of(data, mask) == pytest.approx(1000, abs=1.0)


def test_where_all_is_masked_there_is_none() -> None:
    data = np.ones((1200, 1200))
    assert white_sigma(data, data > 0) == 0.0 and level_of(data, data > 0) == 0.0


def test_a_frame_that_is_good_between_the_bands_alone_is_looked_at_whole() -> None:
    rng, mask = np.random.default_rng(2), np.ones((4000, 1000), dtype=bool)
    mask[40:60] = False
    data = rng.normal(5.0, 2.0, mask.shape)
    assert white_sigma(data, mask) == pytest.approx(2.0, rel=0.05)
    assert level_of(data, mask) == pytest.approx(5.0, abs=0.2)
