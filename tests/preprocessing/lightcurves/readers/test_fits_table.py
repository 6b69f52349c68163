"""The streaming reader of binary tables against astropy, and on files that are damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.readers.fits_table import open_table, read_columns
from astrid_ml.preprocessing.lightcurves.readers.snana import TextCodes

ROWS = 70_001  # more than two blocks


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    columns = [
        fits.Column("D", "D", array=random.normal(size=ROWS)),
        fits.Column("E", "1E", array=random.normal(size=ROWS)),
        fits.Column("K", "K", array=random.integers(-(2**60), 2**60, ROWS)),
        fits.Column("U", "J", bzero=2**31, array=random.integers(0, 2**32, ROWS, dtype=np.uint32)),
        fits.Column("S", "E", bscale=0.5, bzero=3.0, array=np.arange(ROWS) % 100 * 0.5 + 3.0),
        fits.Column("V", "3I", array=random.integers(-5, 5, (ROWS, 3))),
        fits.Column("B", "B", array=random.integers(0, 255, ROWS, dtype=np.uint8)),
        fits.Column("T", "20A", array=random.choice(["g ", "CSP-B/e", "a name of 20 letters"], ROWS)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="Photometry")
    primary = fits.PrimaryHDU(np.zeros((7, 5), dtype=np.float32))
    primary.header["SURVEY"] = "it's LSST"
    primary.header["LONG"] = "word " * 30 + "end"
    primary.header["NUMBER"] = -1.5e3
    path = tmp_path_factory.mktemp("fits") / "a.FITS"
    fits.HDUList([primary, fits.ImageHDU(np.zeros((3, 1000))), table]).writeto(path)
    return path


@pytest.mark.parametrize("zipped", [False, True])
def test_columns_equal_astropys(plain: Path, tmp_path: Path, zipped: bool) -> None:
    path = plain
    if zipped:
        path = tmp_path / "a.fits.gz"
        path.write_bytes(gzip.compress(plain.read_bytes(), 1))
    with open_table(path) as table:
        assert table.header["SURVEY"] == "it's LSST"
        assert table.header["LONG"] == "word " * 30 + "end"
        assert table.header["NUMBER"] == -1500.0
        assert table.header["EXTNAME"] == "PHOTOMETRY"
        mine = read_columns(table, table.names)
    theirs = Table.read(plain, hdu=2)
    for name in theirs.colnames:
        values = np.asarray(theirs[name])
        assert mine[name].dtype.isnative
        if name == "T":
            assert [text.decode().strip() for text in mine[name]] == [str(text).strip() for text in values.astype(str)]
        else:
            assert np.array_equal(mine[name], values)


def test_names_are_numbered_alike_over_blocks() -> None:
    codes = TextCodes()
    first = codes.encode(np.array([b"r  ", b"CSP-B/e", b"r"], dtype="S20"))
    second = codes.encode(np.array([b"z", b"CSP-B/e ", b"r  "], dtype="S20"))
    assert codes.names == ["r", "CSP-B/e", "z"]
    assert [*first.tolist(), *second.tolist()] == [0, 1, 0, 2, 1, 0]
    assert codes.encode(np.array([], dtype="S2")).tolist() == []


def test_damage_is_said(plain: Path, tmp_path: Path) -> None:
    whole = plain.read_bytes()
    cut, text, image = tmp_path / "cut.fits", tmp_path / "text.fits", tmp_path / "image.fits"
    cut.write_bytes(whole[: len(whole) // 2])
    text.write_bytes(b"VERSION: none\n" * 500)
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(image)
    with pytest.raises(UserError, match=r"declares \d+ bytes of data, and \d+ are there"), open_table(cut) as table:
        read_columns(table, ["D"])
    for path, reason in ((text, "SIMPLE"), (image, "binary table")):
        with pytest.raises(UserError, match=reason), open_table(path):
            pass
    broken = tmp_path / "layout.fits"
    broken.write_bytes(whole.replace(b"TFORM1  = 'D ", b"TFORM1  = 'E ", 1))
    with pytest.raises(UserError, match="NAXIS1"), open_table(broken):
        pass


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("NAXIS2", 10**12, "are there"),
        ("NAXIS2", -1, "NAXIS2 = -1"),
        ("NAXIS1", -4, "NAXIS1 = -4"),
        ("NAXIS1", 10**15, "are there"),
        ("PCOUNT", 10**15, "are there"),
        ("TFIELDS", -1, "TFIELDS = -1"),
        ("TFIELDS", 10**9, "TFIELDS = 1000000000"),
    ],
)
def test_a_table_that_its_file_cannot_hold_is_refused_by_its_header(
    plain: Path, tmp_path: Path, key: str, value: int, said: str, zipped: bool
) -> None:
    content = bytearray(plain.read_bytes())
    place = content.rindex(key.ljust(8).encode() + b"=")
    content[place : place + 80] = f"{key:8s}= {value:>20d}".ljust(80).encode()
    path = tmp_path / ("a.fits.gz" if zipped else "a.fits")
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    with pytest.raises(UserError, match="a whole FITS file with a binary table") as told, open_table(path):
        pass
    assert said in told.value.got and "fetch it again" in told.value.fix


def test_a_zipped_table_that_is_cut_off_says_at_which_row(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.fits.gz"
    path.write_bytes(gzip.compress(plain.read_bytes()[:-500_000], 1))
    with pytest.raises(UserError, match="ends at row"), open_table(path) as table:
        read_columns(table, ["D"])
