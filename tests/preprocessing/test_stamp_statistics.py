"""Statistics of stamps against what was put into them."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.preprocessing.stamp_statistics import stamp_statistics


def stamps(n: int = 4, size: int = 31, seed: int = 0) -> np.ndarray:
    """Channel 0 noise; channel 1 a Gaussian source of sigma 1.5 px in the centre, peak 50 sigma."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - size // 2
    out = random.normal(100, 5, (n, 2, size, size))
    out[:, 1] += 250 * np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    return out.astype(np.float32)


def test_a_source_and_noise_are_told_apart() -> None:
    found = stamp_statistics(stamps(), ["noise", "star"])
    assert len(found) == 4
    assert (found["star: highest"] > 40).all() and (found["noise: highest"] < 5).all()
    assert found["star: width"].between(1.3, 1.8).all()  # of the major axis, with noise around
    assert (found["star: elongation"] < 0.15).all() and (found["star: offset"] < 0.2).all()
    assert (found["star: alike when turned"] > 0.95).all() and (found["noise: alike when turned"].abs() < 0.3).all()
    assert found["star: part within 1.5 px"].between(0.3, 0.7).all()  # 1 - exp(-r^2 / 2 sigma^2) over the same of 4 px
    assert found["noise and star: correlation"].abs().max() < 0.3


def test_what_a_stamp_cannot_tell_is_nan_and_the_rest_stands() -> None:
    made = stamps(5)
    made[0, 1] = np.nan
    made[1, 1] = 7.0
    made[2, 1, :, :8] = np.nan
    made[3, 1, 0, 0] = -3.4e38
    found = stamp_statistics(made, ["noise", "star"])
    assert found.loc[[0, 1], "star: highest"].isna().all()
    assert found["star: share without data"].tolist() == pytest.approx([1, 0, 8 / 31, 1 / 31**2, 0])
    assert (found.loc[2:, "star: highest"] > 40).all()
    assert np.isfinite(found["noise: highest"]).all()


@pytest.mark.parametrize("shape", [(3, 1, 5, 5), (2, 3, 64, 63), (0, 2, 31, 31)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    found = stamp_statistics(np.random.default_rng(0).normal(size=shape), [f"c{k}" for k in range(shape[1])])
    assert len(found) == shape[0]
