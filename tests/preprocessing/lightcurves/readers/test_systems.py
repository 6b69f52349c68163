"""Systems of magnitudes and units of errors: what is not known is left out or refused, and makes no limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made.light_curve_tables import MJD, as_csv

from astrid_ml.preprocessing.lightcurves.curves.bands import offset_of, wavelength_of, wavelengths_of
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.systems import system_in
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves


def read(rows: pd.DataFrame, folder: Path, zero_point: float | None = None) -> tuple[CurveTable | None, Account]:
    account = Account()
    (source,) = find_curves([as_csv(rows, folder)]).sources
    tables = list(source.read(account, None, zero_point))
    return (tables[0] if tables else None), account


def rows_of(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"name": "x", "mjd": MJD[:3], "filter": "J", "mag": 17.0, "mag_err": 0.1, **columns})


@pytest.mark.parametrize("band", ["F160W", "bessellv2", "UVX2", "xyz"])
def test_a_detection_of_unknown_offset_is_no_limit(band: str, tmp_path: Path) -> None:
    table, account = read(rows_of(filter=["V", band, band], limit=20.0, magsys="Vega"), tmp_path)
    assert table is not None and table.mjd.tolist() == [MJD[0]] and (table.flux > 0).all()
    assert account.counts["rows_of_Vega_without_a_known_offset"] == 2 == account.counts["rows_flux_not_finite"]


def test_limits_are_in_the_system_of_their_rows(tmp_path: Path) -> None:
    rows = rows_of(mag=[17.0, None, None], filter=["J", "J", "g"], limit=19.0, magsys=["Vega", "Vega", "AB"])
    table, _ = read(rows, tmp_path)
    assert table is not None and table.phot_flag.tolist() == [4096, 0, 0] and table.flux[1:].tolist() == [0.0, 0.0]
    expected = [10 ** (-0.4 * (limit - 27.5)) / 5 for limit in (19.91, 19.0)]
    np.testing.assert_allclose(table.flux_err[1:], expected, rtol=1e-5)


def test_a_system_in_the_name_of_the_column(tmp_path: Path) -> None:
    for unit, magnitude in {"Vega": 17.91, "AB": 17.0, "ABmag": 17.0}.items():
        table, account = read(rows_of().rename(columns={"mag": f"mag [{unit}]"}), tmp_path)
        assert table is not None
        np.testing.assert_allclose(table.flux, 10 ** (-0.4 * (magnitude - 27.5)), rtol=1e-5)
        assert not account.counts["rows_of_untold_magnitude_system_taken_as_AB"]
    _, account = read(rows_of().rename(columns={"mag": "mag (STmag)"}), tmp_path)
    assert account.counts["rows_of_ST_magnitudes_left_out"] == 3 == account.counts["rows_flux_not_finite"]


def test_magnitudes_of_another_system_are_left_out(tmp_path: Path) -> None:
    table, account = read(rows_of(magsys=["ABMag", "STmag", "st"]), tmp_path)
    assert table is not None and table.mjd.tolist() == [MJD[0]]
    assert account.counts["rows_of_ST_magnitudes_left_out"] == 2
    assert [system_in(word) for word in ("ab", "vega", "st", "standard", "nat")] == ["AB", "Vega", "ST", None, None]


@pytest.mark.parametrize(
    ("flux", "error", "ratio"),
    [("flux (mJy)", "flux_err (uJy)", 1e-3), ("flux_ujy", "flux_err (nJy)", 1e-3), ("flux (nJy)", "flux_err (Jy)", 1e9),
     ("flux (uJy)", "flux_err", 1.0), ("flux [uJy]", "flux_err [microJy]", 1.0)],
)  # fmt: skip
def test_an_error_has_its_own_unit(flux: str, error: str, ratio: float, tmp_path: Path) -> None:
    rows = rows_of().drop(columns=["mag", "mag_err"]).assign(**{flux: 100.0, error: 2.0 / ratio})
    table, _ = read(rows, tmp_path)
    assert table is not None
    np.testing.assert_allclose(table.flux_err / table.flux, 0.02, rtol=1e-5)


@pytest.mark.parametrize("unit", ["%", "counts", "e-/s"])
def test_an_error_of_a_unit_that_cannot_be_compared_is_refused(unit: str, tmp_path: Path) -> None:
    rows = rows_of().drop(columns=["mag", "mag_err"]).assign(**{"flux (uJy)": 100.0, f"flux_err ({unit})": 2.0})
    table, account = read(rows, tmp_path)
    assert table is None and f"are in {unit}" in account.dropped[0]["reason"]


def test_errors_in_thousandths_of_a_magnitude(tmp_path: Path) -> None:
    table, _ = read(rows_of(mag_err=100.0).rename(columns={"mag_err": "e_mag (mmag)"}), tmp_path)
    assert table is not None
    np.testing.assert_allclose(table.flux_err / table.flux, 0.1 * np.log(10) / 2.5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "of"),
    [("g'", "sdssg"), ("r\u2032", "sdssr"), ("gp", "sdssg"), ("ip", "sdssi"), ("zs", "ps1z"), ("i_PS1", "ps1i"),
     ("g-ZTF", "ztfg"), ("V_Johnson", "bessellv"), ("g_DES", "desg"), ("J_2MASS", "2massj")],
)  # fmt: skip
def test_filters_as_people_write_them(name: str, of: str) -> None:
    assert np.isfinite(wavelength_of(of)) and wavelength_of(name) == wavelength_of(of)
    assert wavelengths_of(["rp", "gp"])[0] == np.float32(wavelength_of("sdssr"))
    assert np.isnan(wavelengths_of(["rp"])[0]) and np.isnan(wavelengths_of(["rp", "gp", "BP"])[0])


def test_vegas_offsets_of_filters_that_tell_their_system(tmp_path: Path) -> None:
    table, account = read(rows_of(filter=["bessellb", "UVW2", "uvot::uvm2"], magsys="Vega"), tmp_path)
    assert table is not None and not account.counts["rows_of_Vega_without_a_known_offset"]
    by_band = dict(zip(np.array(table.bands)[table.band], table.flux, strict=True))
    for band, offset in {"bessellb": -0.09, "UVW2": 1.73, "uvot::uvm2": 1.69}.items():
        np.testing.assert_allclose(by_band[band], 10 ** (-0.4 * (17.0 + offset - 27.5)), rtol=1e-5)
    assert [offset_of(name) for name in ("V", "swift_v", "W1", "J_2MASS", "g")][:4] == [0.02, -0.01, 2.699, 0.894]


def test_magnitudes_and_limits_of_sousa(tmp_path: Path) -> None:
    text = ("# Count rates, mags\n# Filter  MJD[days]  Mag  MagErr  3SigMagLim 0.98SatLim[mag] Rate[c/s] RateErr[c/s]\n"
            "UVW2  55797.98  16.520  0.077   20.0  11.10   2.25  0.157\n"
            "UVW2  55798.98  NULL    NULL    19.5  11.10   0.05  0.1\n"
            "V     55798.10  13.20   0.05    18.7  11.10   77.25  3.157\n")  # fmt: skip
    (tmp_path / "SN2011fe_uvotB15.1.dat").write_text(text)
    (source,) = find_curves([tmp_path]).sources
    (table,) = source.read(Account())
    assert table.mjd.tolist() == [55797.98, 55798.1, 55798.98] and table.phot_flag.tolist() == [4096, 4096, 0]
    np.testing.assert_allclose(
        table.flux[:2], [10 ** (-0.4 * (m - 27.5)) for m in (16.52 + 1.73, 13.2 - 0.01)], rtol=1e-5
    )
    np.testing.assert_allclose(table.flux_err[2], 10 ** (-0.4 * (19.5 + 1.73 - 27.5)) / 3, rtol=1e-5)
