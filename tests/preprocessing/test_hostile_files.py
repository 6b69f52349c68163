"""Files that somebody made to do harm, or that a disk made by chance: each kind is told of in words."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import fastavro
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from astropy.io import fits
from made.alerts import SCHEMA, make_packet

from astrid_ml.errors import UserError
from astrid_ml.executors import memory
from astrid_ml.files import read_arrays
from astrid_ml.pipeline.contract import process
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.alerts.stamp_fits import StampError, open_fits
from astrid_ml.preprocessing.differencing.commands.difference import DifferenceCommand
from astrid_ml.preprocessing.differencing.commands.inject import InjectCommand
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.preprocessing.differencing.grid.resample import self_products
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.preprocessing.roman.job.find import FieldLists
from astrid_ml.preprocessing.roman.job.frames import ImageError, open_plane
from astrid_ml.preprocessing.roman.job.old_dataset import plan
from astrid_ml.table_files import read_parquet
from astrid_ml.taxonomy import load_taxonomy


def packet() -> bytes:
    stream = io.BytesIO()
    fastavro.writer(stream, SCHEMA, [make_packet(1, True)])
    return stream.getvalue()


def pack(path: Path, **members: bytes) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name.replace("__", "."))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def read(path: Path) -> MemoryUnitWriter:
    pipeline = AlertsPipeline()
    writer = MemoryUnitWriter(pipeline.describe())
    for unit in pipeline.plan([path]):
        process(pipeline, unit, writer, 0)
    return writer


@pytest.mark.parametrize("ending", ["tar", "tar__gz", "tgz", "zip"])
def test_what_is_packed_once_more_is_named_and_the_others_are_read(ending: str, tmp_path: Path) -> None:
    pack(tmp_path / "a.tar", one__avro=packet(), **{f"b__{ending}": gzip.compress(packet())})
    writer = read(tmp_path / "a.tar")
    assert len(writer.table()) == 1
    assert [(drop.id, "unpack it first" in drop.reason) for drop in writer.drops] == [
        (f"b.{ending}".replace("__", "."), True)
    ]


def test_packets_that_are_compressed_once_inside_an_archive_are_read(tmp_path: Path) -> None:
    pack(tmp_path / "a.tar", one__avro=packet(), two__avro__gz=gzip.compress(packet()))
    writer = read(tmp_path / "a.tar")
    assert len(writer.table()) == 2 and not writer.drops
    pack(tmp_path / "a.tar", one__avro=packet(), two__avro__gz=gzip.compress(gzip.compress(packet())))
    assert ["unpack it first" in drop.reason for drop in read(tmp_path / "a.tar").drops] == [True]


def test_an_archive_without_packets_is_named(tmp_path: Path) -> None:
    pack(tmp_path / "a.tar", readme__txt=b"nothing")
    assert [drop.reason for drop in read(tmp_path / "a.tar").drops] == [
        "an archive without packets (files named .avro or .json)"
    ]


def test_members_of_an_archive_are_never_written_or_followed(tmp_path: Path) -> None:
    """Names that lead elsewhere, links, devices: what is no file is passed over, and nothing appears on the disk."""
    inside = tmp_path / "in"
    inside.mkdir()
    with tarfile.open(inside / "a.tar", "w") as archive:
        for name in ("../../up.avro", "/absolute.avro", "a\udcffb.avro", "x" * 300 + ".avro"):
            member = tarfile.TarInfo(name)
            member.size = len(packet())
            archive.addfile(member, io.BytesIO(packet()))
        for kind, name in ((tarfile.SYMTYPE, "link.avro"), (tarfile.CHRTYPE, "dev.avro"), (tarfile.FIFOTYPE, "f.avro")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    before = sorted(tmp_path.rglob("*"))
    assert len(read(inside / "a.tar").table()) == 4
    assert sorted(tmp_path.rglob("*")) == before


def test_an_archive_of_curves_may_begin_with_its_table_of_objects(tmp_path: Path) -> None:
    curve = b"time,mag,magerr,band\n58000,20.0,0.1,g\n"
    pack(tmp_path / "set.tar", bts__csv=b"ZTFID,type\nZTF1,SN Ia\n", **{"curves/ZTF1__csv": curve})
    (source,) = find_curves([tmp_path]).sources
    assert source.path.name == "set.tar"


def header(**cards: object) -> bytes:
    text = "".join(f"{key:8s}= {value!s:>20s}".ljust(80) for key, value in {"SIMPLE": "T", **cards}.items())
    return (text + "END").ljust(2880).encode()


def test_cutouts_and_images_of_jobs_that_declare_what_is_not_there_cost_no_time(tmp_path: Path) -> None:
    content = header(BITPIX=-32, NAXIS=10**9) + bytes(2880)
    with pytest.raises(StampError):
        open_fits(content)
    (tmp_path / "a.fits").write_bytes(content)
    with pytest.raises(ImageError, match="NAXIS = 1000000000"):
        open_plane(tmp_path / "a.fits")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"FIELD MJD JOB\n1 2 3 4 5\n1 2 3 4 5 6 7\n", b"a,b\n1,2,3,4\n1\n"]
)
def test_damaged_tables_of_jobs_are_told_in_words(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(UserError):
        FieldLists((str(tmp_path / "list.txt"),)).chosen()
    with pytest.raises(UserError):
        plan(tmp_path / "list.txt")


def test_a_tree_in_another_encoding_and_an_archive_of_an_unknown_compression(tmp_path: Path) -> None:
    (tmp_path / "tree.yaml").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        load_taxonomy(str(tmp_path / "tree.yaml"))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", b"content")
    changed = (
        (tmp_path / "a.npz")
        .read_bytes()
        .replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x63\x00")
    )
    (tmp_path / "a.npz").write_bytes(changed)
    with pytest.raises(UserError, match="damaged"):
        read_arrays(tmp_path / "a.npz", ("x",))


def frame(path: Path, **cards: object) -> Path:
    sky = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 5.0, "CDELT1": -3e-4, "CDELT2": 3e-4}
    image = np.random.default_rng(1).normal(100, 5, (96, 96)).astype(np.float32)
    fits.writeto(path, image, fits.Header({**sky, **cards}))
    return path


def test_sources_brighter_than_photons_can_be_drawn_for_are_refused(tmp_path: Path) -> None:
    path = frame(tmp_path / "a.fits")
    fits.writeto(tmp_path / "psf.fits", np.pad(np.ones((3, 3), np.float32), 1))
    pd.DataFrame({"x": [40.0], "y": [50.0], "flux": [1e30]}).to_csv(tmp_path / "p.csv", index=False)
    science = Frame(str(path), psf=str(tmp_path / "psf.fits"), gain=2.0)
    with pytest.raises(UserError, match="e- in one pixel"):
        InjectCommand(science, str(tmp_path / "out"), positions=str(tmp_path / "p.csv")).run()


@pytest.fixture
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 700 MB left."""
    monkeypatch.setattr(memory, "total", lambda: 1_000_000_000)
    monkeypatch.setattr(memory, "available", lambda: 740_000_000)


