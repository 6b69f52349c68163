"""What is subtracted, found and fitted in images whose sources are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.roman.simulate.products import FINDER, PSFCAT, find, fit, rounded, subtract
from astrid_ml.types import Floats

SHAPE = (90, 100)


def gaussian(x: float, y: float, sigma: float, flux: float, shape: tuple[int, int] = SHAPE) -> Floats:
    """A star sampled at the centres of pixels."""
    v, u = np.indices(shape)
    return np.asarray(flux / (2 * np.pi * sigma**2) * np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * sigma**2)))


def sky(seed: int, sigma: float = 1.0) -> Floats:
    return np.random.default_rng(seed).normal(0, sigma, SHAPE)


def psf(sigma: float) -> Floats:
    return gaussian(12.0, 12.0, sigma, 1.0, (25, 25))


@pytest.mark.parametrize("family", ["zogy", "sfft", "naive"])
def test_a_new_source_has_its_flux_and_blank_sky_unit_noise(family: str) -> None:
    variances = (np.full(SHAPE, 1.0), np.full(SHAPE, 0.25))
    psfs, star = (psf(1.4), psf(1.2)), gaussian(50, 40, 1.4, 300.0)
    done, blank = (subtract(sky(1) + added, sky(2, 0.5), variances, psfs, family) for added in (star, np.zeros(SHAPE)))
    assert float((done.difference - blank.difference).sum()) == pytest.approx(300, rel=1e-3)
    assert int(done.scorr.argmax()) == 40 * SHAPE[1] + 50
    inner = (slice(15, -15), slice(15, -15))
    assert float(blank.scorr[inner].std()) == pytest.approx(1.0, abs=0.1)
    assert float((blank.difference / blank.uncertainty)[inner].std()) == pytest.approx(1.0, abs=0.05)
    assert done.psf.shape == (25, 25) and float(done.psf.sum()) == pytest.approx(1.0, abs=1e-3)


def test_the_naive_difference_is_science_minus_reference() -> None:
    variances = (np.full(SHAPE, 1.0), np.full(SHAPE, 0.25))
    done = subtract(sky(1), sky(2), variances, (psf(1.4), psf(1.2)), "naive")
    np.testing.assert_allclose(done.difference, sky(1) - sky(2), atol=1e-4)
    np.testing.assert_allclose(done.uncertainty, np.sqrt(1.25), rtol=1e-4)


def test_sources_are_found_where_they_are_and_nothing_where_there_are_no_data() -> None:
    image = sky(3) + gaussian(30.3, 20.6, 0.85, 400.0) + gaussian(70.0, 60.4, 0.85, 300.0)
    image += gaussian(90.0, 45.0, 0.85, 500.0)
    image[:, 85:] = np.nan
    found = find(image, 8.0)
    assert list(found.columns) == FINDER
    places = found.sort_values("x_centroid")[["x_centroid", "y_centroid"]].to_numpy()
    np.testing.assert_allclose(places, [[30.3, 20.6], [70.0, 60.4]], atol=0.15)


def test_a_fit_measures_positions_and_fluxes() -> None:
    truth = [(30.3, 20.6, 400.0), (70.0, 60.4, 300.0)]
    fwhm = 2.0
    image = sky(3) + sum(gaussian(x, y, fwhm / 2.3548, flux) for x, y, flux in truth)
    table = fit(image, np.ones(SHAPE), find(image, 8.0), fwhm).sort_values("x_fit")
    assert list(table.columns) == PSFCAT[:-2]
    for row, (x, y, flux) in zip(table.to_dict("records"), truth, strict=True):
        assert (row["x_fit"], row["y_fit"]) == pytest.approx((x, y), abs=0.05)
        # pixels hold integrals of the model and samples here: a few per cent
        assert row["flux_fit"] == pytest.approx(flux, rel=0.08)
        # optimal in white noise: sigma sqrt(4 pi) s
        assert row["flux_err"] == pytest.approx(np.sqrt(4 * np.pi) * fwhm / 2.3548, rel=0.25)


def test_an_image_without_a_source_has_empty_catalogues_with_all_columns() -> None:
    found = find(sky(4), 50.0)
    fitted = fit(sky(4), np.ones(SHAPE), found, 2.0)
    assert (len(found), list(found.columns)) == (0, FINDER)
    assert (len(fitted), list(fitted.columns)) == (0, PSFCAT[:-2])


def test_catalogues_have_the_digits_that_rapid_writes() -> None:
    table = pd.DataFrame(
        {"x_fit": [1.23456789], "flux_fit": [0.123456789], "flux_err": [2.000004], "sharpness": [1 / 3]}
    )
    out = rounded(table)
    assert out.iloc[0].tolist() == [1.2346, 0.123457, 2.0, 1 / 3]
    assert table["x_fit"][0] == 1.23456789
