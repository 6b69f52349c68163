"""What people met with SNANA's files, by the thread in which they told it: read right, or refused with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves

ROWS = [(56536.5, "g", 55.0, 2.0, 4096), (56537.5, "r", 40.0, 3.0, 4096), (56540.5, "r", 30.0, 3.0, 4096)]


def convert(folder: Path) -> tuple[Any, dict[str, Any]]:
    """A table of objects by name, and the report."""
    out = folder.parent / f"{folder.name}-out"
    report = ConvertCommand(str(folder), str(out)).run()
    return pd.read_parquet(out / "objects").set_index("object_id"), report


def text(path: Path, header: str = "", names: str = "MJD FLT FLUXCAL FLUXCALERR PHOTFLAG", rows: Any = ROWS) -> None:
    """A TEXT file of one object, named as the file."""
    path.parent.mkdir(exist_ok=True)
    lines = [f"SURVEY: DES\nSNID: {path.stem}\nFILTERS: gr\nRA: 9.5\nDECL: -9.0\n{header}"]
    lines += [f"NOBS: {len(rows)}\nNVAR: {len(names.split())}\nVARLIST: {names}"]
    lines += ["OBS: " + " ".join(str(value) for value in row) for row in rows]
    path.write_text("\n".join([*lines, "END:\n"]))


def pair(folder: Path, head: dict[str, Any], rows: Any = ROWS, phot: dict[str, Any] | None = None) -> None:
    """HEAD and PHOT of one object ``1``."""
    folder.mkdir(exist_ok=True)
    end = len(rows)
    about = {"SNID": ["1"], "NOBS": [end], "PTROBS_MIN": [1], "PTROBS_MAX": [end], "RA": [9.5], "DEC": [-9.0]}
    Table(about | {key: [value] for key, value in head.items()}).write(folder / "a_HEAD.FITS")
    whole = [*rows, (-777.0, "-", -777.0, -777.0, 0)]
    columns = dict(zip(("MJD", "BAND", "FLUXCAL", "FLUXCALERR", "PHOTFLAG"), zip(*whole, strict=True), strict=True))
    Table({key: list(values) for key, values in columns.items()} | (phot or {})).write(folder / "a_PHOT.FITS")


@pytest.mark.parametrize("key", ["VARLIST", "VARNAMES"])
@pytest.mark.parametrize("band", ["FLT", "BAND"])
def test_columns_by_either_key_and_bands_by_either_name(key: str, band: str, tmp_path: Path) -> None:
    """sncosmo/sncosmo 51; supernnova/SuperNNova 13."""
    text(tmp_path / "raw" / "7.dat", names=f"MJD {band} FLUXCAL FLUXCALERR PHOTFLAG")
    path = tmp_path / "raw" / "7.dat"
    path.write_text(path.read_text().replace("VARLIST", key))
    found, _ = convert(tmp_path / "raw")
    assert found.loc["7", "flux"].tolist() == [55.0, 40.0, 30.0] and found.loc["7", "band"].tolist() == ["g", "r", "r"]


@pytest.mark.parametrize("column", ["ZPT", "ZEROPT"])
def test_a_zero_point_of_the_row_is_that_of_its_counts_never_of_fluxcal(column: str, tmp_path: Path) -> None:
    """sncosmo/sncosmo 321."""
    names = f"MJD FLT FLUX FLUXERR FLUXCAL FLUXCALERR PHOTFLAG {column}"
    rows = [(mjd, band, 1e4, 20.0, flux, error, flag, 31.2) for mjd, band, flux, error, flag in ROWS]
    text(tmp_path / "text" / "1.dat", names=names, rows=rows)
    pair(tmp_path / "fits", {}, phot={column: [31.2] * 4, "FLUX": [1e4] * 4})
    for folder in ("text", "fits"):
        found, _ = convert(tmp_path / folder)
        assert found.loc["1", "flux"].tolist() == [55.0, 40.0, 30.0]


def test_a_star_has_one_flux_whatever_zero_point_its_file_says_of_fluxcal(tmp_path: Path) -> None:
    """RickKessler/SNANA 1673."""
    brighter = [(mjd, band, flux * 10**1.56, error * 10**1.56, flag) for mjd, band, flux, error, flag in ROWS]
    text(tmp_path / "old" / "1.dat")
    text(tmp_path / "new" / "1.dat", header="ZP_FLUXCAL: 31.40", rows=brighter)
    pair(tmp_path / "fits", {"ZP_FLUXCAL": 31.4}, rows=brighter)
    for folder in ("old", "new", "fits"):
        found, _ = convert(tmp_path / folder)
        np.testing.assert_allclose(found.loc["1", "flux"], [55.0, 40.0, 30.0], rtol=1e-5)
        np.testing.assert_allclose(found.loc["1", "flux_err"], [2.0, 3.0, 3.0], rtol=1e-5)


@pytest.mark.parametrize("key", ["REDSHIFT_FINAL", "REDSHIFT_CMB"])
def test_a_redshift_of_the_microwave_frame_is_one_by_either_name(key: str, tmp_path: Path) -> None:
    """supernnova/SuperNNova 13."""
    text(tmp_path / "text" / "1.dat", header=f"{key}: 0.3600 +- 0.0010")
    pair(tmp_path / "fits", {key: 0.36, f"{key}_ERR": 0.001})
    for folder in ("text", "fits"):
        found, _ = convert(tmp_path / folder)
        assert found.loc["1", "REDSHIFT_HELIO"] == pytest.approx(0.36, abs=0.002)
        assert found.loc["1", "REDSHIFT_HELIO_ERR"] == pytest.approx(0.001, rel=0.01)


@pytest.mark.parametrize("field", ["NULL", "VOID"])
def test_rows_of_nan_are_left_out_and_counted_and_fields_without_a_name_move_nothing(
    field: str, tmp_path: Path
) -> None:
    """RickKessler/SNANA 441, 861, 399."""
    names = "MJD FLT FIELD FLUXCAL FLUXCALERR PHOTFLAG"
    rows: list[Any] = [(mjd, band, field, flux, error, flag) for mjd, band, flux, error, flag in ROWS]
    rows += [(56541.5, "g", field, "nan", 2.0, 0), (56542.5, "g", field, 9.0, "NaN", 0)]
    text(tmp_path / "raw" / "1.dat", names=names, rows=rows)
    found, report = convert(tmp_path / "raw")
    assert found.loc["1", "flux"].tolist() == [55.0, 40.0, 30.0]
    counts = report["counts"]
    assert counts["rows_flux_not_finite"] + counts.get("rows_error_not_positive", 0) == 2


@pytest.mark.parametrize("nothing", [-999.0, -99.0, -9.0, 666.0, 999.0])
def test_hosts_that_are_not_there_and_redshifts_of_99_are_missing(nothing: float, tmp_path: Path) -> None:
    """RickKessler/SNANA 1064, 139, 527."""
    header = f"HOSTGAL_MAG: {nothing} {nothing}\nHOSTGAL_PHOTOZ: -99.0 +- -99.0\nREDSHIFT_FINAL: -99.0 +- -99.0"
    text(tmp_path / "text" / "1.dat", header=f"{header}\nHOSTGAL_RA: -999.0\nHOSTGAL_DEC: -999.0")
    columns = {"HOSTGAL_MAG_g": nothing, "HOSTGAL_MAG_r": nothing, "HOSTGAL_RA": -999.0, "HOSTGAL_DEC": -999.0}
    pair(tmp_path / "fits", {**columns, "HOSTGAL_PHOTOZ": -99.0, "REDSHIFT_FINAL": -99.0, "REDSHIFT_FINAL_ERR": -99.0})
    for folder in ("text", "fits"):
        found, _ = convert(tmp_path / folder)
        missing = ["HOSTGAL_MAG_g", "HOSTGAL_MAG_r", "HOSTGAL_PHOTOZ", "REDSHIFT_HELIO", "HOSTGAL_RA", "HOSTGAL_DEC"]
        assert found.loc["1", missing].isna().all(), found.loc["1", missing]


def test_a_table_of_nothing_but_blanks_is_refused(tmp_path: Path) -> None:
    """RickKessler/SNANA 1165."""
    pair(tmp_path / "raw", {"HOSTGAL_PHOTOZ": -777.0}, rows=[(-777.0, "", -777.0, -777.0, -777)] * 3)
    with pytest.raises(UserError) as told:
        convert(tmp_path / "raw")
    assert told.value.fix and told.value.got


def test_files_of_other_filters_are_one_table(tmp_path: Path) -> None:
    """RickKessler/SNANA 1743."""
    text(tmp_path / "raw" / "1.dat")
    rows = [(56536.5, "u", 5.0, 2.0, 4096), (56537.5, "i", 4.0, 3.0, 4096)]
    text(tmp_path / "raw" / "2.dat", rows=rows)
    path = tmp_path / "raw" / "2.dat"
    path.write_text(path.read_text().replace("FILTERS: gr", "FILTERS: ui"))
    found, report = convert(tmp_path / "raw")
    assert {band for bands in found["band"] for band in bands} == {"u", "g", "r", "i"} and not report["dropped"]
    assert all(np.isfinite(waves).all() for waves in found["wavelength"])


def test_files_of_before_2010_are_refused_by_name(tmp_path: Path) -> None:
    """RickKessler/SNANA 861."""
    (tmp_path / "raw").mkdir()
    old = "SURVEY: SDSS\nSNID: 1\nFILTERS: gr\nNEPOCH: 1\nEPOCH: 1\nMJD: 5.5\nPASSBAND: g r\nFLUXCAL: 1 2\nEND:\n"
    (tmp_path / "raw" / "1.dat").write_text(old)
    with pytest.raises(UserError, match="EPOCH"):
        convert(tmp_path / "raw")


def test_one_file_alone_is_read_with_its_masses_and_redshifts(tmp_path: Path) -> None:
    """bayesn/bayesn 18."""
    head = {"HOSTGAL_PHOTOZ": 0.4, "HOSTGAL_SPECZ": 0.41, "HOSTGAL_MAG_r": 21.5, "REDSHIFT_HELIO": 0.42, "MWEBV": 0.03}
    pair(tmp_path / "raw", head)
    (source,) = find_curves([tmp_path / "raw" / "a_HEAD.FITS"]).sources
    assert source.reader.kind == "snana"
    found, _ = convert(tmp_path / "raw")
    assert {name: float(found.loc["1", name]) for name in head} == pytest.approx(head)


def test_days_count_from_the_trigger_and_forced_fluxes_before_it_are_fluxes(tmp_path: Path) -> None:
    """RickKessler/SNANA 708; daniel-muthukrishna/astrorapid 3."""
    from astrid_ml.preprocessing.lightcurves.select.source import read_sources

    rows = [(56530.5, "g", 6.0, 2.0, 0), (56533.5, "r", -1.0, 3.0, 0), (56536.5, "g", 55.0, 2.0, 6144)]
    rows += [(56537.5, "r", 6.0, 3.0, 0), (56540.5, "r", 30.0, 3.0, 4096), (56550.5, "r", 2.0, 3.0, 0)]
    text(tmp_path / "raw" / "1.dat", rows=rows)
    found, _ = convert(tmp_path / "raw")
    assert found.loc["1", "flux"].tolist() == [6.0, -1.0, 55.0, 6.0, 30.0, 2.0]  # none became a limit
    (source,) = read_sources(tmp_path / "raw-out" / "objects")
    days = source.time_series["MJD"] - 56536.5
    # The last non-detection before the trigger, and those between detections.
    assert days.tolist() == [-3.0, 0.0, 1.0, 4.0]
    assert source.time_series["FLUXCAL"].tolist() == [-1.0, 55.0, 6.0, 30.0]
