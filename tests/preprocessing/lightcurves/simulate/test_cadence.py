"""The simulated cadence: its nights, its depth, its dust and its flags."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.preprocessing.lightcurves.simulate.cadence import (
    DETECT,
    SATURATE,
    START,
    TRIGGER,
    Visits,
    detect,
    draw_visits,
)
from astrid_ml.preprocessing.lightcurves.simulate.surveys import cadence_named
from astrid_ml.types import Floats

N, SEASONS = 400, 3
WIDE = cadence_named("lsst_wide")


@pytest.fixture(scope="module")
def cadence() -> Visits:
    return draw_visits(N, SEASONS, np.random.default_rng(1), WIDE)


def observed(cadence: Visits, magnitude: float, mwebv: float = 0.0) -> Visits:
    """A constant source of an AB magnitude above the Galaxy."""
    flux = np.full(cadence.mjd.shape, 10 ** (-0.4 * (magnitude - 27.5)))
    return detect(cadence, flux, np.full(N, mwebv), np.random.default_rng(2), WIDE)


def by_band(visits: Visits, values: Floats) -> Floats:
    return np.array([np.median(values[visits.there & (visits.band == k)]) for k in range(6)])


def test_visits_come_in_time_order_and_in_seven_months_a_year(cadence: Visits) -> None:
    assert (np.diff(cadence.mjd, axis=1) >= 0).all()
    assert ((cadence.first >= START) & (cadence.first < START + 150)).all()
    since = (cadence.mjd - cadence.first[:, None])[cadence.there]
    year, day = np.divmod(since, 365.25)
    assert set(year.tolist()) == {0.0, 1.0, 2.0}
    assert day.max() < 216


def test_visits_are_pairs_within_the_hour_in_neighbouring_bands(cadence: Visits) -> None:
    """A pair may be torn by another of the same night: nearly all visits have their partner beside them."""
    gap = np.diff(cadence.mjd, axis=1)
    step = np.abs(np.diff(cadence.band, axis=1))
    there = cadence.there[:, 1:] & cadence.there[:, :-1]
    near = there & (gap < 1 / 24)
    assert near.sum() == pytest.approx(cadence.there.sum() / 2, rel=0.03)
    assert (step[near] <= 1).mean() > 0.97
    nights = cadence.there.sum() / 2 / N
    assert nights == pytest.approx(SEASONS * 215 / 9.9, rel=0.05)


def test_bands_are_used_as_often_as_they_should(cadence: Visits) -> None:
    even = draw_visits(4000, 1, np.random.default_rng(3), WIDE)
    first = even.band[:, ::2][even.there[:, ::2]]
    assert np.bincount(first, minlength=6) / len(first) == pytest.approx(WIDE.share, abs=0.03)


def test_the_sky_is_as_deep_as_it_should(cadence: Visits) -> None:
    nothing = detect(cadence, np.zeros(cadence.mjd.shape), np.zeros(N), np.random.default_rng(4), WIDE)
    depth = 27.5 - 2.5 * np.log10(5 * nothing.flux_err.astype(float))
    assert by_band(cadence, depth) == pytest.approx(WIDE.depth, abs=0.05)
    pull = (nothing.flux / nothing.flux_err)[cadence.there]
    assert (pull.mean(), pull.std()) == pytest.approx((0.0, 1.0), abs=0.02)
    assert nothing.detections.sum() <= 0.001 * cadence.there.sum()


def test_dust_dims_by_the_published_extinction(cadence: Visits) -> None:
    clear, dusty = observed(cadence, 18.0), observed(cadence, 18.0, mwebv=0.4)
    dimmer = -2.5 * np.log10(by_band(cadence, dusty.flux.astype(float)) / by_band(cadence, clear.flux.astype(float)))
    assert dimmer == pytest.approx(0.4 * np.array([4.145, 3.237, 2.273, 1.684, 1.323, 1.088]), abs=0.01)


def test_bright_sources_are_detected_and_faint_ones_are_not(cadence: Visits) -> None:
    for magnitude, share in ((19.0, 1.0), (27.0, 0.0)):
        found = (observed(cadence, magnitude).flag & DETECT != 0) & cadence.there
        assert found.sum() / cadence.there.sum() == pytest.approx(share, abs=0.01)


def test_the_trigger_is_the_first_detection_and_visits_that_do_not_exist_have_no_flags(cadence: Visits) -> None:
    seen = observed(cadence, 23.5)
    assert not seen.flag[~cadence.there].any()
    found = (seen.flag & DETECT) != 0
    assert seen.detections.tolist() == found.sum(axis=1).tolist()
    for row, flags in zip(found, seen.flag, strict=True):
        assert np.flatnonzero(flags & TRIGGER).tolist() == np.flatnonzero(row)[:1].tolist()


def test_a_saturated_visit_has_no_flux_and_is_no_detection(cadence: Visits) -> None:
    seen = observed(cadence, 15.0)
    assert (seen.flag[cadence.there] == SATURATE).all()
    assert (seen.flux[cadence.there] == 0).all()
    assert (seen.flux_err[cadence.there] == np.float32(1e8)).all()


def test_joined_batches_keep_their_visits_and_are_filled_with_none() -> None:
    one, two = (draw_visits(n, seasons, np.random.default_rng(n), WIDE) for n, seasons in ((3, 1), (2, 2)))
    both = Visits.join([one, two])
    width = two.mjd.shape[1]
    assert both.mjd.shape == (5, width)
    assert width > one.mjd.shape[1]
    assert both.there.sum(axis=1).tolist() == [*one.there.sum(axis=1), *two.there.sum(axis=1)]
    back = both.take(np.array([4, 0]))
    assert back.mjd[0].tolist() == two.mjd[1].tolist()
    assert back.mjd[1][back.there[1]].tolist() == one.mjd[0][one.there[0]].tolist()
    assert back.first.tolist() == [two.first[1], one.first[0]]
