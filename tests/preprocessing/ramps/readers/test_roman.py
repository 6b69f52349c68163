"""Roman's L1 files: against the library's own reading, and files that lie about what they hold."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE
from astrid_ml.preprocessing.ramps.readers.asdf_files import read_roman
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.preprocessing.ramps.readers.roman import read_roman_l1
from astrid_ml.types import Array

asdf = pytest.importorskip("asdf", reason="the extra roman is not installed")

PATTERN = [[1], [2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
DATA = (1000 + 40 * np.arange(4)[:, None, None] + np.random.default_rng(0).integers(0, 50, (4, 12, 16))).astype("u2")
KNOWN = RampOptions(gain=1.8, read_noise=12.0)


def tree(**exposure: Any) -> dict[str, Any]:
    said = {"read_pattern": PATTERN, "frame_time": 3.04, "mid_time": "2027-03-01T12:00:00.000"} | exposure
    meta = {
        "telescope": "ROMAN",
        "instrument": {"name": "WFI", "detector": "WFI01", "optical_element": "F158"},
        "exposure": {key: value for key, value in said.items() if value is not None},
    }
    return {"roman": {"meta": meta, "data": DATA, "amp33": np.zeros((4, 12, 128), "u2")}}


def write(path: Path, content: dict[str, Any], **how: Any) -> Path:
    asdf.AsdfFile(content).write_to(path, **how)
    return path


def test_an_exposure_equals_what_the_library_reads(tmp_path: Path) -> None:
    path = write(tmp_path / "r0001_uncal.asdf", tree())
    ramp = read_ramp(path, KNOWN)
    with asdf.open(path) as file:
        assert np.array_equal(ramp.data[0], np.asarray(file["roman"]["data"]))
    assert isinstance(ramp.data.base, np.memmap) or isinstance(ramp.data, np.memmap)
    np.testing.assert_allclose(ramp.group_times, [3.04, 7.60, 16.72, 28.88])
    assert ramp.reads_per_group.tolist() == [1, 2, 4, 4]
    assert (ramp.mission, ramp.detector, ramp.filter, ramp.unit) == ("ROMAN", "WFI01", "F158", "DN")
    assert ramp.mjd == pytest.approx(61465.5)
    assert ramp.reference is None


@pytest.mark.parametrize("packing", ["zlib", "bzp2", "lz4"])
def test_compressed_arrays_are_read_too(tmp_path: Path, packing: str) -> None:
    if packing == "lz4":
        pytest.importorskip("lz4", reason="the extra roman is not installed")
    path = write(tmp_path / "a.asdf", tree(), all_array_compression=packing)
    assert np.array_equal(read_ramp(path, KNOWN).data[0], DATA)


def test_bits_and_maps_in_asdf(tmp_path: Path) -> None:
    content = tree()
    content["roman"]["groupdq"] = np.zeros((4, 12, 16), np.uint8)
    content["roman"]["groupdq"][2, 3, 4] = DO_NOT_USE
    content["roman"]["pixeldq"] = np.zeros((12, 16), np.uint32)
    content["roman"]["pixeldq"][5, 6] = DO_NOT_USE
    gain = np.full((12, 16), 1.5, np.float32)
    maps = {"roman": {"meta": {"reftype": "GAIN", "telescope": "ROMAN"}, "data": gain}}
    noise = {"roman": {"meta": {"reftype": "READNOISE", "telescope": "ROMAN"}, "data": gain * 4}}
    said = RampOptions(
        gain=str(write(tmp_path / "gain.asdf", maps)), read_noise=str(write(tmp_path / "noise.asdf", noise))
    )
    ramp = read_ramp(write(tmp_path / "a.asdf", content), said)
    lost = np.isnan(ramp.electrons(0, slice(None), slice(None)))
    wanted = np.zeros_like(lost)
    wanted[2, 3, 4], wanted[:, 5, 6] = True, True
    assert np.array_equal(lost, wanted)
    np.testing.assert_allclose(ramp.read_noise, 9.0)  # DN of one read x gain


def test_times_that_the_user_says(tmp_path: Path) -> None:
    path = write(tmp_path / "a.asdf", tree(read_pattern=None))
    with pytest.raises(UserError, match=r"read_pattern, the frames of each resultant.*load\.read_pattern"):
        read_roman_l1(path, KNOWN)
    own = RampOptions(gain=1.8, read_noise=12.0, read_pattern=[[1, 2], [3, 4], [9], [12, 13, 14]])
    np.testing.assert_allclose(read_roman_l1(path, own).group_times, 3.04 * np.array([1.5, 3.5, 9, 13]))
    with pytest.raises(UserError, match="frame_time"):
        read_roman_l1(write(tmp_path / "b.asdf", tree(frame_time=None)), KNOWN)


def test_a_pattern_of_another_length_is_refused_unless_the_exposure_was_cut(tmp_path: Path) -> None:
    longer = [*PATTERN, [12, 13]]
    with pytest.raises(UserError, match="a read pattern of 4 resultants; got one of 5"):
        read_roman_l1(write(tmp_path / "a.asdf", tree(read_pattern=longer)), KNOWN)
    cut = read_roman_l1(write(tmp_path / "b.asdf", tree(read_pattern=longer, truncated=True)), KNOWN)
    assert cut.reads_per_group.tolist() == [1, 2, 4, 4] and "4 of 5 resultants" in cut.notes[0]


def test_an_image_is_no_exposure(tmp_path: Path) -> None:
    content = tree()
    content["roman"]["data"] = DATA[0]
    with pytest.raises(UserError, match=r"12 x 16 in a\.asdf.*give the L1 file"):
        read_ramp(write(tmp_path / "a.asdf", content), KNOWN)
    del content["roman"]["data"]
    with pytest.raises(UserError, match=r"an array roman\.data"):
        read_ramp(write(tmp_path / "b.asdf", content), KNOWN)
    with pytest.raises(UserError, match="a tree with roman in it"):
        read_ramp(write(tmp_path / "c.asdf", {"jwst": 1}), KNOWN)


def changed(tmp_path: Path, old: bytes, new: bytes) -> Path:
    path = write(tmp_path / "a.asdf", tree())
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"source: 0", b"source: 'http://127.0.0.1:9/a.asdf'", "an array that stands in its own file"),
        (b"source: 0", b"source: other.asdf", "an array that stands in its own file"),
        (b"source: 0", b"source: 7", "which is no block"),
        (b"source: 0", b"source: true", "which is no block"),
        (b"shape: [4, 12, 16]", b"shape: [4, 12, 900000]", r"roman\.data of 86400000 bytes in a block of 1536"),
        (b"shape: [4, 12, 16]", b"shape: [-4, 12, 16]", "an array of numbers in the order of its axes"),
        (b"shape: [4, 12, 16]", b"shape: [4, 12, 1.5]", "an array of numbers in the order of its axes"),
        (b"shape: [4, 12, 16]", b"shape: [4, 12, 16]\n    offset: 900", "bytes in a block of 1536"),
        (b"shape: [4, 12, 16]", b"shape: [4, 12, 16]\n    strides: [2, 2, 2]", "in the order of its axes"),
        (b"datatype: uint16", b"datatype: [ascii, 9]", "an array of numbers"),
        (b"telescope: ROMAN", b"telescope: !!python/object/apply:os.system [exit]", ""),
        (b"telescope: ROMAN", b"telescope: {$ref: 'http://127.0.0.1:9/a'}", ""),
    ],
)
def test_files_that_lie_open_nothing_and_reserve_nothing(tmp_path: Path, old: bytes, new: bytes, words: str) -> None:
    path = changed(tmp_path, old, new)
    if not words:  # plain values where nobody asks for them
        read = read_ramp(path, KNOWN)
        assert np.array_equal(read.data[0], DATA) and read.mission == "ROMAN"
        return
    with pytest.raises(UserError, match=words):
        read_ramp(path, KNOWN)


def test_a_file_that_was_cut_is_told_of(tmp_path: Path) -> None:
    path = write(tmp_path / "a.asdf", tree())
    content = path.read_bytes()
    for end in (4, 200, content.index(b"\n...") + 2, content.index(b"\xd3BLK") + 20, content.index(b"\xd3BLK") + 900):
        path.write_bytes(content[:end])
        with pytest.raises(UserError, match=r"a\.asdf"):
            read_ramp(path, KNOWN)


def test_a_swollen_block_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    path = write(tmp_path / "a.asdf", tree(), all_array_compression="zlib")
    content = bytearray(path.read_bytes())
    place = content.index(b"\xd3BLK") + 6 + 4 + 4 + 16
    content[place : place + 8] = (2**40).to_bytes(8, "big")
    path.write_bytes(content)
    with pytest.raises(UserError, match="does not swell beyond its size"):
        read_ramp(path, KNOWN)


def test_without_the_library_the_line_that_cures_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.asdf", tree())
    monkeypatch.setitem(sys.modules, "asdf", None)
    with pytest.raises(UserError, match=r"pip install 'astrid-ml\[roman\]'"):
        read_ramp(path, KNOWN)


def test_the_order_of_bytes_is_that_of_the_file(tmp_path: Path) -> None:
    content = tree()
    content["roman"]["data"] = DATA.astype(">u2")
    path = write(tmp_path / "a.asdf", content)
    found: Array = read_roman(path).array("data")
    assert np.array_equal(found, DATA) and found.dtype == np.dtype(">u2")


@pytest.mark.parametrize("place", ["beside", "pattern", "shape", "text"])
def test_lists_that_hold_each_other_cost_nothing(tmp_path: Path, place: str) -> None:
    """Ten lists of ten lists, nine deep, are a hundred bytes a level and 10^10 numbers."""
    content = write(tmp_path / "a.asdf", tree()).read_bytes()
    lines = [b"l0: &l0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [b"l%d: &l%d [%s]" % (k, k, b",".join([b"*l%d" % (k - 1)] * 10)) for k in range(1, 10)]
    start = content.index(b"roman:")
    content = content[:start] + b"\n".join(lines) + b"\n" + content[start:]
    if place == "pattern":
        begin, end = content.index(b"read_pattern:"), content.index(b"    instrument:")
        content = content[:begin] + b"read_pattern: *l9\n" + content[end:]
    content = content.replace(b"shape: [4, 12, 16]", b"shape: *l9") if place == "shape" else content
    content = content.replace(b"telescope: ROMAN", b"telescope: &a [*a]") if place == "text" else content
    (tmp_path / "a.asdf").write_bytes(content)
    if place in ("beside", "text"):
        assert np.array_equal(read_ramp(tmp_path / "a.asdf", KNOWN).data[0], DATA)
        return
    with pytest.raises(UserError, match=r"read_pattern|in the order of its axes") as told:
        read_ramp(tmp_path / "a.asdf", KNOWN)
    assert len(str(told.value)) < 400


def test_a_pattern_without_end_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.asdf", tree(read_pattern=[list(range(1, 30_000))] * 4))
    with pytest.raises(UserError, match="more than 100000 frames"):
        read_ramp(path, KNOWN)
