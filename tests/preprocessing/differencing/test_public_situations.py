"""Situations that users of other packages reported: each comes out right here, or is refused with its reason.

Each test names the thread in which the situation was described. Data are drawn here; nothing is taken from there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.detect.dipole_fit import with_dipole_fits
from astrid_ml.preprocessing.differencing.difference import Difference, Subtraction
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.sky.background import SubtractBackground
from astrid_ml.preprocessing.differencing.stars.register import Register, mapped
from astrid_ml.preprocessing.differencing.subtract.kernel import Kernel
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair
from astrid_ml.types import Floats

FLUX_RATIO = 1.25  # of the simulated pair


def found(done: Difference, truth: pd.DataFrame, margin: int = 32) -> float:
    """Share of the transients above S/N 8, off the border and off masked pixels, with a candidate within 2.5 px."""
    h, w = done.science.shape
    at = truth[truth["snr_opt" if "snr_opt" in truth else "snr"] > 8][["x", "y"]].to_numpy()
    at = at[((at > margin) & (at < np.array([w, h]) - margin)).all(1)]
    at = at[~done.result.mask.numpy()[np.rint(at[:, 1]).astype(int), np.rint(at[:, 0]).astype(int)]]
    there = done.candidates[["x", "y"]].to_numpy()
    return float((np.hypot(*(at[:, None] - there[None]).transpose(2, 0, 1)).min(1) < 2.5).mean())


def part(image: Image, rows: slice, columns: slice) -> Image:
    """A cutout with its WCS."""
    names = ("data", "variance", "mask", "saturated")
    planes = {n: getattr(image, n)[rows, columns].contiguous() for n in names if getattr(image, n) is not None}
    wcs = None if image.wcs is None else image.wcs[rows, columns]
    return image.with_(wcs=wcs, **planes)


def test_two_lists_that_differ_by_five_pixels() -> None:
    """quatrope/astroalign 63: ten places moved by 5 px along x end in 'Max iterations exceeded'."""
    rng = np.random.default_rng(63)
    places: Floats = rng.uniform(10, 190, (10, 2))
    agreed = Register()(places, places + np.array([5.0, 0.0]), (200, 200))
    assert agreed is not None
    np.testing.assert_allclose(mapped(agreed.map, places), places + np.array([5.0, 0.0]), atol=0.01)


@pytest.mark.parametrize("n", [50, 98])
def test_fewer_than_a_hundred_stars(n: int) -> None:
    """quatrope/astroalign 39: 'anything with stars <= 98 fails'."""
    rng = np.random.default_rng(39)
    places, turn = rng.uniform(0, 256, (n, 2)), np.radians(30)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    there = places @ linear.T + [80.0, -60.0]
    seen = ((there > 0) & (there < 256)).all(1)
    agreed = Register()(places + rng.normal(0, 0.1, places.shape), there[seen], (256, 256))
    assert agreed is not None
    assert np.abs(mapped(agreed.map, places[seen]) - there[seen]).max() < 0.3


def test_three_sources_are_right_or_nothing() -> None:
    """quatrope/astroalign 81: three common sources end in an empty array's error."""
    places = np.array([[30.0, 40.0], [150.0, 60.0], [90.0, 170.0]])
    agreed = Register()(places, places + np.array([1.0, 2.0]), (200, 200))
    assert agreed is None or np.abs(mapped(agreed.map, places) - places - [1.0, 2.0]).max() < 0.1


def test_a_small_field_within_a_large_one() -> None:
    """quatrope/astroalign 91: most of the target has no counterpart in the source."""
    rng = np.random.default_rng(91)
    large = rng.uniform(0, 2000, (200, 2))
    inside = ((large > 700) & (large < 1300)).all(1)
    agreed = Register()(large[inside] - 700, large, (2000, 2000))
    assert agreed is not None
    assert np.abs(mapped(agreed.map, large[inside] - 700) - large[inside]).max() < 0.1


def test_pixels_without_a_number_do_not_spread(pair_folder: Path, tmp_path: Path, subtracted: Difference) -> None:
    """toros-astro/torosfactory 24: some NaN leave a whole patch of the difference empty."""
    with fits.open(pair_folder / "science.fits") as hdus:
        data = hdus[0].data.copy()
        data[180:190, 200:204] = np.nan
        fits.writeto(tmp_path / "holes.fits", data, hdus[0].header)
    frames = (Frame(str(tmp_path / "holes.fits")), Frame(str(pair_folder / "reference.fits")))
    done = DifferencingPipeline().difference(*frames)
    for plane in (done.result.diff, done.result.significance, done.result.flux_error):
        assert bool(torch.isfinite(plane).all())
    lost = done.result.mask & ~subtracted.result.mask
    assert 40 <= int(lost.sum()) < 600


