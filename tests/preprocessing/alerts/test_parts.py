"""The parts by which packets of every form are read, each alone."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest
from made.messages import message, rubin_packet, write_rubin_schemas

from astrid_ml.avro import DamagedAvroError, refuse_recursive
from astrid_ml.preprocessing.alerts import messages, packed
from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError
from astrid_ml.preprocessing.alerts.documents import documents
from astrid_ml.preprocessing.alerts.forms import cutout_keys, own_form
from astrid_ml.preprocessing.alerts.places import run_of, runs
from astrid_ml.preprocessing.alerts.stamp_files import detections


def test_numbers_of_mongo_become_numbers() -> None:
    text = b'{"a": {"$numberDouble": "NaN"}, "b": [{"$numberLong": "5"}], "c": {"$oid": "f0"}, "d": {"$date": 1}}'
    [found] = documents(io.BytesIO(text))
    assert isinstance(found, dict)
    assert found["a"] != found["a"] and found["b"] == [5] and found["c"] == "f0" and found["d"] == {"$date": 1}


def test_an_array_larger_than_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astrid_ml.preprocessing.alerts.documents.PIECE", 7)
    text = '[\n{"a": "\u00e9\u00e9\u00e9"},\n {"a": 2} ]'.encode()
    assert list(documents(io.BytesIO(text))) == [{"a": "\u00e9\u00e9\u00e9"}, {"a": 2}]
    monkeypatch.setattr("astrid_ml.preprocessing.alerts.documents.LONGEST", 60)
    with pytest.raises(PacketFileError):
        list(documents(io.BytesIO(b"[" + b'{"a": "' + b"x" * 500)))


def test_the_number_of_a_schema(tmp_path: Path) -> None:
    write_rubin_schemas(tmp_path)
    (tmp_path / "12.avsc").write_text("{}")
    (tmp_path / "own.alert.avsc").write_text("[[")
    found = messages.schemas_of(messages.schema_files([tmp_path]))
    assert sorted(found.numbered) == [12, 900] and [path.name for path in found.others] == ["own.alert.avsc"]
    assert found.only is None
    with pytest.raises(PacketFileError, match="no schema of Avro"):
        found.of(12)
    [packet] = messages.read_messages(io.BytesIO(message(rubin_packet(3))), found)
    assert packet == rubin_packet(3)


def test_rubins_own_package_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "lsst" / "alert" / "packet"
    write_rubin_schemas(folder / "schema" / "9" / "0")
    (folder / "__init__.py").write_text("raise ImportError('it is not imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    messages.installed.cache_clear()
    try:
        assert [packet["diaSourceId"] for packet in messages.read_messages(
            io.BytesIO(message(rubin_packet(3))), messages.NONE)] == [3]  # fmt: skip
        with pytest.raises(PacketFileError, match="schema id 1100"):
            list(messages.read_messages(io.BytesIO(message(rubin_packet(3), 1100)), messages.NONE))
    finally:
        messages.installed.cache_clear()
        for name in ("lsst", "lsst.alert"):
            sys.modules.pop(name, None)


def test_a_schema_nested_too_deep_is_refused() -> None:
    schema: dict[str, object] = {"type": "array", "items": "int"}
    for _ in range(5000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(DamagedAvroError, match="cannot be read"):
        refuse_recursive(schema)


def test_what_inflates_beyond_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MOST_BYTES", 100)
    with packed.opened(gzip.compress(bytes(200))) as stream, pytest.raises(PacketFileError, match="unpack it first"):
        packed.inflated(stream)
    with packed.opened(b"plain") as stream:
        assert stream.read() == b"plain"


def test_runs_of_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x")
    begun = []

    def begin() -> object:
        begun.append(1)
        return iter(range(5))

    found = runs(path, 2, begin)  # type: ignore[arg-type]
    assert found == [{"first": 0, "count": 2}, {"first": 2, "count": 2}, {"first": 4, "count": 1}]
    begun.clear()
    assert [list(run_of(path, run["first"], run["count"], begin)) for run in found] == [[0, 1], [2, 3], [4]]  # type: ignore[arg-type]
    assert len(begun) == 1
    with pytest.raises(EOFError):
        list(run_of(path, 9, 1, begin))  # type: ignore[arg-type]

    def damaged() -> object:
        yield 1
        raise PacketFileError("half")

    assert runs(path, 2, damaged) == [{"first": 0, "count": 1}, {"first": 1, "count": None}]  # type: ignore[arg-type]


def test_stamps_of_a_detection_are_found_by_name() -> None:
    names = ["ZTF18a_714287740515015072_science.fits.gz", "ZTF18a_714287740515015072_template.fits.gz", "other.fits"]
    names += ["ZTF18a_714287740515015073.fits"]
    assert [len(group) for group in detections([Path(name) for name in names])] == [2, 1]


def test_forms_of_brokers() -> None:
    assert own_form({"i:candid": 4, "i:jd": 5.0, "d:x": 1}) == {"candid": 4, "candidate": {"candid": 4, "jd": 5.0}}
    assert own_form({"r:diaSourceId": 4, "r:band": "r"})["diaSource"] == {"diaSourceId": 4, "band": "r"}
    packet = {"candidate": {"jd": 1.0}, "cutoutScience": b""}
    assert own_form(packet) is packet
    assert cutout_keys({"cutoutScience": 1, "cutoutReference": 2})[1] == "cutoutReference"
    assert cutout_keys({"cutout_science": 1})[1] == "cutout_template" and cutout_keys({})[1] == "cutoutTemplate"
