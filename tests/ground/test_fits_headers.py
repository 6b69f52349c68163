"""A FITS file that declares more than it holds is refused by its headers alone."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from astrid_ml import inflating
from astrid_ml.errors import UserError
from astrid_ml.fits_headers import (
    LONGEST,
    MOST_UNITS,
    RECORD,
    DamagedFitsError,
    data_size,
    memory_size,
    open_checked,
    refuse_impossible,
)


def written(path: Path) -> bytes:
    """A file of an empty primary unit, an image, a compressed image, a table with a heap."""
    rows = np.array([np.arange(3), np.arange(5)], dtype=object)
    table = fits.BinTableHDU.from_columns([fits.Column("v", "PJ()", array=rows)])
    image = np.arange(40.0, dtype=np.float32).reshape(5, 8)
    units = [fits.PrimaryHDU(), fits.ImageHDU(image), fits.CompImageHDU(image), table]
    fits.HDUList(units).writeto(path)
    return path.read_bytes()


def cards(**values: object) -> bytes:
    """A primary header and one record of data."""
    text = "".join(f"{key:8s}= {value!s:>20s}".ljust(80) for key, value in {"SIMPLE": "T", **values}.items())
    return (text + "END").ljust(2880).encode() + bytes(2880)


@pytest.mark.parametrize("behind", [b"", b"something else" * 300])
@pytest.mark.parametrize("zipped", [False, True])
def test_whole_files_pass_and_astropy_finds_all_units(behind: bytes, zipped: bool, tmp_path: Path) -> None:
    content = written(tmp_path / "a.fits") + behind
    path = tmp_path / "b.fits"
    path.write_bytes(gzip.compress(content) if zipped else content)
    refuse_impossible(path)
    with warnings.catch_warnings(), fits.open(path) as units:
        warnings.simplefilter("ignore")
        assert len(units) >= 4


def test_the_last_padding_may_be_missing_and_not_a_byte_more(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    fits.writeto(path, np.zeros((64, 64), np.float32))
    whole = path.read_bytes()[: 2880 + 64 * 64 * 4]
    path.write_bytes(whole)
    refuse_impossible(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(UserError, match="16383 are there"):
        refuse_impossible(path)


def test_a_file_that_is_cut_off_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "cut.fits"
    fits.writeto(path, np.zeros((64, 64), np.float32))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(UserError, match="declares 16384 bytes of data, and 6120 are there"):
        refuse_impossible(path)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"BITPIX": -32, "NAXIS": 3, "NAXIS1": -1, "NAXIS2": 64, "NAXIS3": 20}, "NAXIS1 = -1"),
        ({"BITPIX": -32, "NAXIS": 10**9}, "NAXIS = 1000000000"),
        ({"BITPIX": 8, "NAXIS": 3, "NAXIS1": 10**9, "NAXIS2": 10**9, "NAXIS3": 10**9}, "1" + "0" * 27 + " bytes"),
        ({"BITPIX": 7, "NAXIS": 1, "NAXIS1": 1}, "BITPIX = 7"),
        ({"BITPIX": 8, "NAXIS": 1}, "NAXIS1 = None"),
        ({"BITPIX": 8, "NAXIS": 1, "NAXIS1": "1.5"}, "NAXIS1 = 1.5"),
        ({"BITPIX": 8, "NAXIS": 1, "NAXIS1": 1, "PCOUNT": -9}, "PCOUNT = -9"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_impossible_headers_are_named(header: dict[str, object], said: str, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    path.write_bytes(gzip.compress(cards(**header)) if zipped else cards(**header))
    with pytest.raises(UserError, match="a whole FITS file") as told:
        refuse_impossible(path)
    assert said in told.value.got


def test_a_header_without_an_end_is_not_read_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "endless.fits.gz"
    path.write_bytes(gzip.compress(b"SIMPLE  =                    T".ljust(80) + b"COMMENT ".ljust(80) * 1_000_000))
    with pytest.raises(UserError, match="a header without an end"):
        refuse_impossible(path)


@given(st.lists(st.integers(0, 5), max_size=4), st.sampled_from([8, 16, 32, 64, -32, -64]))
def test_sizes_are_astropys(axes: list[int], bits: int) -> None:
    header = fits.Header([("SIMPLE", True), ("BITPIX", bits), ("NAXIS", len(axes))])
    for number, length in enumerate(axes, 1):
        header[f"NAXIS{number}"] = length
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert data_size(dict(header)) == header.data_size


@pytest.mark.parametrize("zipped", [False, True])
def test_a_unit_that_memory_cannot_hold_is_refused_by_its_size_as_floats(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    fits.writeto(path, np.zeros((50, 60), np.int16))
    content = path.read_bytes()
    path.write_bytes(gzip.compress(content) if zipped else content)
    refuse_impossible(path, 24_000)
    with pytest.raises(UserError, match="fits into this machine's memory") as said:
        refuse_impossible(path, 23_999)
    assert "a unit of it takes" in said.value.got and "are free" in said.value.got
    assert "more memory" in said.value.fix


def test_compressed_images_count_by_their_pixels_not_by_their_bytes(tmp_path: Path) -> None:
    image = np.zeros((1000, 2000), np.int16)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(image)]).writeto(tmp_path / "a.fits")
    tiles = dict(fits.getheader(tmp_path / "a.fits", 1, disable_image_compression=True))
    assert data_size(tiles) < 100_000
    assert memory_size(tiles) == 8 * image.size
    assert memory_size({"BITPIX": 8, "NAXIS": 2, "NAXIS1": 10, "NAXIS2": 10}) == 800
    assert memory_size({"BITPIX": 8, "NAXIS": 0}) == 0


@pytest.mark.parametrize("zipped", [False, True])
def test_units_and_bytes_without_number_are_refused(zipped: bool, tmp_path: Path) -> None:
    empty = fits.ImageHDU().header.tostring().encode()
    first = written(tmp_path / "first.fits")
    path = tmp_path / "a.fits"
    for behind, said in ((empty * MOST_UNITS, "units"), (bytes((LONGEST + 2) * RECORD), "behind its last unit")):
        content = first + behind
        path.write_bytes(gzip.compress(content, 1) if zipped else content)
        with pytest.raises(UserError, match=said):
            refuse_impossible(path)


def test_a_damaged_gzip_file_is_refused_and_one_with_something_behind_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.fits.gz"
    packed = gzip.compress(written(tmp_path / "first.fits"))
    path.write_bytes(packed + b"something")
    refuse_impossible(path)
    path.write_bytes(packed[:-8] + bytes(8))  # its own sums disagree with what is in it
    with pytest.raises(UserError, match="a whole FITS file"):
        refuse_impossible(path)
    short = cards(BITPIX=8, NAXIS=1, NAXIS1=100_000)
    path.write_bytes(gzip.compress(short))
    with pytest.raises(UserError, match="are there"):
        refuse_impossible(path)


@pytest.mark.parametrize(("name", "value", "sound"), [
    ("BYTEPIX", 4, True), ("BYTEPIX", -1, False), ("BYTEPIX", 10**9, False), ("BYTEPIX", None, False),
    ("BLOCKSIZE", 32, True), ("BLOCKSIZE", 0, False), ("BLOCKSIZE", 10**9, False), ("SMOOTH", -5, True),
])  # fmt: skip
def test_parameters_of_a_compression_that_crash_its_decoder_are_refused(name: str, value: object, sound: bool) -> None:
    header: dict[str, object] = {
        "XTENSION": "BINTABLE",
        "BITPIX": 8,
        "NAXIS": 2,
        "NAXIS1": 8,
        "NAXIS2": 4,
        "ZIMAGE": True,
        "ZNAXIS": 0,
    }
    header |= {"ZNAME1": name} | ({} if value is None else {"ZVAL1": value})
    if sound:
        assert memory_size(header) == 32
    else:
        with pytest.raises(DamagedFitsError, match=name if value is None or name == "BYTEPIX" else "ZVAL1"):
            memory_size(header)


def test_pixels_that_no_header_declares_before_a_further_unit(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    units = [fits.PrimaryHDU(np.zeros((64, 64), np.float32)), fits.ImageHDU(np.ones((4, 4)))]
    fits.HDUList(units).writeto(path)
    said = b"NAXIS2  =                   64"
    assert path.read_bytes().count(said) == 1
    path.write_bytes(path.read_bytes().replace(said, said[:-2] + b"32"))
    with pytest.raises(UserError, match="bytes that no header declares stand before its next unit"):
        refuse_impossible(path)


def header_alone(**values: object) -> bytes:
    return cards(**values)[:2880]


def test_what_inflates_to_more_than_its_file_may_is_refused_before_it_is_inflated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflating, "MOST_BYTES", 500_000)
    path = tmp_path / "bomb.fits.gz"
    path.write_bytes(gzip.compress(header_alone(BITPIX=-32, NAXIS=2, NAXIS1=1000, NAXIS2=1000) + bytes(4_000_320)))
    assert path.stat().st_size < 5000
    with pytest.raises(UserError, match="does not swell beyond its size") as told:
        open_checked(path)
    assert "data of 4002880 bytes in a file that may inflate to 500000" in told.value.got
    assert "unpack it first" in told.value.fix
    (tmp_path / "unpacked.fits").write_bytes(gzip.decompress(path.read_bytes()))  # as the message says
    with open_checked(tmp_path / "unpacked.fits") as hdus:
        assert hdus[0].data.shape == (1000, 1000)


def test_many_units_of_a_gzip_file_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflating, "MOST_BYTES", 500_000)
    path = tmp_path / "bomb.fits.gz"
    units = [fits.PrimaryHDU(), *(fits.ImageHDU(np.zeros((100, 100), np.float32)) for _ in range(20))]
    fits.HDUList(units).writeto(path)
    with pytest.raises(UserError, match="unpack it first"):
        refuse_impossible(path)


def test_a_compressed_image_that_swells_is_refused_and_ordinary_ones_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflating, "MOST_BYTES", 500_000)
    path = tmp_path / "tiles.fits.fz"
    noise = np.random.default_rng(0).normal(1000, 30, (600, 600)).astype(np.int32)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(noise)]).writeto(path)
    with open_checked(path) as hdus:
        assert np.array_equal(hdus[1].data, noise)
    content = path.read_bytes()
    place = content.index(b"ZNAXIS2 =")
    lied = content[:place] + f"ZNAXIS2 = {10**8:>20d}".ljust(80).encode() + content[place + 80 :]
    path.write_bytes(lied)
    with pytest.raises(UserError, match="a compressed image of 240000000000 bytes") as told:
        open_checked(path)
    assert "funpack" in told.value.fix
