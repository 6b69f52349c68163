"""Archives and files of many packets: chunks are entered anywhere, and damage costs what it touches."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path
from typing import Any

import fastavro
import pytest

from astrid_ml.preprocessing.alerts import archives
from astrid_ml.preprocessing.alerts.archives import read_tar, tar_chunks
from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError, avro_chunks, read_avro
from astrid_ml.preprocessing.alerts.files import read_loose
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline

SCHEMA = {
    "type": "record",
    "name": "p",
    "fields": [{"name": "candid", "type": "long"}, {"name": "x", "type": "bytes"}],
}


def avro(*candids: int) -> bytes:
    stream = io.BytesIO()
    fastavro.writer(stream, SCHEMA, [{"candid": n, "x": bytes(700)} for n in candids], sync_interval=1500)
    return stream.getvalue()


def archive(path: Path, count: int, mode: str) -> Path:
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as out:  # type: ignore[call-overload]
        for number in range(count):
            for name, content in ((f"{'long' * 40}/{number}.avro", avro(number)), (f"{number}.txt", b"no packet")):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                out.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz"])
def test_chunks_give_each_packet_once_in_any_order(tmp_path: Path, mode: str) -> None:
    path = archive(tmp_path / "night.tar", 23, mode)
    chunks = tar_chunks(path, 5)
    assert [(run["first"], run["count"]) for run in chunks] == [(0, 5), (5, 5), (10, 5), (15, 5), (20, 3)]
    assert all((run["offset"] >= 0) == (mode == "w:") for run in chunks)
    for order in (range(5), reversed(range(5)), (0, 2, 4, 1, 3)):
        found = {}
        for number in order:
            run = chunks[number]
            packets = list(read_tar(path, run["first"], run["count"], run["offset"]))
            found[number] = [packet["candid"] for _, packet in packets]
        assert [candid for number in range(5) for candid in found[number]] == list(range(23))
    assert [packet["candid"] for _, packet in read_tar(path)] == list(range(23))


def test_a_stream_keeps_its_place_from_chunk_to_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "night.tar.gz", 12, "w:gz")
    opened = []
    walk = archives._walk

    def counted(file: Any, mode: str, whole: Path | None) -> Any:
        opened.append(mode)
        return walk(file, mode, whole)

    monkeypatch.setattr(archives, "_walk", counted)
    chunks = tar_chunks(path, 3)
    opened.clear()
    for run in chunks:
        assert len(list(read_tar(path, run["first"], run["count"], run["offset"]))) == 3
    assert len(opened) == 1
    assert len(list(read_tar(path, 0, 3))) == 3 and len(opened) == 2


@pytest.mark.parametrize("mode", ["w:", "w:gz"])
def test_what_stands_before_the_damage_is_read_and_the_rest_fails(tmp_path: Path, mode: str) -> None:
    path = archive(tmp_path / "night.tar", 40, mode)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    chunks = tar_chunks(path, 10)
    *whole, tail = chunks
    runs = [read_tar(path, run["first"], run["count"], run["offset"]) for run in whole]
    good = [packet["candid"] for run in runs for _, packet in run]
    assert len(good) >= 15 and good == list(range(len(good)))
    with pytest.raises(PacketFileError, match="damaged archive"):
        list(read_tar(path, tail["first"], tail["count"], tail["offset"]))
    path.write_bytes(b"no archive" * 200)
    with pytest.raises(PacketFileError, match="damaged archive"):
        list(read_tar(path))
    assert len(tar_chunks(path, 5)) == 1


@pytest.mark.parametrize("damage", ["boundary", "header", "no end"])
def test_an_archive_without_its_end_is_no_shorter_archive(tmp_path: Path, damage: str) -> None:
    path = archive(tmp_path / "night.tar", 10, "w:")
    content = bytearray(path.read_bytes())
    with tarfile.open(path) as whole:
        members = whole.getmembers()
    if damage == "boundary":
        content = content[: members[10].offset]
    elif damage == "header":
        content[members[10].offset_data - 500] ^= 0xFF
    else:
        content = content[: members[-1].offset_data + 512]
    path.write_bytes(bytes(content))
    with pytest.raises(PacketFileError, match="its end is not there"):
        list(read_tar(path))
    tail = tar_chunks(path, 3)[-1]
    with pytest.raises(PacketFileError):
        list(read_tar(path, tail["first"], tail["count"], tail["offset"]))


def test_one_bad_file_in_an_archive_is_named_and_a_giant_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "night.tar"
    with tarfile.open(path, "w") as out:
        for name, content in (("a.avro", avro(1)), ("b.avro", b"nothing"), ("c.avro", avro(*range(40)))):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(archives, "MOST_BYTES", 20_000)
    found = dict(read_tar(path))
    assert found["a.avro"]["candid"] == 1 and "no Avro file" in str(found["b.avro"])
    assert str(found["c.avro"]).startswith("a packet of ")


def test_a_file_of_many_packets_is_done_in_runs_of_its_blocks(tmp_path: Path) -> None:
    path = tmp_path / "many.avro"
    path.write_bytes(avro(*range(50)))
    chunks = avro_chunks(path, 10)
    assert len(chunks) > 4 and chunks[0]["first"] == 0
    with path.open("rb") as stream:
        runs = [[p["candid"] for p in read_avro(stream, (run["start"], run["end"]))] for run in chunks]
    assert [candid for run in runs for candid in run] == list(range(50))
    assert [len(run) for run in runs] == [run["count"] for run in chunks]
    path.write_bytes(path.read_bytes()[:-100])
    *whole, tail = avro_chunks(path, 10)
    with path.open("rb") as stream, pytest.raises(PacketFileError):
        list(read_avro(stream, (tail["start"], tail["end"])))
    assert sum(run["count"] for run in whole) == tail["first"] > 40


def test_small_files_keep_the_units_that_they_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(tmp_path / "night.tar.gz", 4, "w:gz")
    (tmp_path / "one.avro").write_bytes(avro(1))
    pipeline = AlertsPipeline()
    units = pipeline.plan([tmp_path])
    assert [unit.id for unit in units] == ["one.avro+0", "night.tar.gz"]
    assert not any(pipeline.is_large(unit) for unit in units)
    monkeypatch.setattr("astrid_ml.preprocessing.alerts.pipeline.LARGE", 100)
    assert all(pipeline.is_large(unit) for unit in pipeline.plan([tmp_path]))
    assert pipeline.chunks(units[1]) == [units[1]]  # one chunk
    small = AlertsPipeline(packets_per_chunk=3)
    assert [unit.id for unit in small.chunks(units[1])] == ["night.tar.gz#0", "night.tar.gz#3"]


@pytest.mark.parametrize("mode", ["w:", "w:gz"])
def test_members_that_are_no_files_are_named(tmp_path: Path, mode: str) -> None:
    path = archive(tmp_path / "night.tar", 2, mode)
    with tarfile.open(path, "w:" if mode == "w:" else "w:gz") as out:
        for name, kind in (("a.avro", tarfile.SYMTYPE), ("b.avro", tarfile.LNKTYPE), ("c.json", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "0.avro"
            out.addfile(member)
        folder = tarfile.TarInfo("d.avro")
        folder.type = tarfile.DIRTYPE
        out.addfile(folder)
        member = tarfile.TarInfo("0.avro")
        member.size = len(avro(7))
        out.addfile(member, io.BytesIO(avro(7)))
    [run] = tar_chunks(path, 5)
    assert run["count"] == 4
    *strange, (_, packet) = read_tar(path, run["first"], run["count"], run["offset"])
    assert [(name, str(why).split(" in ")[0]) for name, why in strange] == [
        ("a.avro", "a link"),
        ("b.avro", "a link"),
        ("c.json", "a pipe"),
    ]
    assert packet["candid"] == 7


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz"])
def test_a_second_archive_behind_the_first_is_no_silence(tmp_path: Path, mode: str) -> None:
    path, second = archive(tmp_path / "night.tar", 3, mode), archive(tmp_path / "b.tar", 2, mode)
    path.write_bytes(path.read_bytes() + second.read_bytes())
    *whole, last = tar_chunks(path, 2)
    runs = [read_tar(path, run["first"], run["count"], run["offset"]) for run in whole]
    assert [packet["candid"] for run in runs for _, packet in run][:2] == [0, 1]
    with pytest.raises(PacketFileError, match="bytes behind its end"):
        list(read_tar(path, last["first"], last["count"], last["offset"]))


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress, gzip.compress])
def test_streams_behind_one_another_are_read_and_rubbish_is_named(tmp_path: Path, compress: Any) -> None:
    path, whole = tmp_path / "a.avro", avro(1)
    for content in (compress(whole[:300]) + compress(whole[300:]), compress(whole) + bytes(64)):
        path.write_bytes(content)
        [packet] = read_loose(path)
        assert isinstance(packet, dict) and packet["candid"] == 1
    for content in (compress(whole) + b"rubbish" * 9, compress(whole)[:-9]):
        path.write_bytes(content)
        with pytest.raises(PacketFileError, match="a damaged file"):
            list(read_loose(path))
