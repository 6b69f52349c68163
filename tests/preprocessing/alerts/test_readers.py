"""Packets in every wrapping are read; what cannot be used is dropped and named."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.alerts.packet import PacketError, read_packet, sign_of
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.alerts.stamp_fits import StampError, read_lean, read_stamp, read_with_astropy

SCHEMA = {
    "type": "record",
    "name": "alert",
    "fields": [
        {"name": "publisher", "type": "string"},
        {"name": "objectId", "type": "string"},
        {"name": "candid", "type": "long"},
        {
            "name": "candidate",
            "type": {
                "type": "record",
                "name": "candidate",
                "fields": [
                    {"name": name, "type": ["null", kind]}
                    for name, kind in (
                        [("candid", "long"), ("fid", "int"), ("isdiffpos", "string")]
                        + [(name, "double") for name in ("jd", "ra", "dec", "drb", "exptime")]
                    )
                ],
            },
        },
        *(
            {
                "name": name,
                "type": [
                    "null",
                    {
                        "type": "record",
                        "name": name,
                        "fields": [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}],
                    },
                ],
            }
            for name in ("cutoutScience", "cutoutTemplate", "cutoutDifference")
        ),
    ],
}


def read(path: Path) -> tuple[MemorySource, MemoryUnitWriter]:
    pipeline = AlertsPipeline()
    writer = MemoryUnitWriter()
    for unit in pipeline.plan([path]):
        pipeline.process(unit, writer, 0)
    return writer.source(), writer


def write_avro(path: Path, packets: list[dict[str, Any]], codec: str = "null") -> None:
    with path.open("wb") as stream:
        fastavro.writer(stream, SCHEMA, packets, codec=codec)


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
def test_avro_of_every_codec(codec: str, tmp_path: Path, make_packet: Any) -> None:
    write_avro(tmp_path / "a.avro", [make_packet(1), make_packet(2, isdiffpos="f")], codec)
    source, _ = read(tmp_path)
    assert source.index["id"].tolist() == ["1", "2"]
    assert source.index["sign"].tolist() == [1, -1]
    assert source.index["mjd"].tolist() == pytest.approx([59000.0 + 15 / 86400] * 2)
    assert source.gather("stamps", np.array([0, 1])).shape == (2, 3, 63, 63)


def test_parquet_json_and_tar_give_the_same_stamps(tmp_path: Path, make_packet: Any) -> None:
    packet = make_packet(7)
    for name in ("avro", "parquet", "json", "tar"):
        (tmp_path / name).mkdir()
    write_avro(tmp_path / "avro" / "a.avro", [packet])
    pq.write_table(pa.Table.from_pylist([packet]), tmp_path / "parquet" / "a.parquet")
    mongo = json.loads(
        json.dumps(packet, default=lambda value: {"$binary": base64.b64encode(value).decode(), "$type": "00"})
    )
    (tmp_path / "json" / "a.json").write_text(json.dumps(mongo))
    with tarfile.open(tmp_path / "tar" / "night.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "avro" / "a.avro", arcname="a.avro")
    stamps = [read(tmp_path / name)[0].gather("stamps", np.array([0])) for name in ("avro", "parquet", "json", "tar")]
    assert all(np.array_equal(stamps[0], other) for other in stamps[1:])


def test_bad_files_and_packets_are_dropped_and_named(tmp_path: Path, make_packet: Any) -> None:
    (tmp_path / "text.avro").write_text("no avro at all")
    broken = make_packet(3)
    broken["cutoutScience"]["stampData"] = broken["cutoutScience"]["stampData"][:200]
    empty = make_packet(4)
    empty["cutoutTemplate"] = None
    foreign = make_packet(5)
    foreign |= {"publisher": "another survey", "objectId": "XYZ1"}
    write_avro(tmp_path / "b.avro", [make_packet(2), broken, empty, foreign])
    (tmp_path / "cut.avro").write_bytes((tmp_path / "b.avro").read_bytes()[:3000])
    source, writer = read(tmp_path)
    assert source.index["id"].tolist() == ["2"]
    reasons = {drop.id: drop.reason for drop in writer.drops}
    assert "no Avro file" in reasons["text.avro"]
    assert "no Avro file" in reasons["cut.avro"]
    assert reasons["3"] == "cutoutScience: truncated gzip"
    assert reasons["4"] == "no cutoutTemplate"
    assert "not known" in reasons["5"]


def test_a_stamp_cut_at_an_edge_is_padded_bottom_and_right(make_packet: Any) -> None:
    record, stamps = read_packet(make_packet(1, shape=(51, 63)))
    assert (record["stamp_h"], record["stamp_w"]) == (51, 63)
    assert np.isnan(stamps[:, 51:]).all()
    assert np.isfinite(stamps[:, :51]).all()


def test_nan_everywhere_is_a_drop(make_packet: Any) -> None:
    packet = make_packet(1)
    from_image = read_stamp(packet["cutoutScience"]["stampData"])
    content = gzip.decompress(packet["cutoutScience"]["stampData"])
    packet["cutoutScience"]["stampData"] = content[:2880] + np.full(from_image.shape, np.nan, ">f4").tobytes()
    with pytest.raises(PacketError, match="no finite pixel"):
        read_packet(packet)


@pytest.mark.parametrize("value", ["f", "0", False, 0, "F"])
def test_every_spelling_of_a_negative_detection(value: Any) -> None:
    assert sign_of(value) == -1


@pytest.mark.parametrize("value", ["t", "1", True, 1])
def test_every_spelling_of_a_positive_detection(value: Any) -> None:
    assert sign_of(value) == 1


def test_a_packet_without_its_own_candid_uses_the_candidates(make_packet: Any) -> None:
    packet = make_packet(11)
    del packet["candid"], packet["publisher"]
    assert read_packet(packet)[0]["id"] == "11"
    assert read_packet(packet)[0]["survey"] == "ZTF"


def test_an_empty_folder_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="alert packets"):
        AlertsPipeline().plan([tmp_path])


def test_the_same_packet_in_two_files_counts_once() -> None:
    index = pd.DataFrame({"id": ["1", "1", "2"], "group_id": ["a", "a", "b"]})
    kept, drops = AlertsPipeline().finalise(index)
    assert kept["id"].tolist() == ["1", "2"]
    assert [drop.id for drop in drops] == ["1"]


def test_loose_files_are_chunked_so_that_a_new_one_costs_one_unit(tmp_path: Path, make_packet: Any) -> None:
    for number in range(5):
        write_avro(tmp_path / f"{number}.avro", [make_packet(number)])
    pipeline = AlertsPipeline(files_per_unit=2)
    before = [unit.id for unit in pipeline.plan([tmp_path])]
    write_avro(tmp_path / "9.avro", [make_packet(9)])
    after = [unit.id for unit in pipeline.plan([tmp_path])]
    assert len(before) == len(after) == 3
    assert before[:2] == after[:2]


def hdu_bytes(hdus: list[Any]) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer)
    return buffer.getvalue()


def test_the_lean_parser_equals_astropy_or_leaves_it_to_astropy() -> None:
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    simple = hdu_bytes([fits.PrimaryHDU(image)])
    lean = read_lean(simple)
    assert lean is not None
    assert np.array_equal(lean, read_with_astropy(simple))
    scaled = fits.PrimaryHDU(image.astype(np.int16))
    scaled.header["BZERO"] = 3.0
    second = hdu_bytes([fits.PrimaryHDU(), fits.ImageHDU(image)])
    for other in (hdu_bytes([scaled]), second):
        assert read_lean(other) is None
    assert np.array_equal(read_stamp(gzip.compress(second)), image)


@pytest.mark.parametrize(
    "content",
    [b"", b"not fits", b"\x1f\x8bbroken", gzip.compress(b"SIMPLE  = T")],
    ids=["empty", "no FITS", "broken gzip", "header cut short"],
)
def test_what_is_no_stamp_is_refused(content: bytes) -> None:
    with pytest.raises(StampError):
        read_stamp(content)


def test_a_damaged_header_never_ends_in_anything_but_a_reason(make_packet: Any) -> None:
    content = gzip.decompress(make_packet(1)["cutoutScience"]["stampData"])
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(300):
        damaged = np.frombuffer(content, dtype=np.uint8).copy()
        places = random.integers(0, 560, random.choice([1, 3, 10]))
        damaged[places] = random.choice(np.frombuffer(b" 0123456789-TFABNXIS=.'", dtype=np.uint8), len(places))
        try:
            read_stamp(damaged.tobytes())
        except StampError:
            refused += 1
    assert refused > 50
    for missing in (b"NAXIS1", b"NAXIS2", b"BITPIX"):
        with pytest.raises(StampError):
            read_stamp(content.replace(missing, b"COMMEN"))


@pytest.mark.parametrize(("field", "value"), [("jd", "abc"), ("ra", [1.0]), ("fid", []), ("drb", {}), ("ra", 10**400)])
def test_a_value_of_the_wrong_type_drops_its_packet_alone(field: str, value: Any, make_packet: Any) -> None:
    with pytest.raises(PacketError, match="cannot be read"):
        read_packet(make_packet(1, **{field: value}))


def test_damaged_base64_drops_its_packet_and_keeps_the_rest(tmp_path: Path, make_packet: Any) -> None:
    packets = []
    for number in (1, 2):
        packet = make_packet(number)
        for key in ("cutoutScience", "cutoutTemplate", "cutoutDifference"):
            content = base64.b64encode(packet[key]["stampData"]).decode()
            # Mongo's newer spelling; the older one is in the test of all wrappings.
            packet[key] = {"stampData": {"$binary": {"base64": content, "subType": "00"}}}
        packets.append(packet)
    packets[0]["cutoutTemplate"]["stampData"]["$binary"]["base64"] = "a"
    (tmp_path / "two.json").write_text(json.dumps(packets))
    source, writer = read(tmp_path)
    assert source.index["id"].tolist() == ["2"]
    assert [(drop.id, drop.reason) for drop in writer.drops] == [("1", "cutoutTemplate: damaged base64")]


def test_a_truncated_table_is_an_incomplete_unit(tmp_path: Path, make_packet: Any) -> None:
    pq.write_table(pa.Table.from_pylist([make_packet(7)]), tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(content[: len(content) // 2])
    pq.write_table(pa.table({"id": [1]}), tmp_path / "other.parquet")
    units = AlertsPipeline().plan([tmp_path])
    assert [(unit.id, unit.missing) for unit in units] == [
        ("a.parquet#0", ()),
        ("b.parquet", ("a readable parquet footer",)),
        ("other.parquet unread", ()),
    ]
