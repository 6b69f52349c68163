"""Packets in every form in which they travel hold the same stamps; what is half, unknown or nobody's is named."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cramjam
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from made.alerts import CUTOUTS, fits_bytes, make_packet
from made.messages import (
    avro_bytes,
    fink_row,
    message,
    mongo,
    rubin_body,
    rubin_packet,
    whole_schema,
    write_rubin_schemas,
    zstandard_blocks,
)
from made.surveys import packet_of

from astrid_ml.errors import UserError
from astrid_ml.pipeline.streams import chunked
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts import pipeline as module
from astrid_ml.preprocessing.alerts.documents import documents
from astrid_ml.preprocessing.alerts.packet import PacketError, read_packet
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.alerts.planes import PlanesOfCutouts
from astrid_ml.preprocessing.alerts.samples import UnitSamples
from astrid_ml.types import Array


def read(pipeline: AlertsPipeline, *places: Path) -> tuple[pd.DataFrame, Array, dict[str, str]]:
    writer = MemoryUnitWriter()
    for unit in pipeline.plan(list(places)):
        pipeline.process(unit, writer, 0)
    reasons = {drop.id: drop.reason for drop in writer.drops}
    if not len(writer.table()):
        return pd.DataFrame({"id": []}), np.empty(0), reasons
    source = writer.source()
    return source.index, source.gather("stamps", np.arange(len(source.index))), reasons


def zst(content: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(content))


def tar(content: bytes, name: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for member_name, inside in ((name, content), ("alerts.bson", b"x"), ("notes.txt", b"x")):
            member = tarfile.TarInfo(member_name)
            member.size = len(inside)
            archive.addfile(member, io.BytesIO(inside))
    return stream.getvalue()


def lines(packets: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(mongo(packet)).encode() + b"\n" for packet in packets)


def array(packets: list[dict[str, Any]]) -> bytes:
    return json.dumps([mongo(packet) for packet in packets]).encode()


def pretty(packets: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(mongo(packet), indent=1) for packet in packets).encode()


def answer(packets: list[dict[str, Any]]) -> bytes:
    return json.dumps({"status": "success", "data": [mongo(packet) for packet in packets]}).encode()


FORMS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "a.avro": avro_bytes,
    "a.avro.gz": lambda packets: gzip.compress(avro_bytes(packets)),
    "a.avro.zst": lambda packets: zst(avro_bytes(packets)),
    "z.avro": zstandard_blocks,
    "a.jsonl": lines,
    "a.ndjson.xz": lambda packets: lzma.compress(lines(packets)),
    "mongoexport.json": lines,
    "array.json": array,
    "pretty.json": pretty,
    "answer.json": answer,
    "bom.json": lambda packets: b"\xef\xbb\xbf\n" + array(packets),
    "a.json.gz": lambda packets: gzip.compress(array(packets)),
    "a.json.bz2": lambda packets: bz2.compress(pretty(packets)),
    "a.jsonl.zst": lambda packets: zst(lines(packets)),
    "a.tar": lambda packets: tar(lines(packets), "a.jsonl"),
    "a.tar.zst": lambda packets: zst(tar(avro_bytes(packets), "a.avro")),
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Array:
    folder = tmp_path_factory.mktemp("plain")
    (folder / "a.avro").write_bytes(avro_bytes([make_packet(1, True), make_packet(2, False)]))
    return read(AlertsPipeline(), folder)[1]


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_stamps(name: str, tmp_path: Path, expected: Array) -> None:
    (tmp_path / name).write_bytes(FORMS[name]([make_packet(1, True), make_packet(2, False)]))
    index, stamps, reasons = read(AlertsPipeline(), tmp_path)
    assert index["id"].tolist() == ["1", "2"] and index["mjd"].tolist() == [59001.0, 59002.0]
    np.testing.assert_array_equal(stamps, expected)
    nobodys = {"alerts.bson": "a kind of file that nobody reads: give Avro, JSON or parquet"}
    assert reasons == (nobodys if ".tar" in name else {})


@pytest.mark.parametrize("name", ["b.avro.gz", "b.avro.bz2", "b.avro.xz", "b.avro.zst"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_changed_byte_of_a_compressed_file_costs_that_file_alone(name: str, share: float, tmp_path: Path) -> None:
    ways: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    packed = (ways | {"zst": zst})[name.rpartition(".")[2]]
    (tmp_path / "a.avro").write_bytes(avro_bytes([make_packet(1, True)]))
    content = bytearray(packed(avro_bytes([make_packet(2, False)])))
    content[int(share * len(content))] ^= 0xFF
    (tmp_path / name).write_bytes(content)
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for file in ("a.avro", name):
            archive.add(tmp_path / file, f"in/{file}")
    index, _, reasons = read(AlertsPipeline(), tmp_path)
    assert index["id"].value_counts()["1"] == 2
    found = {Path(place).name for place in reasons}  # zstandard has no checksum: its packet is named
    assert found <= {name, "2"} and (found or "2" in set(index["id"]))


@pytest.mark.parametrize("name", ["a.jsonl", "array.json", "a.jsonl.zst", "messages.avro"])
def test_large_files_are_done_in_chunks(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 1000)
    raw = tmp_path / "raw"
    raw.mkdir()
    if name == "messages.avro":
        (raw / name).write_bytes(b"".join(message(rubin_packet(n + 1)) for n in range(7)))
        write_rubin_schemas(raw)
    else:
        (raw / name).write_bytes(FORMS[name]([make_packet(n + 1, False) for n in range(7)]))
    pipeline = AlertsPipeline(packets_per_chunk=3)
    from astrid_ml.executors.local import Serial

    units = chunked(pipeline, pipeline.plan([raw]), [raw], tmp_path, Serial(), progress=False)
    assert [unit.id for unit in units] == [f"{name}#0", f"{name}#3", f"{name}#6"]
    for order in (units, units[::-1]):
        ids = []
        for unit in order:
            writer = MemoryUnitWriter()
            pipeline.process(unit, writer, 0)
            ids += writer.table()["id"].tolist()
        assert sorted(ids) == [str(n + 1) for n in range(7)]


@pytest.mark.parametrize("where", ["beside", "given", "by number", "answer of a registry"])
def test_messages_are_read_by_the_schema_of_their_number(where: str, tmp_path: Path) -> None:
    raw, schemas = tmp_path / "raw", tmp_path / "schemas"
    raw.mkdir()
    (raw / "a.avro").write_bytes(message(rubin_packet(5)) + message(rubin_packet(6)))
    pipeline = AlertsPipeline(schemas=None if where == "beside" else str(schemas))
    write_rubin_schemas(raw if where == "beside" else schemas / "9" / "0")
    if where in ("by number", "answer of a registry"):
        whole = whole_schema()
        for file in (schemas / "9" / "0").iterdir():
            file.unlink()
        if where == "by number":
            (schemas / "900.avsc").write_text(json.dumps(whole))
        else:
            (schemas / "alerts-value.avsc").write_text(json.dumps({"id": 900, "schema": json.dumps(whole)}))
    for place in (raw, raw / "a.avro"):
        index, stamps, reasons = read(pipeline, place)
        assert index["id"].tolist() == ["5", "6"] and not reasons
        assert index["mjd"].tolist() == pytest.approx([61000 - 37 / 86400] * 2)
        np.testing.assert_array_equal(stamps[1], read_packet(rubin_packet(6))[1])


def test_a_body_alone_is_read_by_the_only_schema(tmp_path: Path) -> None:
    (tmp_path / "a.avro").write_bytes(rubin_body(rubin_packet(5)))
    assert read(AlertsPipeline(), tmp_path)[2]["a.avro"] == "no Avro file, no message and no JSON"
    write_rubin_schemas(tmp_path)
    assert read(AlertsPipeline(), tmp_path)[0]["id"].tolist() == ["5"]
    (tmp_path / "a.avro").write_bytes(rubin_body(rubin_packet(5)) + b"more")
    assert "4 bytes behind a body" in read(AlertsPipeline(), tmp_path)[2]["a.avro"]


def test_a_schema_that_is_not_at_hand_is_named_with_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "a.avro").write_bytes(message(rubin_packet(5), 900))
    (tmp_path / "b.avro").write_bytes(message(rubin_packet(5), 77))
    reasons = read(AlertsPipeline(), tmp_path)[2]
    assert "schema id 900" in reasons["a.avro"] and "schemas=FOLDER with 900.avsc" in reasons["a.avro"]
    assert "astrid-ml[rubin]" in reasons["a.avro"] and "astrid-ml[rubin]" not in reasons["b.avro"]
    with pytest.raises(UserError, match=r"schemas of Avro \(\.avsc\); got nothing at"):
        AlertsPipeline(schemas=str(tmp_path / "none")).plan([tmp_path])


@pytest.mark.parametrize("content", ["{", '{"type": "record", "name": "alert"}', "[1]"])
def test_a_damaged_schema_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.avro").write_bytes(message(rubin_packet(5)))
    (tmp_path / "900.avsc").write_text(content)
    assert "900.avsc is no schema of Avro" in read(AlertsPipeline(), tmp_path)[2]["a.avro"]


def test_a_schema_that_contains_itself_is_refused(tmp_path: Path) -> None:
    nested = {"type": "record", "name": "alert", "fields": [{"name": "x", "type": ["null", "alert"]}]}
    (tmp_path / "a.avro").write_bytes(message(rubin_packet(5)))
    (tmp_path / "900.avsc").write_text(json.dumps(nested))
    assert "contains itself" in read(AlertsPipeline(), tmp_path)[2]["a.avro"]


def test_half_of_anything_is_named_and_what_stands_before_is_kept(tmp_path: Path) -> None:
    write_rubin_schemas(tmp_path)
    both = message(rubin_packet(5)) + message(rubin_packet(6))
    packets = [make_packet(1, True), make_packet(2, False)]
    contents = {
        "m.avro": both[:-50],
        "head.avro": message(rubin_packet(7)) + b"\0\0",
        "l.jsonl": lines(packets[:1]) + lines(packets[1:])[:-900],
        "l.json": array(packets)[:-900],
        "z.jsonl.zst": zst(lines(packets))[:-40],
        "g.avro.gz": gzip.compress(avro_bytes(packets))[:-90],
    }
    reasons: dict[str, str] = {}
    kept: dict[str, list[str]] = {}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        index, _, found = read(AlertsPipeline(), tmp_path / name)
        kept[name], reasons = index["id"].tolist(), reasons | found
    assert kept == {"m.avro": ["5"], "head.avro": ["7"], "l.jsonl": ["1"], "l.json": ["1"], "z.jsonl.zst": [],
                    "g.avro.gz": []} or kept["z.jsonl.zst"] in ([], ["1"])  # fmt: skip
    assert "half a message of schema id 900" in reasons["m.avro"]
    assert "2 bytes behind a message" in reasons["head.avro"]
    assert reasons["l.jsonl"] == "half a message: the file ends inside its last line"
    assert reasons["l.json"] == "half a message behind 1 documents: the file ends inside a document"
    assert "damaged file" in reasons["z.jsonl.zst"] and "damaged file" in reasons["g.avro.gz"]


def test_a_broken_line_costs_itself_alone(tmp_path: Path) -> None:
    first, second = lines([make_packet(1, True)]), lines([make_packet(2, True)])
    (tmp_path / "a.jsonl").write_bytes(first + b"{broken\n" + second + b'{"schemavsn": 3}\n[]\n')
    index, _, _ = read(AlertsPipeline(), tmp_path)
    assert index["id"].tolist() == ["1", "2"]
    (tmp_path / "a.jsonl").write_bytes(b"{broken\n" + second)
    index, _, reasons = read(AlertsPipeline(), tmp_path)
    assert index["id"].tolist() == ["2"] and reasons["a.jsonl"] == "a line that is no document of JSON"
    for content in (b"", b"  \n", b"no JSON", b'{"a": ', b"[" * 100_000):
        (tmp_path / "a.jsonl").write_bytes(content)
        assert read(AlertsPipeline(), tmp_path)[2]["a.jsonl"]


def test_fink_gives_rows_of_pixels(tmp_path: Path, expected: Array) -> None:
    rows = [fink_row(1), fink_row(2)]
    rows[0]["b:cutoutScience_stampData"][3][4] = None
    (tmp_path / "objects.json").write_text(json.dumps(rows))
    index, stamps, reasons = read(AlertsPipeline(), tmp_path)
    assert not reasons and index["group_id"].tolist() == ["ZTF00001", "ZTF00002"]
    assert index["mission"].tolist() == ["ztf", "ztf"] and index["filter"].tolist() == ["g", "g"]
    assert index["drb"].tolist() == [0.95, 0.95] and np.isnan(stamps[0, 0, 3, 4])
    stamps[0, 0, 3, 4] = expected[0, 0, 3, 4]
    np.testing.assert_array_equal(stamps[0], expected[0])
    (tmp_path / "objects.json").unlink()
    del rows[0]["b:cutoutScience_stampData"][3][4]
    rows[1]["b:cutoutDifference_stampData"] = None
    pd.DataFrame(rows).to_parquet(tmp_path / "fink.parquet")
    _, _, reasons = read(AlertsPipeline(), tmp_path)
    assert reasons == {
        "1": "b:cutoutScience_stampData: an array that is no image", "2": "no b:cutoutDifference_stampData"
    }  # fmt: skip
    pd.DataFrame([fink_row(1)]).to_parquet(tmp_path / "fink.parquet")
    np.testing.assert_array_equal(read(AlertsPipeline(), tmp_path)[1][0], expected[0])


@pytest.mark.parametrize("form", ["three files", "one file"])
def test_stamps_of_alerce_are_fits_files(form: str, tmp_path: Path, expected: Array) -> None:
    packet, names = make_packet(1, True), ("science", "template", "difference")
    contents = [packet[key]["stampData"] for key in CUTOUTS]
    if form == "three files":
        for name, content in zip(names, contents, strict=True):
            (tmp_path / f"ZTF18abadigg_714287740515015072_{name}.fits.gz").write_bytes(content)
    else:
        images = [
            fits.getdata(io.BytesIO(gzip.decompress(content)), ignore_missing_simple=True) for content in contents
        ]
        hdus: list[Any] = [fits.PrimaryHDU(images[0]), *(fits.ImageHDU(image) for image in images[1:])]
        for name, hdu in zip(names, hdus, strict=True):
            hdu.header["HIERARCH STAMP_TYPE"] = name
        fits.HDUList(hdus).writeto(tmp_path / "ZTF18abadigg_714287740515015072.fits")
    fits.PrimaryHDU(np.zeros((5, 5))).writeto(tmp_path / "science_20260305060000.fits")  # a frame of somebody's night
    index, stamps, reasons = read(AlertsPipeline(), tmp_path)
    assert index[["id", "group_id", "mission"]].to_numpy().tolist() == [["714287740515015072", "ZTF18abadigg", "ztf"]]
    other = "FITS that is not called as a cutout is"
    assert reasons == {"science_20260305060000.fits": other} and index[["mjd", "ra"]].isna().to_numpy().all()
    np.testing.assert_array_equal(stamps[0], expected[0])
    next(tmp_path.glob("*072*")).unlink()
    left = list(tmp_path.glob("*072*"))
    if left:
        assert any(why.endswith("stamp among its files") for why in read(AlertsPipeline(), tmp_path)[2].values())


def test_boom_keeps_the_record_of_each_survey_under_one_name() -> None:
    for mission in ("rubin", "roman"):
        packet = packet_of(mission)
        source = packet.pop("diaSource")
        boom = {**packet, "candid": 7, "objectId": "9", "candidate": {**source, "jd": 2461000.5, "isdiffpos": False}}
        del boom["diaSourceId"]
        boom |= {key: list(packet[key]) for key in CUTOUTS[:1]}  # bytes as numbers
        record, stamps = read_packet(boom)
        same, expected = read_packet(packet_of(mission))
        assert {key: record[key] for key in ("id", "mjd", "mission", "filter", "sign", "group_id")} == {
            key: same[key] for key in ("id", "mjd", "mission", "filter", "sign", "group_id")
        }
        np.testing.assert_array_equal(stamps, expected)
    ztf = packet_of("ztf")
    del ztf["publisher"], ztf["candid"], ztf["candidate"]["candid"]
    assert read_packet({**ztf, "_id": 11})[0]["id"] == "11"


@pytest.mark.parametrize("positive", [True, False])
def test_boom_says_the_sign_and_the_filter_in_its_own_words(positive: bool) -> None:
    packet = packet_of("rubin")
    source = {**packet.pop("diaSource"), "isdiffpos": positive, "psfFlux": 50.0}
    source.pop("isNegative", None)
    record, stamps = read_packet({**packet, "candidate": source})
    _, as_sent = read_packet({**packet, "candidate": {**source, "isNegative": False}})
    assert record["sign"] == (1 if positive else -1)
    np.testing.assert_array_equal(stamps[2], as_sent[2] if positive else -as_sent[2])
    ztf = packet_of("ztf")
    ztf["candidate"] = {name: value for name, value in ztf["candidate"].items() if name != "fid"} | {"band": "r"}
    assert read_packet(ztf)[0]["filter"] == "r"
    del ztf["candidate"]["band"]
    writer = MemoryUnitWriter()
    samples = UnitSamples(writer)
    samples.add({**read_packet(ztf)[0], "source": "a"}, read_packet(ztf)[1], PlanesOfCutouts(), None)
    samples.write()
    assert writer.counts["detections_of_unknown_filter"] == 1


@pytest.mark.parametrize("lines", [True, False])
def test_a_table_by_columns_is_read_by_rows(lines: bool) -> None:
    rows = [{"publisher": "Fink", "n": 1}, {"publisher": "Fink", "n": 2}]
    columns = {name: {str(row): rows[row][name] for row in range(2)} for name in rows[0]}
    text = json.dumps(columns, indent=None if lines else 1)
    assert list(documents(io.BytesIO(text.encode()))) == rows
    other = {"0": {"a": 1}, "1": {"b": 2}}
    assert list(documents(io.BytesIO(json.dumps(other).encode()))) == [other]


def test_a_survey_that_nobody_knows_is_told_how_to_go_on() -> None:
    packet = {**make_packet(1, star=True), "publisher": "MyObs", "objectId": "m1"}
    with pytest.raises(PacketError, match=r"not known: MyObs; say survey=NAME, or describe it: survey=FILE\.yaml"):
        read_packet(packet)


def test_rapid_of_every_version() -> None:
    source = {"diaSourceId": 7, "diaObjectId": 9, "ra": 10.0, "dec": 5.0, "band": "F158", "hp6": 1, "hp9": 2,
              "field": 5, "psfFlux": 50.0, "psfFluxErr": 10.0, "snr": 5.0}  # fmt: skip
    cutouts = dict.fromkeys(CUTOUTS, fits_bytes(np.random.default_rng(1).normal(size=(21, 21))))
    first = {**source, "midpointMjdTai": 62000.0, "sca": 3, "detector": 3, "isdiffpos": False}
    record, _ = read_packet({"diaSourceId": 7, "diaSource": first, **cutouts})
    assert (record["mission"], record["filter"], record["sign"]) == ("roman", "H158", -1)
    assert record["mjd"] == pytest.approx(62000.0 - 37 / 86400)
    cutouts["cutoutReference"] = cutouts.pop("cutoutTemplate")
    later = {**source, "midpointMjd": 62000.0, "expId": 4, "isNegative": True}
    record, stamps = read_packet({"diaSourceId": 7, "diaSource": later, **cutouts})
    assert (record["mission"], record["sign"], record["mjd"], stamps.shape) == ("roman", -1, 62000.0, (3, 21, 21))


def test_kinds_that_nobody_reads_are_counted_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.avro").write_bytes(avro_bytes([make_packet(1, True)]))
    (tmp_path / "dump.bson").write_bytes(b"x")
    (tmp_path / "event.xml").write_bytes(b"<voe:VOEvent/>")
    (tmp_path / "notes.txt").write_text("a night")
    pd.DataFrame({"id": [1]}).to_parquet(tmp_path / "table.parquet")
    fits.writeto(tmp_path / "image.fits", np.zeros((3, 3)))
    index, _, reasons = read(AlertsPipeline(), tmp_path)
    assert index["id"].tolist() == ["1"]
    why = "a kind of file that nobody reads: give Avro, JSON or parquet"
    assert reasons == {
        "dump.bson": why,
        "event.xml": why,
        "table.parquet": "a table without cutouts",
        "image.fits": "FITS that is not called as a cutout is",
    }
    (tmp_path / "a.avro").unlink()
    with pytest.raises(UserError, match=r"1 \.bson"):
        AlertsPipeline().plan([tmp_path])


def test_base64_of_a_service(tmp_path: Path, expected: Array) -> None:
    packet = make_packet(1, True)
    packet |= {key: base64.b64encode(packet[key]["stampData"]).decode() for key in CUTOUTS}
    (tmp_path / "a.json").write_text(json.dumps(packet))
    np.testing.assert_array_equal(read(AlertsPipeline(), tmp_path)[1][0], expected[0])
