"""Point sources and pairs of lobes in a white difference, told apart by chi-square."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.preprocessing.differencing.detect.dipole_fit import DIPOLE_FITS, with_dipole_fits
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.pixels.stamps import render_sources
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionResult

SHAPE, PSF = (520, 520), gaussian_stamp(1.5, 31)


def drawn(separation: float, negative: float, seed: int = 1) -> tuple[pd.DataFrame, SubtractionResult, np.ndarray]:
    """A grid of 144 sources of S/N 30 to 80 and their lobes of ``negative`` times the flux, in noise of 10; angles."""
    rng, g = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    y, x = (a.ravel() + rng.uniform(-0.5, 0.5, 144) for a in np.mgrid[40:481:40, 40:481:40])
    angle, flux = rng.uniform(-np.pi, np.pi, 144), rng.uniform(1500, 4000, 144)
    ends = [(x + s * separation / 2 * np.cos(angle), y + s * separation / 2 * np.sin(angle)) for s in (1, -1)]
    diff = 10 * torch.randn(SHAPE, generator=g)
    for (u, v), share in zip(ends, (1.0, -negative), strict=True):
        diff += render_sources(
            SHAPE, PSF, torch.from_numpy(u), torch.from_numpy(v), torch.from_numpy(flux * share).float()
        )
    error = 10 / float(PSF.square().sum().sqrt())
    none = torch.zeros(SHAPE, dtype=torch.bool)
    result = SubtractionResult(diff, diff, PSF, torch.full(SHAPE, 100.0), none, torch.full(SHAPE, error))
    table = pd.DataFrame({"x": ends[0][0], "y": ends[0][1], "sign": 1, "flux": flux})
    return table, result, np.degrees(angle)


def fitted(separation: float, negative: float) -> tuple[pd.DataFrame, np.ndarray]:
    table, result, angle = drawn(separation, negative)
    return with_dipole_fits(table, result, torch.ones(SHAPE, dtype=torch.bool), 3.5), angle


def test_a_point_source_has_a_chi_square_of_one_and_no_lobes() -> None:
    found, _ = fitted(0.0, 0.0)
    assert found["point_chi2"].mean() == pytest.approx(1.0, abs=0.02)
    assert found["dipole_gain"].between(0, 25).mean() > 0.97
    assert found["dipole_separation"].notna().mean() < 0.03


@pytest.mark.parametrize("separation", [2.0, 4.0])
def test_both_lobes_their_distance_and_direction_are_measured(separation: float) -> None:
    found, angle = fitted(separation, 0.8)
    assert found["point_chi2"].median() > 1.5 and found["dipole_chi2"].mean() == pytest.approx(1.0, abs=0.02)
    assert (found["dipole_gain"] > 100).all()
    flux = found["flux"].to_numpy()
    assert np.median(found["dipole_flux_positive"] / flux) == pytest.approx(1.0, abs=0.03)
    assert np.median(found["dipole_flux_negative"] / flux) == pytest.approx(-0.8, abs=0.03)
    pulls = (found["dipole_separation"] - separation) / found["dipole_separation_err"]
    assert abs(pulls.median()) < 0.3 and 0.7 < 1.4826 * pulls.abs().median() < 1.4
    turned = (found["dipole_angle"] - angle + 180) % 360 - 180
    assert np.abs(turned).median() < 2.0


def test_lobes_of_one_sign_are_no_dipole() -> None:
    found, _ = fitted(4.0, -0.8)
    assert (found["dipole_gain"] > 25).all() and found["dipole_separation"].isna().all()


def test_a_negative_candidate_is_the_same_dipole() -> None:
    table, result, angle = drawn(3.0, 1.0)
    turned = np.radians(angle)
    away = table.assign(x=table["x"] - 3 * np.cos(turned), y=table["y"] - 3 * np.sin(turned), sign=-1)
    blank = torch.ones(SHAPE, dtype=torch.bool)
    one, other = (with_dipole_fits(t, result, blank, 3.5) for t in (table, away))
    assert np.median(np.abs(one["dipole_separation"] - other["dipole_separation"])) < 0.02
    assert (other["dipole_flux_negative"] < 0).all()


def test_empty_tables_and_masked_places_are_told() -> None:
    table, result, _ = drawn(2.0, 0.8)
    blank = torch.ones(SHAPE, dtype=torch.bool)
    assert list(with_dipole_fits(table.iloc[:0], result, blank, 3.5).columns) == [*table.columns, *DIPOLE_FITS]
    result.mask[:80, :80] = True
    found = with_dipole_fits(table.iloc[:14], result, blank, 3.5)
    assert found.iloc[0][list(DIPOLE_FITS)].isna().all() and np.isfinite(found["point_chi2"].iloc[5])
