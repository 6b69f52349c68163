"""Figures of a comparison: the bars and the curves are the numbers of the summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import BarContainer

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.preprocessing.ramps.judge.figures import COLOURS, completeness_figure, curves_figure, save_figures
from astrid_ml.preprocessing.ramps.judge.methods import Claims, ExposureScores
from astrid_ml.preprocessing.ramps.judge.summary import Comparison

SCORE, LABEL = [9.0, 8.0, 6.0, 5.0], [1, 0, 1, 1]


def compared(**totals: int) -> Comparison:
    """Two methods with the same claims of every class; no ray of 7 to 10 read noises is there."""
    score, label = np.array(SCORE), np.array(LABEL, dtype=np.int64)
    claim = Claims(np.column_stack([score] * 4), label, label == 0, np.zeros(4, np.int64))
    rays = pd.DataFrame({"size": [3.5, 4.5, 6.0, 20.0], "likelihood": [9.0, 1.0, 9.0, 9.0], "two_point": [1.0] * 4})
    scores = ExposureScores({"two_point": claim, "likelihood": claim}, rays, totals, 0.5)
    return Comparison([scores], {"likelihood": 4.5, "two_point": 4.0}, Bootstrap(5))


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compared(cosmic_ray=4, telegraph_noise=2, snowball=2)


@pytest.fixture(scope="module")
def result(comparison: Comparison) -> dict[str, Any]:
    return comparison.summary()


def test_bars_are_the_completeness_of_each_bin(result: dict[str, Any]) -> None:
    (axes,) = completeness_figure(result).axes
    bars = [group for group in axes.containers if isinstance(group, BarContainer)]
    heights = {group.get_label(): [bar.get_height() for bar in group] for group in bars}
    assert heights == {"two point": [0.0, 0.0, 0.0], "likelihood": [0.5, 1.0, 1.0]}
    ticks = [text.get_text() for text in axes.get_xticklabels()]
    assert ticks == ["3-5\n(n = 2)", "5-7\n(n = 1)", "7-10\n(n = 0)", ">10\n(n = 1)"]
    assert "at 2.0 false positives" in axes.get_title()


def test_bars_of_an_empty_bin_are_left_out_and_the_others_stay_in_place(result: dict[str, Any]) -> None:
    (axes,) = completeness_figure(result).axes
    bars = [bar for group in axes.containers if isinstance(group, BarContainer) for bar in group]
    centres = {round(bar.get_x() + bar.get_width() / 2, 6) for bar in bars}
    assert centres == {k + side for k in (0, 1, 3) for side in (-0.2, 0.2)}


def test_curves_are_precision_against_recall_of_all_there_was(comparison: Comparison) -> None:
    rays, telegraph, snowballs = curves_figure(comparison).axes
    assert [axes.get_title() for axes in (rays, telegraph, snowballs)] == ["cosmic ray", "telegraph noise", "snowball"]
    for line in rays.lines:
        assert np.asarray(line.get_xdata()) == pytest.approx([0.25, 0.25, 0.5, 0.75])
        assert np.asarray(line.get_ydata()) == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4])
    area = (1 + 2 / 3 + 3 / 4) / 4
    assert [line.get_label() for line in rays.lines] == [f"two point {area:.3f}", f"likelihood {area:.3f}"]
    assert [line.get_color() for line in rays.lines] == [COLOURS["two_point"], COLOURS["likelihood"]]
    assert all(np.asarray(line.get_ydata()) == pytest.approx(0.0) for line in snowballs.lines)  # claimed, and wrong


def test_both_figures_are_written(comparison: Comparison, result: dict[str, Any], tmp_path: Path) -> None:
    paths = save_figures(comparison, result, tmp_path)
    assert [path.name for path in paths] == ["completeness.png", "precision_recall.png"]
    assert all(path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for path in paths)


def test_a_class_without_steps_says_so() -> None:
    _, telegraph, _ = curves_figure(compared(cosmic_ray=4, telegraph_noise=0, snowball=0)).axes
    assert telegraph.get_legend() is None
    assert telegraph.texts[0].get_text() == "no true step or no claim"
