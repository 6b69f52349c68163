"""Lists of moving objects: every row that can be used is a target, all others have a reason; tolerances by rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.table import Table

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Observation
from astrid_ml.preprocessing.acquisition.data_set import Acquisition
from astrid_ml.preprocessing.acquisition.pairs.choose import ChoosePairs
from astrid_ml.preprocessing.acquisition.pairs.timeline import draw_timeline
from astrid_ml.preprocessing.acquisition.pairs.windows import moving_role
from astrid_ml.preprocessing.acquisition.stages.groups import groups_of
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.targets.moving import MovingList, MovingTarget

CERES = [("Ceres", 60000.0 + hour / 24, 10.0 + hour * 30 / 3600, 0.0) for hour in range(5)]  # 30 arcsec an hour


def listed(folder: Path, rows: list[tuple[Any, ...]] | str, head: str = "name,mjd,ra,dec", **given: Any) -> Any:
    path = folder / "moving.csv"
    text = rows if isinstance(rows, str) else "\n".join(",".join(map(str, row)) for row in rows)
    path.write_text(f"{head}\n{text}\n")
    return MovingList(str(path), **given).read()


def test_each_row_is_a_target_at_its_place_and_time(tmp_path: Path) -> None:
    read = listed(tmp_path, CERES)
    made = read.targets()
    assert [one.discovered for one in made] == pytest.approx([row[1] for row in CERES])
    assert len({one.name for one in made}) == 5 and {one.object for one in made} == {"Ceres"}
    assert [one.tolerance for one in made] == pytest.approx([1 / 720] * 5, rel=1e-6)
    assert len(read.tracks) == 5 and not len(read.everything)  # at each place for a moment alone
    one = made[2]
    assert one.there[0] == pytest.approx((60000 + 2 / 24 - 10 / 720, 60000 + 2 / 24 + 10 / 720), abs=1e-6)


def horizons(folder: Path) -> tuple[Path, dict[str, Any]]:
    """A table of JPL Horizons as astroquery gives it."""
    table = Table({"targetname": ["1 Ceres (A801 AA)"] * 2, "datetime_str": ["2023-Feb-25 06:00", "2023-Feb-25 07:00"]})
    table["datetime_jd"] = [2460000.75, 2460000.75 + 1 / 24]
    table["RA"], table["DEC"] = [186.0, 186.01] * units.deg, [14.0, 14.0] * units.deg
    table["RA_rate"], table["DEC_rate"] = [-18.0, -18.0] * units.arcsec / units.h, [24.0, 24.0] * units.arcsec / units.h
    table["V"] = [7.2, 7.2] * units.mag
    table.write(folder / "ceres.ecsv")
    return folder / "ceres.ecsv", {}


def votable(folder: Path) -> tuple[Path, dict[str, Any]]:
    table = Table({"object": ["Ceres"], "obs": ["2023-02-25T06:00:00"], "ra": ["12h24m00s"], "dec": ["+14 00 00"]})
    table["motion"] = [0.2] * units.deg / units.day
    table.write(folder / "ceres.vot", format="votable")
    return folder / "ceres.vot", {"columns": {"time": "obs"}}


def parquet(folder: Path) -> tuple[Path, dict[str, Any]]:
    rows = {"ssnamenr": ["1"], "jd": [2460000.75], "ra": [186.0], "dec": [14.0], "rate": [30.0], "magpsf": [7.2]}
    pd.DataFrame(rows).to_parquet(folder / "ceres.parquet")
    return folder / "ceres.parquet", {}


def dates(folder: Path) -> tuple[Path, dict[str, Any]]:
    (folder / "ceres.csv").write_text("Name,Date,RA,Dec,rate\nCeres,2023-Feb-25 06:00,186,14,0.5\n")
    return folder / "ceres.csv", {"rate_unit": "arcsec/min"}


@pytest.mark.parametrize("kind", [horizons, votable, parquet, dates])
def test_lists_of_every_origin_say_the_same(kind: Any, tmp_path: Path) -> None:
    path, given = kind(tmp_path)
    one: Any = MovingList(str(path), **given).read().targets()[0]
    assert (one.discovered, one.ra, one.dec) == pytest.approx((60000.25, 186.0, 14.0))
    assert one.tolerance == pytest.approx(1 / 720)


BAD = {
    ",60000,10,0,30": "no name",
    "a,,10,0,30": "no time",
    "a,soon,10,0,30": "the time is no day",
    "a,2024-02-30,10,0,30": "the time is no day",
    "a,2024,10,0,30": "the time says no day",
    "a,60000,,0,30": "no right ascension",
    "a,60000,10,95,30": "the declination lies outside the sphere",
    "a,60000,10,x,30": "the declination cannot be read",
    "a,60000,10,0,fast": "the rate is no number of at least 0",
    "a,60000,10,0,-3": "the rate is no number of at least 0",
    "a,60000,10,0,inf": "the rate is no number of at least 0",
    "a,60000,10,0,": "no rate, no other place within 1 day, and no tolerance",
    "good,60000,10,0,30": "an object and time that stand in an earlier row",
}


@pytest.mark.parametrize(("row", "reason"), BAD.items())
def test_a_bad_row_is_counted_with_its_reason(row: str, reason: str, tmp_path: Path) -> None:
    read = listed(tmp_path, f"good,60000,10,0,30\n{row}", "name,mjd,ra,dec,rate")
    assert len(read) == 1 and read.account()["rows"] == 2
    assert read.account()["rows_unusable_by_reason"] == {reason: 1}
    assert read.dropped[0][0] == 2


def test_every_kind_of_bad_row_together_leaves_the_good_one(tmp_path: Path) -> None:
    read = listed(tmp_path, "\n".join(["good,60000,10,0,30", *BAD, "short,60000"]), "name,mjd,ra,dec,rate")
    assert [one.object for one in read.targets()] == ["good"]
    assert read.read == len(read.dropped) + 1 == len(BAD) + 2


@pytest.mark.parametrize(
    ("rate", "tolerance", "days"),
    [(30, None, 1 / 720), (30, 0.001, 0.001), (30, 5.0, 1 / 720), (0, None, 0.1), (0.01, None, 0.1), ("", 0.02, 0.02)],
)
def test_the_tolerance_follows_from_the_rate_where_it_is_known(
    rate: Any, tolerance: float | None, days: float, tmp_path: Path
) -> None:
    read = listed(tmp_path, [("a", 60000, 10, 0, rate)], "name,mjd,ra,dec,rate", tolerance=tolerance)
    one = read.targets()[0]
    assert one.tolerance == pytest.approx(days)
    away = 10 / 720 if rate == 30 else 30.0  # one whose rate is unknown may stand there for long
    assert one.there == (pytest.approx((60000 - away, 60000 + away)),)


def test_neighbours_of_another_object_or_another_day_say_no_rate(tmp_path: Path) -> None:
    rows = [("a", 60000, 10, 0), ("b", 60000.1, 10.01, 0), ("a", 60002, 10.02, 0)]
    assert len(listed(tmp_path, rows)) == 0
    shuffled = [CERES[k] for k in (3, 0, 4, 2, 1)]
    assert [one.tolerance for one in listed(tmp_path, shuffled).targets()] == pytest.approx([1 / 720] * 5, rel=1e-6)


def seen(name: str, mjd: float, seconds: float = 30.0, **more: Any) -> Observation:
    edge = "CIRCLE ICRS 10.02 0.0 0.3"
    half = seconds / 172800
    return Observation("own", "ztf", "g", name, 10.02, 0.0, mjd - half, mjd + half, seconds, footprint=edge, **more)


def test_science_is_of_that_time_and_the_reference_without_it(tmp_path: Path) -> None:
    one = listed(tmp_path, CERES).targets()[2]
    mjd = 60000 + 2 / 24
    nights = {
        "then": seen("then", mjd + 1 / 1440),
        "soon": seen("soon", mjd + 3 / 1440),
        "next hour": seen("next hour", mjd + 1 / 24),
        "sum": seen("sum", mjd, 86400.0),
        "years": seen("years", mjd - 100, 400 * 86400.0),
        "undated": Observation("own", "ztf", "g", "undated", 10.0, 0.0),
    }
    roles = {name: moving_role(night, one) for name, night in nights.items()}
    assert [name for name, (role, _) in roles.items() if role == "science"] == ["then"]
    assert [name for name, (role, _) in roles.items() if role == "reference"] == ["next hour"]
    assert roles["sum"][1] == "so long an exposure that it trails" and all(why for _, why in roles.values())
    plan = ChoosePairs()(one, list(nights.values()))
    assert [(pair.science, pair.reference) for pair in plan.kept] == [("then", "next hour")]
    assert draw_timeline(plan, tmp_path / "ceres.png")
    assert ChoosePairs()(one, [nights["next hour"]]).why_none == "no image of the time when it was there"
    assert ChoosePairs()(one, [nights["then"]]).why_none == "no image without it there"


def test_a_loop_brings_it_back_and_no_reference_is_of_then(tmp_path: Path) -> None:
    rows = [("a", 60000, 10.0, 0.0, 60), ("a", 60020, 10.5, 0.0, 60), ("a", 60040, 10.0, 0.0, 60)]
    one = listed(tmp_path, rows, "name,mjd,ra,dec,rate").targets()[0]
    assert moving_role(seen("back", 60040.0), one)[0] is None
    assert moving_role(seen("away", 60020.0), one)[0] == "reference"


def test_rows_of_one_object_are_one_group_wherever_they_are(tmp_path: Path) -> None:
    rows = [("a", 60000, 10, 0, 30), ("b", 60000, 200, 0, 30), ("a", 60900, 120, 50, 30), ("c", 60000, 200.1, 0, 30)]
    read = listed(tmp_path, rows, "name,mjd,ra,dec,rate")
    names, objects = read.rows["name"].tolist(), {one.name: one.object for one in read.targets()}
    places = read.rows[["ra", "dec"]].to_numpy(dtype=float)
    groups = groups_of(["SN", *names], np.vstack([[[50.0, 0.0]], places]), [{}] * 5, 0.5, objects)
    assert list(groups.values()) == ["SN", "a", "b", "a", "b"]


def test_it_stands_beside_a_catalogue_or_in_its_stead(tmp_path: Path) -> None:
    listed(tmp_path, CERES)
    (tmp_path / "sne.csv").write_text("name,ra,dec,discoverydate\n2014J,148.9,69.6,2014-01-21\n")
    moving = MovingList(str(tmp_path / "moving.csv"))
    archives: Any = {"own": lambda client: None}
    alone = Acquisition(archives, moving=moving).targets(tmp_path)
    both = Acquisition(archives, catalogue=str(tmp_path / "sne.csv"), fields=["M101"], moving=moving).targets(tmp_path)
    assert [type(one) for one in both.targets()] == [Target, Target, *[MovingTarget] * 5]
    assert both.targets()[2:] == alone.targets() and both.tracks is not None and len(both.tracks) == 5
    assert len(both.everything) == 1 and both.account()["rows"] == 7
    with pytest.raises(UserError, match="a list of moving objects"):
        Acquisition(archives).targets(tmp_path)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"rate_unit": "arcsec"}, "a unit of angle by time"), ({"rate_unit": "furlong"}, "a unit of angle by time"),
        ({"tolerated": 20.0}, "at most clear"), ({"columns": {"time": "when"}}, "the column when"),
    ],
)  # fmt: skip
def test_settings_that_say_nothing_are_refused(given: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        listed(tmp_path, CERES, **given)


def test_a_list_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a list of moving objects"):
        MovingList(str(tmp_path / "nothing.csv")).read()
    with pytest.raises(UserError, match="without time"):
        listed(tmp_path, [("a", 1, 2)], "name,ra,dec")
    table = Table({"name": ["a"], "mjd": [60000.0], "ra": [10.0], "dec": [0.0], "rate": [3.0] * units.m})
    table.write(tmp_path / "wrong.ecsv")
    with pytest.raises(UserError, match="column rate"):
        MovingList(str(tmp_path / "wrong.ecsv")).read()


@pytest.mark.parametrize("rows", ["", "a,x,y,z\n"])
def test_a_list_without_a_usable_row_is_told_or_counted(rows: str, tmp_path: Path) -> None:
    path = tmp_path / "moving.csv"
    path.write_text(f"name,ra,dec,mjd\n{rows}")
    if not rows:
        with pytest.raises(UserError, match="at least one row"):
            MovingList(str(path)).read()
    else:
        assert len(MovingList(str(path)).read()) == 0
