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
from astrid_ml.errors import UserError
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.alerts.documents import documents
from astrid_ml.preprocessing.alerts.packet import PacketError, read_packet
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.labels import TableLabel
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
        pd.DataFrame(rows, columns=["id", "mission", "peak_sent"]).assign(source=path.name).to_parquet(path)
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


def rubin(number: int, faded: bool, **source: Any) -> dict[str, Any]:
    """A packet of Rubin, which sends negative detections negative; fields of its source may be left out by None."""
    packet: dict[str, Any] = copy.deepcopy(packet_of("rubin"))
    packet["diaSourceId"] = number
    packet["diaSource"] |= {"diaSourceId": number, "isNegative": faded, **source}
    return packet


def prepared(folder: Path, packets: dict[str, dict[str, Any]], **more: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The index and the description of packets that lie in a file each."""
    (folder / "raw").mkdir(parents=True)
    for name, packet in packets.items():
        (folder / "raw" / f"{name}.json").write_text(json.dumps(mongo(packet)))
    done = prepare_dataset(
        AlertsPipeline(files_per_unit=2), [folder / "raw"], folder / "store", name="x", progress=False, **more
    )
    return pd.read_parquet(done.path / "index.parquet"), json.loads((done.path / "dataset.json").read_text())


@pytest.mark.parametrize("rows", [index_file.ROWS, 1])
@pytest.mark.parametrize("signless_first", [True, False])
def test_a_packet_that_lacks_its_sign_or_its_object_in_one_file_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signless_first: bool, rows: int
) -> None:
    monkeypatch.setattr(index_file, "ROWS", rows)
    signless = rubin(5, True, isNegative=None, psfFlux=None, snr=None)
    nameless = small_packet(1, True)
    del nameless["objectId"]
    both = [signless, rubin(5, True)] if signless_first else [rubin(5, True), signless]
    packets = dict(zip("abcd", [*both, nameless, small_packet(1, True)], strict=True))
    packets["e"] = rubin(6, False)
    index, about = prepared(tmp_path, packets)
    assert about["drops_by_reason"] == {"the same packet stands in another file": 2}
    assert sorted(index["id"]) == ["1", "5", "6"] and "told_apart_from" not in index
    assert about["drops_by_reason"] == {"the same packet stands in another file": 2}
    assert "ids_told_apart" not in about["counts"] and about["counts"]["detections_of_unknown_sign"] == 1


def test_a_sample_of_unknown_group_is_none_of_two_that_it_may_be() -> None:
    rows = [("1", "a"), ("1", "1"), ("1", "b"), ("2", "a"), ("2", None), ("2", "2")]
    table = pd.DataFrame(rows, columns=["id", "group_id"])
    assert told_apart(table, ["group_id"]).tolist() == ["1", "1:2", "1:3", "2", "2", "2"]


def test_a_label_for_an_id_of_two_samples_is_refused_and_one_by_their_own_ids_joins(tmp_path: Path) -> None:
    packets = {"a": small_packet(1, True), "b": numbered("winter", 1), "c": small_packet(2, True)}
    table = tmp_path / "labels.csv"
    table.write_text("id,label\n1,0\n2,1\n")
    with pytest.raises(UserError, match="1 ids that different samples have: 1 is ") as refused:
        prepared(tmp_path / "refused", packets, labeller=TableLabel(str(table)))
    assert "winter:1" in str(refused.value) and "ztf:1" in str(refused.value)
    table.write_text("id,label\nwinter:1,0\nztf:1,1\n2,1\n")
    for rows in ("whole", "parts"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(index_file, "ROWS", index_file.ROWS if rows == "whole" else 1)
            index, _ = prepared(tmp_path / rows, packets, labeller=TableLabel(str(table)))
        assert index.set_index("id")["label"].to_dict() == {"ztf:1": 1, "winter:1": 0, "2": 1}
        assert index.set_index("id")["told_apart_from"].fillna("").to_dict() == {"ztf:1": "1", "winter:1": "1", "2": ""}


def test_a_packet_whose_unit_told_it_apart_is_known_in_the_next_unit(tmp_path: Path) -> None:
    units: list[list[tuple[Any, ...]]] = [
        [("ztf:1", "1", "ztf", 3.0), ("winter:1", "1", "winter", 5.0)],
        [("1", None, "ztf", 3.0), ("3", None, "ztf", 6.0)],
    ]
    paths = [tmp_path / f"{number}.parquet" for number in range(2)]
    for rows, path in zip(units, paths, strict=True):
        columns = ["id", "told_apart_from", "mission", "peak_sent"]
        pd.DataFrame(rows, columns=columns).assign(source=path.name).to_parquet(path)
    repeats = Repeats.among(paths, AlertsPipeline.identity)
    kept = [repeats.without(read_part(path)) for path in paths]
    assert [table["id"].to_pylist() for table, _ in kept] == [["ztf:1", "winter:1"], ["3"]]
    assert [[drop.id for drop in again] for _, again in kept] == [[], ["ztf:1"]]
