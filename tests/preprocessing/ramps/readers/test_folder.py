"""One read in each file of a folder: the order, what is refused, and through predict and prepare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.pipeline import RampsPipeline
from astrid_ml.preprocessing.ramps.readers.auto import exposures_in, read_ramp
from astrid_ml.preprocessing.ramps.readers.folder import read_folder
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.types import Array

SIZE = 24
CARDS = {"GAIN": 2.0, "READNOIS": 12.0, "TGROUP": 10.0, "BUNIT": "DN"}
KNOWN = RampOptions(format="folder")


def reads(n: int = 12) -> Array:
    """A hit of 600 e- at group 6, y 10, x 14."""
    random = np.random.default_rng(0)
    out = 2000 + 5.0 * np.arange(n)[:, None, None] + random.normal(0, 6.0, (n, SIZE, SIZE))
    out[6:, 10, 14] += 300.0
    return np.rint(out).astype(np.uint16)


def write(folder: Path, name: str, data: Array, n: int | None = None, **cards: Any) -> None:
    """A file a read; ``{}`` of the name is its number, and the clock runs with the reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, plane in enumerate(data if n is None else data[:n]):
        date = f"2025-01-01T00:{k:02d}:00"
        fits.writeto(folder / name.format(k), plane, fits.Header(CARDS | {"DATE-OBS": date} | cards), overwrite=True)


def test_numbers_are_numbers_not_texts(tmp_path: Path) -> None:
    """read_10 comes after read_9."""
    write(tmp_path / "exp", "read_{}.fits", reads())
    ramp = read_ramp(tmp_path / "exp", KNOWN)
    assert np.array_equal(ramp.data[0], reads())
    assert ramp.name == "exp" and ramp.shape == (1, 12, SIZE, SIZE)
    assert ramp.notes == ("12 files in the order of the number in their names, read_0.fits first",)
    assert ramp.steps.tolist() == [10.0] * 11


@pytest.mark.parametrize("name", ["det7_run03_{:04d}.fits", "a{}b5.fit", "{:03d}.fits.gz"])
def test_the_one_number_that_differs_counts(tmp_path: Path, name: str) -> None:
    write(tmp_path / "exp", name, reads())
    assert np.array_equal(read_ramp(tmp_path / "exp", KNOWN).data[0], reads())


def test_compressed_reads_are_read(tmp_path: Path) -> None:
    (tmp_path / "exp").mkdir()
    for k, plane in enumerate(reads(4)):
        hdu = fits.CompImageHDU(plane, fits.Header(CARDS), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "exp" / f"{k}.fits.fz")
    assert np.array_equal(read_ramp(tmp_path / "exp", KNOWN).data[0], reads(4))


def test_an_order_that_is_not_known_is_refused_until_a_keyword_says_it(tmp_path: Path) -> None:
    folder = tmp_path / "exp"
    write(folder, "x.fits", reads(1))
    for k, name in enumerate(("b", "c", "a")):
        write(folder, f"{name}.fits", reads(4)[k + 1 : k + 2], SEQ=10 * (k + 1))
    fits.setval(folder / "x.fits", "SEQ", value=5)
    with pytest.raises(UserError, match=r"one number in the names.*load\.order=KEYWORD"):
        read_folder(folder, KNOWN)
    said = RampOptions(format="folder", order="SEQ")
    ramp = read_folder(folder, said)
    assert np.array_equal(ramp.data[0], reads(4)) and "order of SEQ, x.fits first" in ramp.notes[0]
    fits.setval(folder / "a.fits", "SEQ", value=5)
    with pytest.raises(UserError, match="SEQ alike in several files"):
        read_folder(folder, said)
    fits.delval(folder / "a.fits", "SEQ")
    with pytest.raises(UserError, match="SEQ in each file"):
        read_folder(folder, said)


def test_two_numbers_that_differ_are_refused(tmp_path: Path) -> None:
    for k, plane in enumerate(reads(4)):
        write(tmp_path / "exp", f"{k}_{9 - k}.fits", plane[None])
    with pytest.raises(UserError, match="2 numbers that differ in all"):
        read_folder(tmp_path / "exp", KNOWN)


def test_numbers_that_run_against_the_clock_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "exp", "r{}.fits", reads())
    fits.setval(tmp_path / "exp" / "r3.fits", "DATE-OBS", value="2025-01-01T00:58:00")
    with pytest.raises(UserError, match="DATE-OBS in another order"):
        read_folder(tmp_path / "exp", KNOWN)
    by_clock = read_folder(tmp_path / "exp", RampOptions(format="folder", order="DATE-OBS"))
    assert np.array_equal(by_clock.data[0, -1], reads()[3])


def test_reads_of_other_shapes_and_cubes_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "exp", "r{}.fits", reads(4))
    fits.writeto(tmp_path / "exp" / "r9.fits", np.zeros((5, 5), np.uint16))
    with pytest.raises(UserError, match="reads of one shape; got 2 shapes"):
        read_folder(tmp_path / "exp", KNOWN)
    fits.writeto(tmp_path / "exp" / "r9.fits", np.zeros((3, 5, 5), np.uint16), overwrite=True)
    with pytest.raises(UserError, match=r"one image of two axes in each file; got 0 in r9\.fits"):
        read_folder(tmp_path / "exp", KNOWN)
    with pytest.raises(UserError, match="a folder with a read in each file"):
        exposures_in(str(tmp_path / "exp" / "r1.fits"), KNOWN)
    with pytest.raises(UserError, match="format=folder if each file is a read"):
        read_ramp(tmp_path / "exp", RampOptions())
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="FITS files with a read each"):
        read_folder(tmp_path / "empty", KNOWN)


def test_each_folder_is_an_exposure_of_predict(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / "raw" / name, "r{}.fits", reads())
    done = PredictRamps(str(tmp_path / "raw"), str(tmp_path / "out"), KNOWN).run()
    assert (done["exposures"], done["failed"]) == (2, 0)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["exposures"][0]["notes"] == ["12 files in the order of the number in their names, r0.fits first"]
    assert report["exposures"][0]["jumps"] == 1
    # A read that has changed is a new exposure; the other one is kept.
    mark = (tmp_path / "out" / "two" / "detections.json").stat().st_mtime_ns
    write(tmp_path / "raw" / "one", "r{}.fits", np.delete(reads(13), 6, axis=0))
    PredictRamps(str(tmp_path / "raw"), str(tmp_path / "out"), KNOWN).run()
    assert (tmp_path / "out" / "two" / "detections.json").stat().st_mtime_ns == mark


def test_each_folder_is_a_unit_of_prepare(tmp_path: Path) -> None:
    write(tmp_path / "raw" / "one", "r{}.fits", reads())
    units = RampsPipeline(load=KNOWN, reference=None, tile=8).plan([tmp_path / "raw"])
    assert [(unit.id, len(unit.inputs)) for unit in units] == [("one", 12)]
