"""What layouts are read with: heads of texts, documents, nests, times, maps, messages, tables beside."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from astrid_ml.avro import DamagedAvroError
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves.fluxes import fluxes_of_magnitudes
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.readers.layouts import reading
from astrid_ml.preprocessing.lightcurves.readers.layouts.beside import is_truth, read_truth, truth_beside
from astrid_ml.preprocessing.lightcurves.readers.layouts.documents import groups_in
from astrid_ml.preprocessing.lightcurves.readers.layouts.maps import as_file, maps_in, maps_of
from astrid_ml.preprocessing.lightcurves.readers.layouts.names import zero_point_of
from astrid_ml.preprocessing.lightcurves.readers.layouts.nests import is_nested, unnested
from astrid_ml.preprocessing.lightcurves.readers.layouts.text_heads import head_of
from astrid_ml.preprocessing.lightcurves.readers.layouts.times import in_utc
from astrid_ml.preprocessing.lightcurves.readers.layouts.wire import messages_in, why_closed
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.preprocessing.lightcurves.readers.told_tables import MappedReader

ROWS = pd.DataFrame(
    {"t": [58000.0, 58001.0, 58000.0], "f": "g", "y": [1.0, 2.0, 3.0], "dy": 0.1, "star_no": ["a", "a", "b"]}
)
MAP: dict[str, Any] = {
    "columns": {"time": "t", "band": "f", "flux": "y", "fluxerr": "dy", "object": "star_no"},
    "time": "mjd",
}


@pytest.mark.parametrize(
    ("text", "names", "delimiter", "lines"),
    [
        ("a,b\n1,2\n", ("a", "b"), ",", 1),
        ("# a b\n1 2\n", ("a", "b"), None, 1),
        ("a, b, c,\n1 2 3\n", ("a", "b", "c"), None, 1),
        ("| a | b |\n| int | real |\n 1 2\n", ("a", "b"), None, 2),
        ("a\tb\n-\t-\n1\t2\n", ("a", "b"), "\t", 2),
        ("1 2 3\n", (), None, 0),
        ('"a,b\n1,2\n', (), None, 0),
    ],
)
def test_names_of_columns_stand_in_many_places(
    text: str, names: tuple[str, ...], delimiter: str | None, lines: int
) -> None:
    head = head_of(text)
    assert (head.names, head.delimiter, head.lines) == (names, delimiter, lines)


def test_what_is_said_above_a_table() -> None:
    head = head_of("# Requested input R.A. = 150.1 degrees\n@z 0.5\n# time band\n1 g\n")
    assert head.about == {"Requested input R.A.": "150.1", "z": "0.5"} and head.names == ("time", "band")


def test_documents_deep_and_wide() -> None:
    deep: Any = {"x": 1}
    for _ in range(50):
        deep = {"inner": deep, "rows": [{"a": 1}]}
    assert sum(len(group.rows) for group in groups_in(deep)) < 12
    (group,) = groups_in({"SN1": {"redshift": [{"value": "0.1"}], "photometry": [{"time": 1}]}})
    assert (group.place, group.about["redshift"], group.rows) == ("photometry", "0.1", [{"time": 1}])


def test_nests_of_unequal_lists_are_refused() -> None:
    batch = pa.record_batch({"id": [1], "mjd": [[1.0, 2.0]], "mag": [[1.0]]})
    assert is_nested(batch.schema)
    with pytest.raises(ValueError, match="not equally long: mag"):
        list(unnested(batch))


def test_leap_seconds_are_those_of_their_day() -> None:
    ahead = (np.array([55000.0, 60000.0]) - in_utc(np.array([55000.0, 60000.0]), "tai")) * 86400
    np.testing.assert_allclose(ahead, [34.0, 37.0], atol=1e-5)
    assert zero_point_of("\u00b5Jy") == 23.9


def test_a_map_is_taken_before_any_guess(tmp_path: Path) -> None:
    ROWS.to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "map.yaml").write_text(yaml.safe_dump(MAP | {"zero_point": 25, "flux_kind": "difference"}))
    maps = maps_of(str(tmp_path / "map.yaml"))
    (source,) = find_curves([tmp_path / "a.csv"], maps).sources
    assert isinstance(source.reader, MappedReader)
    done = ConvertCommand(str(tmp_path / "a.csv"), str(tmp_path / "out"), columns=str(tmp_path / "map.yaml")).run()
    objects = pd.read_parquet(tmp_path / "out" / "objects")
    assert done["objects"] == 2 and objects["flux"][0].tolist() == [10.0, 20.0]
    assert objects["flux_kind"].tolist() == ["difference"] * 2


def test_a_text_without_names_gets_them_from_the_map(tmp_path: Path) -> None:
    (tmp_path / "star7.dat").write_text("8000.5 17.0 0.1\n8001.5 17.1 0.1\n")
    columns = {"time": "hjd", "mag": "m", "mag_err": "e"}
    told = {"columns": columns, "names": ["hjd", "m", "e"], "time": "jd", "band": "I", "system": "Vega"}
    ConvertCommand(str(tmp_path / "star7.dat"), str(tmp_path / "out"), columns=told).run()
    objects = pd.read_parquet(tmp_path / "out" / "objects")
    assert objects["object_id"].tolist() == ["star7"] and objects["mjd"][0].tolist() == [58000.0, 58001.0]
    flux, _ = fluxes_of_magnitudes(np.array([17.45]), np.array([0.1]))
    assert objects["flux"][0][0] == pytest.approx(flux[0], rel=1e-5)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"columns": {"tme": "t"}}, "did you mean time"),
        ({"columns": {"time": "t", "filter": "f", "flux": "y"}}, "no flux_err"),
        ({"columns": {"time": "t", "flux": "y", "flux_err": "dy"}}, "no filter, or band: NAME"),
        (MAP | {"time": "days"}, "time_zero"),
        (MAP | {"survey": "ztff"}, "did you mean ztf"),
        (MAP | {"zeropoint": 25}, "zero"),
        ({"time": "mjd"}, "a map of columns"),
    ],
)
def test_a_map_that_lacks_something_is_told_what(said: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        maps_of(said)


def test_what_is_guessed_is_shown_and_is_a_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ROWS.rename(columns={"t": "mjd", "f": "filter", "y": "flux", "dy": "flux_err", "star_no": "star"}).to_csv(
        tmp_path / "a.csv", index=False
    )
    done = ConvertCommand(str(tmp_path / "a.csv"), str(tmp_path / "out"), columns="guess").run()
    shown = capsys.readouterr().out
    assert "# lacking: the zero point of flux" in shown and "object: star" in shown
    assert not (tmp_path / "out" / "objects").exists() and done["files_that_lack_something"] == 1
    written = Path(done["columns"])
    written.write_text(written.read_text().replace("zero_point: null", "zero_point: 23.9"))
    assert ConvertCommand(str(tmp_path / "a.csv"), str(tmp_path / "out"), columns=str(written)).run()["objects"] == 2


def test_several_maps_in_one_file(tmp_path: Path) -> None:
    pd.DataFrame({"mjd": [1.0], "band": "g", "mag": 1.0, "magerr": 0.1}).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame({"jd": [1.0], "filt": "g", "mag": 1.0, "err": 0.1}).to_csv(tmp_path / "b.csv", index=False)
    texts, counts = maps_in([tmp_path])
    assert len(texts) == 2 and counts["files_guessed"] == 2
    (tmp_path / "columns.yaml").write_text(as_file(texts))
    assert len(maps_of(str(tmp_path / "columns.yaml")).layouts) == 2
    with pytest.raises(UserError, match="tables of light curves"):
        ConvertCommand(str(tmp_path / "columns.yaml"), str(tmp_path / "out"), columns="guess").run()


def test_a_message_of_a_stream_is_read_with_its_schema(tmp_path: Path) -> None:
    schema = {"type": "record", "name": "a", "fields": [{"name": "x", "type": "int"}]}
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, {"x": 5})
    (tmp_path / "a.avro").write_bytes(2 * (b"\0\0\0\0\x07" + body.getvalue()))
    assert "7.avsc" in why_closed(tmp_path / "a.avro")
    with pytest.raises(DamagedAvroError, match="without its schema"):
        list(messages_in(tmp_path / "a.avro"))
    (tmp_path / "7.avsc").write_text(json.dumps({"schema": json.dumps(schema), "id": 7}))
    assert list(messages_in(tmp_path / "a.avro")) == [{"x": 5}, {"x": 5}] and why_closed(tmp_path / "a.avro") == ""
    (tmp_path / "7.avsc").write_text("{}")
    with pytest.raises(DamagedAvroError, match="no fields"):
        list(messages_in(tmp_path / "a.avro"))


def test_a_table_of_objects_is_no_table_of_epochs(tmp_path: Path) -> None:
    truth = pd.DataFrame({"SNID": [1, 2], "gentype": [10, None], "zcmb": [0.1, 0.2]})
    truth.to_csv(tmp_path / "truth.csv", index=False)
    ROWS.to_csv(tmp_path / "epochs.csv", index=False)
    assert is_truth(tmp_path / "truth.csv") and not is_truth(tmp_path / "epochs.csv")
    assert truth_beside(tmp_path / "epochs.csv") == tmp_path / "truth.csv"
    assert read_truth(tmp_path / "truth.csv")["label"].tolist()[0] == "10"


def test_a_large_table_is_read_some_objects_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "HELD", 50)
    names = np.repeat([f"o{n}" for n in range(30)], 10)
    rows = pd.DataFrame({"object_id": names, "mjd": np.tile(58000.0 + np.arange(10), 30), "band": "g"})
    rows = rows.assign(**{"psfFlux (nJy)": 1.0, "err": 0.1})
    for start in range(3):
        rows.iloc[start * 100 : start * 100 + 100].to_csv(tmp_path / f"{start}.csv", index=False)
    rows.iloc[:10].to_csv(tmp_path / "9.csv", index=False)
    (source,) = find_curves([tmp_path]).sources
    account = Account()
    tables = list(source.read(account))
    assert len(tables) > 1 and sum(map(len, tables)) == 30
    assert [drop["reason"] for drop in account.dropped] == [reading.AGAIN]
    np.testing.assert_allclose(tables[0].flux, 10 ** (-0.4 * 3.9), rtol=1e-5)
