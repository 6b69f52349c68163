"""Real listings and truth of the Roman simulations."""

from __future__ import annotations

import gzip
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.roman.job.header import Science, bandpass_zero_point
from astrid_ml.preprocessing.roman.job.truth import RomanTruth, on_detector
from astrid_ml.preprocessing.roman.pipeline import RomanPipeline

FILTERS = {"R062": 93, "Y106": 93, "H158": 84, "K213": 82, "J129": 67, "Z087": 67, "F184": 61}
TRANSIENTS = {"13205_1": 117, "35198_2": 68, "36736_15": 91, "39790_15": 89}
ZPTMAG = 17.638
NEWER = {
    "diffimage_masked": "zogy_diffimage_masked",
    "diffimage_uncert_masked": "zogy_diffimage_uncert_masked",
}


def recreate(listing: Path, folder: Path, newer: bool) -> None:
    """The listing's files, empty."""
    for line in gzip.decompress(listing.read_bytes()).decode().splitlines():
        key = line.split()[-1]
        if newer:
            name = Path(key).name
            old = next((old for old in NEWER if name.startswith(old)), None)
            key = key if old is None else str(Path(key).with_name(name.replace(old, NEWER[old], 1)))
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.real_data
@pytest.mark.parametrize("newer", [False, True])
def test_every_job_of_a_real_listing_is_resolved(real_data: Path, tmp_path: Path, newer: bool) -> None:
    recreate(real_data / "roman" / "rapid-product-files_20250617.txt.gz", tmp_path, newer)
    units = RomanPipeline().plan([tmp_path])
    assert len(units) == 547
    assert [unit.id for unit in units if unit.missing] == []
    bands = pd.Series([unit.parameters["products"]["exposure"]["band"] for unit in units])
    assert bands.value_counts().to_dict() == FILTERS
    prefix = "zogy_" if newer else ""
    assert {unit.parameters["products"]["images"]["difference"] for unit in units} == {f"{prefix}diffimage_masked.fits"}
    assert {path.name for unit in units for path in unit.inputs if "psfcat" in path.name} == {
        f"{prefix}diffimage_masked_psfcat.txt"
    }
    assert all(unit.parameters["products"]["header"].endswith("_lite_reformatted.fits") for unit in units)


def read_index(path: Path) -> pd.DataFrame:
    names = "object_id ra dec x y realized_flux flux mag obj_type".split()
    return pd.read_csv(path, sep=r"\s+", skiprows=1, names=names)


def science() -> Science:
    return Science("Y106", ZPTMAG, 62000.0, 1, None, False, None)


@pytest.mark.real_data
@pytest.mark.parametrize("name", sorted(TRANSIENTS))
def test_real_index_files(real_data: Path, name: str) -> None:
    path = real_data / "roman" / f"Roman_TDS_index_Y106_{name}.txt.gz"
    everything = read_index(path)
    zero = everything["mag"] + 2.5 * np.log10(everything["flux"])
    np.testing.assert_allclose(zero, 15.0235472, atol=2e-7)
    assert bandpass_zero_point("Y106") == pytest.approx(15.0235472, abs=1e-6)
    truth = RomanTruth().read([], [path], [], "jid1", science())
    assert len(truth) == TRANSIENTS[name]
    transients = everything[everything["obj_type"] == "transient"]
    np.testing.assert_allclose(truth["mag_truth"], transients["mag"] + ZPTMAG)
    # AB by the other road: from the flux, as injections are measured.
    np.testing.assert_allclose(truth["mag_truth"], -2.5 * np.log10(transients["flux"]) + ZPTMAG + 15.0235472, atol=1e-6)
    everywhere = RomanTruth(types=("transient", "galaxy", "star")).read([], [path], [], "jid1", science())
    assert 0.30 < 1 - len(on_detector(everywhere, (4088, 4088))) / len(everywhere) < 0.45
    here = on_detector(truth, (4088, 4088))
    assert len(here) == int((transients["x"].between(-0.5, 4087.5) & transients["y"].between(-0.5, 4087.5)).sum())
    assert 0 < len(here) < len(truth)


@pytest.mark.real_data
def test_a_supernova_is_where_and_as_bright_as_snana_says(real_data: Path) -> None:
    """SN 20172782 in three files; its AB magnitudes against SNANA's mag_Y at the exposures' dates."""
    folder = real_data / "roman"
    found = {}
    for name in TRANSIENTS:
        truth = RomanTruth().read([], [folder / f"Roman_TDS_index_Y106_{name}.txt.gz"], [], "jid1", science())
        row = truth[truth["match_id"] == "20172782_ou"]
        if len(row):
            found[name] = float(row["mag_truth"].iloc[0])
    assert sorted(found) == ["35198_2", "36736_15", "39790_15"]
    with h5py.File(folder / "snana_10430.hdf5") as file:
        mjd, mag = np.asarray(file["20172782/mjd"]), np.asarray(file["20172782/mag_Y"])
    # The survey comes back every 5 days, after about 383 pointings. Pointing 35083 was exposed at MJD 62455.174
    # (snappl's tests), so 35198 within the day after it: the rise fixes when, and the later magnitudes must follow.
    day = np.arange(62455.174, 62456.174, 0.001)
    first = day[np.argmin(np.abs(np.interp(day, mjd, mag) - found["35198_2"]))]
    for name, magnitude in found.items():
        visits = round((int(name.split("_")[0]) - 35198) / 383)
        assert np.interp(first + 5 * visits, mjd, mag) == pytest.approx(magnitude, abs=0.012), name
