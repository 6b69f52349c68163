"""The Galaxy's dust taken away: published coefficients, and magnitudes that come back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.lightcurves.curves.bands import wavelengths_of
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.select.extinction import ExtinctionCorrection, coefficient

# Schlafly & Finkbeiner 2011, table 6, R_V = 3.1.
PUBLISHED = {"u": 4.145, "g": 3.237, "r": 2.273, "i": 1.684, "z": 1.323, "y": 1.088}


def table(**static: list[float]) -> CurveTable:
    """Three objects of one epoch each, in u, r and y, of flux 100 and error 5."""
    return CurveTable(
        pd.DataFrame({"object_id": ["a", "b", "c"], **static}),
        np.array([0, 1, 2, 3]),
        np.full(3, 6e4),
        np.full(3, 100, np.float32),
        np.full(3, 5, np.float32),
        np.zeros(3, np.int32),
        np.array([0, 1, 2], np.int16),
        ("u", "r", "y"),
        wavelengths_of(["u", "r", "y"]),
    )


def test_lssts_bands_have_the_published_coefficients() -> None:
    assert coefficient(wavelengths_of(list(PUBLISHED))) == pytest.approx(list(PUBLISHED.values()), rel=1e-5)


def test_between_two_bands_it_is_a_power_law() -> None:
    blue, red = wavelengths_of(["g", "r"]).astype(float)
    middle = coefficient(np.array([np.sqrt(blue * red)], np.float32))
    assert middle == pytest.approx(np.sqrt(PUBLISHED["g"] * PUBLISHED["r"]), rel=1e-5)


def test_beyond_the_bands_it_goes_on_falling() -> None:
    wavelengths = np.geomspace(0.2, 2.2, 60).astype(np.float32)
    values = coefficient(wavelengths)
    assert (np.diff(values) < 0).all()
    assert 0 < values[-1] < 0.6  # 2MASS K has about 0.3
    slope = np.diff(np.log(values)) / np.diff(np.log(wavelengths.astype(float)))
    assert slope[:5] == pytest.approx(slope[0], rel=1e-3)
    assert slope[-5:] == pytest.approx(slope[-1], rel=1e-3)


def test_magnitudes_brighten_by_the_extinction_and_the_signal_to_noise_stays() -> None:
    reddening = np.array([0.1, 0.5, 1.0])
    bare = ExtinctionCorrection().apply(table(MWEBV=reddening.tolist()))
    brighter = 2.5 * np.log10(bare.flux.astype(float) / 100)
    assert brighter == pytest.approx(reddening * [PUBLISHED[band] for band in "ury"], rel=1e-5)
    assert bare.flux / bare.flux_err == pytest.approx(20.0)
    assert bare.flux.dtype == bare.flux_err.dtype == np.float32


def test_an_unknown_or_negative_reddening_changes_nothing() -> None:
    for given in ([np.nan] * 3, [0.0] * 3, [-0.1] * 3):
        assert ExtinctionCorrection().apply(table(MWEBV=given)).flux.tolist() == [100.0] * 3
    without = table()
    assert ExtinctionCorrection().apply(without) is without


def test_beyond_the_limit_the_correction_is_cut() -> None:
    cut = ExtinctionCorrection(limit=0.5)
    assert cut.apply(table(MWEBV=[9.0] * 3)).flux.tolist() == cut.apply(table(MWEBV=[0.5] * 3)).flux.tolist()
