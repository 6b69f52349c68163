"""Quality control: each fault of a file or a subtraction has its reason, and what is sound passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.preprocessing.acquisition.control.pair import ControlPair, control_pair
from astrid_ml.preprocessing.differencing.frame.load import LoadFits

SOUND = {"sig_std_raw": 1.02, "sig_std": 1.0, "overlap": 0.98, "astrometric_sigma": 0.05, "neighbour_corr": 0.4}


def write(path: Path, **cards: Any) -> None:
    """A frame of a survey's header that says all that is asked."""
    side = int(cards.pop("side", 96))
    data = np.random.default_rng(1).normal(100, 5, (side, side)).astype(np.float32)
    if cards.pop("void", False):
        data[:70] = np.nan
    header = fits.Header()
    for axis, (ctype, value, step) in enumerate((("RA---TAN", 150.0, -1), ("DEC--TAN", 2.0, 1)), 1):
        header[f"CTYPE{axis}"], header[f"CRVAL{axis}"] = ctype, value
        header[f"CRPIX{axis}"], header[f"CDELT{axis}"] = side / 2, step / 3600
    header["TELESCOP"], header["INSTRUME"], header["FILTER"] = "Palomar 48-inch", "ZTF/MOSAIC", "ZTF_g"
    header["ORIGIN"], header["OBSMJD"], header["EXPTIME"] = "Zwicky Transient Facility", 58000.0, 30.0
    header["GAIN"], header["MAGZP"], header["BUNIT"] = 6.0, 26.0, "DN"
    for name, value in cards.items():
        if value is None:
            del header[name]
        else:
            header[name] = value
    fits.PrimaryHDU(data, header).writeto(path)


def record(folder: Path, quality: dict[str, Any] | None = SOUND, rules: ControlPair | None = None) -> dict[str, Any]:
    row = {"name": "a", "object": "SN", "mission": "ztf", "science": "s.fits", "reference": "r.fits"}
    return control_pair(row, folder, quality, rules or ControlPair(), LoadFits())


def test_a_sound_pair_passes(tmp_path: Path) -> None:
    write(tmp_path / "s.fits")
    write(tmp_path / "r.fits")
    said = record(tmp_path)
    assert (said["verdict"], said["reasons"]) == ("pass", [])
    assert said["science_round_trip"] < 1e-6
    assert said["science_shape"] == [96, 96]


@pytest.mark.parametrize(
    ("cards", "reason"),
    [
        ({"side": 40}, "dimensions"),
        ({"void": True}, "no data"),
        ({"FILTER": "ZTF_r"}, "filters"),
        ({"OBSMJD": None}, "metadata: no mjd"),
    ],
)
def test_a_fault_of_a_file_is_told(tmp_path: Path, cards: dict[str, Any], reason: str) -> None:
    write(tmp_path / "s.fits", **cards)
    write(tmp_path / "r.fits")
    said = record(tmp_path)
    assert said["verdict"] == "fail"
    assert any(reason in told for told in said["reasons"]), said["reasons"]


def test_a_file_of_another_mission_is_told(tmp_path: Path) -> None:
    write(tmp_path / "s.fits")
    write(tmp_path / "r.fits")
    row = {"name": "a", "object": "SN", "mission": "ps1", "science": "s.fits", "reference": "r.fits"}
    said = control_pair(row, tmp_path, SOUND, ControlPair(), LoadFits())
    assert [reason.split(":")[0] for reason in said["reasons"]] == [
        "science cross-reference",
        "reference cross-reference",
    ]


def test_a_file_that_is_no_image_is_told(tmp_path: Path) -> None:
    (tmp_path / "s.fits").write_bytes(b"<html>")
    write(tmp_path / "r.fits")
    said = record(tmp_path, None)
    assert [reason.split(":")[0] for reason in said["reasons"]] == ["science integrity", "difference"]
    assert not said["science_readable"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"sig_std": 1.5}, "noise"),
        ({"sig_std": float("nan")}, "noise"),
        ({"overlap": 0.05}, "coverage"),
        ({"overlap": None}, "coverage"),
        ({"astrometric_sigma": 2.0}, "alignment"),
        ({"astrometric_sigma": None}, "alignment"),
    ],
)
def test_a_fault_of_a_subtraction_is_told(changed: dict[str, Any], reason: str) -> None:
    (told,) = ControlPair().verdict({**SOUND, **changed})
    assert told.startswith(reason)


def test_drizzled_noise_whose_scatter_is_known_passes() -> None:
    assert ControlPair().verdict({**SOUND, "sig_std_raw": 0.6, "neighbour_corr": 0.7}) == []


def test_mixed_filters_pass_where_they_were_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "s.fits", FILTER="ZTF_r")
    write(tmp_path / "r.fits")
    assert record(tmp_path, rules=ControlPair(allow_mixed=True))["verdict"] == "pass"


def test_a_mixed_reference_is_compared_with_its_own_mission(tmp_path: Path) -> None:
    """SkyView's cut-outs say neither mission nor date: those of the archive hold."""
    write(tmp_path / "s.fits")
    write(tmp_path / "r.fits", TELESCOP=None, INSTRUME=None, ORIGIN=None, OBSMJD=None, FILTER=None)
    row = {"name": "a", "object": "SN", "mission": "ztf", "filter": "g", "science": "s.fits", "reference": "r.fits"}
    own = row | {"reference_mission": "sdss", "reference_filter": "g", "reference_mjd": 53114.0}
    said = control_pair(own, tmp_path, SOUND, ControlPair(allow_mixed=True), LoadFits())
    assert said["verdict"] == "pass", said["reasons"]
    assert (said["reference_mission"], said["reference_mjd"]) == ("sdss", 53114.0)
    write(tmp_path / "z.fits")
    wrong = control_pair(own | {"reference": "z.fits"}, tmp_path, SOUND, ControlPair(allow_mixed=True), LoadFits())
    assert wrong["reasons"] == ["reference cross-reference: of ztf, and its archive says sdss"]


@pytest.mark.parametrize(
    ("first", "last", "passes"),
    [(58000.0, 58000.0, True), (57000.0, 59000.0, True), (58001.2, 58002.0, True), (57300.0, 57300.1, False)],
)
def test_a_file_of_another_time_than_its_archive_says(first: float, last: float, passes: bool, tmp_path: Path) -> None:
    write(tmp_path / "s.fits")
    write(tmp_path / "r.fits")
    row: dict[str, Any] = {"name": "a", "object": "SN", "mission": "ztf", "science": "s.fits", "reference": "r.fits"}
    row |= {"science_first_mjd": first, "science_last_mjd": last}
    said = control_pair(row, tmp_path, SOUND, ControlPair(), LoadFits())
    assert (said["verdict"] == "pass") is passes
    assert passes or said["reasons"] == ["science cross-reference: taken at MJD 58000.0, and its archive says "
                                         f"{first:.1f} to {last:.1f}"]  # fmt: skip
