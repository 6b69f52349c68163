"""Identifiers of packets: whole numbers and texts as they are, never the digits that a float has left of them."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made.alerts import make_packet as small_packet
from made.messages import mongo
from made.surveys import packet_of

from astrid_ml.contracts.by_part import told_apart
from astrid_ml.dataset import index_file
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.alerts.documents import documents
from astrid_ml.preprocessing.alerts.packet import PacketError, read_packet
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.run.prediction.repeats import Repeats, read_part

LONG = 2475433850015015001


def with_inner(packet: dict[str, Any], candid: Any) -> dict[str, Any]:
    """The packet with that number in its record of the measurement."""
    return packet | {"candidate": packet["candidate"] | {"candid": candid}}


@pytest.mark.parametrize("candid", [float(LONG), "2.475433850015015e+18", "2475433850015015001.0", 1.5])
def test_a_number_that_lost_its_digits_is_no_id(make_packet: Any, candid: Any) -> None:
    packet = with_inner(make_packet(7), candid) | {"candid": candid}
    with pytest.raises(PacketError, match="candid as a float: numbers of 17 digits and more do not survive it"):
        read_packet(packet)


@pytest.mark.parametrize(
    ("candid", "name"), [(LONG, str(LONG)), (3608694.0, "3608694"), ("0012", "0012"), ("1e5", "1e5")]
)
def test_an_id_is_the_text_of_its_number(make_packet: Any, candid: Any, name: str) -> None:
    assert read_packet(make_packet(7) | {"candid": candid})[0]["id"] == name


def test_another_field_may_have_the_digits(make_packet: Any) -> None:
    packet = with_inner(make_packet(7), LONG) | {"candid": float(LONG)}
    assert read_packet(packet)[0]["id"] == str(LONG)
    with pytest.raises(PacketError, match="candid as a float"):  # of a database, which is not the survey's
        read_packet(with_inner(make_packet(7), float(LONG)) | {"candid": float(LONG), "_id": "5f00aa"})


def test_an_object_of_a_float_and_names_of_fields() -> None:
    packet = copy.deepcopy(packet_of("rubin"))
    packet["diaSource"] |= {"diaObjectId": 169298433216610349.0}
    with pytest.raises(PacketError, match="diaObjectId as a float"):
        read_packet(packet)
    packet["diaSource"] |= {"diaObjectId": float("nan"), "ssObjectId": 21.0, "detector": 5.0}
    record = read_packet(packet)[0]
    assert (record["group_id"], record["detector"]) == ("21", "5")


def test_a_number_of_mongo_keeps_its_digits() -> None:
    text = json.dumps({"candid": {"$numberDecimal": str(LONG)}, "ra": {"$numberDecimal": "1.5"}})
    assert list(documents(io.BytesIO(text.encode()))) == [{"candid": LONG, "ra": 1.5}]


def numbered(mission: str, number: int, **more: Any) -> dict[str, Any]:
    """A packet of a survey with that number."""
    packet: dict[str, Any] = copy.deepcopy(packet_of(mission))
    packet["candid"] = number
    packet["candidate"] |= {"candid": number, **more}
    return packet


def test_one_number_of_two_surveys_is_two_packets_and_one_of_another_object_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packets = {
        "a": small_packet(1, True), "b": small_packet(1, True), "c": numbered("winter", 1), "e": small_packet(2, True),
        "d": small_packet(1, True) | {"objectId": "ZTF20other"},
    }  # fmt: skip
    (tmp_path / "raw").mkdir()
    for name, packet in packets.items():
        (tmp_path / "raw" / f"{name}.json").write_text(json.dumps(mongo(packet)))
    expected = ["2", "winter:1", "ztf:1", "ztf:1:2"]
    for rows, store in ((index_file.ROWS, "whole"), (2, "parts")):
        monkeypatch.setattr(index_file, "ROWS", rows)
        pipeline = AlertsPipeline(files_per_unit=2)
        done = prepare_dataset(pipeline, [tmp_path / "raw"], tmp_path / store, name="x", progress=False)
        about = json.loads((done.path / "dataset.json").read_text())
        assert sorted(pd.read_parquet(done.path / "index.parquet")["id"]) == expected
        assert about["drops_by_reason"] == {"the same packet stands in another file": 1}
        assert about["counts"]["ids_told_apart"] == 3


def test_units_of_a_prediction_tell_them_apart_too(tmp_path: Path) -> None:
    units = [[("1", "ztf", 3.0), ("2", "ztf", 4.0)], [("1", "winter", 5.0), ("2", "ztf", 4.0)], [("1", "ztf", 3.0)]]
    paths = [tmp_path / f"{number}.parquet" for number in range(3)]
    for rows, path in zip(units, paths, strict=True):
        pd.DataFrame(rows, columns=["id", "mission", "peak_snr"]).assign(source=path.name).to_parquet(path)
    repeats = Repeats.among(paths, AlertsPipeline.identity)
    kept = [repeats.without(read_part(path)) for path in paths]
    assert [table["id"].to_pylist() for table, _ in kept] == [["ztf:1", "2"], ["winter:1"], []]
    assert [[drop.id for drop in again] for _, again in kept] == [[], ["2"], ["ztf:1"]]


def test_ids_stay_where_nothing_tells_them_apart() -> None:
    table = pd.DataFrame({"id": ["1", "1", "2"], "mission": ["ztf", "winter", "ztf"]}, index=[5, 6, 9])
    assert told_apart(table, ()).tolist() == ["1", "1", "2"] == told_apart(table, ["peak_snr"]).tolist()
    assert told_apart(table, ["mission"]).to_dict() == {5: "ztf:1", 6: "winter:1", 9: "2"}
    assert told_apart(table.drop(columns="mission").assign(peak_snr=[1.0, 2.0, 3.0]), ["peak_snr"]).tolist() == [
        "1", "1:2", "2",
    ]  # fmt: skip
