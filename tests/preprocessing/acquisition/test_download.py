"""Files that come whole or not at all, whatever the server does."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
from made.archive_server import Clients, PlayedArchive

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Product
from astrid_ml.preprocessing.acquisition.client.coding import pieces_of
from astrid_ml.preprocessing.acquisition.client.download import PIECE, fetch, part_of
from astrid_ml.preprocessing.acquisition.client.errors import AbsentError, ArchiveError, CorruptError, HostError
from astrid_ml.preprocessing.acquisition.client.room import DiskRoom
from astrid_ml.preprocessing.acquisition.client.whole_fits import refuse_no_fits
from astrid_ml.preprocessing.acquisition.files.bring import BringFiles

Usage = namedtuple("Usage", "total used free")


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}"


@pytest.mark.parametrize(
    "faults", [[], ["die"], ["die", "die"], [503, "die", 429], ["html"], ["flip"], ["slow"], ["short"]]
)
def test_a_file_comes_whole(
    faults: list[int | str], played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    played.files["/a.fits"], played.faults["/a.fits"] = image, faults
    came: list[int] = []
    path = tmp_path / "in" / "a.fits"
    fetch(client_of(), f"{played.url}/a.fits", path, len(image), md5(image), told=came.append)
    assert path.read_bytes() == image and [one.name for one in path.parent.iterdir()] == ["a.fits"]
    asked = played.asked["/a.fits"]
    fetch(client_of(), f"{played.url}/a.fits", path, len(image), md5(image))
    assert played.asked["/a.fits"] == asked
    if faults == ["die"]:
        assert [begin for _, begin in played.ranges] == [PIECE * (len(image) // 2 // PIECE)] and sum(came) == len(image)


def test_without_a_version_or_checksum_nothing_is_appended(
    played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    played.validators = False
    played.files["/a.fits"], played.faults["/a.fits"] = image, ["die"]
    fetch(client_of(), f"{played.url}/a.fits", tmp_path / "a.fits", len(image))
    assert played.ranges == [] and (tmp_path / "a.fits").read_bytes() == image
    played.faults["/a.fits"] = ["die"]
    fetch(client_of(), f"{played.url}/a.fits", tmp_path / "b.fits", len(image), md5(image))
    assert len(played.ranges) == 1 and (tmp_path / "b.fits").read_bytes() == image


def test_another_version_of_the_file_begins_anew(
    played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    played.files["/a.fits"], played.faults["/a.fits"] = image, ["die"]
    with pytest.raises(ArchiveError, match=f"of {len(image)} bytes"):
        fetch(client_of(tries=1), f"{played.url}/a.fits", tmp_path / "a.fits")
    assert 0 < part_of(tmp_path / "a.fits").stat().st_size < len(image)
    other = image[:-8] + b"\x01" * 8
    played.files["/a.fits"] = other
    fetch(client_of(), f"{played.url}/a.fits", tmp_path / "a.fits")
    assert (tmp_path / "a.fits").read_bytes() == other


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>no</html>", "a page of HTML"),
        (b"", "no FITS file"),
        (b"SIMPLE  =                    T" + b" " * 50, "whole FITS file"),
        (gzip.compress(b"x" * 9999, mtime=0), "no FITS file"),
    ],
    ids=["html", "empty", "header", "gzip"],
)
def test_what_is_no_fits_file_never_counts(
    content: bytes, words: str, played: PlayedArchive, client_of: Clients, tmp_path: Path
) -> None:
    played.files["/a.fits"] = content
    with pytest.raises(ArchiveError, match=words):
        fetch(client_of(), f"{played.url}/a.fits", tmp_path / "a.fits")
    assert played.asked["/a.fits"] == 4 and not (tmp_path / "a.fits").exists()


def test_a_gzip_file_cut_short_is_found(image: bytes, tmp_path: Path) -> None:
    zipped = gzip.compress(image)
    (tmp_path / "a.gz").write_bytes(zipped)
    refuse_no_fits(tmp_path / "a.gz")
    for damage in (zipped[:-4], zipped[: len(zipped) // 2], zipped[:-6] + bytes([zipped[-6] ^ 1]) + zipped[-5:]):
        (tmp_path / "a.gz").write_bytes(damage)
        with pytest.raises(CorruptError):
            refuse_no_fits(tmp_path / "a.gz")


def test_a_length_or_checksum_that_the_archive_did_not_promise(
    played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    played.files["/a.fits"] = image
    with pytest.raises(CorruptError, match=f"expected 7 bytes; got {len(image)} bytes"):
        fetch(client_of(), f"{played.url}/a.fits", tmp_path / "a.fits", 7)
    with pytest.raises(CorruptError, match="the md5 00"):
        fetch(client_of(), f"{played.url}/a.fits", tmp_path / "a.fits", checksum="md5:00")
    assert list(tmp_path.glob("a.fits")) == []


def test_absent_files_and_foreign_hosts(played: PlayedArchive, client_of: Clients, tmp_path: Path) -> None:
    with pytest.raises(AbsentError):
        fetch(client_of(), f"{played.url}/none.fits", tmp_path / "a.fits")
    assert played.asked["/none.fits"] == 1
    played.redirects["/b.fits"] = "http://example.org/b.fits"
    with pytest.raises(HostError):
        fetch(client_of(), f"{played.url}/b.fits", tmp_path / "a.fits")


def test_room_is_asked_for_before_and_during(
    played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played.files["/a.fits"] = image
    with pytest.raises(UserError, match="within its budget"):
        fetch(client_of(), f"{played.url}/a.fits", tmp_path / "a.fits", room=DiskRoom(tmp_path, budget=100))
    room = DiskRoom(tmp_path, keep_free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 1000))
    with pytest.raises(UserError, match="make room"):
        room.ask(1)
    room.ask(0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 999))
    with pytest.raises(UserError, match="make room"):
        room.take(1 << 25)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_in_words(played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path) -> None:
    played.files["/a.fits"] = image
    part_of(tmp_path / "a.fits").symlink_to("/dev/full")
    with pytest.raises(UserError, match="room on the disk"):
        fetch(client_of(), f"{played.url}/a.fits", tmp_path / "a.fits")


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_it_goes_on(seed: int, played: PlayedArchive, image: bytes, tmp_path: Path) -> None:
    played.files["/a.fits"] = image
    played.faults["/a.fits"] = ["slow"]
    code = f"""