def test_a_template_that_covers_an_eighth_is_refused(sky: SkyPair) -> None:
    """lsst/pipe_tasks 528: templates that cover 12 to 17 % of the frame make junk."""
    h, w = sky.reference.shape
    with pytest.raises(UserError, match=r"85 ?%|overlap|covers"):
        Subtraction()(sky.science, part(sky.reference, slice(0, h // 8), slice(0, w)))


def test_a_kernel_without_stars_is_that_of_the_psfs(sky: SkyPair, subtracted: Difference) -> None:
    """lsst/ip_diffim 405: no kernel candidate remains."""
    alone = Kernel()(replace(subtracted.pair, stars=torch.zeros(0, 2, dtype=torch.double)))
    assert alone.quality["stamps"] == 0.0
    assert alone.quality["kernel_sum"] == pytest.approx(float(subtracted.pair.flux_ratio), rel=0.03)


def test_bright_stars_that_the_template_masks_are_left_out(sky: SkyPair, subtracted: Difference) -> None:
    """lsst/ip_diffim 407: stars that are masked in the template alone serve the kernel."""
    best = subtracted.matched.stars.nlargest(5, "flux_science")
    mask = sky.reference.mask.clone()
    aligned = Subtraction()
    assert sky.reference.wcs is not None and sky.science.wcs is not None
    ra, dec = sky.science.wcs.all_pix2world(best["x"], best["y"], 0)
    x, y = (np.rint(c).astype(int) for c in sky.reference.wcs.all_world2pix(ra, dec, 0))
    for row, column in zip(y, x, strict=True):
        mask[row - 3 : row + 4, column - 3 : column + 4] = True
    done = aligned(sky.science, sky.reference.with_(mask=mask))
    places = done.matched.stars[["x", "y"]].to_numpy()
    assert np.hypot(*(places[:, None] - best[["x", "y"]].to_numpy()).transpose(2, 0, 1)).min() > 5
    assert done.quality.flux_ratio_err is not None and done.quality.flux_ratio_err < 0.01
    assert done.quality.flux_ratio == pytest.approx(FLUX_RATIO, abs=2 * done.quality.flux_ratio_err)


def test_a_frame_of_no_number_is_refused(pair_folder: Path, tmp_path: Path) -> None:
    """astropy/photutils 2062: a background of values none of which is finite."""
    with fits.open(pair_folder / "science.fits") as hdus:
        fits.writeto(tmp_path / "nan.fits", np.full_like(hdus[0].data, np.nan), hdus[0].header)
    with pytest.raises(UserError):
        DifferencingPipeline().difference(Frame(str(tmp_path / "nan.fits")), Frame(str(pair_folder / "reference.fits")))


def test_a_narrow_frame_whose_sides_are_no_multiples_of_boxes(sky: SkyPair) -> None:
    """astropy/photutils 496: a frame of 91 rows and boxes of 25 px."""
    done = Subtraction(background=SubtractBackground(box=25))(
        part(sky.science, slice(100, 191), slice(0, 384)), sky.reference
    )
    assert done.result.diff.shape == (91, 384)
    assert done.quality.significance.std == pytest.approx(1.0, abs=0.1)


def test_neither_frame_is_changed_by_its_subtraction(sky: SkyPair) -> None:
    """astropy/photutils 1933: the input is modified where a box is as large as the frame."""
    before = [t.clone() for image in (sky.science, sky.reference) for t in (image.data, image.variance, image.mask)]
    Subtraction(background=SubtractBackground(box=384))(sky.science, sky.reference)
    after = [t for image in (sky.science, sky.reference) for t in (image.data, image.variance, image.mask)]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_significance_has_the_sign_of_the_difference(sky: SkyPair, subtracted: Difference) -> None:
    """EranOfek/AstroPack 377: S is positive around the holes of D."""
    assert found(subtracted, sky.truth) > 0.9
    strong = subtracted.candidates[subtracted.candidates["snr"].abs() > 10]
    x, y = (torch.from_numpy(strong[c].round().to_numpy(dtype=int, copy=True)) for c in ("x", "y"))
    signs = torch.sign(subtracted.result.diff[y, x]).numpy()
    assert len(strong) > 5 and (signs == strong["sign"].to_numpy()).all()


def test_the_error_map_of_the_difference_is_true(subtracted: Difference) -> None:
    """lukeshingles/atlasserver 145: what the error of a pixel of a difference is, the template's part included."""
    blank = subtracted.blank & ~subtracted.result.mask
    pulls = (subtracted.result.diff / subtracted.result.variance.sqrt())[blank]
    assert float(pulls.std()) == pytest.approx(1.0, abs=0.05)


def test_a_dipole_fit_beside_pixels_without_a_number(subtracted: Difference) -> None:
    """lsst/ip_diffim 307, 274: a dipole fit that fails ends the measurement."""
    broken = replace(subtracted.result, diff=subtracted.result.diff.clone())
    for x, y in subtracted.candidates[["x", "y"]].round().astype(int).to_numpy():
        broken.diff[y, max(x - 2, 0) : x + 3] = torch.nan
    table = with_dipole_fits(subtracted.candidates, broken, subtracted.blank, 3.0)
    assert len(table) == len(subtracted.candidates) and np.isfinite(table["point_chi2"]).all()
