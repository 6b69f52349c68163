"""Light curves as brokers and services hand them on give the fluxes that they were made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves.exchange import read_exchange
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable, concatenate
from astrid_ml.preprocessing.lightcurves.readers.broker_tables import BrokerReader
from astrid_ml.preprocessing.lightcurves.readers.layouts.headers import usual_header
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import layouts
from astrid_ml.preprocessing.lightcurves.readers.layouts.rows import layout_of_file

N = 12
MJD = 59000.5 + 2.0 * np.arange(N)
MAG = 20.0 - np.sin(np.arange(N) / 3)
SIGN = np.where(np.arange(N) == 5, -1, 1)
FLUX = 10 ** (-0.4 * (MAG - 27.5))
ERROR = FLUX * 0.05 * np.log(10) / 2.5
LIMIT = 10 ** (-0.4 * (20.5 - 27.5)) / 5
FID = np.arange(N) % 2 + 1
NAME = "ZTF20aaaaaaa"


def detections(sign: Any = SIGN) -> pd.DataFrame:
    rows = {"candid": np.arange(N), "mjd": MJD, "fid": FID, "magpsf": MAG, "sigmapsf": 0.05, "isdiffpos": sign}
    return pd.DataFrame({**rows, "ra": 10.0, "dec": 5.0})


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    found = rows.astype(object).where(rows.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in found]


def limit(**names: Any) -> dict[str, Any]:
    return {"mjd": 58990.5, "fid": 1, "diffmaglim": 20.5, **names}


def fink() -> pd.DataFrame:
    rows = detections(np.where(SIGN > 0, "t", "f")).assign(objectId=NAME, jd=MJD + 2400000.5).drop(columns="mjd")
    rows = rows.rename(columns=lambda name: f"i:{name}")
    rows["d:tag"], rows["i:diffmaglim"] = "valid", 20.6
    first = records(rows)[0]
    bad = first | {"i:jd": 2458980.0, "d:tag": "badquality"}
    upper = first | {"i:jd": 2458991.0, "i:diffmaglim": 20.5, "d:tag": "upperlim"}
    upper |= dict.fromkeys(["i:magpsf", "i:sigmapsf", "i:isdiffpos"])
    return pd.DataFrame([*records(rows), bad, upper])


def alerce(folder: Path) -> None:
    rows = records(detections().assign(oid=NAME))
    (folder / f"{NAME}.json").write_text(json.dumps({"detections": rows, "non_detections": [limit()]}))


def alerce_lists(folder: Path) -> None:
    (folder / "a_detections.json").write_text(json.dumps(records(detections().assign(oid=NAME))))
    (folder / "a_non_detections.json").write_text(json.dumps([limit(oid=NAME)]))


def lasair(folder: Path) -> None:
    rows = [*records(detections(np.where(SIGN > 0, "t", "f"))), limit()]
    (folder / "answer.json").write_text(json.dumps([{"objectId": NAME, "candidates": rows}]))


def fink_lines(folder: Path) -> None:
    (folder / "fink.jsonl").write_text("\n".join(json.dumps(row) for row in records(fink())))


def antares(folder: Path) -> None:
    rows = {"ant_mjd": MJD, "ant_survey": 1, "ant_passband": np.where(FID == 1, "g", "R"), "ant_mag": MAG}
    table = pd.DataFrame({**rows, "ant_magerr": 0.05, "ant_maglim": 20.4, "ant_ra": 10.0, "ant_dec": 5.0})
    upper = {"ant_mjd": 58990.5, "ant_survey": 2, "ant_passband": "g", "ant_maglim": 20.5}
    pd.concat([table, pd.DataFrame([upper])]).to_csv(folder / f"{NAME}.csv", index=False)


def ztf_forced(folder: Path) -> None:
    lines = [
        "# Requested input R.A. = 10.0 degrees",
        " index, filter, infobitssci, zpdiff, jd, forcediffimflux, forcediffimfluxunc,",
    ]
    for k in range(N):
        zero = 26.0 + 0.1 * k
        flux, error = (value * 10 ** (0.4 * (zero - 27.5)) for value in (SIGN[k] * FLUX[k], ERROR[k]))
        lines.append(f" {k} ZTF_{'gr'[k % 2]} 0 {zero} {MJD[k] + 2400000.5} {flux} {error}")
    lines.append(f" {N} ZTF_g 0 26.0 2458980.0 -99999 -99999")
    lines.append(f" {N} ZTF_g 0 26.0 2458981.0 null null")
    lines.append(f" {N} ZTF_g 33554432 26.0 2458982.0 1.0 1.0")
    (folder / f"{NAME}.txt").write_text("\n".join(lines) + "\n")


def atlas_forced(folder: Path) -> None:
    lines = ["###MJD          m      dm   uJy   duJy F err chi/N   RA       Dec"]
    for k in range(N):
        flux, error = (value * 10 ** (0.4 * (23.9 - 27.5)) for value in (SIGN[k] * FLUX[k], ERROR[k]))
        lines.append(f"{MJD[k]} 20 0.1 {flux} {error} {'co'[k % 2]} 0 1.0 10.0 5.0")
    lines.append("58980.5 20 0.1 9999 1 o 3 1.0 10.0 5.0")
    (folder / f"{NAME}.txt").write_text("\n".join(lines) + "\n")


CASES: dict[str, tuple[Callable[[Path], Any], bool, str | None, dict[str, int]]] = {
    "ALeRCE": (alerce, True, "difference", {}),
    "ALeRCE, two lists": (alerce_lists, True, "difference", {}),
    "Lasair": (lasair, True, "difference", {}),
    "Fink, JSON lines": (fink_lines, True, "difference", {"rows_that_the_service_calls_bad": 1}),
    "Fink, CSV": (lambda d: fink().to_csv(d / "a.csv"), True, "difference", {"rows_that_the_service_calls_bad": 1}),
    "Fink, parquet": (lambda d: fink().to_parquet(d / "a.parquet"), True, "difference", {}),
    "ANTARES": (antares, True, None, {}),
    "ZTF, forced": (ztf_forced, False, "difference", {"rows_that_the_service_calls_bad": 1}),
    "ATLAS, forced": (atlas_forced, False, None, {"rows_without_flag_of_detection": N}),
}


def converted(folder: Path) -> tuple[CurveTable, dict[str, int]]:
    report = ConvertCommand(str(folder / "in"), str(folder / "out")).run()
    assert not report["failed"] and not report["dropped"] and not report["unread"], report
    parts = [table for path in sorted((folder / "out" / "objects").glob("*.parquet")) for table in read_exchange(path)]
    return concatenate(parts), report["counts"]


@pytest.mark.parametrize("name", CASES)
def test_each_gives_what_it_was_made_of(tmp_path: Path, name: str) -> None:
    write, limited, kind, counts = CASES[name]
    (tmp_path / "in").mkdir()
    write(tmp_path / "in")
    table, counted = converted(tmp_path)
    assert table.objects["object_id"].tolist() == [NAME] and [kind] == [
        None if pd.isna(said) else said for said in table.objects["flux_kind"]
    ]
    sign = SIGN if name != "ANTARES" else 1  # it does not tell
    flux, error, mjd = sign * FLUX, ERROR, MJD
    if limited:
        flux, error, mjd = np.insert(flux, 0, 0.0), np.insert(error, 0, LIMIT), np.insert(mjd, 0, 58990.5)
    np.testing.assert_allclose(table.mjd, mjd, atol=1e-6)
    np.testing.assert_allclose(table.flux, flux, rtol=1e-5)
    np.testing.assert_allclose(table.flux_err, error, rtol=1e-5)
    names = np.array(table.bands)[table.band][-N:].tolist()
    assert names == (["c", "o"] if "ATLAS" in name else ["g", "r"]) * (N // 2) and np.isfinite(table.wavelengths).all()
    detected = table.phot_flag > 0
    assert detected.tolist() == ([False] if limited else []) + [limited] * N
    assert {key: counted.get(key) for key in counts} == counts
    assert name == "ZTF, forced" or table.objects["RA"].iloc[0] == 10.0


ABSENT: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
    "magnitude": (lambda: fink().drop(columns="i:magpsf"), "Fink's objects without the column i:magpsf"),
    "error": (lambda: fink().drop(columns="i:sigmapsf"), "without the column i:sigmapsf"),
    "sign": (lambda: fink().drop(columns="i:isdiffpos"), "without the column i:isdiffpos"),
    "both": (lambda: fink()[["i:jd", "i:fid", "d:tag"]], "without the column i:magpsf; none i:sigmapsf"),
}


@pytest.mark.parametrize("name", ABSENT)
def test_an_absent_column_is_named(tmp_path: Path, name: str) -> None:
    rows, words = ABSENT[name]
    rows().to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError, match=words):
        ConvertCommand(str(tmp_path / "a.csv"), str(tmp_path / "out")).run()


def test_what_is_no_number_no_sign_and_no_filter_is_told(tmp_path: Path) -> None:
    rows = fink().astype({"i:fid": object})
    rows.loc[1, "i:isdiffpos"], rows.loc[2, "i:fid"], rows.loc[3, "i:magpsf"] = "?", 9, -999.0
    (tmp_path / "in").mkdir()
    rows.to_csv(tmp_path / "in" / "a.csv")
    table, counted = converted(tmp_path)
    assert len(table.mjd) == N + 1 - 3 and counted["rows_of_unknown_sign"] == counted["rows_of_unknown_filter"] == 1
    rows.astype({"i:magpsf": object}).assign(**{"i:magpsf": "bright"}).to_csv(tmp_path / "b.csv")
    with pytest.raises(UserError, match=r"numbers in the column i:magpsf: bright in row 1"):
        ConvertCommand(str(tmp_path / "b.csv"), str(tmp_path / "none")).run()


@pytest.mark.parametrize(
    "text", ["{", '{"mjd": 1, "fid": "x"', "[]", '[{"mjd": [1], "fid": {}}]', '{"mjd": 1, "fid": 1}']
)
def test_json_that_is_none_or_lacks_everything_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError):
        ConvertCommand(str(tmp_path / "a.json"), str(tmp_path / "out")).run()
    assert (layout_of_file(tmp_path / "a.json") is None) == (text != '{"mjd": 1, "fid": 1}')


def test_layouts_are_told_apart_by_their_columns() -> None:
    told = {(layout.known_by, tuple(layout.said.items()), layout.lists) for layout in layouts()}
    assert len(told) == len(layouts())
    assert f"{len({layout.name for layout in layouts()})} surveys" in BrokerReader.known_as


@pytest.mark.parametrize("mark", [";", "\t"])
@pytest.mark.parametrize("point", [".", ","])
def test_other_marks_between_columns(mark: str, point: str) -> None:
    given = f"time{mark}band{mark}mag{mark}magerr\n59000{point}5{mark}g{mark}20{point}1{mark}0{point}05\n"
    assert usual_header(given.encode()) == b"time,band,mag,magerr\n59000.5,g,20.1,0.05\n"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["time", "band", "mag"], r"it lacks a column of the error of mag \(mag_err\); its columns: time, band, mag"),
        (["mjd", "mag", "magerr"], "it lacks a column of the filter"),
        (["band", "flux", "fluxerr"], "it lacks a column of the time"),
        (["time", "band"], "it lacks a column of the flux or magnitude"),
        (["x", "y", "flux"], "no reader knows its columns"),
    ],
)
def test_a_table_of_one_object_is_told_what_it_lacks(tmp_path: Path, names: list[str], words: str) -> None:
    pd.DataFrame({name: [1.0] if name != "band" else ["g"] for name in names}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError, match=words):
        ConvertCommand(str(tmp_path / "a.csv"), str(tmp_path / "out")).run()
