"""What a user may hand in by mistake, or what detectors really give: an answer, or one clear refusal."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.exposure import exposure as strips_module
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.products.write import write_products
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions, border_mask
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.types import Floats

NOISE, RATE, SIZE = 10.0, 3.0, 24


def ramp_of(times: Floats, seed: int = 0) -> Ramp:
    """3 e-/s and read noise 10 at these times; 400 e- more at (5, 6) from group 4 on."""
    random = np.random.default_rng(seed)
    flux = np.cumsum(random.poisson(RATE * np.diff(times, prepend=0.0), (SIZE, SIZE, len(times))), axis=2)
    data = (flux + random.normal(0, NOISE, flux.shape)).astype(np.float32).transpose(2, 0, 1)[None].copy()
    data[0, 4:, 5, 6] += 400.0
    return Ramp(data, ReadTimes.single(times), "e-", 1.0, NOISE)


def even(n: int) -> Floats:
    return 10.0 * np.arange(1, n + 1, dtype=np.float64)


def steps_of(ramp: Ramp) -> list[tuple[int, int, int]]:
    jumps = process(Exposure(ramp, Processing())).jumps
    return list(zip(jumps.group, jumps.y, jumps.x, strict=True))


@pytest.mark.parametrize("n", [1, 2])
def test_two_or_fewer_groups(tmp_path: Path, n: int) -> None:
    np.save(tmp_path / "short.npy", np.zeros((n, 8, 8), np.float32))
    options = RampOptions(unit="e-", read_noise=10.0, group_time=5.0)
    with pytest.raises(UserError, match="at least 3 groups"):
        PredictRamps(str(tmp_path / "short.npy"), str(tmp_path / "out"), options).run()


def test_three_groups_are_enough() -> None:
    ramp = ramp_of(even(3))
    ramp.data[0, 2, 9, 9] += 3000.0
    assert (2, 9, 9) in steps_of(ramp)


@pytest.mark.parametrize("lost", [0, 3, 11])
def test_a_group_of_nan(lost: int) -> None:
    """The first, the one before the step, and the last."""
    ramp = ramp_of(even(12))
    ramp.data[:, lost] = np.nan
    found = process(Exposure(ramp, Processing()))
    slope = found.features["slope"][0]
    assert np.isfinite(slope).all()
    assert slope.mean() == pytest.approx(RATE, abs=0.05)
    groups = found.jumps[(found.jumps.y == 5) & (found.jumps.x == 6)].group.tolist()
    # Nothing says in which of the two groups around a lost one a step lies: it cannot be told from a lost difference.
    assert groups == ([] if lost == 3 else [4])


def test_all_groups_of_nan_and_all_saturated(tmp_path: Path) -> None:
    cards = {"GAIN": 2.0, "READNOIS": 10.0, "TGROUP": 5.0, "BUNIT": "DN", "SATURATE": 60000.0}
    for name, value in (("nan", np.nan), ("full", 65000.0)):
        path = tmp_path / f"{name}.fits"
        fits.writeto(path, np.full((8, 16, 16), value, np.float32), fits.Header(cards))
        with pytest.raises(UserError, match=r"saturated, flagged or NaN|limit of saturation"):
            PredictRamps(str(path), str(tmp_path / "out")).run()


@pytest.mark.parametrize("shape", [(48, 40, 5), (48, 5, 40)])
def test_wrong_order_of_axes(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    path = tmp_path / "cube.fits"
    cards = {"GAIN": 2.0, "READNOIS": 10.0, "TGROUP": 5.0, "BUNIT": "DN"}
    fits.writeto(path, np.zeros(shape, np.float32), fits.Header(cards))
    with pytest.raises(UserError, match=r"looks like.*with 5 groups.*axes=y"):
        read_ramp(path)


@pytest.mark.parametrize(("card", "what"), [("GAIN", "gain"), ("READNOIS", "read noise")])
@pytest.mark.parametrize("value", [0.0, -1.0, 1e308, 1e7, math.nan, math.inf])
def test_values_that_no_detector_has(card: str, what: str, value: float, tmp_path: Path) -> None:
    data = np.zeros((1, 5, 9, 9), np.float32)
    given: dict[str, Any] = {"gain": 2.0, "read_noise": 9.0, what.replace(" ", "_"): value}
    with pytest.raises(UserError, match=rf"{what} \(e-[^)]*\) above 0 and up to 1e\+06"):
        Ramp(data=data, sampling=ReadTimes.single(np.arange(5.0)), unit="DN", **given)
    path = tmp_path / "cube.fits"
    if math.isfinite(value):
        cards = {"GAIN": 2.0, "READNOIS": 9.0, "TGROUP": 5.0, "BUNIT": "DN", card: value}
        fits.writeto(path, data[0], fits.Header(cards))
        with pytest.raises(UserError, match=what):
            read_ramp(path)


def test_holes_in_an_exposure_make_no_remarks_of_libraries(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    data = np.random.default_rng(1).normal(10.0, 1.0, (6, 32, 32)).astype(np.float32)
    data[:, 8:16, 5:27], data[2, 20, 5:27], data[3, 17:19, 5:27] = np.nan, np.inf, np.nan
    cards = {"GAIN": 2.0, "READNOIS": 10.0, "TGROUP": 5.0, "BUNIT": "DN", "REFPIX": 4}
    fits.writeto(tmp_path / "a.fits", data, fits.Header(cards))
    warnings.simplefilter("always")
    PredictRamps(str(tmp_path / "a.fits"), str(tmp_path / "out")).run()
    assert not [str(warning.message) for warning in recwarn] and "Warning" not in capsys.readouterr().err


def test_a_missing_gain(tmp_path: Path) -> None:
    path = tmp_path / "cube.fits"
    fits.writeto(path, np.zeros((5, 9, 9), np.float32), fits.Header({"READNOIS": 9.0, "TGROUP": 5.0, "BUNIT": "DN"}))
    with pytest.raises(UserError, match=r"gain in e-/DN.*preprocessing\.load\.gain=VALUE"):
        read_ramp(path)


def write_ima(path: Path, last_first: bool) -> None:
    primary = fits.PrimaryHDU()
    primary.header.update({"INSTRUME": "WFC3", "DETECTOR": "IR"} | {f"READNSE{q}": 20.0 for q in "ABCD"})
    hdus = [primary]
    for version in range(1, 6):
        read = 5 - version if last_first else version - 1
        sci = fits.ImageHDU(np.full((20, 20), 30.0 if read else 0.0, np.float32), name="SCI", ver=version)
        sci.header.update({"BUNIT": "ELECTRONS/S", "SAMPTIME": 2.5 * read})
        hdus.append(sci)
    fits.HDUList(hdus).writeto(path)


def test_an_ima_reads_upwards_whichever_way_it_is_stored(tmp_path: Path) -> None:
    for last_first in (True, False):
        path = tmp_path / f"{last_first}_ima.fits"
        write_ima(path, last_first)
        ramp = read_ramp(path)
        np.testing.assert_allclose(ramp.data[0, :, 9, 9], [0, 75, 150, 225, 300])
        np.testing.assert_allclose(ramp.group_times, [0, 2.5, 5, 7.5, 10])


def test_unequal_group_times() -> None:
    """Told the times, slope and step are right; told that they are even, the same reads look full of steps."""
    times = np.array([3.0, 6, 9, 40, 80, 160, 320, 330, 340, 350])
    ramp = replace(ramp_of(times), read_noise=NOISE)
    found = process(Exposure(ramp, Processing()))
    assert found.features["slope"].mean() == pytest.approx(RATE, abs=0.05)
    assert (4, 5, 6) in list(zip(found.jumps.group, found.jumps.y, found.jumps.x, strict=True))
    assert len(found.jumps) <= 3
    wrong = process(Exposure(replace(ramp, sampling=ReadTimes.single(even(10))), Processing()))
    assert len(wrong.jumps) > SIZE * SIZE


@pytest.mark.parametrize("kind", ["zeros", "no pixels", "constant"])
def test_an_empty_dq(tmp_path: Path, kind: str) -> None:
    cards = fits.Header({"GAIN": 1.0, "READNOIS": NOISE, "TGROUP": 10.0, "BUNIT": "e-"})
    ramp = ramp_of(even(12))
    bits = np.zeros((12, SIZE, SIZE), np.uint8) if kind == "zeros" else None
    dq = fits.ImageHDU(bits, name="GROUPDQ")
    if kind == "constant":
        dq.header["PIXVALUE"] = 0
    empty = fits.ImageHDU(name="PIXELDQ")
    fits.HDUList([fits.PrimaryHDU(ramp.data[0], cards), dq, empty]).writeto(tmp_path / "a.fits")
    read = read_ramp(tmp_path / "a.fits")
    assert read.dq is None or not read.dq.any()
    assert read.pixel_dq is None
    assert steps_of(read) == steps_of(ramp) == [(4, 5, 6)]


def test_a_dq_of_another_shape(tmp_path: Path) -> None:
    cards = fits.Header({"GAIN": 1.0, "READNOIS": NOISE, "TGROUP": 10.0, "BUNIT": "e-"})
    dq = fits.ImageHDU(np.zeros((12, 9, 9), np.uint8), name="GROUPDQ")
    fits.HDUList([fits.PrimaryHDU(ramp_of(even(12)).data[0], cards), dq]).writeto(tmp_path / "a.fits")
    with pytest.raises(UserError, match="GROUPDQ of the data's shape"):
        read_ramp(tmp_path / "a.fits")


class Mapped(np.ndarray[Any, np.dtype[np.float32]]):
    """An array that remembers the most that was asked of it at once, as a mapped file would load it."""

    largest = 0

    def __getitem__(self, key: Any) -> Any:
        part = np.asarray(self)[key]
        Mapped.largest = max(Mapped.largest, part.nbytes)
        return part


def test_a_cube_larger_than_memory_is_read_in_strips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is loaded than a strip, by detection, cube and bits together."""
    monkeypatch.setattr(strips_module, "STRIP_BYTES", 2 * 12 * SIZE * 4)
    ramp, settings = ramp_of(even(12)), Processing(steps=StepDetector(prior="sign"))  # which needs no rows around
    ramp = replace(ramp, reference=border_mask(SIZE, SIZE, 2))
    with monkeypatch.context() as one_strip:
        one_strip.setattr(strips_module, "STRIP_BYTES", 2**26)
        whole = process(Exposure(ramp, settings))
    watched = replace(ramp, data=ramp.data.view(Mapped))
    Mapped.largest = 0
    found = process(Exposure(watched, settings), tmp_path / "cube.npy")
    write_products(tmp_path, found, np.load(tmp_path / "cube.npy", mmap_mode="r"))
    assert 0 < Mapped.largest <= max(strips_module.STRIP_BYTES, SIZE * SIZE * 4)
    assert Mapped.largest < ramp.data.nbytes / 4
    assert np.load(tmp_path / "cube.npy", mmap_mode="r").shape == ramp.shape
    assert found.jumps.group.tolist() == whole.jumps.group.tolist()
    assert 4 in found.jumps.group.tolist()


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_steps_that_neighbours_tell_are_those_of_the_whole_exposure(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strips know the rows around them, whatever their height."""
    ramp = ramp_of(even(5), seed=3)
    random = np.random.default_rng(4)
    hit = random.random((SIZE, SIZE)) < 0.1
    ramp.data[0, 2:, hit] += 8 * NOISE
    settings = Processing(steps=StepDetector(prior="neighbours"))
    whole = process(Exposure(ramp, settings), tmp_path / "whole.npy")
    monkeypatch.setattr(strips_module, "STRIP_BYTES", rows * 5 * SIZE * 4)
    found = process(Exposure(ramp, settings), tmp_path / "cube.npy")
    columns = ["group", "y", "x", "amplitude", "snr", "found_by"]
    pd.testing.assert_frame_equal(found.jumps[columns], whole.jumps[columns], rtol=1e-4)
    assert len(whole.jumps) > 0.6 * hit.sum()
    assert whole.jumps.found_by.str.startswith("neighbours").any()
    assert np.array_equal(np.load(tmp_path / "cube.npy"), np.load(tmp_path / "whole.npy"))
    assert found.features["slope"].shape == whole.features["slope"].shape


def test_an_exposure_of_zeros_has_no_steps_and_is_marked(tmp_path: Path) -> None:
    for name, data in (("a.npy", np.zeros((8, 16, 16), np.float32)), ("b.npy", np.full((8, 16, 16), 7, np.uint16))):
        np.save(tmp_path / name, data)
        done = PredictRamps(
            str(tmp_path / name), str(tmp_path / f"out {name}"), RampOptions(unit="e-", read_noise=10.0, group_time=5.0)
        ).run()
        assert (done["exposures"], done["failed"]) == (1, 1)
        assert "the read noise is 0.00 times the given one" in done["failed_files"][0]
        assert pd.read_parquet(tmp_path / f"out {name}" / name[0] / "jumps.parquet").empty