@pytest.mark.usefixtures("small_machine")
@pytest.mark.parametrize("bits", [8, 16, -32])
def test_a_sparse_frame_of_its_true_size_is_refused_before_it_is_read(bits: int, tmp_path: Path) -> None:
    path, good = tmp_path / "huge.fits", frame(tmp_path / "good.fits")
    with path.open("wb") as file:
        file.write(header(BITPIX=bits, NAXIS=2, NAXIS1=200_000, NAXIS2=200_000, BZERO=32768.0))
        file.truncate(2880 + 200_000 * 200_000 * abs(bits) // 8 // 2880 * 2880 + 2880)
    for command in (
        DifferenceCommand(Frame(str(path)), Frame(str(good)), str(tmp_path / "out")),
        InjectCommand(Frame(str(path)), str(tmp_path / "out")),
    ):
        with pytest.raises(UserError, match=r"320\.0 GB in memory, and 0\.7 GB are free"):
            command.run()
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("small_machine")
def test_tiles_that_inflate_beyond_memory_are_refused_while_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.fits"
    tiles = fits.CompImageHDU(np.zeros((40, 40), np.int32), compression_type="GZIP_1", tile_shape=(40, 40))
    fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(tmp_path / "tile.fits")
    bomb = np.empty(1, object)
    bomb[0] = np.frombuffer(gzip.compress(bytes(250_000_000), 1) * 8, np.uint8)
    with fits.open(tmp_path / "tile.fits", disable_image_compression=True) as hdus:
        old = hdus[1].header
        table = fits.BinTableHDU.from_columns([fits.Column("COMPRESSED_DATA", "1QB", array=bomb)])
        for card in old.cards:
            if card.keyword.startswith("Z"):
                table.header.append(card)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    with pytest.raises(UserError, match="fits into this machine's memory"):
        DifferenceCommand(Frame(str(path)), Frame(str(frame(tmp_path / "good.fits"))), str(tmp_path / "out")).run()
    assert LoadFits()(Frame(str(tmp_path / "good.fits"))).shape == (96, 96)  # nothing is bounded any more


def test_files_with_names_in_another_encoding_cost_themselves(tmp_path: Path) -> None:
    try:
        (tmp_path / "a\udcff.avro").write_bytes(packet())
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system holds no such names")
    (tmp_path / "b.avro").write_bytes(packet())
    [unit] = AlertsPipeline().plan([tmp_path])
    assert [path.name for path in unit.inputs] == ["b.avro"]
    with pytest.raises(UserError, match="names are text in UTF-8") as said:
        AlertsPipeline().plan([tmp_path / "a\udcff.avro"])
    assert "a\\udcff.avro" in said.value.got


def test_texts_that_are_no_utf8_are_refused_before_somebody_looks_at_them(tmp_path: Path) -> None:
    good = pa.table({"id": ["abc", "def"], "x": [1.0, 2.0]})
    buffers = [None, pa.py_buffer(np.array([0, 3, 6], np.int32)), pa.py_buffer(b"ab\xffdef")]
    pq.write_table(good.set_column(0, "id", pa.Array.from_buffers(pa.string(), 2, buffers)), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="UTF8"):
        read_parquet(tmp_path / "a.parquet")


def test_a_wcs_that_puts_pixels_nowhere_is_refused_in_words() -> None:
    with pytest.raises(UserError, match="places that are no numbers"):
        self_products(torch.tensor([0.1]), torch.tensor([float("nan")]), 3)
