"""The figure of a recovery shows the shares that were found and the summary's numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from astrid_ml.preprocessing.differencing.commands.recovery_figure import write_recovery_figure
from astrid_ml.stats import wilson


def sources(column: str = "snr_opt", n: int = 50) -> pd.DataFrame:
    """Of 5 to 6, none was found; of 10 to 11, half; of 20 to 21, all."""
    value = np.concatenate([start + np.linspace(0, 1, n) for start in (5.0, 10.0, 20.0)])
    found = np.concatenate([np.zeros(n, bool), np.arange(n) % 2 == 0, np.ones(n, bool)])
    return pd.DataFrame({column: value, "found": found, "masked": False, "alone": True})


def summary(names: list[str], **changes: Any) -> pd.DataFrame:
    row = {"false_positives_per_mpx": 4.0, "false_negatives_per_mpx": 1.5, "slope": 0.98, "slope_err": 0.01}
    return pd.DataFrame([{"name": name, **row, "pull_std": 1.25} | changes for name in names])


def curve(axis: Any) -> dict[float, float]:
    """Where the line of the first row stands: the middle of a bin -> completeness."""
    return {float(x): float(y) for x, y in zip(*axis.lines[0].get_data(), strict=True)}


def test_completeness_is_the_share_found_in_each_bin(drawn: list[Figure], tmp_path: Path) -> None:
    write_recovery_figure(tmp_path / "recover.png", {"zogy": sources()}, summary(["zogy"]))
    axis = drawn[0].axes[0]
    found = curve(axis)
    assert (axis.get_xlabel(), axis.get_xscale()) == ("optimal S/N", "log")
    for low, expected, tolerance in ((5, 0.0, 0.0), (10, 0.5, 0.03), (20, 1.0, 0.0)):
        shares = [share for snr, share in found.items() if low <= snr <= low + 1]
        assert shares and shares == pytest.approx([expected] * len(shares), abs=tolerance)
    assert axis.get_legend_handles_labels()[1] == ["zogy"]
    assert (tmp_path / "recover.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_band_around_the_curve_is_wilsons(drawn: list[Figure], tmp_path: Path) -> None:
    write_recovery_figure(tmp_path / "recover.png", {"zogy": sources(n=25)}, summary(["zogy"]))
    axis = drawn[0].axes[0]
    found = curve(axis)
    assert list(found.values()) == pytest.approx([0.0, 13 / 25, 1.0])
    low, high = wilson(np.array([0.0, 13 / 25, 1.0]), np.array([25.0] * 3))
    edge = np.asarray(axis.collections[0].get_paths()[0].vertices)
    for snr, bottom, top in zip(found, low, high, strict=True):
        at = edge[np.isclose(edge[:, 0], snr), 1]
        assert (at.min(), at.max()) == pytest.approx((bottom, top))


def test_masked_and_crowded_sources_do_not_count(drawn: list[Figure], tmp_path: Path) -> None:
    lost = sources().assign(found=False)
    given = [sources(), lost.assign(masked=True), lost.assign(alone=False)]
    write_recovery_figure(tmp_path / "a.png", {"zogy": pd.concat(given, ignore_index=True)}, summary(["zogy"]))
    write_recovery_figure(tmp_path / "b.png", {"zogy": sources()}, summary(["zogy"]))
    assert curve(drawn[0].axes[0]) == curve(drawn[1].axes[0])


def test_without_a_known_snr_it_is_the_magnitude(drawn: list[Figure], tmp_path: Path) -> None:
    with_and_without = {"zogy": sources().assign(mag=20.0), "direct": sources("mag")}
    write_recovery_figure(tmp_path / "recover.png", with_and_without, summary(["zogy", "direct"]))
    axis = drawn[0].axes[0]
    assert (axis.get_xlabel(), axis.get_xscale()) == ("magnitude", "linear")


def test_bars_and_points_are_the_summarys(drawn: list[Figure], tmp_path: Path) -> None:
    table = pd.concat([summary(["zogy"]), summary(["direct"], slope=None, slope_err=None, pull_std=None)])
    table["false_positives_per_mpx"] = [4.0, None]
    write_recovery_figure(tmp_path / "r.png", {"zogy": sources(), "direct": sources().head(0)}, table)
    _, false, slope = drawn[0].axes
    positive, negative = ([bar.get_width() for bar in bars] for bars in false.containers)
    assert (positive, negative) == ([4.0, 0.0], [1.5, 1.5])
    assert [label.get_text() for label in false.get_yticklabels()] == ["zogy", "direct"]
    assert false.get_yticks()[0] > false.get_yticks()[1]  # in the order of the table, from above
    points, _, (lines,) = slope.containers[0]
    assert float(points.get_xdata()[0]) == 0.98
    assert lines.get_segments()[0][:, 0].tolist() == pytest.approx([0.98 - 1.96 * 0.01, 0.98 + 1.96 * 0.01])
    assert [label.get_text() for label in slope.get_yticklabels()] == ["zogy\n(pull 1.25)", "direct\n(pull ?)"]


def test_a_source_counts_in_one_bin_and_one_without_a_value_in_none(tmp_path: Path, drawn: list[Figure]) -> None:
    # Three bins of the magnitudes 1 ... 4, whose inner edges are magnitudes too: 1 | 2 | 3 and 4.
    mag = np.repeat([1.0, 2.0, 3.0, 4.0], 10)
    given = pd.DataFrame({"mag": mag, "found": mag == 2, "masked": False, "alone": True})
    nothing = given.head(9).assign(mag=np.nan, found=True)
    for name, table in (("plain", given), ("with nothing", pd.concat([given, nothing]))):
        write_recovery_figure(tmp_path / f"{name}.png", {"zogy": table}, summary(["zogy"]))
    assert curve(drawn[0].axes[0]) == {1.0: 0.0, 2.0: 1.0, 3.5: 0.0}
    assert curve(drawn[1].axes[0]) == curve(drawn[0].axes[0])


def test_equal_values_are_one_point_and_no_value_is_none(tmp_path: Path, drawn: list[Figure]) -> None:
    equal = sources().assign(snr_opt=7.0)
    write_recovery_figure(tmp_path / "equal.png", {"zogy": equal}, summary(["zogy"]))
    assert curve(drawn[0].axes[0]) == {7.0: pytest.approx(0.5)}
    both = {"zogy": equal, "none": equal.assign(snr_opt=np.nan)}
    write_recovery_figure(tmp_path / "none.png", both, summary(["zogy", "none"]))
    assert drawn[1].axes[0].get_legend_handles_labels()[1] == ["zogy"]


def test_each_way_has_a_panel_before_the_others_and_every_label_lies_in_the_picture(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    """Case: of eight curves that lie on each other four were seen."""
    lost = sources().assign(found=False)
    given = {"zogy": sources(), "direct": lost, "kernel": sources(), "given": sources(), "psf": sources()}
    write_recovery_figure(tmp_path / "r.png", given, summary(list(given)))
    *panels, false, slope = drawn[0].axes
    assert [panel.get_title() for panel in panels] == list(given)
    for panel in panels:
        own, *others = sorted(panel.lines, key=lambda line: -line.get_zorder())
        assert own.get_label() == panel.get_title() and len(others) >= len(given)
    assert [np.asarray(panel.lines[0].get_ydata()).max() for panel in panels[:2]] == [1, 0]
    drawn[0].canvas.draw()
    tops = [label.get_window_extent().y1 for axis in (false, slope) for label in axis.get_yticklabels()]
    assert max(tops) <= drawn[0].bbox.height
