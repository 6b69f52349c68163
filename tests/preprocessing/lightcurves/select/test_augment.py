"""Augmentation against closed forms, astropy's cosmology and a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.select.augment import (
    Augmentation,
    augment,
    brightness,
    fainter,
    moved_redshift,
)
from astrid_ml.types import Floats, Floats32, Ints


def curves(n: int, seed: int = 0) -> tuple[Floats32, Ints]:
    """Random curves of 5 to 20 epochs, the first detection at day 0."""
    random = np.random.default_rng(seed)
    lengths = random.integers(5, 20, n)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    days = np.concatenate([np.sort(random.uniform(0, 60, length)) for length in lengths])
    found = random.random(len(days)) < 0.5
    found[offsets[:-1]] = True
    flux, error = random.normal(0, 40, len(days)), random.uniform(1, 5, len(days))
    days -= np.repeat(days[offsets[:-1]], lengths)
    return np.stack([days, flux, error, found, np.full(len(days), 0.6)], axis=1).astype(np.float32), offsets


@pytest.mark.parametrize(("scale", "extra"), [(0.3, 0.0), (1.0, 0.7), (0.5, 1.2)])
def test_noise_has_the_variance_that_the_error_says(scale: float, extra: float) -> None:
    random = np.random.default_rng(1)
    n = 200_000
    error = random.uniform(1, 9, n)
    measured = 100 + error * random.normal(size=n)
    flux, total = fainter(measured, error, np.full(n, scale), np.full(n, extra), random.normal(size=n))
    pulls = (flux - 100 * scale) / total
    assert abs(pulls.mean()) < 4 / np.sqrt(n)
    assert abs(pulls.std() - 1) < 4 / np.sqrt(2 * n)
    assert total == pytest.approx(error * np.sqrt(1 + extra**2))


def test_brightness_equals_astropys_cosmology() -> None:
    from astropy.cosmology import FlatLambdaCDM

    cosmology = FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=0)
    z, ratio = np.array([0.05, 0.3, 0.9, np.nan, -9.0, 0.3]), np.array([1.05, 1.2, 1.1, 1.2, 1.2, 1.0])
    far = (1 + z[:3]) * ratio[:3] - 1
    near, distant = (cosmology.luminosity_distance(x).value for x in (z[:3], far))
    expected = (1 + far) / (1 + z[:3]) * (near / distant) ** 2
    assert brightness(z, ratio) == pytest.approx([*expected, 1.0, 1.0, 1.0], rel=2e-3)
    assert moved_redshift(z[:2], ratio[:2]) == pytest.approx(far[:2])


def test_a_moved_source_is_the_source_seen_at_that_redshift() -> None:
    """A power-law spectrum with a decline in its rest frame, observed at z and moved, equals it observed at z'."""
    from astropy.cosmology import FlatLambdaCDM

    cosmology = FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=0)

    def observed(z: float, days: Floats, wavelength: Floats) -> Floats:
        luminosity = (wavelength / (1 + z)) ** 1.5 * np.exp(-days / (1 + z) / 20)
        out: Floats = 1e10 * (1 + z) * luminosity / cosmology.luminosity_distance(z).value ** 2
        return out

    days, wavelength = np.linspace(0, 80, 40), np.tile([0.4, 0.5, 0.6, 0.7], 10)
    flux = observed(0.1, days, wavelength)
    values = np.stack([days, flux, np.full(40, 1e-6), np.ones(40), wavelength], axis=1).astype(np.float32)
    made = augment(values, np.array([0, 40]), np.random.default_rng(3), Augmentation(redshift=0.4), np.array([0.1]))
    z = float(moved_redshift(np.array([0.1]), made.ratio)[0])
    assert 0.1 < z < 0.6
    assert made.changed.all()
    assert made.values[:, 0] == pytest.approx(days * made.ratio[0], rel=1e-5)
    expected = observed(z, made.values[:, 0].astype(float), made.values[:, 4].astype(float))
    assert made.values[:, 1] == pytest.approx(expected, rel=5e-3)


