"""Reads that stay where they are: parts are what numpy makes of the whole, and no more is read than is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.preprocessing.ramps.exposure import exposure as strips_module
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.ramp import stored as stored_module
from astrid_ml.preprocessing.ramps.ramp.stored import Decoding, Stored, spooled, stored
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.types import Array

RAW = np.random.default_rng(0).integers(-32768, 32767, (2, 5, 12, 14)).astype(">i2")
KEYS: list[Any] = [
    0,
    (1, 3),
    (0, slice(None), slice(2, 7)),
    (1, slice(1, 4), slice(2, 7), slice(None, None, 3)),
    (0, slice(None), 4, 5),
    (slice(None), 2, slice(0, 5), 3),
    slice(None),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_part_is_the_part_of_the_whole(key: Any) -> None:
    rows = np.array([0, 1, 3, 4, 5, 8, 9, 11])
    factors = np.array([1.0, 2.0, 3.0, 4.0, 5.0], np.float32)
    decoding = Decoding(2.0, 10.0, int(RAW[0, 2, 3, 6]), factors, rows)
    whole = 2.0 * RAW[:, :, rows].astype(np.float32) + 10.0
    whole[RAW[:, :, rows] == RAW[0, 2, 3, 6]] = np.nan
    whole *= factors[None, :, None, None]
    got = Stored(RAW, decoding)
    assert got.shape == whole.shape
    np.testing.assert_allclose(got[key], whole[key])
    np.testing.assert_allclose(np.asarray(got), whole)


def test_numbers_that_are_stored_as_they_are_stay_so() -> None:
    assert stored(RAW, Decoding()) is RAW
    assert isinstance(stored(RAW, Decoding(zero=1.0)), Stored)


def test_a_large_spool_is_a_file_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_module, "IN_MEMORY", 100)
    planes = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    large, small = spooled(iter(planes), planes.shape, np.uint16), spooled(iter(planes[:1]), (1, 4, 5), np.uint16)
    assert isinstance(large, np.memmap) and not isinstance(small, np.memmap)
    assert np.array_equal(large, planes) and np.array_equal(small[0], planes[0])


def test_unsigned_integers_are_read_strip_by_strip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part that is asked for holds a strip's rows of all groups, or one group for the reference pixels."""
    cube = np.random.default_rng(1).integers(1000, 40000, (12, 40, 40)).astype(np.uint16)
    fits.PrimaryHDU(cube).writeto(tmp_path / "a.fits")
    options = RampOptions(unit="DN", gain=2.0, read_noise=10.0, group_time=5.0, border=4, polarity="normal")
    ramp = read_ramp(tmp_path / "a.fits", options)
    asked: list[int] = []
    take = Stored.__getitem__

    def noted(self: Stored, key: Any) -> Any:
        part = take(self, key)
        asked.append(part.size)
        return part

    monkeypatch.setattr(Stored, "__getitem__", noted)
    monkeypatch.setattr(strips_module, "STRIP_BYTES", 4 * 12 * 40 * 5)
    reads = np.concatenate([strip.reads for strip in Exposure(ramp).strips(0)], axis=1)
    assert len(asked) == 12 + 8 and max(asked) == 12 * 40 * 5
    assert reads.shape == cube.shape
    raw = ramp.data
    assert isinstance(raw, Stored) and isinstance(raw.raw, np.memmap)


@pytest.mark.parametrize("kind", [np.uint16, np.uint32, np.int16, np.int32, np.float32, np.float64])
def test_small_numbers_of_every_kind_are_exact(tmp_path: Path, kind: type) -> None:
    """Unsigned integers of 32 bits are stored about -2147483648, where float32 counts in 128s."""
    cube: Array = np.random.default_rng(2).integers(0, 30000, (4, 20, 24)).astype(kind)
    fits.PrimaryHDU(cube).writeto(tmp_path / "a.fits")
    options = RampOptions(unit="DN", gain=1.0, read_noise=10.0, group_time=5.0, polarity="normal")
    ramp = read_ramp(tmp_path / "a.fits", options)
    np.testing.assert_array_equal(ramp.electrons(0, slice(None), slice(None)), cube.astype(np.float32))
    turned = read_ramp(tmp_path / "a.fits", replace(options, polarity="inverted"))
    np.testing.assert_array_equal(turned.electrons(0, slice(None), slice(None)), -cube.astype(np.float32))
