"""The figures of many epochs show what their tables hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from astrid_ml.preprocessing.differencing.epochs.figures import write_curves, write_depths


def epochs(names: list[str], bands: tuple[str, ...] = ("g", "r")) -> pd.DataFrame:
    """Four nights each, in turn in the bands; object number i peaks at i + 1 sigma, with a negative sign for odd i."""
    rows = [
        {
            "object_id": name,
            "mjd": 60000.0 + night,
            "band": bands[night % len(bands)],
            "flux": (-1.0) ** i * (i + 1) * (10.0 if night == 2 else 1.0),
            "flux_err": 1.0 + night,
            "snr": (-1.0) ** i * (i + 1) * (1.0 if night == 2 else 0.1),
            "detected": night == 2,
            "masked": False,
        }
        for i, name in enumerate(names)
        for night in range(4)
    ]
    return pd.DataFrame(rows)


def titles(figure: Figure) -> list[str]:
    return [axis.get_title() for axis in figure.axes if axis.get_visible() and axis.get_title()]


def bars(axis: Any) -> dict[float, tuple[float, float, tuple[float, ...], float]]:
    """MJD -> flux, error, colour, opacity of what was drawn."""
    out: dict[float, tuple[float, float, tuple[float, ...], float]] = {}
    for points, _, (lines,) in axis.containers:
        for mjd, flux, segment in zip(*points.get_data(), lines.get_segments(), strict=True):
            out[mjd] = flux, float(np.ptp(segment[:, 1])) / 2, to_rgba(points.get_color()), points.get_alpha()
    return out


def test_the_most_significant_objects_come_first_whatever_their_sign(drawn: list[Figure], tmp_path: Path) -> None:
    write_curves(tmp_path / "curves.png", epochs([f"SN {i}" for i in range(11)]))
    [figure] = drawn
    assert titles(figure) == [f"SN {i}" for i in range(10, 1, -1)]  # nine panels
    assert (tmp_path / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_points_have_their_errors_a_colour_a_band_and_are_faint_where_nothing_was_detected(
    drawn: list[Figure], tmp_path: Path
) -> None:
    table = epochs(["a"])
    table.loc[3, "masked"] = True
    table.loc[3, ["flux", "snr"]] = np.nan
    write_curves(tmp_path / "curves.png", table)
    [figure] = drawn
    found = bars(figure.axes[0])
    assert sorted(found) == [60000.0, 60001.0, 60002.0]
    flux, error, _, opacity = zip(*(found[mjd] for mjd in sorted(found)), strict=True)
    assert (flux, opacity) == ((1.0, 1.0, 10.0), (0.35, 0.35, 1.0))
    assert error == pytest.approx((1.0, 2.0, 3.0))
    assert found[60000.0][2] == found[60002.0][2] != found[60001.0][2]
    [legend] = figure.legends
    shown = dict(
        zip(
            [text.get_text() for text in legend.get_texts()],
            [to_rgba(line.get_color()) for line in legend.get_lines()],
            strict=True,
        )
    )
    assert shown == {"g": found[60000.0][2], "r": found[60001.0][2]}


def depths(sources: list[str], limits: list[list[float]]) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Maps of two rows and three columns of boxes, 64 px each."""
    y, x = (64.0 * a.ravel() + 31.5 for a in np.mgrid[:2, :3])
    table = pd.concat(
        [pd.DataFrame({"source": s, "x": x, "y": y, "limit": v}) for s, v in zip(sources, limits, strict=True)]
    )
    images = [
        {"source": s, "boxes": (2, 3), "median": float(np.median(v)), "band": "r", "mjd": 60000.0}
        for s, v in zip(sources, limits, strict=True)
    ]
    return table, images


def test_depth_maps_stand_where_their_boxes_are_on_one_scale(drawn: list[Figure], tmp_path: Path) -> None:
    limits = [[20.0, 20.1, 20.2, 20.3, 20.4, 20.5], [21.0, 21.1, 21.2, 21.3, 21.4, 21.5]]
    write_depths(tmp_path / "depth.png", *depths(["night/a/difference.fits", "night/b/difference.fits"], limits))
    [figure] = drawn
    assert titles(figure) == [
        "a/difference.fits\nr, MJD 60000.000, median 20.25",
        "b/difference.fits\nr, MJD 60000.000, median 21.25",
    ]
    for axis, values in zip(figure.axes, limits, strict=False):
        [mesh] = axis.collections
        assert np.asarray(mesh.get_array()).tolist() == np.reshape(values, (2, 3)).tolist()
        assert mesh.get_clim() == (20.0, 21.5)
        assert axis.dataLim.bounds == pytest.approx((-0.5, -0.5, 192.0, 128.0))
    assert (tmp_path / "depth.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_an_image_without_a_good_pixel_says_so_and_a_flat_map_has_a_scale(drawn: list[Figure], tmp_path: Path) -> None:
    write_depths(tmp_path / "depth.png", *depths(["a/d.fits", "b/d.fits"], [[22.0] * 6, [np.nan] * 6]))
    [figure] = drawn
    assert titles(figure)[1].endswith("no good pixel")
    low, high = figure.axes[0].collections[0].get_clim()
    assert low < 22.0 < high
