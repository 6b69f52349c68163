"""Layouts that people hold (cases of the light curves): each is read with the values that were worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable, concatenate
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.taxonomy import load_taxonomy

pytestmark = pytest.mark.real_data
TAI = 37 / 86400
TDB = 69.184 / 86400
RUBIN = ([60622.0 - TAI + n for n in range(6)], [100.0] * 6)
# Folder -> survey, kind of flux, object, MJD, FLUXCAL of the first object's epochs, bands, detection flags.
Read = tuple[str | None, str | None, str, Any, Any, str, Sequence[int]]
CASES: dict[str, Read] = {
    "alerce_json": ("ZTF", "difference", "ZTF20aaelulu", [58850.1, 58861.1], [0.0, 15848.93], "g r", [0, 4096]),
    "antares_csv": ("ZTF", None, "ANT2020abc", [58850.1, 58861.1], [0.0, 15848.93], "g r", [0, 4096]),
    "asassn_old": ("ASASSN", "total", "light_curve", [57000, 57001], [90889.55, -2754.23], "V V", [4096, 0]),
    "asassn_v2": ("ASASSN", "total", "1234", [58000], [90889.55], "g", [4096]),
    "atlas": ("ATLAS", None, "job123", [57233.38391, 57237.38391], [9997.85, -908.9], "o c", [0, 0]),
    "dp02_forced": ("LSST", "difference", "611255759837069401", *RUBIN, "g r i z g r", [0] * 6),
    "dp1_diasource": ("LSST", "difference", "611255759837069401", *RUBIN, "g r i z g r", [4096] * 6),
    "dp1_forced_on_dia": ("LSST", "difference", "611255759837069401", *RUBIN, "g r i z g r", [0] * 6),
    "fink_csv": ("ZTF", "difference", "ZTF21abfmbix", [59350.2], [5248.07], "g", [4096]),
    "fink_lsst": ("LSST", "difference", "170028512345678901", [61000 - TAI], [100.0], "g", [4096]),
    "gaia": ("GAIA", "total", "12345", [56902.94274, 56902.9428], [59023.9, 36088.6], "G BP", [4096, 4096]),
    "generic_one_csv": (None, None, "sn1", [60000, 60001], [1000.0, 912.01], "g r", [4096, 4096]),
    "hats_dp1": ("LSST", "difference", "611255759837069401", RUBIN[0][:2], [100.0] * 2, "g r", [4096] * 2),
    "hats_ztf": ("ZTF", "total", "686103400067717", [58300], [6309.57], "g", [4096]),
    "kepler": (
        "KEPLER",
        "total",
        "TIC 1",
        np.array([58324.79, 58324.8]) - TDB,
        [9120.1, 9129.2],
        "Kepler Kepler",
        [4096] * 2,
    ),
    "lasair_json": ("ZTF", "difference", "ZTF18abdphvf", [59349.2, 59350.2], [0.0, 5248.07], "g g", [0, 4096]),
    "osc": (None, "total", "SN2011fe", [55796.2, 55797.2], [0.0, 11481.5], "g g", [0, 4096]),
    "ps1": (
        "PS1",
        "total",
        "190361393344112894",
        np.array([55242.4, 55243.4]) - 34 / 86400,
        [2754.2, 5508.5],
        "g r",
        [4096] * 2,
    ),
    "sncosmo_ascii": (None, None, "sn1", [55070, 55072.05], [3.6, -1.6], "sdssg sdssr", [0, 0]),
    "sncosmo_json": (None, None, "lc", [55070, 55072], [3.6, -1.6], "sdssg sdssr", [0, 0]),
    "tess": ("TESS", "total", "TIC 1", np.array([58324.79, 58324.8]) - TDB, [478630, 479109], "TESS TESS", [4096] * 2),
    "ztf_dr_csv": ("ZTF", "total", "686103400067717", [58300], [6309.57], "g", [4096]),
    "ztf_dr_parquet": ("ZTF", "total", "686103400067717", [58300], [6309.57], "g", [4096]),
    "ztf_fps": ("ZTF", "difference", "batchfp_req0000123456_lc", [58300, 58301], [3630.8, -662.3], "g r", [0, 0]),
}


def cases(real_data: Path, name: str = "refused-formats") -> Path:
    folder = real_data.parent / "cases" / "lightcurves" / name
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}")
    return folder


def read(folder: Path) -> tuple[CurveTable, Account]:
    found, account = find_curves([folder]), Account()
    assert not found.unread
    return concatenate([table for source in found.sources for table in source.read(account)]), account


@pytest.mark.parametrize("name", CASES)
def test_a_layout_is_read_with_its_right_values(name: str, real_data: Path) -> None:
    survey, kind, first, mjd, flux, bands, flags = CASES[name]
    table, account = read(cases(real_data) / name)
    one: dict[Any, Any] = table.objects.iloc[0].to_dict()
    assert (one["object_id"], one["survey"] or None, one["flux_kind"] or None) == (first, survey, kind)
    rows = slice(0, int(table.offsets[1]))
    np.testing.assert_allclose(table.mjd[rows], mjd, atol=1e-5)
    np.testing.assert_allclose(table.flux[rows], flux, rtol=1e-4)
    assert [table.bands[code] for code in table.band[rows]] == bands.split()
    assert table.phot_flag[rows].tolist() == list(flags)
    assert np.isfinite(table.wavelengths).all() and (table.flux_err > 0).all() and not account.dropped


def test_every_case_is_here_or_refused(real_data: Path) -> None:
    there = {path.name for path in cases(real_data).iterdir() if path.is_dir()}
    assert there == {*CASES, *REFUSED}


REFUSED = {
    "generic_long_csv": r"zero point.*the column flux of no known unit, among object_id, mjd, band.*zero_point=31\.4",
    "wire_alert": r"without its schema \(id 100\): put that beside it as 100\.avsc",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_lacks_something_is_told_what(name: str, real_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=REFUSED[name]):
        ConvertCommand(str(cases(real_data) / name), str(tmp_path)).run()


def test_the_long_table_is_read_with_its_zero_point(real_data: Path, tmp_path: Path) -> None:
    done = ConvertCommand(str(cases(real_data) / "generic_long_csv"), str(tmp_path), zero_point=25.0).run()
    assert (done["objects"], done["epochs"]) == (2, 3)


def test_positions_and_bad_rows(real_data: Path) -> None:
    table, account = read(cases(real_data) / "ztf_fps")
    assert table.objects[["RA", "DEC"]].iloc[0].tolist() == [150.123456, 2.234567]
    assert account.counts["rows_that_the_service_calls_bad"] == 1
    assert read(cases(real_data) / "kepler")[1].counts["rows_that_the_service_calls_bad"] == 1
    assert read(cases(real_data) / "sncosmo_ascii")[0].objects["REDSHIFT_HELIO"].tolist() == [0.5]


def test_dialects_of_snana(real_data: Path) -> None:
    first, _ = read(cases(real_data, "elasticc1"))
    assert (
        set(first.objects["label"]) == {"SNIa-SALT2"}
        and load_taxonomy("elasticc2").node_of_label["SNIa-SALT2"] == "SNIa"
    )
    hosts, _ = read(cases(real_data, "host-sentinels"))
    known = hosts.objects[["HOSTGAL_MAG_g", "HOSTGAL_PHOTOZ", "HOSTGAL_MAGERR_u"]].notna()
    assert known.to_numpy().tolist() == [[False] * 3, [False, False, True], [False, True, False], [True, False, False]]
    final, _ = read(cases(real_data, "redshift-final"))
    assert final.objects["REDSHIFT_HELIO"].tolist() == [pytest.approx(0.25, abs=0.002)]
    _, account = read(cases(real_data, "vector-kept"))
    assert account.counts["columns_of_several_values_left_out: PEAKMJD"] == 1


def test_flagged_and_withdrawn_sources_are_left_out_and_counted(real_data: Path) -> None:
    table, account = read(cases(real_data, "rubin-flags"))
    assert table.flux.tolist() == [pytest.approx(-100.0, rel=1e-4)]
    assert account.counts["sources_withdrawn"] == 3
