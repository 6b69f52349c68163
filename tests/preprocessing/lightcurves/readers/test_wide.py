"""Tables with a column for each filter, guessed and by maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.time import Time

from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.readers.layouts.guess import guesses
from astrid_ml.preprocessing.lightcurves.readers.layouts.maps import ColumnMaps, maps_of
from astrid_ml.preprocessing.lightcurves.readers.layouts.names import bare, words
from astrid_ml.preprocessing.lightcurves.readers.layouts.rows import Rows
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.preprocessing.lightcurves.readers.values.wide import filter_columns

MAGS = {"g": [18.0, 18.5, np.nan], "r": [17.5, 99.99, 19.0]}
NAMES = [
    ("mag_{}", "magerr_{}"), ("mag_{}", "mag_err_{}"), ("mag_{}", "e_mag_{}"), ("{}_mag", "{}_mag_err"),
    ("{}mag", "e_{}mag"), ("{}", "{}_err"), ("{}", "e_{}"), ("{}", "err_{}"), ("psfMag_{}", "psfMagErr_{}"),
    ("{}mag", "{}magerr"), ("m_{}", "dm_{}"),
]  # fmt: skip
EXPECTED = {
    ("A", 59000.25, "g", 18.0),
    ("A", 59001.25, "g", 18.5),
    ("A", 59000.25, "r", 17.5),
    ("B", 59000.25, "r", 19.0),
}


def wide(value: str, error: str) -> pd.DataFrame:
    rows: dict[str, Any] = {"name": ["A", "A", "B"], "mjd": [59000.25, 59001.25, 59000.25]}
    for band, mags in MAGS.items():
        rows |= {value.format(band): mags, error.format(band): np.where(np.array(mags) > 50, 99.99, 0.05)}
    return pd.DataFrame(rows)


def read(path: Path, maps: ColumnMaps | None = None) -> tuple[set[tuple[str, float, str, float]], Account]:
    account = Account()
    found = set()
    for source in find_curves([path], maps or ColumnMaps()).sources:
        for table in source.read(account):
            names = table.objects["object_id"].to_numpy()[table.owner]
            mags = 27.5 - 2.5 * np.log10(table.flux.astype(float))
            found |= set(zip(names, table.mjd, np.array(table.bands)[table.band], mags.round(4), strict=True))
    return found, account


@pytest.mark.parametrize(("value", "error"), NAMES)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_for_each_filter_is_read_as_a_row_for_each(
    value: str, error: str, ending: str, tmp_path: Path
) -> None:
    table, path = wide(value, error), tmp_path / f"x.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path, index=False)
    assert read(path)[0] == EXPECTED


def test_fluxes_side_by_side_keep_their_units(tmp_path: Path) -> None:
    text = "name,mjd,flux_g (uJy),flux_err_g (uJy),flux_r (mJy),flux_err_r (mJy)\nA,59000.25,3631,10,3.631,0.01\n"
    (tmp_path / "x.csv").write_text(text)
    (source,) = find_curves([tmp_path]).sources
    (table,) = source.read(Account())
    np.testing.assert_allclose(table.flux, 10 ** (-0.4 * (15.0 - 27.5)), rtol=1e-4)
    np.testing.assert_allclose(table.flux_err / table.flux, 10 / 3631, rtol=1e-4)


def test_the_map_of_a_wide_table_is_shown_and_reads_all_of_it(tmp_path: Path) -> None:
    wide("mag_{}", "magerr_{}").to_csv(tmp_path / "x.csv", index=False)
    shown = ConvertCommand(str(tmp_path / "x.csv"), str(tmp_path / "out"), columns="guess").run()
    maps = maps_of(shown["columns"])
    assert [layout.band for layout in maps.layouts] == ["g", "r"]
    found, account = read(tmp_path / "x.csv", maps)
    assert found == EXPECTED and not account.dropped


def test_maps_of_one_column_are_taken_in_their_order() -> None:
    columns = {"object": "name", "time": "mjd", "mag": "mag_g", "mag_err": "magerr_g"}
    rows = Rows(wide("mag_{}", "magerr_{}"))
    both = maps_of({"layouts": [{"columns": columns, "band": "g"}, {"columns": columns, "band": "i"}]})
    assert [layout.band for layout in both.that_fit(rows)] == ["g"]
    others = {**columns, "mag": "mag_r", "mag_err": "magerr_r"}
    filtered = {"columns": {**columns, "filter": "name"}}
    first = maps_of({"layouts": [filtered, {"columns": others, "band": "r"}]})
    assert len(first.that_fit(rows)) == 1


def test_blocks_of_a_wide_table_do_not_part_its_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astrid_ml.preprocessing.lightcurves.readers.layouts.rows.BLOCK", 2)
    monkeypatch.setattr("astrid_ml.preprocessing.lightcurves.readers.layouts.reading.HELD", 1)
    wide("mag_{}", "magerr_{}").to_csv(tmp_path / "x.csv", index=False)
    found, account = read(tmp_path / "x.csv")
    assert found == EXPECTED and not account.dropped


@pytest.mark.parametrize(
    "names",
    [["mjd", "mag", "mag_err", "filter"], ["mjd", "mag_g", "magerr_g"], ["time", "V", "B", "height"], ["z", "z_err"]],
)
def test_other_columns_are_of_no_filters(names: list[str]) -> None:
    assert filter_columns({name: bare(name) for name in names}, words()) == []
    assert len(guesses(Rows(pd.DataFrame({name: [1.0, 2.0] for name in names})))) == 1


@pytest.mark.parametrize("form", ["rows", "lists"])
def test_the_bands_of_gaias_table_of_variables(form: str, tmp_path: Path) -> None:
    days = Time(59000.25 + np.arange(3.0), format="mjd", scale="utc").tcb.mjd + 2400000.5 - 2455197.5
    rows = pd.DataFrame({"source_id": 5853498713190525696, "transit_id": [1, 2, 3]})
    for band, zero in (("g_transit", 25.8010), ("bp", 25.3540), ("rp", 25.1040)):
        time = "g_transit_time" if band == "g_transit" else f"{band}_obs_time"
        flux = 10 ** (0.4 * (zero - 15.0))
        rows = rows.assign(**{time: days, f"{band}_flux": flux, f"{band}_flux_error": 0.01 * flux})
    rows["variability_flag_g_reject"] = [False, False, True]
    rows["bp_flux"] = [*rows["bp_flux"][:2], np.nan]
    path = tmp_path / "x.parquet"
    if form == "rows":
        rows.to_parquet(path)
    else:
        lists = {name: pa.array([rows[name].tolist()]) for name in rows if name != "source_id"}
        pq.write_table(pa.table({"source_id": pa.array([5853498713190525696]), **lists}), path)
    account = Account()
    (source,) = find_curves([path]).sources
    (table,) = source.read(account)
    assert table.objects["object_id"].tolist() == ["5853498713190525696"] and len(table.mjd) == 7
    assert sorted(np.array(table.bands)[table.band]) == ["BP"] * 2 + ["G"] * 2 + ["RP"] * 3
    np.testing.assert_allclose(table.flux, 10 ** (-0.4 * (15.0 - 27.5)), rtol=1e-5)
    np.testing.assert_allclose(table.mjd, np.repeat(59000.25 + np.arange(3.0), [3, 3, 1]), rtol=0, atol=1e-6)
    assert account.counts["rows_that_the_service_calls_bad"] == 1
