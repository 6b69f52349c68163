"""Catalogues of transients of every origin become targets; what cannot be used is counted with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

from astrid_ml.crossmatch.angles import SkyTable
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.targets.catalogue import read_targets
from astrid_ml.preprocessing.acquisition.targets.dates import dates_of
from astrid_ml.preprocessing.acquisition.targets.notations import coordinates_of
from astrid_ml.preprocessing.acquisition.targets.origins import roles_of
from astrid_ml.preprocessing.acquisition.targets.selection import SelectTargets, galactic_latitude, one_each

ROWS = {
    "name": ["2014J", "2011fe", "2005ai"],
    "ra": ["09 55 42.15", "14:03:05.81", "210.5"],
    "dec": ["+69 40 25.9", "+54:16:25.4", "- 8 49 37.0"],
    "discoverydate": ["2014-01-21", "2011/08/24 12:00", "53401.5"],
    "type": ["Ia", "Ia:", "II"],
}
TNS = """"2023-01-01 00:00:00 - 23:59:59"
"objid","name_prefix","name","ra","declination","redshift","type","hostname","discoverydate","discoverymag"
"1","SN","2014J","148.925625","69.673861","0.0007","SN Ia","M82","2014-01-21 00:00:00","10.99"
"2","AT","2014xx","","1.0","","","","2014-01-22 00:00:00","-99"
"""
EVENTS = [
    {
        "name": "SN2014J",
        "ra": [{"value": "09:55:42.15", "source": "1"}, {"value": "09:55:42.2"}],
        "dec": [{"value": "+69:40:25.9"}],
        "discoverdate": [{"value": "2014/01/21"}],
        "claimedtype": [{"value": "Ia"}],
    },
    {
        "name": "SN1885A",
        "ra": [{"value": "00:42:43.1"}],
        "dec": [{"value": "+41:16:04"}],
        "discoverdate": [{"value": "1885"}],
    },
]


@pytest.mark.parametrize("form", ["csv", "psql", "tsv", "ascii.ecsv", "votable", "parquet", "fits"])
def test_one_catalogue_in_every_container(form: str, tmp_path: Path) -> None:
    path = tmp_path / "sne"
    if form == "parquet":
        pd.DataFrame(ROWS).to_parquet(path)
    elif form == "psql":
        lines = [" | ".join(ROWS), "-+-".join("-" * 12 for _ in ROWS)]
        path.write_text("\n".join([*lines, *(" | ".join(row) for row in zip(*ROWS.values(), strict=True)), ""]))
    elif form in ("csv", "tsv"):
        pd.DataFrame(ROWS).to_csv(path, index=False, sep="," if form == "csv" else "\t")
    else:
        Table(ROWS).write(path, format=form)
    read = read_targets(path)
    assert (read.dropped, read.rows["name"].tolist()) == ((), ROWS["name"])
    known = SkyCoord(["9h55m42.15s +69d40m25.9s", "14h03m05.81s +54d16m25.4s", "210.5d -8d49m37.0s"])
    assert np.allclose(read.rows["ra"], known.ra.deg, rtol=0, atol=1e-9)
    assert np.allclose(read.rows["dec"], known.dec.deg, rtol=0, atol=1e-9)
    assert read.rows["discovered"].tolist() == [56678.0, 55797.5, 53401.5]
    assert read.rows["year"].tolist() == [2014, 2011, 2005]


def test_an_export_of_the_name_server_with_its_banner(tmp_path: Path) -> None:
    (tmp_path / "tns.csv").write_text(TNS)
    read = read_targets(tmp_path / "tns.csv")
    (target,) = read.targets()
    assert (target.name, target.type, target.host, target.mag) == ("2014J", "SN Ia", "M82", 10.99)
    assert read.dropped == ((2, "no right ascension"),)


@pytest.mark.parametrize("form", ["list", "named", "one"])
def test_json_of_the_open_catalogue(form: str, tmp_path: Path) -> None:
    said: Any = {"list": EVENTS, "named": {str(e["name"]): e for e in EVENTS}, "one": EVENTS[0]}[form]
    (tmp_path / "catalog.json").write_text(json.dumps(said))
    read = read_targets(tmp_path / "catalog.json")
    assert read.rows["name"].tolist() == ["SN2014J"]
    assert read.dropped == (() if form == "one" else ((2, "the discovery date says no day"),))


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("9h55m42.15s", 148.925625), ("09 55.7025", 148.925625), ("09 55.7 42", None), ("12d30m00s", 12.5),
        ("148,925625", 148.925625), ("00:42:44.3, 00:42:44.4", 10.68458333), ("24 00 00", None), ("25 00 00", None),
        ("09 61 00", None), ("-5", None),
    ],
)  # fmt: skip
def test_right_ascensions(text: str, degrees: float | None) -> None:
    found, reasons = coordinates_of(SkyTable("a", "a"), pd.Series([text]), "", "ra")
    if degrees is None:
        assert (text == "24 00 00" and found[0] == 0) or (np.isnan(found[0]) and reasons[0])
    else:
        assert found[0] == pytest.approx(degrees, abs=1e-6) and not reasons[0]


def test_right_ascensions_in_hours_where_the_table_says_so() -> None:
    found, _ = coordinates_of(SkyTable("a", "a"), pd.Series([1.5, 23.0]), "h", "ra")
    assert found.tolist() == [22.5, 345.0]


@pytest.mark.parametrize("text", ["+91", "- 95 00 00", "north", "12 34 56 78"])
def test_declinations_that_are_none(text: str) -> None:
    found, reasons = coordinates_of(SkyTable("a", "a"), pd.Series([text]), "", "dec")
    assert np.isnan(found[0]) and text in reasons[0]


def test_dates_agree_with_astropy() -> None:
    texts = ["1604-10-09", "1885/08/20", "2014-01-21 06:30:15.5", "2011 12 31", "2016-12-31T23:59:59Z"]
    found, reasons = dates_of(pd.Series(texts))
    iso = ["1604-10-09", "1885-08-20", "2014-01-21T06:30:15.5", "2011-12-31", "2016-12-31T23:59:59"]
    assert not any(reasons)
    # The year 1604 is counted in Julian days alike: astropy's calendar before 1582 alone differs.
    expected = [Time(text, scale="tai").mjd for text in iso]
    assert np.allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("text", ["14-01-21", "01/02/14", "1-2-3", "01.02.2014"])
def test_years_of_two_digits_are_not_guessed(text: str) -> None:
    found, reasons = dates_of(pd.Series([text]))
    assert np.isnan(found[0]) and text in reasons[0]
    assert dates_of(pd.Series(["185-12-07"]))[1] == [""]


def test_types_as_tns_writes_them(tmp_path: Path) -> None:
    kinds = ["SN Ia", "SN Ia-91T-like", "SN II", "SLSN-I", "Ia", "SN"]
    rows = [{"name": f"A{n}", "ra": 10 + n, "dec": 1, "date": "2014-01-01", "type": k} for n, k in enumerate(kinds)]
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    read = read_targets(tmp_path / "a.csv")
    for words, names in (
        (("Ia",), ["A0", "A1", "A4"]),
        (("exactly:SN Ia",), ["A0", "A4"]),
        (("II",), ["A2"]),
        (("SN",), ["A5"]),
    ):
        chosen = SelectTargets(types=words)(read)
        assert chosen.rows["name"].tolist() == names
        assert len(chosen.everything) == 6


@pytest.mark.parametrize("text", ["2014-13-01", "yesterday", "2014-01-21 25:00", "12345678901", "1e400"])
def test_dates_that_are_none(text: str) -> None:
    found, reasons = dates_of(pd.Series([text]))
    assert np.isnan(found[0]) and text in reasons[0]


def test_a_catalogue_without_a_role_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="without dec, discovered"):
        roles_of(tmp_path / "a.csv", ["name", "ra"], {})
    assert roles_of(tmp_path / "a.csv", ["name", "ra", "dec", "t0"], {"discovered": "t0"})["discovered"] == "t0"
    with pytest.raises(UserError, match="the column t1"):
        roles_of(tmp_path / "a.csv", ["name", "ra", "dec", "t0"], {"discovered": "t1"})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[1, 2]", b"\x00\x01", b"a,b\n1,2\n"])
def test_what_is_no_catalogue_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError):
        read_targets(tmp_path / "a")
    with pytest.raises(UserError, match="nothing at"):
        read_targets(tmp_path / "absent")


def test_rows_without_a_date_or_twice_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,ra,dec,date\nA,1,2,2014-01-01\nA,1,2,2014-01-01\nB,1,2,\n,1,2,2014-01-01\n")
    account = read_targets(tmp_path / "a.csv").account()
    assert account["rows_unusable_by_reason"] == {
        "a name that stands in an earlier row": 1, "no discovery date": 1, "no name": 1,
    }  # fmt: skip
    assert (account["rows"], account["targets"]) == (4, 1)


@pytest.mark.parametrize(
    ("rules", "names", "reason"),
    [
        ({"years": (2011, 2014)}, ["2014J", "2011fe"], "another year"),
        ({"types": ("ia",)}, ["2014J", "2011fe"], "another type"),
        ({"types": ("exactly:Ia", "II")}, ["2014J", "2005ai"], "another type"),
        ({"hemisphere": "south"}, ["2005ai"], "the other hemisphere"),
        ({"names": ("SN 2014J", "AT2005ai")}, ["2014J", "2005ai"], "another name"),
        ({"galactic_latitude": 45.0}, ["2011fe", "2005ai"], "near the Galactic plane"),
        ({"first": 1}, ["2014J"], "beyond the first"),
    ],
)
def test_the_selection_counts_what_it_leaves_out(
    rules: dict[str, Any], names: list[str], reason: str, tmp_path: Path
) -> None:
    pd.DataFrame(ROWS).to_csv(tmp_path / "a.csv", index=False)
    chosen = SelectTargets(**rules)(read_targets(tmp_path / "a.csv"))
    assert chosen.rows["name"].tolist() == names
    assert chosen.account()["rows_left_out"] == {reason: 3 - len(names)}


@pytest.mark.parametrize(
    "rules",
    [
        {"hemisphere": "east"}, {"years": (2014, 2011)}, {"galactic_latitude": 100.0}, {"first": 0},
        {"names": ("1999zz",)}, {"brighter_than": 5.0},
    ],
)  # fmt: skip
def test_a_selection_that_cannot_be_is_refused(rules: dict[str, Any], tmp_path: Path) -> None:
    pd.DataFrame(ROWS).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError):
        SelectTargets(**rules)(read_targets(tmp_path / "a.csv"))


def test_galactic_latitudes_agree_with_astropy() -> None:
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 50), rng.uniform(-90, 90, 50)
    assert np.allclose(galactic_latitude(ra, dec), SkyCoord(ra, dec, unit="deg").galactic.b.deg, rtol=0, atol=1e-4)


@pytest.mark.real_data
def test_the_compiled_catalogue(real_data: Path) -> None:
    path = real_data / "sn_catalog" / "sncat_compiled.txt"
    read = read_targets(path)
    assert (read.read, len(read)) == (6539, 6453)
    assert read.account()["rows_unusable_by_reason"] == {"no discovery date": 86}
    for years, count in (((2000, 2100), 4815), ((2005, 2011), 2789), ((2014, 2014), 118)):
        assert len(SelectTargets(years=years)(read)) == count
    cells = [[cell.strip() for cell in line.split("|")] for line in path.read_text().splitlines()[2:] if line]
    declinations = [row[26] for row in cells]
    assert sum(text[1] == " " for text in declinations) == 2398
    found, reasons = coordinates_of(SkyTable("a", "a"), pd.Series(declinations), "", "dec")
    assert not any(reasons)
    joined = [text.replace(" ", "", 1) if text[1] == " " else text for text in declinations]
    expected = SkyCoord(["0 0 0"] * len(cells), joined, unit=("hourangle", "deg")).dec.deg
    assert np.allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("ending", [".csv", ".ecsv", ".parquet", ".json"])
@pytest.mark.parametrize("row", ["none", "damaged"])
def test_a_catalogue_without_a_usable_row_is_told(ending: str, row: str, tmp_path: Path) -> None:
    path = tmp_path / f"sne{ending}"
    table = pd.DataFrame({"name": ["a"], "ra": ["x"], "dec": ["y"], "discoverydate": ["?"]})
    table = table.iloc[: 0 if row == "none" else 1]
    if ending == ".json":
        path.write_text(json.dumps({} if row == "none" else {"a": {"ra": [{"value": "x"}], "dec": [{"value": "y"}]}}))
    elif ending == ".csv":
        table.to_csv(path, index=False)
    elif ending == ".parquet":
        table.to_parquet(path)
    else:
        Table.from_pandas(table.astype(object)).write(path)
    with pytest.raises(UserError, match=r"at least one row|that the selection leaves|events? of|columns of name"):
        SelectTargets()(read_targets(path))


def test_a_role_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sne.csv"
    path.write_text("name,ra,dec,discoverydate,type\na,10,20,2014-01-01,Ia\n")
    with pytest.raises(UserError, match=r"columns of name, .* got one of discoverd"):
        read_targets(path, {"discoverd": "type"})


@pytest.mark.parametrize(
    ("away", "days", "left"), [(0.0, 1.0, 1), (1.9, 20.0, 1), (2.1, 0.0, 2), (0.0, 400.0, 2), (0.0, np.nan, 1)]
)
def test_one_object_under_two_names_is_one_target(away: float, days: float, left: int, tmp_path: Path) -> None:
    path = tmp_path / "sne.csv"
    date = "" if np.isnan(days) else Time(56000.0 + days, format="mjd").isot
    rows = [f"SN 2007a,10.0,-60.0,{Time(56000.0, format='mjd').isot}", f"SNLS-07x,10.0,{-60 + away / 3600},{date}"]
    path.write_text("\n".join(["name,ra,dec,discoverydate", *rows]) + "\n")
    found = one_each(read_targets(path))
    if not date:  # a row without a date is not usable in a catalogue of transients
        assert len(found) == 1 and not found.left_out
        return
    assert len(found) == left and found.rows["name"][0] == "SN 2007a"
    assert sum(found.left_out.values()) == 2 - left and len(found.everything) == 2


@pytest.mark.parametrize("head", ["#name,ra,dec,discoverydate", "# name, ra, dec, discoverydate"])
def test_names_of_columns_in_a_comment(head: str, tmp_path: Path) -> None:
    path = tmp_path / "sne.csv"
    path.write_text(f"# of TOPCAT\n{head}\n2014J,148.92,69.67,2014-01-21\n2011fe,210.77,54.27,2011-08-24\n")
    assert [one.name for one in read_targets(path).targets()] == ["2014J", "2011fe"]


def test_places_and_times_of_astropy(tmp_path: Path) -> None:
    path = tmp_path / "sne.ecsv"
    places = SkyCoord([148.92, 210.77], [69.67, 54.27], unit="deg", frame="icrs").galactic
    table = Table({"name": ["2014J", "2011fe"], "place": places, "discovered": Time([56678.25, 55797.0], format="mjd")})
    table["discovered"] = table["discovered"].tt  # a scale that is not UTC
    table.write(path)
    first, second = read_targets(path).targets()
    assert (first.ra, first.dec, second.ra) == pytest.approx((148.92, 69.67, 210.77))
    assert (first.discovered, second.discovered) == pytest.approx((56678.25, 55797.0), abs=1e-8)


def test_json_as_the_interface_of_the_catalogue_answers(tmp_path: Path) -> None:
    path = tmp_path / "sn.json"
    event = {"ra": [["09:55:42.14", "hours"]], "dec": [["+69:40:25.9", "degrees"]], "discoverdate": [["2014/01/21"]]}
    path.write_text(json.dumps({"SN2014J": event}))
    (one,) = read_targets(path).targets()
    assert (one.ra, one.dec, one.discovered) == pytest.approx((148.92558, 69.67386, 56678.0), abs=1e-4)


@pytest.mark.parametrize("text", ["148,92,5", "1,2,3,4"])
def test_a_number_of_many_commas_is_none(text: str) -> None:
    degrees, why = coordinates_of(SkyTable("a.csv", "a"), pd.Series([text, "148,925"]), "", "ra")
    assert np.isnan(degrees[0]) and "cannot be read" in why[0] and degrees[1] == pytest.approx(148.925)
