"""AB magnitudes of injections and index files, the detector's border, and the matching rules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.wcs import WCS

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.roman.job.header import Science, band_name, bandpass_zero_point, read_science
from astrid_ml.preprocessing.roman.job.match import Match, label
from astrid_ml.preprocessing.roman.job.names import ExposureName
from astrid_ml.preprocessing.roman.job.truth import RomanTruth, TruthError, on_detector

ZPTMAG = 17.638
INDEX = (
    "#    object_id            ra              dec               x                y          realized_flux         flux"
    "             mag            obj_type     \n"
    "  10430000698193   7.60518516e+00  -4.48366542e+01   3.96751767e+03   2.50509609e+03   5.64000000e+02"
    "   5.81317171e+02   8.11251431e+00           galaxy\n"
    "        20172782   7.55109300e+00  -4.48071810e+01   1.00000000e+02   2.00000000e+02   5.64000000e+02"
    "   5.81317171e+02   8.11251431e+00        transient\n"
    "        20149058   7.55109300e+00  -4.48071810e+01  -4.00000000e+02   2.00000000e+02   5.64000000e+02"
    "   5.81317171e+02   9.11251431e+00        transient\n"
)


def wcs() -> WCS:
    out = WCS(naxis=2)
    out.wcs.ctype, out.wcs.crval, out.wcs.crpix = ["RA---TAN", "DEC--TAN"], [7.551093, -44.807181], [51.0, 61.0]
    out.wcs.cd = 0.11 / 3600 * np.array([[-1.0, 0.0], [0.0, 1.0]])
    return out


def science(zero_point: float | None = ZPTMAG, band: str | None = "Y106") -> Science:
    return Science(band, zero_point, 62000.0, 1, None, False, wcs())


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_injections_need_both_zero_points(tmp_path: Path) -> None:
    """RAPID: flux = 10**(-0.4 (mag - (ZPTMAG + bandpass zero point)))."""
    flux = 10 ** (-0.4 * (24.0 - (ZPTMAG + 15.023547)))
    path = write(tmp_path / "a_inject.txt", f"xpix    ypix     flux\n1.5 2.5 {flux!r}\n3.0 4.0 0.0\n")
    table = RomanTruth().read([path], [], [], "jid18", science())
    assert table["match_id"].tolist() == ["0_inj", "1_inj"]
    assert table["truth_id"].tolist() == ["jid18_0_inj", "jid18_1_inj"]
    assert table["mag_truth"][0] == pytest.approx(24.0, abs=1e-9)
    assert np.isinf(table["mag_truth"][1])
    assert table["injected"].all()


def test_index_magnitudes_need_the_headers_zero_point_only(tmp_path: Path) -> None:
    path = write(tmp_path / "Roman_TDS_index_Y106_1_1.txt", INDEX)
    table = RomanTruth().read([], [path], [], "jid18", science())
    assert table["match_id"].tolist() == ["20172782_ou", "20149058_ou"]  # galaxies are no transients
    assert table["mag_truth"][0] == pytest.approx(8.11251431 + ZPTMAG, abs=1e-9)
    assert not table["injected"].any()
    assert on_detector(table, (4088, 4088))["match_id"].tolist() == ["20172782_ou"]
    assert len(RomanTruth(types=("transient", "galaxy")).read([], [path], [], "j", science())) == 3


def test_truth_of_the_references_epoch_is_placed_by_the_sky(tmp_path: Path) -> None:
    path = write(tmp_path / "Roman_TDS_index_Y106_2_2.txt", INDEX)
    table = RomanTruth().read([], [], [path, path], "jid18", science())
    assert table["sign"].tolist() == [-1, -1]  # each object once, however many exposures show it
    np.testing.assert_allclose(table[["x", "y"]], [[50.0, 60.0], [50.0, 60.0]], atol=1e-6)


def test_empty_and_damaged_truth_files(tmp_path: Path) -> None:
    assert len(RomanTruth().read([write(tmp_path / "a.txt", "")], [], [], "j", science(None))) == 0
    bare = write(tmp_path / "i.txt", INDEX.split("\n")[0] + "\n")
    header = write(tmp_path / "b.txt", "xpix    ypix     flux\n")
    assert len(RomanTruth().read([header], [bare], [], "j", science())) == 0
    with pytest.raises(TruthError, match="no column flux"):
        RomanTruth().read([write(tmp_path / "c.txt", "xpix ypix\n1 2\n")], [], [], "j", science())
    with pytest.raises(TruthError, match="ZPTMAG"):
        RomanTruth().read([write(tmp_path / "d.txt", "xpix ypix flux\n1 2 3\n")], [], [], "j", science(None))
    with pytest.raises(TruthError, match="filter X999"):
        RomanTruth().read([write(tmp_path / "d.txt", "xpix ypix flux\n1 2 3\n")], [], [], "j", science(band="X999"))
    with pytest.raises(TruthError, match="ZPTMAG"):
        RomanTruth().read([], [write(tmp_path / "i.txt", INDEX)], [], "j", science(None))


def test_headers_complete_each_other_and_padded_filters_are_trimmed() -> None:
    first = {"FILTER": "F087    ", "MJD-OBS": 62000.0, "EXPTIME": 172.8}
    headers: list[Mapping[str, Any]] = [first, {"ZPTMAG": 17.0, "FILTER": "R062"}]
    made = read_science(headers, {"FIELD": 5261331}, ExposureName("Y106", 1, 4), None)
    assert (made.band, made.zero_point, made.sca, made.field) == ("Z087", 17.0, 4, "5261331")
    assert made.mjd == pytest.approx(62000.001)
    assert made.wcs is None
    named = read_science([{}], {}, ExposureName("R062", 1, 4), "7")
    assert (named.band, named.zero_point, named.field, named.band_from_name) == ("R062", None, "7", True)
    assert band_name("K213") == "K213"
    assert bandpass_zero_point("F213") == bandpass_zero_point("K213") == 14.579316
    assert bandpass_zero_point("X999") is None


def test_nearest_pairs_come_first_and_each_side_counts_once() -> None:
    detections, truth = np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([[1.0, 0.0], [2.5, 0.0], [50.0, 0.0]])
    rows, of = Match().pairs(detections, truth)
    assert dict(zip(rows.tolist(), of.tolist(), strict=True)) == {1: 1, 0: 0}
    rows, of = Match(policy="many_to_one").pairs(np.array([[0.0, 0.0], [9.0, 0.0]]), truth)
    assert dict(zip(rows.tolist(), of.tolist(), strict=True)) == {0: 1}  # the last truth in the file names it
    assert len(Match().pairs(detections, truth[:0])[0]) == 0
    assert len(Match(radius=4.0).pairs(np.array([[0.0, 0.0]]), np.array([[4.0, 0.0]]))[0]) == 1
    assert len(Match(radius=4.0).pairs(np.array([[0.0, 0.0]]), np.array([[4.001, 0.0]]))[0]) == 0
    with pytest.raises(UserError, match="policy"):
        Match(policy="all")


def brute_force(detections: np.ndarray, truth: np.ndarray, radius: float) -> set[tuple[int, int]]:
    """Greedy nearest-first matching over all pairs, written out."""
    distance = np.hypot(*(detections[:, None] - truth[None]).transpose(2, 0, 1))
    out = set()
    while distance.size and distance.min() <= radius:
        row, column = np.unravel_index(distance.argmin(), distance.shape)
        out.add((int(row), int(column)))
        distance[row], distance[:, column] = np.inf, np.inf
    return out


@pytest.mark.parametrize("seed", range(5))
def test_matching_equals_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    detections, truth = rng.uniform(0, 40, (60, 2)), rng.uniform(0, 40, (50, 2))
    rows, of = Match().pairs(detections, truth)
    assert set(zip(rows.tolist(), of.tolist(), strict=True)) == brute_force(detections, truth, 4.0)


def test_faint_truth_makes_a_detection_ambiguous_never_bogus() -> None:
    detections = pd.DataFrame({"x": [10.0, 20.0, 30.0, 41.0], "y": [0.0] * 4, "sample": ["a", "b", "c", "d"]})
    truth = pd.DataFrame(
        {
            "match_id": ["0_inj", "1_inj", "2_ou", "3_inj", "4_inj"],
            "truth_id": ["j_0_inj", "j_1_inj", "2_ou", "j_3_inj", "j_4_inj"],
            "x": [11.0, 20.5, 40.0, 10.2, 90.0],
            "y": [0.0] * 5,
            "mag_truth": [24.0, 26.5, 26.0, 27.0, 23.0],
            "injected": [True, True, False, True, True],
            "sign": 1,
        }
    )
    table, known = label(detections, truth, Match(), 26.0)
    assert known is not None
    assert table["label"].isna().tolist() == [False, True, False, False]
    assert table["label"].fillna(-1).tolist() == [1, -1, 0, 1]
    assert table["ambiguous"].tolist() == [False, True, False, False]
    assert table["match_id"].fillna("").tolist() == [
        "0_inj",
        "1_inj",
        "",
        "2_ou",
    ]  # bright ones first
    assert table["injected"].tolist() == [True, True, False, False]
    assert table["match_dx"][3] == 1.0
    assert known["sample"].fillna("").tolist() == ["a", "b", "d", "", ""]
    assert known["eligible"].tolist() == [True, False, True, False, True]
    unknown, nothing = label(detections, None, Match(), 26.0)
    assert unknown["label"].isna().all()
    assert nothing is None
