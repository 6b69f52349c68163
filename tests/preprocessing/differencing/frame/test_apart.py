"""A pair is two images: the same one on both sides is refused, by whatever path it is named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.apart import one_image, refuse_one_hdu, refuse_one_image
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.preprocessing.differencing.frame.manifest import find_pairs


@pytest.fixture
def image(tmp_path: Path) -> Path:
    noise = np.random.default_rng(1).normal(100, 5, (2, 64, 64)).astype(np.float32)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(noise[0], name="SCI"), fits.ImageHDU(noise[1], name="TWO")]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    return tmp_path / "a.fits"


def test_links_and_other_spellings_are_the_same_file(image: Path, tmp_path: Path) -> None:
    (tmp_path / "link.fits").symlink_to(image)
    os.link(image, tmp_path / "hard.fits")
    for other in (image, tmp_path / "link.fits", tmp_path / "hard.fits", tmp_path / ".." / tmp_path.name / "a.fits"):
        with pytest.raises(UserError, match="one image as both"):
            refuse_one_image(Frame(str(image)), Frame(str(other)))
    assert not one_image({"path": str(image)}, {"path": str(tmp_path / "nothing.fits")})


def test_two_hdus_of_a_file_are_two_images_and_one_hdu_with_two_names_is_one(image: Path) -> None:
    for pair, same in ((("SCI", "TWO"), False), ((1, "SCI"), True), ((None, "SCI"), True)):
        frames = [Frame(str(image), ext=ext) for ext in pair]
        refuse_one_image(*frames)
        images = [LoadFits(need_wcs=False)(frame) for frame in frames]
        if same:
            with pytest.raises(UserError, match="one image as both"):
                refuse_one_hdu(frames[0], frames[1], images)
        else:
            refuse_one_hdu(frames[0], frames[1], images)


def test_the_row_of_a_manifest_is_named(image: Path, tmp_path: Path) -> None:
    (tmp_path / "b.fits").write_bytes(image.read_bytes())
    (tmp_path / "manifest.csv").write_text("science,reference\na.fits,b.fits\na.fits,./a.fits\n")
    with pytest.raises(UserError, match=r"row 2: .*a\.fits as both"):
        find_pairs([tmp_path])
    with pytest.raises(UserError, match="one file twice"):
        find_pairs([image, tmp_path / "." / "a.fits"])
    (tmp_path / "manifest.csv").write_text("science,reference\na.fits,a.fits\n,b.fits\na.fits,b.fits\na.fits,a.fits\n")
    with pytest.raises(UserError, match=r"row 1: .*as both; row 2: .*science.*; row 4: .*as both"):
        find_pairs([tmp_path])
    (tmp_path / "manifest.csv").write_text("science,reference\n" + "a.fits,a.fits\n" * 9)
    with pytest.raises(UserError, match=r"row 5: .*; and 4 more"):
        find_pairs([tmp_path])
    (tmp_path / "manifest.csv").write_text("science,reference\na.fits,b.fits\na.fits[1],a.fits[2]\n")
    assert len(find_pairs([tmp_path])) == 2
