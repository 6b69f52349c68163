"""Maps of columns that do not fit, times that cannot be read, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand, none_usable
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.pipeline import LightcurvesPipeline
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import layouts
from astrid_ml.preprocessing.lightcurves.readers.layouts.maps import lacking_in, maps_of, why_no_map
from astrid_ml.preprocessing.lightcurves.readers.layouts.rows import look_at
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves, why_unread

COLUMNS = {"object": "name", "time": "mjd", "filter": "filter", "mag": "mag", "mag_err": "mag_err"}


def written(folder: Path, **columns: Any) -> Path:
    rows = {"name": "x", "mjd": 59000.25 + np.arange(3.0), "filter": "g", "mag": 18.0, "mag_err": 0.05, **columns}
    pd.DataFrame(rows).to_csv(folder / "x.csv", index=False)
    return folder / "x.csv"


@pytest.mark.parametrize("role", ["mag", "mag_err", "time", "filter", "object", "is_limit"])
@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_map_that_names_a_column_that_is_not_there_is_refused_by_it(role: str, place: str, tmp_path: Path) -> None:
    path = written(tmp_path)
    maps = maps_of({"columns": {**COLUMNS, role: "nowhere"}})
    with pytest.raises(
        UserError, match=r"a map of columns without the column nowhere .it has name, mjd, filter"
    ) as told:
        find_curves([path if place == "file" else tmp_path], maps)
    assert "correct the map" in str(told.value)
    assert "nowhere" in lacking_in(maps.layouts[0], look_at(path)[0])
    assert "nowhere" in why_no_map(path, maps) and "nowhere" in why_unread(path, maps=maps)


def test_a_map_that_fits_one_file_leaves_others_to_their_names(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "y.csv").write_text("name,day,filter,magnitude,ee\ny,59000.25,g,18,0.05\n")
    maps = maps_of({"columns": {**COLUMNS, "time": "day", "mag": "magnitude", "mag_err": "ee"}})
    kinds = {source.path.name: source.reader.kind for source in find_curves([tmp_path], maps).sources}
    assert kinds == {"x.csv": "guessed", "y.csv": "mapped"}


def test_files_of_a_known_form_need_no_map_of_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("###MJD uJy duJy F err\n59000.25 100 5 c 0\n")
    maps = maps_of({"columns": {**COLUMNS, "time": "nowhere"}})
    assert [source.reader.kind for source in find_curves([tmp_path], maps).sources] == ["brokers"]


def test_a_map_may_write_a_survey_as_the_objects_have_it() -> None:
    for name in ("TESS", "tess", "Gaia", "GAIA", "2MASS"):
        assert maps_of({"columns": COLUMNS, "survey": name}).layouts[0].survey == name.lower()
    with pytest.raises(UserError, match="survey in columns that is known"):
        maps_of({"columns": COLUMNS, "survey": "TES"})
    assert {layout.time for layout in layouts()} <= {"jd", "mjd", "days", "unix", "any"}


def test_what_a_wide_or_poor_table_lacks_is_shown(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("name,mjd,colour,height\nx,59000.25,1,2\n")
    said = ConvertCommand(str(tmp_path), str(tmp_path / "out"), columns="guess").run()
    text = (tmp_path / "out" / "columns.yaml").read_text()
    assert said["files_that_lack_something"] == 1
    assert "time: mjd" in text and "# lacking: a column of the flux or magnitude" in text


TIMES: dict[str, list[Any]] = {
    "unix seconds": [1590904800, 1590991200], "unix milliseconds": [1590904800000, 1590991200000],
    "month": ["2020-May-31 06:00", "2020-Jun-01 06:00"], "text": ["31 May 2020 06:00:00", "1 June 2020 06:00:00"],
    "part": ["2020 May 31.25", "2020 June 1.25"], "iso": ["2020-05-31T06:00:00Z", "2020-06-01T06:00:00Z"],
    "short": ["2020/5/31.25", "2020/6/1.25"],
}  # fmt: skip


@pytest.mark.parametrize("form", list(TIMES))
def test_times_in_the_forms_that_people_write(form: str, tmp_path: Path) -> None:
    rows = pd.DataFrame({"name": "x", "when": TIMES[form], "filter": "g", "mag": 18.0, "mag_err": 0.05})
    rows.to_csv(tmp_path / "x.csv", index=False)
    maps = maps_of({"columns": {**COLUMNS, "time": "when"}, "time": "unix" if "unix" in form else "any"})
    (source,) = find_curves([tmp_path / "x.csv"], maps).sources
    (table,) = source.read(Account())
    np.testing.assert_allclose(table.mjd, [59000.25, 59001.25], rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("first", "words"),
    [("31/05/2020", "31/05/2020 .is the day or the month first"), ("05.06.2020", "is the day or the month first"),
     ("soon", "times that cannot be read: soon"), ("1590904800", "of seconds since 1970 say time: unix in a map")],
)  # fmt: skip
def test_times_that_cannot_be_read_are_told(first: str, words: str, tmp_path: Path) -> None:
    written(tmp_path, date=[first] * 3)
    text = pd.read_csv(tmp_path / "x.csv", dtype=str).drop(columns="mjd")
    text.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(UserError, match=words):
        ConvertCommand(str(tmp_path / "x.csv"), str(tmp_path / "out")).run()


def test_counts_of_rows_stand_in_the_refusal(tmp_path: Path) -> None:
    written(tmp_path, mag_err=[-1.0, 0.0, np.nan])
    with pytest.raises(UserError, match=r"no usable observation.*rows_error_not_positive 3"):
        ConvertCommand(str(tmp_path / "x.csv"), str(tmp_path / "out")).run()
    assert "rows" not in none_usable(["no WCS"], {"objects": 3}).got


def test_bands_of_no_known_wavelength_are_named_with_the_cure(tmp_path: Path) -> None:
    written(tmp_path, filter=["xyz", "q9", "xyz"])
    writer, pipeline = MemoryUnitWriter(), LightcurvesPipeline()
    for unit in pipeline.plan([tmp_path / "x.csv"]):
        pipeline.process(unit, writer, 0)
    assert [drop.reason for drop in writer.drops] == [
        "no epoch in a band of known wavelength (xyz, q9): say preprocessing.wavelengths.NAME=MICROMETRES"
    ]
    known = LightcurvesPipeline(wavelengths={"q9": 0.5})
    for unit in known.plan([tmp_path / "x.csv"]):
        known.process(unit, writer := MemoryUnitWriter(), 0)
    assert not writer.drops


ROW = "name,mjd,filter,mag,mag_err\nx,59000.25,g,18.0,0.05\n"
LISTS = b'name;mjd;band;mag;mag_err\nA;[59000.25, 59001.25];["g","r"];[18.0,18.5];[0.05,0.05]\n'
REFUSED = {
    "utf16.csv": (ROW.encode("utf-16"), "a text in UTF-16: save it as UTF-8"),
    "lists.csv": (LISTS, "hold lists as texts"),
    "other.csv": (b"transit,when_it_was,amount\n1,2,3\n", "no reader knows its columns: transit, when_it_was, amount"),
    "curve.list": (b"@SN 1\n", "files of .list are not read: write CSV"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_lacks_is_said_of_files_that_nobody_reads(name: str, tmp_path: Path) -> None:
    content, words = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words):
        find_curves([tmp_path / name])
    if not name.endswith("list"):
        with pytest.raises(UserError, match=words):
            find_curves([tmp_path])


@pytest.mark.parametrize(
    "text",
    ["sep=;\nname;mjd;filter;mag;mag_err\nx;59000,25;g;18,0;0,05\n", f'"sep=,"\n{ROW}',
     "@SN x\n@MAGSYS AB\n#Date :\n#Filter :\n#Mag :\n#Mag_err :\n#end :\n59000.25 g 18.0 0.05\n"],
)  # fmt: skip
def test_lines_above_a_table_that_people_know(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_text(text)
    (source,) = find_curves([tmp_path / "x.dat"]).sources
    account = Account()
    (table,) = source.read(account)
    assert table.objects["object_id"].tolist() == ["x"] and table.mjd.tolist() == [59000.25]
    np.testing.assert_allclose(table.flux, 10 ** (0.4 * 9.5), rtol=1e-5)
    untold = account.counts["rows_of_untold_magnitude_system_taken_as_AB"]
    assert untold == (0 if "MAGSYS" in text else 1)
