"""Stretched fluxes, bit masks and the gain that a variance plane tells, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.io.fits import Header

from astrid_ml.preprocessing.differencing.frame.planes import (
    gain_from_variance,
    linear_flux,
    named_mask,
    stretched_flux,
)
from astrid_ml.preprocessing.surveys.registry import survey_named
from astrid_ml.types import Array

PS1 = Header({"BSOFTEN": 120.0, "BOFFSET": 7.0})


def _bad(mask: Array | None, header: Header | None) -> Array:
    return named_mask(mask, header, survey_named("rubin").mask)


def test_a_stored_zero_is_the_offset_and_faint_fluxes_are_linear() -> None:
    # Pogson's a = 2.5 / ln 10 is the width of the stretch: PS1 writes it 1.0857362
    found = linear_flux(np.array([0.0, 1.0857362, -1.0857362, 1e-5]), PS1)
    expected = [7.0, 7 + 120 * (math.e - 1 / math.e), 7 - 120 * (math.e - 1 / math.e), 7 + 240 * 1e-5 / 1.0857362]
    assert found.tolist() == pytest.approx(expected, rel=1e-6)


def test_the_stretch_and_its_inverse_are_a_round_trip() -> None:
    flux = np.array([-5e4, -3.0, 0.0, 7.0, 1e3, 2e6])
    np.testing.assert_allclose(linear_flux(stretched_flux(flux, PS1), PS1), flux, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("header", [Header(), Header({"BSOFTEN": 1.0}), Header({"BOFFSET": 1.0})])
def test_an_image_without_both_cards_is_not_stretched(header: Header) -> None:
    data = np.array([1.0, 2.0])
    assert linear_flux(data, header) is data


def test_a_mask_means_what_its_own_header_says() -> None:
    mask = np.array([0, 1, 2, 4, 8, 1 | 4], np.int32)
    header = Header({"MP_BAD": 0, "HIERARCH MP_DETECTED": 1, "MP_SAT": 3})
    assert _bad(mask, header).tolist() == [False, True, False, False, True, True]
    moved = Header({"MP_BAD": 2, "HIERARCH MP_NO_DATA": 1})
    assert _bad(mask, moved).tolist() == [False, False, True, True, False, True]
    assert _bad(np.array([1 << 31, 0], np.uint32), Header({"MP_CR": 31})).tolist() == [True, False]


def test_without_a_plane_or_names_of_bits_no_pixel_is_masked() -> None:
    data = np.zeros((3, 4))
    for mask, header in ((None, Header({"MP_BAD": 0})), (np.ones((3, 4), int), Header({"HIERARCH MP_DETECTED": 0}))):
        assert not (_bad(mask, header) | (data > 0)).any()
    assert not _bad(np.ones((3, 4), int), None).any()


def test_the_gain_is_the_slope_of_variance_over_flux() -> None:
    rng = np.random.default_rng(3)
    data = rng.normal(0, 5, (200, 200))
    bright = rng.random(data.shape) < 0.03
    data[bright] += rng.uniform(0, 2000, int(bright.sum()))
    variance = np.maximum(data, 0) / 3.2 + 25.0
    bad = rng.random(data.shape) < 0.05
    variance[bad] = 1e9
    assert gain_from_variance(data, variance, ~bad) == pytest.approx(3.2, rel=1e-3)


def test_a_variance_that_does_not_follow_the_flux_tells_no_gain() -> None:
    rng = np.random.default_rng(4)
    data = rng.normal(0, 5, (200, 200))
    data[:20] += rng.uniform(0, 2000, (20, 200))
    good = np.ones(data.shape, bool)
    assert gain_from_variance(data, np.full(data.shape, 25.0), good) is None
    assert gain_from_variance(data, 4000 - data, good) is None
    assert gain_from_variance(data, 5000 - np.abs(data - 1920), good) is None  # it grows, but falls again
    assert gain_from_variance(data[:5], data[:5] + 25, good[:5] & (data[:5] < -1e9)) is None
