"""The figure of a light curve: what its styles, its limits and its title say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from astrid_ml.preprocessing.lightcurves.curves.bands import wavelengths_of
from astrid_ml.preprocessing.lightcurves.select.figure import draw, limits, style_of
from astrid_ml.types import Array, Mask


@dataclass(frozen=True)
class Curve:
    """The least that can be drawn."""

    mjd: Array
    band: Array
    flux: Array
    flux_err: Array
    wavelength: Array
    detected: Mask
    start: float = np.nan
    object_id: str = "a"
    label: str | None = None

    def __len__(self) -> int:
        return len(self.mjd)


def curve(bands: list[str], flux: list[float], error: list[float], start: float = np.nan) -> Curve:
    waves = wavelengths_of(bands, {"w1": 3.4, "w2": 4.6})
    return Curve(
        60000.0 + np.arange(len(bands)),
        np.array(bands, dtype=str),
        np.array(flux, dtype=np.float64),
        np.array(error, dtype=np.float64),
        waves,
        np.arange(len(bands)) > 0,
        start,
    )


def test_bands_stand_from_blue_to_red_and_no_two_look_alike() -> None:
    found = style_of(curve(["w2", "z", "u", "w1", "J", "g"], [1.0] * 6, [1.0] * 6))
    assert list(found) == ["u", "g", "z", "J", "w1", "w2"]
    assert len(set(found.values())) == 6
    assert found["g"] == style_of(curve(["g"], [1.0], [1.0]))["g"]  # a band of Rubin looks the same in every figure


def test_the_flux_axis_holds_every_error_bar_and_zero() -> None:
    low, high = limits(curve(["g", "g"], [10.0, 30.0], [2.0, 3.0]))
    assert low < 0 < 33 < high
    assert limits(curve(["g", "g"], [-30.0, -10.0], [3.0, 2.0])) == pytest.approx((-high, -low))


def test_one_wild_error_does_not_flatten_the_curve() -> None:
    low, high = limits(curve(["g"] * 3, [0.0, 50.0, 100.0], [1.0, 1e8, 1.0]))
    assert -120 < low < high < 220


def test_an_object_without_epochs_is_an_empty_figure() -> None:
    axes, _ = draw(curve([], [], [])).axes
    assert axes.get_title() == "a (0 detections of 0 epochs)"
    assert axes.get_ylim() == (-1.0, 1.0)


def test_it_draws_into_axes_that_are_given_and_saves_their_figure(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    _, right = figure.subplots(1, 2)
    found = draw(curve(["g", "r", "g"], [1.0, 2.0, 3.0], [0.1] * 3, 60001.0), tmp_path / "two.png", right)
    assert found is figure
    assert right.get_title() == "a (2 detections of 3 epochs)"
    assert (tmp_path / "two.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_without_a_time_zero_there_is_no_trigger() -> None:
    for start, expected in ((np.nan, False), (60001.0, True)):
        axes, _ = draw(curve(["g", "r"], [1.0, 2.0], [0.1] * 2, start)).axes
        legend = axes.get_legend()
        assert legend is not None
        assert ("trigger" in [text.get_text() for text in legend.get_texts()]) is expected
        assert any(line.get_linestyle() == "--" for line in axes.lines) is expected


def test_magnitudes_stand_beside_the_fluxes() -> None:
    axes, beside = draw(curve(["g", "r", "i"], [2000.0, 500.0, 20.0], [5.0] * 3)).axes
    marks = {
        float(label.get_text()): flux for label, flux in zip(beside.get_yticklabels(), beside.get_yticks(), strict=True)
    }
    assert len(marks) >= 2 and axes.get_ylim() == beside.get_ylim()
    for magnitude, flux in marks.items():
        assert 27.5 - 2.5 * np.log10(flux) == pytest.approx(magnitude)
        heights = [axis.transData.transform((0.0, flux))[1] for axis in (axes, beside)]
        assert heights[0] == pytest.approx(heights[1])


def test_an_arrow_points_down_from_the_limit_of_each_non_detection() -> None:
    axes, _ = draw(curve(["g", "r", "g"], [-3.0, 100.0, 90.0], [2.0] * 3)).axes
    [arrow] = [text for text in axes.texts if text.arrow_patch is not None]  # type: ignore[attr-defined]
    assert arrow.xyann[1] == 6.0 and arrow.xy[1] == 4.0  # type: ignore[attr-defined]
