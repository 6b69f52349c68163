"""Simulated job folders: what is written, that it is the same for a seed, and that its truth is true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.roman.job.catalogues import read_table
from astrid_ml.preprocessing.roman.job.truth import RomanTruth
from astrid_ml.preprocessing.roman.simulate.command import SimulateRoman
from astrid_ml.preprocessing.roman.simulate.field import EXPOSURES, counts_zero_point, zptmag


def test_both_generations_write_their_names(simulated: Path) -> None:
    old, new = simulated / "20250617" / "jid90821", simulated / "20260722" / "jid90824"
    assert (old / "diffimage_masked_psfcat_finder.txt").is_file()
    assert not list(old.glob("zogy*")) and not list(old.glob("*negative*"))
    for name in ("zogy_diffimage_masked_psfcat.parquet", "zogy_diffimage_masked_psfcat_negative.txt"):
        assert (new / name).is_file()
    assert len(list(new.glob("rimtimsim_WFI_*_SCA04_*_lite_inject_reformatted.fits"))) == 1
    header = (old / "diffimage_masked_psfcat_finder.txt").read_text().splitlines()[0]
    assert header == "id xcentroid ycentroid sharpness roundness1 roundness2 npix peak flux mag daofind_mag"
    header = (new / "zogy_diffimage_masked_psfcat.txt").read_text().splitlines()[0]
    assert header.startswith("id group_id group_size local_bkg x_init y_init flux_init x_fit y_fit flux_fit")
    assert header.endswith("n_pixels_fit qfit cfit reduced_chi2 flags ra dec")
    assert (simulated / "Y106_fields.txt").read_text().startswith("FIELD MJD JOB")


def test_index_files_follow_openuniverse(simulated: Path) -> None:
    [path] = (simulated / "20250617" / "jid90821").glob("Roman_TDS_index_*")
    lines = path.read_text().splitlines()
    assert lines[0].split() == "# object_id ra dec x y realized_flux flux mag obj_type".split()
    assert {len(line) for line in lines[1:]} == {152}
    table = pd.read_csv(path, sep=r"\s+", skiprows=1, names=lines[0].split()[1:])
    zero = table["mag"] + 2.5 * np.log10(table["flux"])
    assert zero.std() < 1e-6
    assert set(table["obj_type"]) == {"galaxy", "star", "transient"}
    assert ((table["x"] < 0) | (table["x"] > 119)).any()
    assert not table["object_id"].duplicated().any()


def test_sky_and_pixels_agree(simulated: Path) -> None:
    folder = simulated / "20250617" / "jid90821"
    header = fits.getheader(folder / "diffimage_masked.fits")
    table = read_table(folder / "diffimage_masked_psfcat.txt")
    x, y = WCS(header).all_world2pix(table["ra"], table["dec"], 0)
    np.testing.assert_allclose(x, table["x_fit"], atol=1e-3)
    np.testing.assert_allclose(y, table["y_fit"], atol=1e-3)
    assert header["FILTER"].strip() in EXPOSURES
    assert header["ZPTMAG"] == pytest.approx(zptmag(header["FILTER"].strip()))


def test_fluxes_are_what_the_magnitudes_say(prepared: PreparedDataset) -> None:
    """PSF-fit fluxes of the brighter matches against the truth's AB magnitudes: the zero points close the circle."""
    index = prepared.index
    real = index[
        (index["label"] == 1) & (index["mag_truth"] < 24.5) & (index["sign"] > 0) & (index["match_dx"].abs() < 0.3)
    ]
    expected = np.array(
        [10 ** (-0.4 * (m - counts_zero_point(b))) for m, b in zip(real["mag_truth"], real["filter"], strict=True)]
    )
    ratio = real["flux_fit"].to_numpy() / expected
    assert len(ratio) > 8
    assert 0.6 < np.median(ratio) < 1.2  # a Gaussian misses a Moffat's wings


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    small = SimulateRoman(n=1, fields=1, shape=(100, 100), generation="new", families=("zogy", "sfft", "naive"))
    small.run(tmp_path / "a", 3)
    small.run(tmp_path / "b", 3)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) > 30
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert any("sfftdiffimage_dconv_masked.fits" in str(name) for name in files)


def test_wrong_values_are_the_users_mistake(tmp_path: Path) -> None:
    for wrong in (
        SimulateRoman(bands=("V",)),
        SimulateRoman(generation="newest"),
        SimulateRoman(n=0),
        SimulateRoman(families=("sfft",)),
    ):
        with pytest.raises(UserError):
            wrong.run(tmp_path, 1)


def test_empty_skies_are_jobs_too(tmp_path: Path) -> None:
    SimulateRoman(n=1, fields=1, shape=(96, 96), stars=0, galaxies=0, transients=0, injections=0, cosmic_rays=0).run(
        tmp_path, 1
    )
    folder = tmp_path / "20250617" / "jid90821"
    assert len(read_table(folder / "diffimage_masked_psfcat.txt")) <= 2
    [path] = folder.glob("*_inject.txt")
    assert path.read_text() == "xpix    ypix     flux\n"
    assert RomanTruth().mag_limit == 26.0