from pathlib import Path
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.coding import pieces_of
from astrid_ml.preprocessing.acquisition.client.download import fetch
client = ArchiveClient(hosts={{"{played.host}": 1000.0}})
print("begun", flush=True)
fetch(client, "{played.url}/a.fits", Path({str(tmp_path / "a.fits")!r}), checksum="{md5(image)}")
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=dict(os.environ))
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.1 + 0.15 * seed)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert (tmp_path / "a.fits").read_bytes() == image
    assert not list(tmp_path.glob(".a.fits*"))


@pytest.mark.parametrize("zipped", [True, False], ids=["lies zipped", "zipped on the way"])
def test_encoded_transfers_leave_the_files_own_bytes(
    zipped: bool, played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    """``a.fits.gz`` that is called coded is the file itself; a plain file that is coded on its way is unpacked."""
    sent, name = gzip.compress(image), "a.fits.gz" if zipped else "a.fits"
    wanted = sent if zipped else image
    played.pages[f"/{name}"] = lambda *_: (200, {"Content-Encoding": "gzip"}, sent)
    fetch(client_of(), f"{played.url}/{name}", tmp_path / name, len(wanted), md5(wanted))
    assert (tmp_path / name).read_bytes() == wanted


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "x\x1b"])
def test_other_codings_are_refused(
    coding: str, played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    played.pages["/a.fits"] = lambda *_: (200, {"Content-Encoding": coding}, image)
    with pytest.raises(ArchiveError, match="Content-Encoding"):
        fetch(client_of(), f"{played.url}/a.fits", tmp_path / "a.fits")


def test_a_file_that_unpacks_to_more_than_was_promised_stops_there(
    played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    bomb = gzip.compress(bytes(200_000_000), 1)
    played.pages["/a.fits"] = lambda *_: (200, {"Content-Encoding": "gzip"}, bomb)
    room = DiskRoom(tmp_path, budget=10 * len(image), keep_free=0)
    with client_of().session.get(f"{played.url}/a.fits", stream=True) as response:
        sizes = {len(piece) for _, piece in zip(range(50), pieces_of(response, "gzip", PIECE), strict=False)}
    assert max(sizes) <= PIECE  # however much a piece unpacks to
    with pytest.raises(CorruptError, match="got more"):
        fetch(client_of(tries=2), f"{played.url}/a.fits", tmp_path / "a.fits", len(image), room=room)
    assert room.taken == 0 and not list(tmp_path.glob(".a*"))


def test_a_file_without_length_or_end_stops_at_what_was_promised(
    played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    played.pages["/a.fits"] = lambda *_: (200, {}, image)
    played.drips["/a.fits"] = 100.0
    with pytest.raises(CorruptError, match="got more"):
        fetch(client_of(tries=1), f"{played.url}/a.fits", tmp_path / "a.fits", len(image))
    for played.drop in (2, 5000):
        begun = time.monotonic()
        with pytest.raises(ArchiveError, match="time is over"):
            fetch(client_of(deadline=0.4), f"{played.url}/a.fits", tmp_path / "b.fits")
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("size", [0, -1, None])
def test_a_size_that_stands_for_none_is_none(
    size: int | None, played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    played.files["/a.fits"] = image
    product = Product("one", "a.fits", f"{played.url}/a.fits", bytes=size)
    assert product.bytes is None and Observation("own", "ztf", "r", "a", 1.0, 2.0, bytes=size).bytes is None
    done = BringFiles(client_of(), keep_free=0)([product], tmp_path)
    assert done.files[product].read_bytes() == image and not done.failed


def test_a_file_that_came_twice_counts_once(
    played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    played.files["/a.fits"], played.faults["/a.fits"] = image, ["flip", "flip"]
    room = DiskRoom(tmp_path, budget=len(image) + 10, keep_free=0)
    fetch(client_of(), f"{played.url}/a.fits", tmp_path / "a.fits", len(image), md5(image), room)
    assert room.taken == len(image)
