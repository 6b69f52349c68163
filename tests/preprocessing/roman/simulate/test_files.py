"""Files of a simulated job: pixel origins, zero points, names of both generations, and bytes that do not vary."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from astrid_ml.preprocessing.roman.job.header import read_science
from astrid_ml.preprocessing.roman.simulate.field import MARGIN, Field, Pointing, counts_zero_point, draw_field, zptmag
from astrid_ml.preprocessing.roman.simulate.files import (
    image_wcs,
    index_text,
    injection_text,
    reference_header,
    science_header,
    sextractor_text,
    write_catalogues,
    write_image,
    write_text,
)
from astrid_ml.preprocessing.roman.simulate.products import FINDER, PSFCAT
from astrid_ml.preprocessing.simulated_sky.psf import Psf


@pytest.fixture(scope="module")
def field() -> Field:
    return draw_field(2, (100, 120), (200.0, 200.0, 200.0), (62000.0, 62100.0), 3)


def test_the_centre_of_the_image_is_the_fields_and_pixels_are_0_11_arcsec(field: Field) -> None:
    wcs = image_wcs(field, (0.0, 0.0))
    assert wcs.all_pix2world([[59.5, 49.5]], 0)[0] == pytest.approx(field.centre)
    ra, dec = wcs.all_pix2world([59.5, 69.5, 59.5], [49.5, 49.5, 59.5], 0)
    sky = SkyCoord(ra, dec, unit="deg")
    assert sky[0].separation(sky[1:]).arcsec == pytest.approx([1.1, 1.1], rel=1e-6)
    assert ra[1] < ra[0] and dec[2] > dec[0]  # east is left, north is up


def test_a_shifted_pointing_has_the_same_sky(field: Field) -> None:
    x, y = np.array([120.0, 200.0]) + MARGIN / 4, np.array([130.0, 160.0])
    seen = []
    for shift in ((0.0, 0.0), (13.25, -7.5)):
        place = Pointing(shift, Psf(2.0, 3.5), 0.0, 0.0).place(x, y)
        seen.append(np.array(image_wcs(field, shift).all_pix2world(*place, 0)))
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-9)


def test_headers_are_read_back_as_a_job_is_read(field: Field) -> None:
    wcs = image_wcs(field, (3.0, 4.0))
    science = science_header("R062", 7, 62010.5, wcs)
    reference = reference_header("R062", field, 61980.0, ["one.txt", "two.txt"], wcs)
    said = read_science([science], reference, None, None)
    assert (said.band, said.sca, said.field, said.band_from_name) == ("R062", 7, field.name, False)
    assert said.mjd == pytest.approx(62010.5 + 161.025 / 2 / 86400, abs=1e-9)
    assert said.zero_point is not None and said.bandpass is not None
    assert said.zero_point + said.bandpass == pytest.approx(counts_zero_point("R062"))
    assert [reference[f"INFIL{i:03d}"] for i in (1, 2)] == ["one.txt", "two.txt"] and reference["NFRAMES"] == 2
    assert (reference["JDSTART"] + reference["JDEND"]) / 2 == pytest.approx(61980.0 + 2400000.5)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_an_image_comes_back_with_its_sky(field: Field, tmp_path: Path, dtype: str) -> None:
    data = np.random.default_rng(1).normal(size=(100, 120))
    wcs = image_wcs(field, (3.0, 4.0))
    write_image(tmp_path / "a.fits", data, science_header("H158", 1, 62000.0, wcs), dtype)
    found, header = fits.getdata(tmp_path / "a.fits", header=True)
    assert found.dtype == f">{dtype}"
    np.testing.assert_array_equal(found, data.astype(dtype))
    np.testing.assert_allclose(
        WCS(header).all_pix2world([[9.0, 8.0]], 0), wcs.all_pix2world([[9.0, 8.0]], 0), atol=1e-9
    )


def test_text_is_gzipped_by_its_name_and_its_bytes_do_not_tell_the_time(tmp_path: Path) -> None:
    text = "id x\n1 2.5\n"
    for name in ("a.txt", "a.txt.gz", "b.txt.gz"):
        write_text(tmp_path / name, text)
    assert (tmp_path / "a.txt").read_text() == text
    packed = (tmp_path / "a.txt.gz").read_bytes()
    assert gzip.decompress(packed).decode() == text
    assert packed == (tmp_path / "b.txt.gz").read_bytes() and packed[4:8] == bytes(4)


def test_injections_lose_no_digit() -> None:
    table = pd.DataFrame({"x": [0.1 + 0.2, -19.123456789012345], "y": [1 / 3, 5.0], "flux": [1e-7 / 3, 123456.789]})
    first, *rows = injection_text(table).splitlines()
    assert first.split() == ["xpix", "ypix", "flux"]
    assert [[float(value) for value in row.split()] for row in rows] == table.to_numpy().tolist()


def test_magnitudes_of_an_index_are_ab_without_the_headers_zero_point() -> None:
    row = {"object_id": 20_020_003, "ra": 7.6, "dec": -44.8, "x": -3.25, "y": 99.5, "obj_type": "transient"}
    flux = np.array([1.0, 2500.0])
    text = index_text(pd.DataFrame([row | {"flux": value} for value in flux]), "R062", np.random.default_rng(0))
    lines = text.splitlines()
    values = [line.split() for line in lines[1:]]
    assert len({len(line) for line in lines[1:]}) == 1  # of fixed width
    assert values[1][0] == "20020003" and values[1][-1] == "transient"
    names = lines[0].split()[1:]
    mag = np.array([float(value[names.index("mag")]) for value in values])
    np.testing.assert_allclose(mag + zptmag("R062"), counts_zero_point("R062") - 2.5 * np.log10(flux), atol=1e-6)
    realized = float(values[1][names.index("realized_flux")])
    assert realized.is_integer() and abs(realized - 2500) < 5 * 50  # Poisson


def test_sextractors_pixels_begin_at_1() -> None:
    finder = pd.DataFrame({"id": [4], "x_centroid": [0.0], "y_centroid": [7.25], "flux": [3.5]})
    assert sextractor_text(finder) == "NUMBER XWIN_IMAGE YWIN_IMAGE FLUX_APER\n4 1.0 8.25 3.5\n"


def catalogues() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Detection 2 could not be fitted; what is not set here is 1."""
    psfcat = pd.DataFrame({name: [1.0, 1.0] for name in PSFCAT}).assign(id=[1, 3], x_fit=[10.123456, 30.0])
    finder = pd.DataFrame({name: [1.0, 1.0, 1.0] for name in FINDER}).assign(id=[1, 2, 3], n_pixels=[5, 6, 7])
    return psfcat, finder


