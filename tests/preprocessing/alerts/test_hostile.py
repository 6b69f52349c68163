"""Packets that somebody wrote to do harm, or a broken pipeline sent: each costs itself alone, and is named."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made.alerts import CUTOUTS, fits_bytes, make_packet
from made.messages import avro_bytes, mongo

from astrid_ml.contracts.left_out import left_out_units
from astrid_ml.contracts.pipeline import Drop
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts.archives import tar_chunks
from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.table_files import write_table


def read(*places: Path) -> tuple[pd.DataFrame, list[Drop], dict[str, int]]:
    pipeline, writer = AlertsPipeline(), MemoryUnitWriter()
    for unit in pipeline.plan(list(places)):
        pipeline.process(unit, writer, 0)
    return writer.table(), writer.drops, dict(writer.counts)


def lines(*packets: Any) -> bytes:
    return b"\n".join(p if isinstance(p, bytes) else json.dumps(mongo(p)).encode() for p in packets) + b"\n"


def test_half_a_surrogate_pair_is_written_out_wherever_it_stands(tmp_path: Path) -> None:
    odd = make_packet(1, True) | {"objectId": "ZTF\udcff"}
    odd["candidate"]["field"] = "a\ud800b"
    lost = make_packet(2, True) | {"candid": "7\udcff", CUTOUTS[0]: None}
    (tmp_path / "a.jsonl").write_bytes(lines(odd, lost, make_packet(3, True)))
    index, drops, _ = read(tmp_path)
    assert index["group_id"].tolist() == ["ZTF\\udcff", "ZTF00003"] and index["field"].tolist()[0] == "a\\ud800b"
    assert [drop.id for drop in drops] == ["7\\udcff"]
    write_table(index, tmp_path / "index.parquet")


def test_a_row_of_parquet_whose_text_is_no_utf8_costs_itself(tmp_path: Path) -> None:
    rows = [make_packet(number, True) for number in (1, 2, 3)]
    table = pa.table({key: [row[key] for row in rows] for key in ("publisher", "candid", "candidate", *CUTOUTS)})
    broken = pa.array([b"ZTF1", b"\xff\xfe", b"ZTF3"]).view(pa.string())
    pq.write_table(table.append_column("objectId", broken), tmp_path / "a.parquet")
    index, drops, _ = read(tmp_path)
    assert index["group_id"].tolist() == ["ZTF1", "ZTF3"]
    assert [drop.reason for drop in drops] == ["a row whose text is no UTF-8"]


def tar(path: Path, **members: bytes) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_each_drop_says_where_it_stands_and_each_sample_its_file(tmp_path: Path) -> None:
    night = tmp_path / "night"
    night.mkdir()
    bad = make_packet(9, True) | {CUTOUTS[0]: None}
    (night / "a.jsonl").write_bytes(lines(make_packet(1, True), b"{no", bad))
    (night / "b.avro").write_bytes(avro_bytes([make_packet(2, True), make_packet(1, True)]))
    tar(night / "c.tar", **{"in/x.avro": avro_bytes([make_packet(3, True)]), "in/y.avro": b"junk"})
    index, drops, _ = read(tmp_path)
    assert index["source"].tolist() == ["night/a.jsonl", "night/b.avro", "night/b.avro", "night/c.tar/in/x.avro"]
    assert [(drop.id, drop.source) for drop in drops] == [
        ("a.jsonl", "night/a.jsonl, line 2"),
        ("9", "night/a.jsonl, packet 3"),
        ("in/y.avro", "night/c.tar/in/y.avro"),
    ]
    _, [twice] = AlertsPipeline().finalise(index)
    assert (twice.id, twice.source) == ("1", "night/b.avro; the first: night/a.jsonl")
    assert read(night / "a.jsonl")[0]["source"].tolist() == ["a.jsonl"]


def gzipped_tar(path: Path, *members: tuple[str, bytes, int]) -> None:
    """Members of (name, content, size that is told)."""
    stream = io.BytesIO()
    for name, content, size in members:
        member = tarfile.TarInfo(name)
        member.size = size
        stream.write(member.tobuf() + content + b"\0" * (-len(content) % 512))
    path.write_bytes(gzip.compress(stream.getvalue()))


def test_a_member_that_inflates_without_end_costs_what_stands_behind_it(tmp_path: Path) -> None:
    good = avro_bytes([make_packet(1, True)])
    gzipped_tar(tmp_path / "a.tar.gz", ("a.avro", good, len(good)), ("b.avro", b"", 3 * 10**9), ("c.avro", good, 9))
    index, [drop], _ = read(tmp_path)
    assert index["id"].tolist() == ["1"] and drop.source == "a.tar.gz/b.avro"
    assert drop.reason.startswith("a member of 3000000000 bytes in an archive that may inflate to 268435456")
    assert [run["count"] for run in tar_chunks(tmp_path / "a.tar.gz", 10)] == [None]


def test_a_name_of_gigabytes_is_no_name(tmp_path: Path) -> None:
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 2**33
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(long.tobuf(tarfile.GNU_FORMAT) + bytes(5000)))
    with pytest.raises(PacketFileError, match="a header of 8589934592 bytes"):
        read(tmp_path)


def test_a_cutout_that_inflates_without_end_costs_its_packet(tmp_path: Path) -> None:
    bomb = make_packet(1, True)
    bomb[CUTOUTS[0]] = {"fileName": "x", "stampData": gzip.compress(bytes(70_000_000), 1)}
    (tmp_path / "a.avro").write_bytes(avro_bytes([bomb, make_packet(2, True)]))
    index, [drop], _ = read(tmp_path)
    assert index["id"].tolist() == ["2"] and "inflates to more than 67108864 bytes" in drop.reason


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"\0\0\0", "a line that is no document of JSON"),
        (b"junk", "a line that is no document of JSON"),
        (b"\x80\x81junk", "a line that is no UTF-8"),
        (b"{bad", "a line that is no document of JSON"),
        (b'{"candid": 1', "a line that is no document of JSON"),
        (b"5", "a line that is no document of JSON"),
        (b'{"objectId": "\xff\xfe"}', "a line that is no UTF-8"),
        (b'{"candid":' + b"9" * 100_000 + b"}", "a number that cannot be read"),
        (b'{"candid": {"$numberLong": "abc"}}', "a number that cannot be read"),
        (b"{" + b'"a":{' * 100_000 + b"}" * 100_001, "a document that is nested too deeply"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_line_that_is_no_json_costs_itself_wherever_it_stands(
    bad: bytes, reason: str, place: int, tmp_path: Path
) -> None:
    parts: list[Any] = [make_packet(number, True) for number in (1, 2, 3)]
    parts.insert(place, bad)
    (tmp_path / "a.jsonl").write_bytes(lines(*parts))
    index, [drop], _ = read(tmp_path)
    assert index["id"].tolist() == ["1", "2", "3"]
    assert (drop.reason, drop.source) == (reason, f"a.jsonl, line {place + 1}")


def test_several_bad_lines_and_documents_of_several_lines(tmp_path: Path) -> None:
    good = make_packet(1, True)
    (tmp_path / "a.jsonl").write_bytes(b'{"candid": 1\nnot json\n[]\n' + lines(good))
    (tmp_path / "b.json").write_bytes(json.dumps(mongo(make_packet(2, True)), indent=1).encode())
    (tmp_path / "c.json").write_bytes(json.dumps(mongo(make_packet(3, True)), indent=1).encode()[:-400])
    (tmp_path / "d.json").write_bytes(b'{"candid": {"$numberLong":\n"abc"}}')
    index, drops, _ = read(tmp_path)
    assert index["id"].tolist() == ["1", "2"]
    assert [drop.source for drop in drops[:3]] == [f"a.jsonl, line {number}" for number in (1, 2, 3)]
    assert [drop.id for drop in drops[3:5]] == ["c.json", "d.json"] and "half a message" in drops[3].reason


def stamped(number: int, *images: Any) -> dict[str, Any]:
    stamps = {
        key: {"fileName": key, "stampData": fits_bytes(image)} for key, image in zip(CUTOUTS, images, strict=True)
    }
    packet: dict[str, Any] = make_packet(number, True)
    return packet | stamps


def test_stamps_in_which_nothing_varies_are_dropped_and_one_such_channel_is_counted(tmp_path: Path) -> None:
    noise, flat = np.random.default_rng(1).normal(size=(63, 63)), np.full((63, 63), 7.0)
    huge, hole = np.full((63, 63), 3e38), np.where(np.eye(63) > 0, np.nan, 7.0)
    packets = [stamped(1, flat, flat * 0, hole), stamped(2, noise, huge, noise), stamped(3, noise, flat, noise)]
    (tmp_path / "a.avro").write_bytes(avro_bytes([*packets, stamped(4, noise, noise, noise)]))
    index, drops, counts = read(tmp_path)
    assert index["id"].tolist() == ["3", "4"] and counts["stamps_with_one_value_in_reference"] == 1
    assert {drop.id: drop.reason for drop in drops} == {
        "1": "no pixel that varies, in any of the three stamps",
        "2": "reference stamp: no pixel that is a measurement",
    }


def test_values_that_nothing_on_the_sky_has_are_null_and_counted(tmp_path: Path) -> None:
    packets = [make_packet(number, True) for number in range(4)]
    packets[0]["candidate"] |= {"ra": 1e300, "dec": -4000.0, "jd": 1e300, "fid": 77, "isdiffpos": "<b>"}
    packets[1]["candidate"] |= {"ra": math.nan, "isdiffpos": "f"}
    packets[2]["candidate"] |= {"isdiffpos": "-1"}
    (tmp_path / "a.avro").write_bytes(avro_bytes(packets))
    index, drops, counts = read(tmp_path)
    columns = ["ra", "dec", "mjd", "filter", "sign"]
    assert not drops and index[columns].iloc[0].isna().all() and index["sign"].tolist()[1:] == [-1, -1, 1]
    assert {name: counts[f"impossible_values_of_{name}"] for name in columns} == dict.fromkeys(columns, 1)
    assert np.isnan(index["ra"][1])
    write_table(index, tmp_path / "index.parquet")


def test_entries_that_are_no_files_and_files_without_a_packet_are_counted_and_named(tmp_path: Path) -> None:
    raw = tmp_path / "raw" / "night"
    raw.mkdir(parents=True)
    (tmp_path / "b.json").write_bytes(lines(make_packet(2, True)))
    (raw / "a.json").write_bytes(lines(make_packet(1, True)))
    (raw / "linked.json").symlink_to(tmp_path / "b.json")
    (raw / "other.json").symlink_to("a.json")
    (raw / "none.json").write_text("[]")
    (raw / "none.avro").write_bytes(avro_bytes([]))
    os.mkfifo(raw / "pipe.avro")
    (raw / "lost.avro").symlink_to("nowhere")
    done = prepare_dataset(AlertsPipeline(), [raw.parent], tmp_path / "store", name="x", progress=False)
    about = json.loads((done.path / "dataset.json").read_text())
    drops = {drop["source"]: drop["reason"] for drop in about["drops"]}
    assert drops == {
        "night/none.json": "no packet in it",
        "night/none.avro": "no packet in it",
        "night/pipe.avro": "a FIFO, which is no file",
        "night/lost.avro": "a link to nothing, which is no file",
        "night/other.json; the first: night/a.json": "the same packet stands in another file",
    }
    index = pd.read_parquet(done.path / "index.parquet")
    assert [unit.id for unit in left_out_units([raw.parent])] == ["left out"] and not left_out_units(
        [tmp_path / "b.json"]
    )
    assert sorted(index["source"]) == ["night/a.json", "night/linked.json"] and about["counts"]["dropped"] == 5


def test_lines_that_are_no_packets_are_counted_in_a_few_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(*[b"{}"] * 500, make_packet(1, True), *[b"[]"] * 500))
    index, drops, _ = read(tmp_path)
    assert len(index) == 1 and len(drops) == 42 and sum(drop.count for drop in drops) == 1000


@pytest.mark.parametrize("name", ["t.parquet", "stamp.fits", "STAMP.FITS.GZ", "b.zip", "c.xml", "in.tar.gz"])
def test_members_of_kinds_that_are_named_in_folders_are_named_in_archives(name: str, tmp_path: Path) -> None:
    good = avro_bytes([make_packet(1, True)])
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as packed:
        for member, content in ((f"n/{name}", b"x"), ("a.avro", good), ("README", b"x")):
            header = tarfile.TarInfo(member)
            header.size = len(content)
            packed.addfile(header, io.BytesIO(content))
    index, drops, _ = read(tmp_path)
    assert index["id"].tolist() == ["1"]
    assert [drop.source for drop in drops] == [f"a.tar.gz/n/{name}"] and drops[0].reason.endswith(("first", "parquet"))
