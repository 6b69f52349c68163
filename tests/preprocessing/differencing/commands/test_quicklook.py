"""The quick look shows the pair's own pixels, candidates, stars and figures."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from astrid_ml.preprocessing.differencing.commands import quicklook
from astrid_ml.preprocessing.differencing.commands.quicklook import write_quicklook
from astrid_ml.preprocessing.differencing.difference import Difference
from astrid_ml.stats import robust_sigma

RED, BLUE = "#c53030", "#2b6cb0"


def circles(axis: Any) -> dict[str, list[tuple[float, float]]]:
    """Colour -> the places that are marked."""
    return {
        to_hex(c.get_edgecolors()[0]): sorted((float(x), float(y)) for x, y in c.get_offsets())
        for c in axis.collections
        if len(c.get_offsets())
    }


def test_a_pair_is_shown_as_it_was_measured(drawn: list[Figure], subtracted: Difference, tmp_path: Path) -> None:
    flipped = subtracted.candidates.copy()
    flipped.loc[flipped.index[:2], "sign"] = -1
    done = replace(subtracted, candidates=flipped)
    write_quicklook(tmp_path / "quicklook.png", done)
    assert (tmp_path / "quicklook.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    [figure] = drawn
    planes = {axis.get_title(): axis for axis in figure.axes[:4]}
    assert list(planes) == ["science", "reference", "difference", "significance (sigma)"]
    # significance is shown as it is, images in units of the noise of blank sky
    shown = {name: np.asarray(axis.images[0].get_array()) for name, axis in planes.items()}
    np.testing.assert_array_equal(shown["significance (sigma)"], done.result.significance.numpy())
    blank = done.blank.numpy()
    for name in ("science", "reference", "difference"):
        assert abs(np.median(shown[name][blank])) < 1e-6
        assert abs(robust_sigma(shown[name][blank]) - 1) < 1e-4
    data = done.science.data.numpy()
    assert np.corrcoef(shown["science"].ravel(), data.ravel())[0, 1] > 1 - 1e-6
    marked = {
        colour: sorted(zip(part["x"], part["y"], strict=True))
        for colour, part in ((RED, flipped[flipped["sign"] == 1]), (BLUE, flipped[flipped["sign"] == -1]))
    }
    assert len(marked[BLUE]) == 2 and len(marked[RED]) > 2
    assert circles(planes["difference"]) == circles(planes["significance (sigma)"]) == marked
    assert circles(planes["science"]) == {}
    suptitle = figure.get_suptitle()
    assert f"{len(flipped)} candidates" in suptitle
    assert f"flux ratio {done.quality.flux_ratio:.4f}" in suptitle


def test_noise_stars_and_registration_are_the_pairs(
    drawn: list[Figure], subtracted: Difference, tmp_path: Path
) -> None:
    write_quicklook(tmp_path / "quicklook.png", subtracted)
    noise, residuals, registration = drawn[0].axes[4:]
    counts, expected = (np.asarray(line.get_ydata()) for line in noise.lines)
    values = subtracted.result.significance[subtracted.blank]
    inside = int(((values >= -7) & (values <= 7)).sum())
    assert counts[counts >= 1].sum() == inside and abs(expected.sum() - len(values)) < 1e-3 * len(values)
    stars = subtracted.matched.stars
    used = [c for c in residuals.collections if c.get_label() == "used for the flux ratio"]
    offsets = np.asarray(used[0].get_offsets())
    kept = stars[stars["kept"]]
    np.testing.assert_allclose(offsets[:, 0], kept["flux_science"], rtol=1e-6)
    row, column = (int(np.floor(kept[c].iloc[0] + 0.5)) for c in ("y", "x"))
    around = subtracted.result.significance[row - 2 : row + 3, column - 2 : column + 3]
    assert abs(offsets[0, 1]) == float(around.abs().max())
    arrows: Any = registration.collections[0]
    np.testing.assert_array_equal(np.asarray(arrows.U), kept["dx"])
    np.testing.assert_array_equal(np.asarray(arrows.get_offsets()), kept[["x", "y"]])
    assert f"{subtracted.quality.astrometric_sigma:.3f} px" in registration.get_title(loc="left")


def test_a_figure_that_is_written_holds_no_plane_of_the_pair(subtracted: Difference, tmp_path: Path) -> None:
    """A run of many pairs would hold several of them: until memory is looked through, whenever that is."""
    done = replace(subtracted, science=subtracted.science.with_(data=subtracted.science.data.clone()))
    held = weakref.ref(done.science)
    gc.collect()
    gc.disable()
    try:
        write_quicklook(tmp_path / "quicklook.png", done)
        del done
        assert held() is None
    finally:
        gc.enable()


def test_a_large_frame_is_thinned_and_its_marks_stay_in_place(
    drawn: list[Figure], subtracted: Difference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quicklook, "_SHOWN", max(subtracted.science.shape) // 2)
    write_quicklook(tmp_path / "quicklook.png", subtracted)
    axis = drawn[0].axes[3]
    plane = subtracted.result.significance.numpy()
    np.testing.assert_array_equal(np.asarray(axis.images[0].get_array()), plane[::2, ::2])
    height, width = (2 * ((length + 1) // 2) for length in plane.shape)
    assert tuple(axis.images[0].get_extent()) == (-0.5, width - 0.5, -0.5, height - 0.5)
    assert sum(map(len, circles(axis).values())) == len(subtracted.candidates)


def test_a_pair_without_stars_and_blank_sky_is_shown_too(
    drawn: list[Figure], subtracted: Difference, tmp_path: Path
) -> None:
    matched = replace(subtracted.matched, stars=subtracted.matched.stars.head(0))
    done = replace(subtracted, matched=matched, blank=torch.zeros_like(subtracted.blank))
    write_quicklook(tmp_path / "quicklook.png", replace(done, candidates=done.candidates.head(0)))
    assert [text.get_text() for text in drawn[0].axes[5].texts] == ["no matched stars"]
    assert circles(drawn[0].axes[2]) == {}