def test_old_catalogues_are_two_texts_with_old_names(tmp_path: Path) -> None:
    write_catalogues(tmp_path, "diffimage_masked", False, *catalogues(), negative=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "diffimage_masked_psfcat.txt",
        "diffimage_masked_psfcat_finder.txt",
    ]
    psfcat = pd.read_csv(tmp_path / "diffimage_masked_psfcat.txt", sep=" ")
    finder = pd.read_csv(tmp_path / "diffimage_masked_psfcat_finder.txt", sep=" ")
    assert psfcat["x_fit"].tolist() == [10.1235, 30.0] and "npixfit" in psfcat and "reduced_chi2" not in psfcat
    assert finder["npix"].tolist() == [5, 6, 7] and {"xcentroid", "ycentroid"} <= set(finder)


def test_new_catalogues_are_joined_in_parquet_and_negatives_have_names_of_their_own(tmp_path: Path) -> None:
    write_catalogues(tmp_path, "zogy_diffimage_masked", True, *catalogues(), negative=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "zogy_diffimage_masked_psfcat_finder_negative.txt",
        "zogy_diffimage_masked_psfcat_negative.parquet",
        "zogy_diffimage_masked_psfcat_negative.txt",
    ]
    joined = pd.read_parquet(tmp_path / "zogy_diffimage_masked_psfcat_negative.parquet")
    assert joined["id"].tolist() == [1, 3] and joined["n_pixels"].tolist() == [5, 7]
    assert "reduced_chi2" in joined and "x_centroid" not in joined
