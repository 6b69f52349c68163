"""Headers that put the reference elsewhere, or nowhere, are corrected and said; what compares nothing is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.difference import Difference, Subtraction
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.preprocessing.differencing.grid.align import Align
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.stars.select import find_sources
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair


def missed(done: Difference, truth: pd.DataFrame) -> tuple[int, int]:
    """Transients above S/N 7 that were not found, and candidates that are none, 32 px off the border."""
    h, w = done.science.shape
    found, true = done.candidates[["x", "y"]].to_numpy(), truth[["x", "y"]].to_numpy()
    inner = [((at > 32) & (at < np.array([w, h]) - 33)).all(1) for at in (found, true)]
    distance = np.hypot(*(found[:, None] - true[None]).transpose(2, 0, 1))
    strength = truth["snr_opt"] if "snr_opt" in truth else truth["snr"]
    lost = inner[1] & (strength.to_numpy() > 7) & (distance.min(0) > 2.5)
    return int(lost.sum()), int((inner[0] & (distance.min(1) > 4)).sum())


@pytest.mark.parametrize("off", [(3.0, 0.0), (-25.0, 12.0)])
def test_a_header_that_is_off_is_corrected_and_named(
    sky: SkyPair, subtracted: Difference, off: tuple[float, float]
) -> None:
    assert sky.reference.wcs is not None
    wcs = sky.reference.wcs.deepcopy()
    wcs.wcs.crpix += np.array(off)
    said_twice = sky.reference.with_(wcs=wcs, name="r.fits", header={"doubted": {"mjd": "two dates"}})
    done = Subtraction()(sky.science, said_twice)
    assert "r.fits: mjd: two dates" in done.quality.warnings
    truth = sky.truth
    assert missed(done, truth) <= tuple(n + 1 for n in missed(subtracted, truth))
    assert done.quality.flux_ratio == pytest.approx(subtracted.quality.flux_ratio, rel=0.01)
    assert any("the header puts the reference up to" in said and "corrected" in said for said in done.quality.warnings)
    assert not any("header" in said for said in subtracted.quality.warnings)


def test_a_frame_without_a_wcs_is_placed_by_its_stars(sky: SkyPair, subtracted: Difference) -> None:
    turned = torch.rot90(sky.reference.data, 1, (0, 1)).contiguous()
    variance = torch.rot90(sky.reference.variance, 1, (0, 1)).contiguous()
    mask = torch.rot90(sky.reference.mask, 1, (0, 1)).contiguous()
    saturated = (
        None if sky.reference.saturated is None else torch.rot90(sky.reference.saturated, 1, (0, 1)).contiguous()
    )
    blind = sky.reference.with_(data=turned, variance=variance, mask=mask, saturated=saturated, wcs=None)
    done = Subtraction()(sky.science, blind)
    assert missed(done, sky.truth) <= tuple(n + 1 for n in missed(subtracted, sky.truth))
    assert any("no WCS" in said for said in done.quality.warnings)


def test_frames_of_other_places_without_a_wcs_are_refused(sky: SkyPair) -> None:
    noise = torch.randn(sky.reference.shape, generator=torch.Generator().manual_seed(1)) * 15
    with pytest.raises(UserError, match="without a common pattern"):
        Subtraction()(sky.science, sky.reference.with_(data=noise, wcs=None))


def test_who_trusts_the_header_gets_it(sky: SkyPair) -> None:
    assert sky.reference.wcs is not None
    wcs = sky.reference.wcs.deepcopy()
    wcs.wcs.crpix += np.array([3.0, 0.0])
    done = replace(Subtraction(), register=None)(sky.science, sky.reference.with_(wcs=wcs))
    assert not any("header" in said for said in done.quality.warnings)


@pytest.mark.real_data
def test_the_kept_pair_whose_header_is_off(real_data: Path) -> None:
    folder = real_data.parent / "cases" / "differencing" / "wcs-off-3px"
    done = DifferencingPipeline().difference(Frame(str(folder / "sci.fits.gz")), Frame(str(folder / "ref.fits.gz")))
    lost, false = missed(done, pd.read_csv(folder / "truth.csv"))
    assert lost == 0 and false <= 3
    assert done.quality.flux_ratio == pytest.approx(1.25, rel=0.02)


def test_a_psf_that_came_with_a_turned_frame_is_turned_with_it(sky: SkyPair) -> None:
    t = torch.arange(21.0) - 10
    long = torch.exp(-((t[None, :] / 4) ** 2) - (t[:, None] / 2) ** 2)
    names, steps = ("data", "variance", "mask"), Subtraction()
    planes = {name: torch.rot90(getattr(sky.reference, name), 1, (0, 1)).contiguous() for name in names}
    blind = steps.flat(sky.reference.with_(**planes, psf=long / long.sum(), saturated=None, wcs=None))
    aligned = steps._by_pattern(sky.science, blind, find_sources(steps.flat(sky.science)))[0]
    assert aligned.psf is not None
    assert torch.allclose(aligned.psf, long.T / long.sum(), atol=1e-3)


def test_a_way_of_aligning_that_needs_a_wcs_says_so(sky: SkyPair) -> None:
    with pytest.raises(UserError, match=r"celestial WCS; got one without.*align=lanczos"):
        replace(Subtraction(), align=Align(method="interp"))(sky.science, sky.reference.with_(wcs=None))


def test_a_frame_without_a_source_is_subtracted_and_says_so(sky: SkyPair) -> None:
    done = Subtraction()(sky.science.with_(data=-sky.science.data), sky.reference)
    assert any(said.startswith("0 usable stars in science") for said in done.quality.warnings)


def test_where_bad_pixels_cover_all_nothing_is_called_a_success(sky: SkyPair) -> None:
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in sky.science.shape), indexing="ij")
    with pytest.raises(UserError, match="bad pixels and their surroundings cover all"):
        Subtraction()(sky.science.with_(mask=(rows + columns) % 2 == 0), sky.reference)


@pytest.mark.parametrize("kind", ["constant", "noise", "on a background"])
def test_a_psf_file_that_is_no_psf_is_refused(pair_folder: Path, tmp_path: Path, kind: str) -> None:
    stamp = gaussian_stamp(1.5, 25).numpy()
    noise = np.random.default_rng(2).normal(0.2, 1, stamp.shape)
    wrong = {"constant": np.ones_like(stamp), "noise": noise, "on a background": stamp + stamp.max() * 2}[kind]
    fits.writeto(tmp_path / "psf.fits", wrong.astype(np.float32))
    with pytest.raises(UserError, match="falls off from its peak"):
        LoadFits()(Frame(str(pair_folder / "science.fits"), psf=str(tmp_path / "psf.fits")))
