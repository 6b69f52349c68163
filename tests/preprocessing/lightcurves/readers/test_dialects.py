"""Times, zero points and marks of missing values in strangers' light curves are read right, or left out and counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.time import Time

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves.exchange import read_exchange
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable, concatenate
from astrid_ml.preprocessing.lightcurves.readers.layouts.headers import has_columns
from astrid_ml.preprocessing.lightcurves.readers.magnitude_files import is_curve_file, read_members
from astrid_ml.preprocessing.lightcurves.readers.snana import fluxcal_of

N = 12
MJD = 59000.5 + 2.0 * np.arange(N)
MAG = 20.0 - np.sin(np.arange(N) / 3)
FLUX = 10 ** (-0.4 * (MAG - 27.5))
BAND = np.array(["g", "r"])[np.arange(N) % 2]


def magnitudes() -> pd.DataFrame:
    return pd.DataFrame({"time": MJD, "band": BAND, "mag": MAG, "magerr": 0.05})


def fluxes(zero_point: float) -> pd.DataFrame:
    factor = 10 ** (0.4 * (zero_point - 27.5))
    return pd.DataFrame({"time": MJD, "band": BAND, "flux": FLUX * factor, "fluxerr": FLUX * factor / 20})


def ztf() -> pd.DataFrame:
    columns = {"candid": 1000 + np.arange(N), "oid": "ZTF20aaaaaaa", "mjd": MJD, "fid": np.arange(N) % 2 + 1}
    return pd.DataFrame({**columns, "magpsf": MAG, "sigmapsf": 0.05, "isdiffpos": 1})


def converted(
    folder: Path, rows: pd.DataFrame, name: str = "obj1.csv", zero_point: float | None = None
) -> tuple[CurveTable, dict[str, int]]:
    (folder / "in").mkdir(exist_ok=True)
    rows.to_csv(folder / "in" / name, index=False)
    return read_back(folder, zero_point)


def read_back(folder: Path, zero_point: float | None = None) -> tuple[CurveTable, dict[str, int]]:
    report = ConvertCommand(str(folder / "in"), str(folder / "out"), zero_point=zero_point).run()
    assert not report["failed"], report
    parts = [table for path in sorted((folder / "out" / "objects").glob("*.parquet")) for table in read_exchange(path)]
    return concatenate(parts), report["counts"]


TIMES: dict[str, tuple[Callable[[], pd.DataFrame], str, dict[str, int]]] = {
    "JD": (lambda: magnitudes().assign(time=MJD + 2400000.5), "obj1.csv", {"rows_JD_made_MJD": N}),
    "dates": (lambda: magnitudes().assign(time=Time(MJD, format="mjd").isot), "obj1.csv", {}),
    "ZTF's mjd holds JD": (lambda: ztf().assign(mjd=MJD + 2400000.5), "detections.csv", {"rows_JD_made_MJD": N}),
    "ZTF twice": (
        lambda: pd.concat([ztf(), ztf()]),
        "detections.csv",
        {"rows_repeated": N, "objects_sorted_by_time": 1},
    ),
}


@pytest.mark.parametrize("name", TIMES)
def test_the_same_curve_in_other_times(tmp_path: Path, name: str) -> None:
    rows, file, counts = TIMES[name]
    table, counted = converted(tmp_path, rows(), file)
    np.testing.assert_allclose(table.mjd, MJD, atol=1e-6)
    np.testing.assert_allclose(table.flux, FLUX, rtol=1e-5)
    assert {key: counted.get(key) for key in counts} == counts


@pytest.mark.parametrize("shift", [57000.0, MJD[0] - 0.5])
def test_times_of_an_unknown_zero_are_refused(tmp_path: Path, shift: float) -> None:
    """BTJD, and days since the first epoch: read as MJD they would be of 1864."""
    with pytest.raises(UserError, match="days since which zero"):
        converted(tmp_path, magnitudes().assign(time=MJD - shift))


def test_single_times_that_are_none_are_left_out_and_counted(tmp_path: Path) -> None:
    times = MJD.copy()
    times[3], times[5] = 1.6e9, 2003.5  # seconds of Unix; BTJD
    table, counted = converted(tmp_path, magnitudes().assign(time=times))
    assert len(table.mjd) == N - 2
    assert counted["rows_time_before_1880"] == counted["rows_time_that_is_no_MJD"] == 1


@pytest.mark.parametrize("mark", [0.0, -9.0, -999.0, 99.0, 100.0, 99.999, ">20.5"])
def test_magnitudes_that_stand_for_none_are_left_out(tmp_path: Path, mark: float | str) -> None:
    rows = magnitudes().astype({"mag": object})
    rows.loc[4, "mag"] = mark
    table, counted = converted(tmp_path, rows)
    np.testing.assert_allclose(table.flux, np.delete(FLUX, 4), rtol=1e-5)
    assert counted["rows_without_measurement"] == 1
    if isinstance(mark, float):
        (tmp_path / "ztf").mkdir()
        detections = ztf()
        detections.loc[4, "magpsf"] = mark
        table, counted = converted(tmp_path / "ztf", detections, "detections.csv")
        assert len(table.flux) == N - 1 and counted["rows_flux_not_finite"] == 1


@pytest.mark.parametrize("zero_point", [23.9, 27.5, 31.4])
@pytest.mark.parametrize("mark", [-999.0, -9999.0, 1e30])
def test_fluxes_that_stand_for_none_are_left_out(tmp_path: Path, mark: float, zero_point: float) -> None:
    rows = fluxes(zero_point)
    rows.loc[4, "flux"] = mark
    table, counted = converted(tmp_path, rows, zero_point=zero_point)
    np.testing.assert_allclose(table.flux, np.delete(FLUX, 4), rtol=1e-5)
    assert counted["rows_flux_that_stands_for_none" if mark > 0 else "rows_without_measurement"] == 1


def test_a_column_of_zero_points_is_read_and_may_not_be_contradicted(tmp_path: Path) -> None:
    rows = fluxes(23.9).assign(zp=23.9, zpsys="ab")
    table, counted = converted(tmp_path, rows)
    np.testing.assert_allclose(table.flux, FLUX, rtol=1e-5)
    assert "files_by_the_given_zero_point" not in counted
    (tmp_path / "again").mkdir()
    with pytest.raises(UserError, match=r"its column zp says 23\.9, and zero_point=31\.4 was given"):
        converted(tmp_path / "again", rows, zero_point=31.4)


@pytest.mark.parametrize(("zero_point", "column"), [(31.4, "filter"), (None, "filter"), (31.4, "passband")])
def test_a_given_zero_point_counts_for_tables_that_do_not_tell_theirs(
    tmp_path: Path, zero_point: float | None, column: str
) -> None:
    given = zero_point if zero_point and column == "filter" else 27.5
    rows = fluxes(given).rename(columns={"time": "mjd", "fluxerr": "flux_error" if column == "filter" else "flux_err"})
    bands = np.where(BAND == "g", 1, 2) if column == "passband" else np.char.add("lsst", BAND)
    rows = rows.drop(columns="band").assign(object_id=615, detected=1, **{column: bands})
    table, _ = converted(tmp_path, rows, "curves.csv", zero_point)
    np.testing.assert_allclose(table.flux, FLUX, rtol=1e-5)
    assert table.objects["survey"].isna().all() == (given != 27.5)


@pytest.mark.parametrize("zero_point", [23.9, 27.5, 31.4, -9.0])
def test_the_zero_point_that_snana_writes_is_read(tmp_path: Path, zero_point: float) -> None:
    factor = 10 ** (0.4 * (zero_point - 27.5)) if zero_point > 0 else 1.0
    np.testing.assert_allclose(fluxcal_of(np.array([zero_point, np.nan])) * [factor, 1.0], 1.0)
    folder = tmp_path / "in"
    folder.mkdir()
    head = {"SNID": ("16A", ["615"]), "NOBS": ("J", [N]), "PTROBS_MIN": ("J", [1]), "PTROBS_MAX": ("J", [N])}
    head["ZP_FLUXCAL"] = ("E", [zero_point])
    phot = {"MJD": ("D", MJD), "BAND": ("2A", BAND), "FLUXCAL": ("E", FLUX * factor)}
    phot["FLUXCALERR"] = ("E", FLUX * factor / 20)
    for kind, columns in (("HEAD", head), ("PHOT", phot)):
        made = [fits.Column(name, form, array=values) for name, (form, values) in columns.items()]
        hdus = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made)]
        fits.HDUList(hdus).writeto(folder / f"X_{kind}.FITS")
    table, _ = read_back(tmp_path)
    np.testing.assert_allclose(table.flux, FLUX, rtol=1e-5)
    (tmp_path / "text" / "in").mkdir(parents=True)
    lines = ["SURVEY: LSST", "SNID: 615", "FILTERS: gr", f"ZP_FLUXCAL: {zero_point}", f"NOBS: {N}", "NVAR: 4"]
    lines += ["VARLIST: MJD BAND FLUXCAL FLUXCALERR"]
    lines += [f"OBS: {t} {b} {f} {f / 20}" for t, b, f in zip(MJD, BAND, FLUX * factor, strict=True)]
    (tmp_path / "text" / "in" / "a.dat").write_text("\n".join([*lines, "END:"]) + "\n")
    table, _ = read_back(tmp_path / "text")
    np.testing.assert_allclose(table.flux, FLUX, rtol=1e-5)


@pytest.mark.parametrize("header", ["\ufefftime,band,mag,magerr", "TIME,BAND,MAG,MAGERR", "mjd,Filter,mag,e_mag"])
def test_headers_that_spell_the_columns_otherwise_are_read(tmp_path: Path, header: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    body = magnitudes().to_csv(index=False, header=False)
    (folder / "curve.csv").write_text(f"{header}\n{body}", encoding="utf-8")
    assert is_curve_file(folder / "curve.csv")
    tables = list(read_members([folder / "curve.csv"], None, Account()))
    np.testing.assert_allclose(tables[0].mjd, MJD)
    np.testing.assert_allclose(tables[0].flux, FLUX, rtol=1e-5)


@pytest.mark.parametrize("header", ["mjd,filter,mag,magerr,oid", "mjd,MJD,filter,mag,magerr", "mjd,filter,mag"])
def test_a_table_of_many_objects_or_of_two_times_is_not_one_curve(header: str) -> None:
    assert not has_columns(header.encode())


def test_snana_text_of_magnitudes_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    mags = [*MAG[:-1], 128.0]  # SNANA's mark for none
    lines = ["SURVEY: ZTF", "SNID: SN1", "FILTERS: gr", f"NOBS: {N}", "NVAR: 4", "VARLIST: MJD FLT MAG MAGERR"]
    lines += [f"OBS: {t} {b} {m} 0.05" for t, b, m in zip(MJD, BAND, mags, strict=True)]
    (folder / "a.dat").write_text("\n".join([*lines, "END:"]) + "\n")
    table, counted = read_back(tmp_path)
    np.testing.assert_allclose(table.flux, FLUX[:-1], rtol=1e-5)
    np.testing.assert_allclose(table.flux_err, table.flux * 0.05 * np.log(10) / 2.5, rtol=1e-5)
    assert counted["rows_flux_not_finite"] == 1
