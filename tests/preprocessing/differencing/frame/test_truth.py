"""Known positions: nothing is left out unseen."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from astropy.wcs import WCS

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.truth import read_truth


@pytest.fixture
def image() -> Image:
    """32 x 32 px around ra 10, dec 0, an arcsec each."""
    wcs = WCS(naxis=2)
    wcs.wcs.crpix, wcs.wcs.crval, wcs.wcs.cdelt = [16.5, 16.5], [10.0, 0.0], [-1 / 3600, 1 / 3600]
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    plane = torch.zeros(32, 32)
    return Image(data=plane, variance=plane + 1, mask=plane > 1, wcs=wcs)


@pytest.mark.parametrize(
    ("text", "row", "reason"),
    [
        ("ra,dec\n10,0\n,0\n", 2, "ra is empty"),
        ("ra,dec\n10,0\nNaN,0\n", 2, "ra is empty"),
        ("x,y\n3,4\n,5\n5,6\n", 2, "x is empty"),
        ("x,y,flux\n3,4,10\n4,5,\n", 2, "flux is empty"),
        ("x,y\n3,4\n4,here\n", 2, "y is no number: 'here'"),
        ("ra,dec\nx,0\n10,0\n", 1, "ra is no number: 'x'"),
    ],
)
def test_a_row_without_its_position_or_flux_is_refused(
    text: str, row: int, reason: str, image: Image, tmp_path: Path
) -> None:
    (tmp_path / "truth.csv").write_text(text)
    with pytest.raises(UserError) as caught:
        read_truth(str(tmp_path / "truth.csv"), image)
    assert f"1 rows that cannot be used; row {row}: {reason}" in caught.value.got


def test_positions_outside_the_image_are_left_out_and_gaps_of_the_other_pair_do_not_count(
    image: Image, tmp_path: Path
) -> None:
    pd.DataFrame({"ra": [10.0, 10.5], "dec": [0.0, 0.0], "x": [None, None]}).to_csv(tmp_path / "sky.csv", index=False)
    sky = read_truth(str(tmp_path / "sky.csv"), image)
    assert sky[["x", "y"]].to_numpy().round(6).tolist() == [[15.5, 15.5]]
    (tmp_path / "pixels.csv").write_text("x,y,ra,dec\n3,4,,\n")
    assert read_truth(str(tmp_path / "pixels.csv"), image)[["x", "y"]].to_numpy().tolist() == [[3.0, 4.0]]


def test_of_a_table_of_several_frames_each_takes_its_own(image: Image, tmp_path: Path) -> None:
    rows = [(15.5, 15.5, 10.0, 0.0), (5.0, 6.0, 10.5, 0.0), (9.0, 9.0, 10.0 + 5 / 3600, 0.0), (3.0, 3.0, None, None)]
    table = pd.DataFrame(rows, columns=["x", "y", "ra", "dec"])
    table.to_csv(tmp_path / "night.csv", index=False)
    found = read_truth(str(tmp_path / "night.csv"), image)[["x", "y"]].to_numpy().round(6).tolist()
    # Its own; not that of a frame half a degree away; one that another frame has elsewhere; one without a sky position.
    assert found == [[15.5, 15.5], [10.5, 15.5], [3.0, 3.0]]
    table.iloc[:1].assign(x=16.5, y=16.5).to_csv(tmp_path / "fits.csv", index=False)  # pixels that begin at 1
    assert read_truth(str(tmp_path / "fits.csv"), image)[["x", "y"]].to_numpy().tolist() == [[16.5, 16.5]]
    table.iloc[1:2].to_csv(tmp_path / "wrong.csv", index=False)  # a header that is wrong says nothing
    assert len(read_truth(str(tmp_path / "wrong.csv"), image)) == 1


def test_a_table_without_positions_is_refused(image: Image, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,dec\n1,2\n")
    with pytest.raises(UserError, match="x, y or ra, dec"):
        read_truth(str(tmp_path / "t.csv"), image)
