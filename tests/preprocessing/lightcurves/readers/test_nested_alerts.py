"""Alerts with nested sources: Rubin's and ELAsTiCC's schemas, parquet and Avro."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves import gathered
from astrid_ml.preprocessing.lightcurves.curves.gathered import Gathered
from astrid_ml.preprocessing.lightcurves.curves.ingest import BY_GIVEN, Account
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.alert_tables import Dialect, dialect_of, epochs_of, flattened
from astrid_ml.preprocessing.lightcurves.readers.layouts.nests import is_nested_parquet
from astrid_ml.preprocessing.lightcurves.readers.nested_alerts import is_nested_avro, read_alerts
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves

SOURCE = {"diaSourceId": "long", "diaObjectId": ["null", "long"]}
ELASTICC = {**SOURCE, "midPointTai": "double", "filterName": "string", "psFlux": "float", "psFluxErr": "float"}
RUBIN = {**SOURCE, "midpointMjdTai": "double", "band": "string", "psfFlux": "float", "psfFluxErr": "float"}


def point(fields: dict[str, Any], number: int, name: int | None, mjd: float, band: str, flux: float) -> dict[str, Any]:
    return dict(zip(fields, (number, name, mjd, band, flux, 2.0), strict=True))


def alerts(fields: dict[str, Any], about: dict[str, Any]) -> list[dict[str, Any]]:
    """Two alerts of object 7 (the second repeats the first's history and adds forced photometry), one of nobody."""
    one, two = point(fields, 1, 7, 60000.5, "g", 100.0), point(fields, 2, 7, 60003.5, "Y", 200.0)
    forced = [
        point(fields, 11, 7, 59990.5, "g", -1.0),
        point(fields, 12, 7, 60000.5 + 1e-7, "g", 90.0),  # the visit of source 1
        point(fields, 13, 7, 60001.5, "r", 3.0),
    ]
    body = point(fields, 3, None, 60000.5, "r", 50.0)
    return [
        {"diaSource": one, "prvDiaSources": None, "prvDiaForcedSources": forced[:1], "diaObject": about},
        {"diaSource": two, "prvDiaSources": [one], "prvDiaForcedSources": forced, "diaObject": about},
        {"diaSource": body, "prvDiaSources": None, "prvDiaForcedSources": None, "diaObject": None},
    ]


def write_avro(path: Path, fields: dict[str, Any], about: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    source = {"type": "record", "name": "s", "fields": [{"name": k, "type": v} for k, v in fields.items()]}
    thing = {"type": "record", "name": "o", "fields": [{"name": k, "type": "double"} for k in about]}
    schema: Any = {
        "type": "record",
        "name": "alert",
        "fields": [
            {"name": "diaSource", "type": source},
            *({"name": n, "type": ["null", {"type": "array", "items": "s"}]} for n in list(rows[0])[1:3]),
            {"name": "diaObject", "type": ["null", thing]},
        ],
    }
    with path.open("wb") as stream:
        fastavro.writer(stream, schema, rows)


def read(folder: Path, **options: Any) -> tuple[CurveTable, Account]:
    account = Account()
    (source,) = find_curves([folder]).sources
    (table,) = source.read(account, **options)
    return table, account


HOST = {"ra": 10.0, "decl": -9.0, "hostgal_zphot": 0.5, "hostgal_zspec": -9.0, "hostgal_mag_g": 999.0}


@pytest.mark.parametrize("kind", ["avro", "parquet", "both"])
def test_an_objects_alerts_are_one_curve(tmp_path: Path, kind: str) -> None:
    rows = alerts(ELASTICC, HOST)
    if kind == "avro":
        write_avro(tmp_path / "a.avro", ELASTICC, HOST, rows)
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    else:  # an object's alerts lie in several files
        write_avro(tmp_path / "a.avro", ELASTICC, HOST, rows[:1])
        pq.write_table(pa.Table.from_pylist(rows[1:]), tmp_path / "b.parquet")
    table, account = read(tmp_path)
    assert table.objects["object_id"].tolist() == ["7"]
    assert table.mjd.tolist() == [59990.5, 60000.5, 60001.5, 60003.5]
    assert table.flux.tolist() == [-1.0, 100.0, 3.0, 200.0]  # FLUXCAL as it is; the source's flux, not the forced one
    assert table.phot_flag.tolist() == [0, 4096 | 2048, 0, 4096]
    assert [table.bands[code] for code in table.band] == ["g", "g", "r", "Y"]
    about = table.objects.iloc[0]
    assert (about["survey"], about["RA"], about["DEC"], about["HOSTGAL_PHOTOZ"]) == ("ELASTICC", 10.0, -9.0, 0.5)
    assert pd.isna(about["HOSTGAL_SPECZ"])
    assert pd.isna(about["HOSTGAL_MAG_g"])
    assert [drop["object_id"] for drop in account.dropped] == ["3"]
    assert (account.read, account.counts["alerts"], account.counts["rows_repeated_in_later_alerts"]) == (2, 3, 3)


def test_rubins_fluxes_are_nanojansky_and_its_times_tai(tmp_path: Path) -> None:
    write_avro(tmp_path / "a.avro", RUBIN, {"ra": 1.0, "dec": 2.0}, alerts(RUBIN, {"ra": 1.0, "dec": 2.0}))
    table, _ = read(tmp_path)
    assert table.flux[1] == pytest.approx(100 / 36.3078, rel=1e-5)  # 10^(0.4 (31.4 - 27.5))
    assert table.flux_err[1] == pytest.approx(2 / 36.3078, rel=1e-5)
    assert table.mjd[1] == pytest.approx(60000.5 - 37 / 86400, abs=1e-9)


def test_a_schema_that_does_not_tell_its_zero_point_needs_the_users(tmp_path: Path) -> None:
    about = {"ra": 1.0, "dec": 2.0}
    write_avro(tmp_path / "a.avro", ELASTICC, about, alerts(ELASTICC, about))
    with pytest.raises(UserError, match="zero point"):
        read(tmp_path)
    table, account = read(tmp_path, zero_point=27.5)
    assert table.flux[1] == 100.0 and account.counts[BY_GIVEN] == 1
    assert read(tmp_path, zero_point=31.4)[0].flux[1] == pytest.approx(2.75423, rel=1e-5)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write_avro(tmp_path / "a.avro", ELASTICC, HOST, alerts(ELASTICC, HOST))
    whole = (tmp_path / "a.avro").read_bytes()
    (tmp_path / "b.avro").write_bytes(whole[:-40])
    _, account = read(tmp_path)
    assert [lost["file"] for lost in account.failed] == ["b.avro"]
    assert [drop["object_id"] for drop in account.dropped] == ["3"]


def test_identifiers_that_a_table_made_floats(tmp_path: Path) -> None:
    rows = alerts(ELASTICC, HOST)
    for row in rows:
        row["diaSource"] = row["diaSource"] | {"diaObjectId": float(row["diaSource"]["diaObjectId"] or np.nan)}
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert read(tmp_path)[0].objects["object_id"].tolist() == ["7"]
    rows[1]["diaSource"]["diaObjectId"] = 169298433216610349.0
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    account = Account()
    assert not list(read_alerts([tmp_path / "a.parquet"], account))
    assert [lost["reason"] for lost in account.failed] == [
        "identifiers as floats, which do not survive it: save them as whole numbers"
    ]


def test_a_dialect_is_known_by_the_names_of_its_fields() -> None:
    assert dialect_of({"diaSource": {"psfFlux"}}) == Dialect("LSST")
    assert dialect_of({"diaSource": {"psFlux", "ccdVisitId"}}) == Dialect("LSST")  # Rubin's schemas up to 4
    assert dialect_of({"diaSource": {"psFlux"}, "diaObject": {"simVersion"}}) == Dialect("ELASTICC")
    assert dialect_of({"diaSource": {"psFlux"}}) == Dialect("")


def test_what_the_schema_says_of_the_zero_point_wins_over_the_user(tmp_path: Path) -> None:
    nanojansky = 10 ** (0.4 * (31.4 - 27.5))
    for own in (None, 27.5, 31.4):
        assert Dialect("LSST").to_fluxcal(own, tmp_path) == pytest.approx(1 / nanojansky)
        assert Dialect("ELASTICC").to_fluxcal(own, tmp_path) == 1.0
    with pytest.raises(UserError, match=r"a\.avro.*zero_point=31\.4"):
        Dialect("").to_fluxcal(None, tmp_path / "a.avro")


def test_only_files_with_a_history_are_nested_alerts(tmp_path: Path) -> None:
    rows = alerts(ELASTICC, HOST)
    write_avro(tmp_path / "a.avro", ELASTICC, HOST, rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    pq.write_table(pa.Table.from_pylist([{"diaSource": row["diaSource"]} for row in rows]), tmp_path / "b.parquet")
    (tmp_path / "b.avro").write_bytes(b"no Avro at all")
    assert is_nested_parquet(tmp_path / "a.parquet")
    assert not is_nested_parquet(tmp_path / "b.parquet")
    assert is_nested_avro(tmp_path / "a.avro")
    assert not is_nested_avro(tmp_path / "b.avro")


def test_saturated_forced_photometry_is_no_detection() -> None:
    columns = {name: [value, value] for name, value in point(RUBIN, 1, 7, 60000.5, "y", 5.0).items()}
    columns["pixelFlags_saturated"] = [True, None]
    for rank, detected in ((0, 4096), (1, 0)):
        found = epochs_of(columns, Dialect(""), rank)
        assert found["phot_flag"].tolist() == [1024 | detected, detected]
        assert found["mjd"].tolist() == [60000.5, 60000.5]  # only Rubin's own times are TAI


def test_a_source_without_its_error_names_the_field() -> None:
    columns = {name: [value] for name, value in point(RUBIN, 1, 7, 60000.5, "y", 5.0).items() if "Err" not in name}
    with pytest.raises(ValueError, match="no flux_err in the alert's sources"):
        epochs_of(columns, Dialect("LSST"), 0)


def test_empty_histories_have_no_columns() -> None:
    kind = pa.list_(pa.struct([("a", pa.int64())]))
    assert flattened(pa.array([None, []], type=kind)) is None
    laid = flattened(pa.array([[{"a": 1}, {"a": 2}], None, [{"a": 3}]], type=kind))
    assert laid is not None
    assert laid["a"].to_pylist() == [1, 2, 3]


def test_of_a_folder_of_damaged_files_alone_each_is_named(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        (tmp_path / name).write_bytes(b"PAR1 and no more")
    account = Account()
    assert not list(read_alerts([tmp_path / "a.parquet", tmp_path / "b.parquet"], account))
    assert [lost["file"] for lost in account.failed] == ["a.parquet", "b.parquet"]


@pytest.mark.real_data
def test_real_rubin_alerts(real_data: Path, tmp_path: Path) -> None:
    summary = ConvertCommand(str(real_data / "rubin"), str(tmp_path)).run()
    alerts = pq.read_table(real_data / "rubin" / "dia_sources_lsst_v10_0.parquet").to_pylist()
    wanted: dict[str, list[tuple[float, float]]] = {}
    for alert in alerts:
        for row in [*(alert["prvDiaSources"] or []), alert["diaSource"]]:
            if row["diaObjectId"] and not row["psfFlux_flag"] and row["timeWithdrawnMjdTai"] is None:
                time = row["midpointMjdTai"] - 37 / 86400
                wanted.setdefault(str(row["diaObjectId"]), []).append((time, row["psfFlux"] / 10 ** (0.4 * 3.9)))
    written = pd.read_parquet(tmp_path / "objects")
    assert (summary["objects"], summary["dropped"]) == (len(wanted), 25 - len(wanted))
    for name, mjd, flux in zip(written["object_id"], written["mjd"], written["flux"], strict=True):
        times, values = np.array(sorted(wanted[name])).T
        assert mjd == pytest.approx(times, abs=1e-9)
        assert flux == pytest.approx(values, rel=1e-6)


def test_leaving_repeated_epochs_out_as_they_come_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def joined() -> tuple[CurveTable, Account]:
        account, whole = Account(), Gathered()
        for block in range(12):
            draws = np.random.default_rng(block)
            names = draws.choice(["", "7", "8", "9"], 40)
            epochs = pd.DataFrame({"object_id": names, "mjd": draws.integers(60000, 60006, 40).astype(float)})
            epochs = epochs.assign(band=draws.choice(["g", "r"], 40), flux=draws.normal(size=40), flux_err=1.0)
            own = Gathered()
            own.add(
                epochs.assign(phot_flag=4096, rank=draws.integers(0, 2, 40)),
                pd.DataFrame({"object_id": names, "source": [f"{block}-{n}" for n in range(40)], "RA": float(block)}),
            )
            whole.merge(own)
        return whole.joined(account, None), account

    plain, before = joined()
    monkeypatch.setattr(gathered, "GATHERED", 50)
    again, after = joined()
    assert vars(before) == vars(after) and before.counts["rows_repeated_in_later_alerts"] > 300
    pd.testing.assert_frame_equal(plain.objects, again.objects)
    for name in ("offsets", "mjd", "flux", "phot_flag", "band"):
        assert np.array_equal(getattr(plain, name), getattr(again, name)), name
