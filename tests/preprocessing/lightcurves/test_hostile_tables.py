"""Tables that are damaged, too wide, or nobody's: each is named with a reason, and the others are read."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml import inflating
from astrid_ml.errors import UserError
from astrid_ml.executors.within import TooSlowError, within_time
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves import row_blocks
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.pipeline import LightcurvesPipeline
from astrid_ml.preprocessing.lightcurves.readers import magnitude_files, recognise
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.readable import of_parquet, reading_parquet

ROWS = pd.DataFrame(
    {"object_id": [3, 3, 8], "mjd": [1.0, 2.0, 1.0], "passband": [0, 1, 2], "flux": 5.0, "flux_err": 1.0, "detected": 1}
)

pytestmark = pytest.mark.usefixtures("watched")


def sound(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    ROWS.to_csv(folder / "a.csv", index=False)
    return folder


def spoilt(folder: Path, change: Callable[[str], str]) -> dict[str, str]:
    """Convert a folder with one sound table and one that was changed: file -> reason of what failed."""
    text = sound(folder).joinpath("a.csv").read_text()
    (folder / "b.csv").write_text(change(text))
    made = ConvertCommand(str(folder), str(folder.parent / "out")).run()
    report = json.loads((folder.parent / "out" / "report.json").read_text())
    assert made["failed"] == len(report["failed_sources"]) and made["objects"] >= 2
    return {Path(failed["source"]).name: failed["reason"] for failed in report["failed_sources"]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("\n", '\n"', 1), "a quote that is not closed, from row 1 on"),
        (lambda text: '"' + text, "a first line whose quotes are not closed"),
        (
            lambda text: text.replace("\n", ",1,2,3\n3,3\n", 1) + "1,2,3,4,5,6,7,8,9,10,11,12",
            "a row with more columns than",
        ),
        (lambda text: text.replace("5.0", "abc", 1), "numbers in the column flux; got abc in row 1."),
        (lambda text: text.replace("flux_err", "x"), "the column flux_err or flux_error"),
        (lambda text: "", "an empty file"),
        (lambda text: "\n\n", "no line with names of columns"),
        (
            lambda text: text.replace("detected", ",".join(["x"] * 100_000)),
            "100005 columns, and a table of curves has at most 5000",
        ),
        (lambda text: "x" * 2_000_000, "a first line of more than 1048576 bytes"),
    ],
)
def test_a_damaged_table_is_named_in_words_and_costs_itself(
    change: Callable[[str], str], words: str, tmp_path: Path
) -> None:
    failed = spoilt(tmp_path / "raw", change)
    assert list(failed) == ["b.csv"] and words in failed["b.csv"]


def test_damaged_parquet_and_gzip_are_named_by_prepare_too(tmp_path: Path) -> None:
    folder = sound(tmp_path)
    ROWS.to_parquet(folder / "b.parquet")
    (folder / "b.parquet").write_bytes((folder / "b.parquet").read_bytes()[:900])
    (folder / "c.csv.gz").write_bytes(gzip.compress(b"object_id," * 5000)[:-30])
    (folder / "d.parquet").touch()
    units = {unit.id: unit.missing for unit in LightcurvesPipeline().plan([folder])}
    assert units["a.csv"] == () and all(
        "whole file" in units[name][0] for name in ("b.parquet", "c.csv.gz", "d.parquet")
    )
    for name in units:
        if name != "a.csv":
            with pytest.raises(UserError, match="light-curve files; got"):
                find_curves([folder / name])


def test_what_nobody_reads_is_counted_and_named(tmp_path: Path) -> None:
    folder = sound(tmp_path / "raw")
    (folder / "labels.csv").write_text("id,label\n3,SN\n")
    (folder / "notes.md").write_text("a night")
    (folder / "a_metadata.csv").write_text("object_id,target\n3,90\n8,42\n")  # read beside the table
    made = ConvertCommand(str(folder), str(tmp_path / "out")).run()
    assert (made["failed"], made["unread"]) == (0, 1)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["unread_files"] == [{"source": "labels.csv", "reason": recognise.NOBODYS}]
    writer, pipeline = MemoryUnitWriter(), LightcurvesPipeline()
    for unit in pipeline.plan([folder]):
        pipeline.process(unit, writer, 0)
    assert [(drop.id, drop.reason) for drop in writer.drops] == [("labels.csv", recognise.NOBODYS)]


def test_without_a_column_of_detections_no_epoch_has_the_flag_and_they_are_counted(tmp_path: Path) -> None:
    sound(tmp_path / "raw")
    ROWS.drop(columns="detected").to_csv(tmp_path / "raw" / "a.csv", index=False)
    made = ConvertCommand(str(tmp_path / "raw"), str(tmp_path / "out")).run()
    assert made["objects"] == 2
    assert made["counts"] == {"rows_without_flag_of_detection": 3, "rows_time_before_1880_is_it_MJD": 3}


def forever() -> None:
    with within_time(0.1):
        while True:
            pass


def test_a_look_at_a_file_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, look = sound(tmp_path), recognise.recognise
    ROWS.to_csv(folder / "b.csv", index=False)

    def slow(path: Path, *maps: object) -> object:
        while path.name == "b.csv":
            pass
        return look(path)

    monkeypatch.setattr(recognise, "LONGEST_LOOK", 0.2)
    monkeypatch.setattr(recognise, "recognise", slow)
    found = find_curves([folder])
    assert [source.damage for source in found.sources] == ["", "it was not looked through after 0.2 s"]
    with pytest.raises(TooSlowError, match=r"after 0\.1 s"):
        forever()


def packed(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


CURVE = b"time,band,mag,magerr\n59000,g,20,0.1\n59001,r,20,0.1\n"


def test_a_table_that_an_archive_swells_to_is_named_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(magnitude_files, "LARGE", 20_000)
    (tmp_path / "raw").mkdir()
    packed(
        tmp_path / "raw" / "a.tar.gz",
        {"n/a.csv": CURVE, "n/big.csv": CURVE + b"59002,g,20,0.1\n" * 90_000, "n/z.csv": CURVE},
    )
    made = ConvertCommand(str(tmp_path / "raw"), str(tmp_path / "out")).run()
    (failure,) = json.loads((tmp_path / "out" / "report.json").read_text())["failed_sources"]
    assert made["objects"] == 2 and failure["source"].endswith("a.tar.gz/n/big.csv")
    assert "unpack it first" in failure["reason"]


def test_a_packed_table_is_as_large_as_what_it_inflates_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.csv", "a.csv.gz"):
        path = tmp_path / name
        content = ROWS.to_csv(index=False).encode() + b"3,3.0,1,5.0,1.0,1\n" * 5000
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        monkeypatch.setattr(row_blocks, "LARGE", 50_000)
        assert row_blocks.is_large(path)
        monkeypatch.setattr(row_blocks, "LARGE", 32_000_000)
        assert not row_blocks.is_large(path)
    monkeypatch.setattr(inflating, "MOST_BYTES", 10)
    monkeypatch.setattr(inflating, "MOST_SWOLLEN", 1)
    with pytest.raises(UserError, match=r"a\.csv\.gz: more than \d+ bytes when it is inflated: unpack it first"):
        row_blocks.read_any(tmp_path / "a.csv.gz")


def test_damaged_archives_and_packets_are_failed_sources_of_their_own(tmp_path: Path) -> None:
    folder = sound(tmp_path / "raw")
    packed(folder / "b.tar.gz", {"a.csv": CURVE})
    (folder / "b.tar.gz").write_bytes((folder / "b.tar.gz").read_bytes()[:40])
    (folder / "c.avro").write_bytes(b"Obj\x01\xff\xff")
    made = ConvertCommand(str(folder), str(tmp_path / "out")).run()
    failed = json.loads((tmp_path / "out" / "report.json").read_text())["failed_sources"]
    assert [Path(lost["source"]).name for lost in failed] == ["b.tar.gz", "c.avro"] and made["unread"] == 0


def test_links_of_an_archive_are_failed_sources(tmp_path: Path) -> None:
    folder = sound(tmp_path / "raw")
    with tarfile.open(folder / "b.tar", "w") as archive:
        member = tarfile.TarInfo("n/other.csv")
        member.type, member.linkname = tarfile.SYMTYPE, "a.csv"
        archive.addfile(member)
        member = tarfile.TarInfo("n/a.csv")
        member.size = len(CURVE)
        archive.addfile(member, io.BytesIO(CURVE))
    made = ConvertCommand(str(folder), str(tmp_path / "out")).run()
    [failure] = json.loads((tmp_path / "out" / "report.json").read_text())["failed_sources"]
    assert failure["source"].endswith("n/other.csv") and failure["reason"].startswith("a link in an archive")
    assert made["objects"] == 3


def test_entries_that_are_no_files_are_unread_files(tmp_path: Path) -> None:
    folder = sound(tmp_path / "raw")
    os.mkfifo(folder / "pipe.dat")
    (folder / "lost.csv").symlink_to("nowhere")
    made = ConvertCommand(str(folder), str(tmp_path / "out")).run()
    unread = json.loads((tmp_path / "out" / "report.json").read_text())["unread_files"]
    assert {entry["source"] for entry in unread} == {"pipe.dat", "lost.csv"} and made["unread"] == 2


def test_parquet_that_is_damaged_inside_is_told_in_three_parts_without_a_librarys_words(tmp_path: Path) -> None:
    folder = sound(tmp_path / "raw")
    random = np.random.default_rng(3)
    ROWS.to_parquet(folder / "whole.parquet")
    whole = (folder / "whole.parquet").read_bytes()
    (folder / "whole.parquet").unlink()
    for number in range(12):
        content = bytearray(whole)
        for place in random.integers(4, len(whole) - 8, 30):
            content[place] = random.integers(256)
        (folder / f"b{number:02d}.parquet").write_bytes(bytes(content))
    ConvertCommand(str(folder), str(tmp_path / "out")).run()
    failed = json.loads((tmp_path / "out" / "report.json").read_text())["failed_sources"]
    reasons = [lost["reason"] for lost in failed]
    assert len(reasons) >= 8 and all(reason.startswith("expected ") and "To fix it: " in reason for reason in reasons)
    assert not [
        r for r in reasons if any(word in r for word in ("thrift", "deserialize", "Deserializ", "char ", "dict"))
    ]


def test_a_page_that_is_damaged_is_a_damaged_table(tmp_path: Path) -> None:
    assert of_parquet(OSError("Unexpected end of stream")) == "it ends too early"
    words = r"a whole parquet table; got a\.parquet: a header inside it"
    ROWS.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=words), reading_parquet(tmp_path / "a.parquet"):
        raise OSError("Couldn't deserialize thrift: don't know what type")


def test_names_of_objects_are_lines_of_text_of_some_length(tmp_path: Path) -> None:
    names = ["a\x1b[31m\tb", "b" * 2_000_000, "c"]
    table = pd.concat([ROWS.assign(object_id=name) for name in names])
    (tmp_path / "in").mkdir()
    table.to_parquet(tmp_path / "in" / "a.parquet")
    made = ConvertCommand(str(tmp_path / "in"), str(tmp_path / "out")).run()
    kept = pd.read_parquet(tmp_path / "out" / "objects")["object_id"].tolist()
    assert sorted(kept) == ["a\\x1b[31m\\x09b", "c"] and made["objects"] == 2
    [drop] = json.loads((tmp_path / "out" / "report.json").read_text())["drops"]
    assert (drop["object_id"], drop["reason"]) == ("b" * 60, "an id of more than 1000 characters")


ALERCE = json.dumps({"detections": [{"oid": "ZTF1", "mjd": 59000.0 + n, "fid": 1, "magpsf": 19.0} for n in range(400)]})


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".ndjson", ".json.gz", ".JSON"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a":' * 9000, "nested too deeply"),
        (b"not json", "no JSON (Expecting value, line 1)"),
        (b'{"a": 1}\n{"b": ', "no JSON (Expecting value, line 2)"),
        (ALERCE[:12].encode(), "no JSON"),
        (b"\xff\xfe{", "UTF-"),
        (b"", "a text without a document"),
        (b'{"mine": 1}', recognise.NOBODYS),
    ],
)
def test_json_that_nobody_reads_is_named_with_the_reason(
    content: bytes, words: str, ending: str, tmp_path: Path
) -> None:
    folder = sound(tmp_path / "raw")
    (folder / f"b{ending}").write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)
    (folder / "made_by.json").write_text("{}")  # a note of ours
    found = find_curves([folder])
    assert [path.name for path in found.unread] == [f"b{ending}"]
    assert words in found.unread[folder / f"b{ending}"]
    with pytest.raises(UserError, match="a light-curve file") as told:
        find_curves([folder / f"b{ending}"])
    assert words in told.value.got or words == recognise.NOBODYS


# The forms in which ALeRCE, Lasair and the Open Supernova Catalog answer.
POINT = {"candid": 1, "jd": 2459350.7, "mjd": 59350.2, "fid": 1, "magpsf": 18.2, "sigmapsf": 0.1, "isdiffpos": "t"}
LIMIT = {"jd": 2459349.7, "mjd": 59349.2, "fid": 1, "diffmaglim": 20.1}
MAGNITUDE = {"time": "55797.2", "band": "g", "magnitude": "17.35", "e_magnitude": "0.01", "u_time": "MJD"}
ANSWERS = {
    "alerce": {"detections": [{"oid": "ZTF1", **POINT}] * 9, "non_detections": [{"oid": "ZTF1", **LIMIT}] * 9},
    "lasair": {"objectId": "ZTF1", "objectData": {"ramean": 1.0}, "candidates": [POINT, LIMIT] * 9},
    "osc": {"SN2011fe": {"name": "SN2011fe", "claimedtype": [{"value": "Ia"}], "photometry": [MAGNITUDE] * 9}},
}


@pytest.mark.parametrize("ending", [".json", ".json.gz"])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers_of_brokers_that_are_cut_short_are_named(name: str, ending: str, tmp_path: Path) -> None:
    given = json.dumps(ANSWERS[name]).encode()
    for share in (0.001, 0.3, 0.97):
        folder = sound(tmp_path / f"raw{share}")
        cut = given[: int(len(given) * share) + 1]
        packed = gzip.compress(given)
        kept = packed[: int(len(packed) * share) + 1] if ending.endswith(".gz") else cut
        (folder / f"b{ending}").write_bytes(kept)
        ConvertCommand(str(folder), str(tmp_path / f"out{share}")).run()
        report = json.loads((tmp_path / f"out{share}" / "report.json").read_text())
        dropped = [{"source": one["object_id"], **one} for one in report["drops"]]
        named = [*report["failed_sources"], *report["unread_files"], *dropped]
        assert [Path(one["source"]).name for one in named] == [f"b{ending}"] and named[0]["reason"], share
        assert named[0]["reason"] != recognise.NOBODYS


@pytest.mark.parametrize("ending", ["dat.gz", "DAT", "txt.gz", "FITS.GZ"])
def test_whole_files_of_a_readable_ending_are_named_too(ending: str, tmp_path: Path) -> None:
    folder = sound(tmp_path)
    content = b"a line of somebody's\n" * 3
    (folder / f"b.{ending}").write_bytes(gzip.compress(content) if ending.lower().endswith("gz") else content)
    assert [path.name for path in find_curves([folder]).unread] == [f"b.{ending}"]


def test_gzipped_answers_of_a_broker_are_read_as_plain_ones(tmp_path: Path) -> None:
    rows = [{"oid": "ZTF1", **POINT, "mjd": 59000.0 + n} for n in range(5)]
    tables = []
    for ending in ("json", "json.gz"):
        content = json.dumps({"detections": rows, "non_detections": []}).encode()
        (tmp_path / ending).mkdir()
        path = tmp_path / ending / f"ZTF1.{ending}"
        path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
        (source,) = find_curves([path.parent]).sources
        tables += list(source.read(Account()))
    assert np.array_equal(tables[0].flux, tables[1].flux) and len(tables[0].flux) == 5
