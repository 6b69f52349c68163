"""What the files of one pair hold is what was measured: read back by astropy, pandas and h5py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from astrid_ml.described.columns import TableMeaning
from astrid_ml.preprocessing.differencing.commands.products import (
    write_candidates,
    write_difference,
    write_image,
    write_triplets,
)
from astrid_ml.preprocessing.differencing.difference import Difference
from astrid_ml.preprocessing.differencing.epochs.forced import read_epoch
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp


def named(done: Difference) -> Difference:
    science = done.science.with_(mjd=60000.25, filter="r", mission="ZTF", zero_point=26.5)
    return replace(done, science=science, reference=done.reference.with_(mjd=None))


def test_a_difference_is_read_back_as_an_epoch(subtracted: Difference, tmp_path: Path) -> None:
    done = named(subtracted)
    write_difference(tmp_path / "difference.fits", done, "raw/night/sci.fits", "raw/ref.fits")
    epoch = read_epoch(tmp_path / "difference.fits")
    assert (epoch.mjd, epoch.band, epoch.mission, epoch.zero_point) == (60000.25, "r", "ZTF", 26.5)
    for name in ("diff", "significance", "flux_error", "variance", "mask", "psf"):
        assert torch.equal(getattr(epoch.result, name), getattr(done.result, name)), name
    at = np.array([[0.0, 0.0], [200.5, 310.0]])
    assert done.science.wcs is not None
    np.testing.assert_allclose(epoch.wcs.all_pix2world(at, 0), done.science.wcs.all_pix2world(at, 0), atol=1e-9)
    assert [path.name for path in tmp_path.iterdir()] == ["difference.fits"]


def test_the_header_says_what_is_known_and_nothing_else(subtracted: Difference, tmp_path: Path) -> None:
    done = named(subtracted)
    done = replace(done, quality=replace(done.quality, astrometric_sigma=float("nan")))
    write_difference(tmp_path / "difference.fits", done, "raw/night/sci.fits", "raw/ref.fits")
    with fits.open(tmp_path / "difference.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "DIFF", "SIG", "FLUXERR", "VAR", "MASK", "PSF"]
        header = hdus["DIFF"].header
        assert (header["SCIENCE"], header["REFFILE"]) == ("sci.fits", "ref.fits")
        assert header["FLXRATIO"] == pytest.approx(done.quality.flux_ratio)
        assert header["SIGSCALE"] == pytest.approx(done.quality.significance.scale)
        assert "ASTSIGMA" not in header
        assert hdus["MASK"].data.dtype == np.uint8


def test_the_references_date_leaves_the_zero_of_the_wcs_times_alone(subtracted: Difference, tmp_path: Path) -> None:
    done = replace(named(subtracted), reference=subtracted.reference.with_(mjd=59000.5))
    write_difference(tmp_path / "difference.fits", done, "sci.fits", "ref.fits")
    header = fits.getheader(tmp_path / "difference.fits", "DIFF")
    assert header["REFMJD"] == 59000.5
    assert header.get("MJDREF", 0.0) == 0.0
    WCS(header)  # a warning fails


def test_an_intermediate_has_errors_not_variances_and_the_mean_of_a_grid_of_psfs(tmp_path: Path) -> None:
    g = torch.Generator().manual_seed(1)
    psfs = torch.stack([gaussian_stamp(1.0 + 0.2 * i, 15) for i in range(4)]).view(2, 2, 15, 15)
    mask = torch.rand(30, 40, generator=g) < 0.1
    image = Image(torch.randn(30, 40, generator=g), torch.rand(30, 40, generator=g) + 1, mask, psf=psfs, unit="nJy")
    write_image(tmp_path / "science.fits", image)
    with fits.open(tmp_path / "science.fits") as hdus:
        np.testing.assert_array_equal(hdus["SCI"].data, image.data.numpy())
        np.testing.assert_allclose(hdus["ERR"].data ** 2, image.variance.numpy(), rtol=1e-6)
        assert np.array_equal(hdus["MASK"].data == 1, mask.numpy())
        np.testing.assert_allclose(hdus["PSF"].data, psfs.view(4, 15, 15).mean(0).numpy(), rtol=1e-6)
        assert hdus["SCI"].header["BUNIT"] == "nJy"
    write_image(tmp_path / "science.fits", image.with_(psf=None))
    with fits.open(tmp_path / "science.fits") as hdus:
        assert "PSF" not in hdus


def candidates() -> pd.DataFrame:
    """Every type that a table of candidates has, with values missing."""
    return pd.DataFrame(
        {
            "id": pd.array(["a-0", "a-1", "a-2"], dtype="string"),
            "match_id": pd.array(["SN 1", None, 'x, "y" #'], dtype="string"),
            "label": pd.array([1, None, 0], dtype="Int8"),
            "x": [1.25, np.nan, 1e-12],
            "flags": np.array([0, 4, 5], np.int32),
            "truth_given": [True, False, True],
        }
    )


def test_candidates_come_back_from_both_files(tmp_path: Path) -> None:
    table = candidates()
    write_candidates(tmp_path, table, TableMeaning("candidates"))
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "candidates.parquet"), table)
    plain = Table.read(tmp_path / "candidates.ecsv")
    assert plain.colnames == list(table.columns)
    assert [str(name) for name in plain["match_id"].filled("")] == ["SN 1", "", 'x, "y" #']
    assert plain["label"].tolist() == [1, None, 0]
    np.testing.assert_array_equal(np.ma.filled(plain["x"], np.nan), table["x"])
    assert plain["flags"].tolist() == [0, 4, 5] and plain["truth_given"].tolist() == [True, False, True]
    assert table["label"].dtype == "Int8"  # the caller's table is left as it was


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    write_candidates(tmp_path, candidates().head(0), TableMeaning("candidates"))
    plain = Table.read(tmp_path / "candidates.ecsv")
    assert (len(plain), plain.colnames) == (0, list(candidates().columns))
    assert len(pd.read_parquet(tmp_path / "candidates.parquet")) == 0


def test_triplets_come_back_with_their_channels_and_columns(tmp_path: Path) -> None:
    stamps = np.random.default_rng(2).normal(size=(3, 2, 9, 9)).astype(np.float32)
    table = candidates().drop(columns="label")
    write_triplets(tmp_path / "triplets.h5", table, stamps, ["science", "reference"])
    with h5py.File(tmp_path / "triplets.h5") as file:
        np.testing.assert_array_equal(file["stamps"][:], stamps)
        assert list(file["stamps"].attrs["channels"]) == ["science", "reference"]
        assert set(file["table"]) == set(table.columns)
        assert file["table/match_id"].asstr()[:].tolist() == ["SN 1", "", 'x, "y" #']
        np.testing.assert_array_equal(file["table/x"][:], table["x"])
        assert file["table/flags"].dtype == np.int32


@pytest.mark.parametrize("dtype", ["string", "str", "object"])
def test_missing_text_is_empty_text(dtype: str, tmp_path: Path) -> None:
    values: list[object] = ["SN 1", None, np.nan, "nan"]
    table = pd.DataFrame({"match_id": pd.Series(values, dtype=object if dtype == "object" else None)})
    if dtype != "object":
        table["match_id"] = pd.array(["SN 1", None, None, "nan"], dtype=pd.StringDtype(na_value=np.nan))
    if dtype == "string":
        table["match_id"] = table["match_id"].astype("string")
    write_triplets(tmp_path / "triplets.h5", table, np.zeros((4, 1, 3, 3), np.float32), ["science"])
    with h5py.File(tmp_path / "triplets.h5") as file:
        assert file["table/match_id"].asstr()[:].tolist() == ["SN 1", "", "", "nan"]
