"""Each described layout, in every form that people write it, gives the fluxes and times that it was made of."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made.light_curve_tables import (
    CHANGES,
    ERROR,
    FLUX,
    MADE,
    MJD,
    WRITERS,
    as_columns,
    as_csv,
    as_json,
    guessed_table,
    table_of,
)

from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import layouts
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves

BARE = ("light curves of TESS", "light curves of Kepler", "light curves of OGLE")  # told by more than their columns
DESCRIBED = [name for name in MADE if name not in BARE]


def read(path: Path, zero_point: float | None = None) -> tuple[CurveTable, str, Account]:
    (source,) = find_curves([path]).sources
    account = Account()
    (table,) = source.read(account, None, zero_point)
    return table, source.reader.kind, account


def same(table: CurveTable) -> None:
    np.testing.assert_allclose(table.mjd, MJD, atol=2e-7)
    np.testing.assert_allclose(table.flux, FLUX, rtol=2e-5)
    np.testing.assert_allclose(table.flux_err, ERROR, rtol=2e-5)


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_layout_gives_what_it_was_made_of(name: str, tmp_path: Path) -> None:
    layout = MADE[name]
    for number, change in enumerate([None, *CHANGES]):
        chosen = random.Random(number)
        table = table_of(layout)
        folder = tmp_path / str(number)
        folder.mkdir()
        found, kind, account = read(as_csv(table if change is None else change(table, chosen), folder))
        assert kind == "brokers" and not account.dropped, (change, account.dropped)
        same(found)
        kinds = found.objects["flux_kind"].iloc[0]
        assert (None if pd.isna(kinds) else kinds) == layout.flux_kind
        assert len(found) == 1 and np.isfinite(found.wavelengths).all()
        detected = (found.phot_flag > 0).all()
        assert detected == layout.detections


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@pytest.mark.parametrize("name", ["light curves of ZTF's data releases", "Rubin's DiaSource"])
def test_every_form_of_a_file_is_read(name: str, write: Callable[[pd.DataFrame, Path], Path], tmp_path: Path) -> None:
    found, kind, account = read(write(table_of(MADE[name]), tmp_path))
    assert kind == "brokers" and not account.dropped
    same(found)
    assert found.objects["object_id"].tolist() == ["1234567"]


@pytest.mark.parametrize("write", [as_json, as_columns], ids=lambda write: write.__name__)
def test_json_of_rows_and_of_columns(write: Callable[[pd.DataFrame, Path], Path], tmp_path: Path) -> None:
    found, kind, _ = read(write(table_of(MADE["tables of sncosmo"]), tmp_path))
    assert kind == "brokers"
    same(found)


@pytest.mark.parametrize("seed", range(40))
def test_a_table_that_nobody_described_is_guessed_right(seed: int, tmp_path: Path) -> None:
    rows, zero_point = guessed_table(seed)
    write = random.Random(seed).choice(WRITERS[:5])
    found, _, account = read(write(rows, tmp_path), zero_point)
    assert not account.dropped and found.objects["object_id"].isin([f"sn{seed}", "a"]).all()
    same(found)


def test_layouts_have_sources_and_columns() -> None:
    for layout in layouts():
        assert layout.source and layout.known_by and ("time" in layout.columns), layout.name


def test_limits_signs_and_systems(tmp_path: Path) -> None:
    rows: dict[str, Any] = {"name": "x", "mjd": [58000.0, 58001.0, 58002.0, 58003.0], "filter": ["V", "V", "g", "g"]}
    rows |= {"mag": ["17.0", ">18.0", "17.0", "99.0"], "mag_err": [0.1, 99.9, 0.1, 9.99]}
    table = pd.DataFrame(rows).assign(magsys=["Vega", "Vega", "AB", "AB"])
    found, _, account = read(as_csv(table, tmp_path))
    vega, ab = 10 ** (-0.4 * (17.02 - 27.5)), 10 ** (-0.4 * (17.0 - 27.5))
    np.testing.assert_allclose(found.flux, [vega, 0.0, ab], rtol=1e-5)
    np.testing.assert_allclose(found.flux_err[1], 10 ** (-0.4 * (18.02 - 27.5)) / 5, rtol=1e-5)
    assert found.phot_flag.tolist() == [4096, 0, 4096]
    assert account.counts["rows_of_Vega_made_AB"] == 2


def test_times_that_are_cut_short_and_dates(tmp_path: Path) -> None:
    rows = pd.DataFrame({"band": "g", "mag": [17.0, 18.0], "magerr": 0.1})
    times: dict[str, Any] = {"hjd": [8000.5, 8001.5], "date": ["2017-09-04T00:00:00", "2017-09-05T00:00:00"]}
    for name, values in times.items():
        rows[name] = values
        found, _, account = read(as_csv(rows[["band", "mag", "magerr", name]], tmp_path))
        assert found.mjd.tolist() == [58000.0, 58001.0]
        assert account.counts["rows_JD_without_its_first_figures"] == (2 if name == "hjd" else 0)


def test_ogle_by_its_folders(tmp_path: Path) -> None:
    for band in "IV":
        (tmp_path / band).mkdir()
        (tmp_path / band / "OGLE-LMC-CEP-0001.dat").write_text("8000.5 15.000 0.010\n2458001.50000 15.1 0.01\n")
    (source,) = find_curves([tmp_path]).sources
    (table,) = source.read(Account())
    assert table.objects["object_id"].tolist() == ["OGLE-LMC-CEP-0001"]
    assert table.mjd.tolist() == [58000.0, 58000.0, 58001.0, 58001.0] and table.bands == ("I", "V")
    np.testing.assert_allclose(table.flux[table.band == 0][0], 10 ** (-0.4 * (15.45 - 27.5)), rtol=1e-5)


def test_alerts_of_ztf_and_their_history(tmp_path: Path) -> None:
    packet = {"objectId": "ZTF1", "candid": 2, "candidate": ztf_row(1.0, 18.0)}
    packet["prv_candidates"] = [ztf_row(0.0, 19.0), ztf_row(-1.0, None)]
    packet["fp_hists"] = [
        {"jd": 2458000.5, "fid": 1, "forcediffimflux": 100.0, "forcediffimfluxunc": 5.0, "magzpsci": 26.5}
    ]
    later = {"objectId": "ZTF1", "candid": 3, "candidate": ztf_row(2.0, 17.0)}
    later["prv_candidates"] = [ztf_row(1.0, 18.0), ztf_row(0.0, 19.0)]
    for number, one in enumerate((packet, later)):
        (tmp_path / f"{number}.json").write_text(json.dumps(one))
    (source,) = find_curves([tmp_path]).sources
    account = Account()
    (table,) = source.read(account)
    assert table.mjd.tolist() == [57999.0, 58000.0, 58001.0, 58002.0]
    np.testing.assert_allclose(table.flux[1:], 10 ** (-0.4 * (np.array([19.0, 18.0, 17.0]) - 27.5)), rtol=1e-5)
    assert table.phot_flag.tolist() == [0, 4096, 4096, 4096] and table.flux[0] == 0
    assert account.counts["rows_repeated_in_later_alerts"] == 3


def ztf_row(day: float, magnitude: float | None) -> dict[str, Any]:
    told = {} if magnitude is None else {"magpsf": magnitude, "sigmapsf": 0.1, "isdiffpos": "t"}
    return {"jd": 2458000.5 + day, "fid": 1, "diffmaglim": 20.5, "ra": 1.0, "dec": 2.0, **told}


def test_a_table_of_objects_beside_it_tells_the_truth(tmp_path: Path) -> None:
    rows = table_of(MADE["Rubin's DiaSource"])
    as_csv(rows, tmp_path)
    truth = pd.DataFrame({"diaObjectId": [1234567, 5], "true_gentype": [10, 11], "zhelio": [0.3, 0.4], "ra": 10.5})
    truth.to_csv(tmp_path / "elasticc_truth.csv", index=False)
    found = find_curves([tmp_path])
    assert len(found.sources) == 1 and not found.unread
    (table,) = found.sources[0].read(Account())
    assert table.objects["label"].tolist() == ["10"] and table.objects["REDSHIFT_HELIO"].tolist() == [0.3]


def test_visits_hold_the_times(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {"diaObjectId": 7, "visit": [1, 2, 3], "band": "g", "psfDiffFlux": 3630.78, "psfDiffFluxErr": 36.0}
    )
    as_csv(rows, tmp_path)
    (source,) = find_curves([tmp_path]).sources
    assert source.lacks == ("a table of visits with midpointMjdTai or expMidptMJD or midpointMjd",)
    pd.DataFrame({"visit": [1, 2], "expMidptMJD": [60000.0, 60001.0]}).to_csv(tmp_path / "Visit.csv", index=False)
    found = find_curves([tmp_path])
    account = Account()
    (table,) = found.sources[0].read(account)
    assert not found.unread and account.counts["rows_without_a_visit"] == 1
    np.testing.assert_allclose(table.mjd, np.array([60000.0, 60001.0]) - 37 / 86400, atol=1e-9)
    np.testing.assert_allclose(table.flux, 100.0, rtol=1e-5)