def by_hand(rows: Floats32) -> tuple[int, int, float]:
    """First and last epoch kept of a changed object, and its new time zero."""
    found = np.flatnonzero(rows[:, 3])
    return max(int(found[0]) - 1, 0), int(found[-1]), float(rows[found[0], 0])


def test_detections_and_time_zero_follow() -> None:
    values, offsets = curves(300)
    options = Augmentation(dimming=2.0, noise=1.0, detect_snr=5.0)
    made = augment(values, offsets, np.random.default_rng(5), options)
    again = augment(values, offsets, np.random.default_rng(5), options)
    assert np.array_equal(made.values, again.values)
    assert 0 < made.changed.sum() < 300
    for i in range(300):
        before = values[offsets[i] : offsets[i + 1]]
        after = made.values[made.offsets[i] : made.offsets[i + 1]]
        if not made.changed[i]:
            assert np.array_equal(after, before)
            continue
        rows = made.rows[made.offsets[i] : made.offsets[i + 1]] - offsets[i]
        snr = np.abs(after[:, 1] / after[:, 2])
        assert np.array_equal(after[:, 3] > 0, (before[rows, 3] > 0) & (snr >= 5))
        full = before.copy()
        full[:, 3] = 0
        full[rows, 3] = after[:, 3]
        first, last, start = by_hand(full)
        assert rows.tolist() == list(range(first, last + 1))
        assert after[:, 0] == pytest.approx(before[rows, 0] - start, abs=1e-4)
        assert after[np.flatnonzero(after[:, 3])[0], 0] == 0


def test_nothing_chosen_changes_nothing() -> None:
    values, offsets = curves(50, 2)
    made = augment(values, offsets, np.random.default_rng(0), Augmentation(), np.full(50, 0.5))
    assert np.array_equal(made.values, values)
    assert not made.changed.any()
    unknown = augment(values, offsets, np.random.default_rng(0), Augmentation(redshift=0.5), np.full(50, np.nan))
    assert np.array_equal(unknown.values, values)
    empty = augment(values[:0], np.array([0]), np.random.default_rng(0), Augmentation(noise=1.0))
    assert len(empty.values) == 0
    with pytest.raises(UserError, match="between 0 and 10"):
        Augmentation(dimming=-1)


def test_thinning_leaves_time_zero_and_the_asked_share() -> None:
    values, offsets = curves(2000, 5)
    made = augment(values, offsets, np.random.default_rng(1), Augmentation(thinning=0.8))
    assert np.array_equal(made.values, values[made.rows])
    lost = 1 - np.diff(made.offsets) / np.diff(offsets)
    free = 1 - 1 / np.diff(offsets)  # time zero's epoch always stays
    assert float(lost.mean() / free.mean()) == pytest.approx(0.4, abs=0.02)  # uniform between 0 and 0.8
    assert (made.values[made.offsets[:-1], 0] == 0).all()
    again = augment(values, offsets, np.random.default_rng(1), Augmentation(thinning=0.8))
    assert np.array_equal(again.rows, made.rows)
    silent = values.copy()
    silent[:, 3] = 0.0  # no detection at all: the first epoch stays
    assert (np.diff(augment(silent, offsets, np.random.default_rng(1), Augmentation(thinning=1.0)).offsets) >= 1).all()
    with pytest.raises(UserError, match="thinning"):
        Augmentation(thinning=1.5)


def test_epochs_leave_the_filters_range() -> None:
    values, offsets = curves(200, 4)
    values[:, 1], values[:, 2] = 1e7, 1e-3
    values[::2, 4] = 1.0
    options = Augmentation(redshift=1.0, wavelengths=(0.3, 1.1))
    made = augment(values, offsets, np.random.default_rng(1), options, np.full(200, 0.2))
    assert made.values[:, 4].max() <= 1.1
    moved = made.ratio > 1.1
    owner = np.repeat(np.arange(200), np.diff(made.offsets))
    assert (values[made.rows, 4][moved[owner]] < 1.0).all()
