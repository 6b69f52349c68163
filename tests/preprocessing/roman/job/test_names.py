"""Products of a job folder in both naming generations and all image families."""

from __future__ import annotations

import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.roman.job.names import ExposureName, Products, index_file, resolve, science_file

COMMON = ["bkg_subbed_science_image.fits", "awaicgen_output_mosaic_image_resampled_gainmatched.fits"]
OLD = [*COMMON, "diffimage_masked.fits", "scorrimage_masked.fits", "diffimage_masked_psfcat.txt"]
NEW = [*COMMON, "zogy_diffimage_masked.fits", "scorrimage_masked.fits", "zogy_diffimage_masked_psfcat.txt"]


@pytest.mark.parametrize(
    ("name", "exposure", "rest"),
    [
        ("Roman_TDS_simple_model_R062_14_5_lite.fits.gz", ExposureName("R062", 14, 5), ".fits.gz"),
        ("Roman_TDS_simple_model_Y106_13205_1_lite_inject.txt", ExposureName("Y106", 13205, 1), "_inject.txt"),
        (
            "rimtimsim_WFI_F087_SCA02_000017675_lite_reformatted.fits",
            ExposureName("F087", 17675, 2),
            "_reformatted.fits",
        ),
    ],
)
def test_science_files_of_both_simulations_are_known(name: str, exposure: ExposureName, rest: str) -> None:
    assert science_file(name) == (exposure, rest)


def test_other_files_are_no_science_files() -> None:
    assert science_file("awaicgen_output_mosaic_image.fits") is None
    assert index_file("Roman_TDS_index_Y106_13205_1.txt") == ExposureName("Y106", 13205, 1)
    assert index_file("Roman_TDS_simple_model_Y106_13205_1_lite_inject.txt") is None


def test_old_folder_without_a_finder_catalogue_is_whole() -> None:
    found = resolve(OLD)
    assert found.missing == ()
    assert found.images["difference"] == "diffimage_masked.fits"
    assert found.finder == {}
    assert found.header == "bkg_subbed_science_image.fits"


def test_2026_names_win_and_catalogues_of_two_subtractions_are_never_mixed() -> None:
    found = resolve([*OLD, *NEW, "diffimage_masked_psfcat_finder.txt"])
    assert found.images["difference"] == "zogy_diffimage_masked.fits"
    assert found.psfcat == {1: "zogy_diffimage_masked_psfcat.txt"}
    assert found.finder == {}  # the only finder catalogue belongs to the other subtraction


def test_parquet_is_read_before_text_and_negatives_are_found() -> None:
    names = [*NEW, "zogy_diffimage_masked_psfcat.parquet", "zogy_diffimage_masked_psfcat_negative.txt"]
    names += ["zogy_diffimage_masked_psfcat_finder_negative.txt"]
    found = resolve(names)
    assert found.psfcat == {
        1: "zogy_diffimage_masked_psfcat.parquet",
        -1: "zogy_diffimage_masked_psfcat_negative.txt",
    }
    assert found.finder == {-1: "zogy_diffimage_masked_psfcat_finder_negative.txt"}
    assert found.positive().psfcat == {1: "zogy_diffimage_masked_psfcat.parquet"}


def test_sfft_prefers_the_decorrelated_difference_and_its_own_scorr() -> None:
    names = [*COMMON, "scorrimage_masked.fits", "sfftdiffimage_masked.fits", "sfftdiffimage_masked_psfcat.txt"]
    assert resolve(names, "sfft").images["difference"] == "sfftdiffimage_masked.fits"
    names += ["sfftdiffimage_dconv_masked.fits", "sfftdiffimage_cconv_masked.fits"]
    found = resolve(names, "sfft")
    assert found.images["difference"] == "sfftdiffimage_dconv_masked.fits"
    assert found.images["scorr"] == "sfftdiffimage_cconv_masked.fits"
    with pytest.raises(UserError, match="family"):
        resolve(names, "hotpants")


def test_missing_products_are_named() -> None:
    found = resolve(["bkg_subbed_science_image.fits", "diffimage_masked.fits"])
    assert len(found.missing) == 3
    assert any("gainmatched" in name for name in found.missing)
    assert any("scorr" in name for name in found.missing)
    assert any("psfcat" in name for name in found.missing)


def test_index_files_of_other_exposures_are_the_references() -> None:
    names = [*NEW, "Roman_TDS_simple_model_Y106_10_3_lite_inject_reformatted.fits", "Roman_TDS_index_Y106_10_3.txt"]
    names += ["Roman_TDS_index_Y106_7_4.txt", "Roman_TDS_simple_model_Y106_10_3_lite_reformatted.fits"]
    found = resolve(names)
    assert found.indices == ("Roman_TDS_index_Y106_10_3.txt",)
    assert found.reference_indices == ("Roman_TDS_index_Y106_7_4.txt",)
    assert found.header == "Roman_TDS_simple_model_Y106_10_3_lite_inject_reformatted.fits"
    assert Products.from_dict(found.as_dict()) == found
