"""Quick looks at a prediction's folder: all anomalies on the exposure, close-ups, time series with fitted models."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from astrid_ml.errors import UserError
from astrid_ml.files import read_array, read_arrays, read_note
from astrid_ml.preprocessing.ramps.commands.overview import COLOURS, overview_figure, place, show_read
from astrid_ml.preprocessing.ramps.exposure.sanity_figure import sanity_figure
from astrid_ml.table_files import read_parquet
from astrid_ml.types import Bits, Floats32


@dataclass(frozen=True)
class ResultVisualizer:
    """Figures of one exposure's results.

    Args:
        cube: processed reads in e-, (n_ints, n_groups, n_rows, n_cols); a memory map.
        detections: the events of ``detections.json``.
        jumps: the table of ``jumps.parquet``.
        mask: class codes, (n_rows, n_cols).
        slope: count rate in e-/s, (n_ints, n_rows, n_cols).
        name: the exposure's.
        chi2, decay: reduced chi-square and significance of a decaying rate, likewise.
        said: of ``sanity.json``; empty where nothing was measured.

    Example:
        >>> event = {"type": "cosmic_ray", "integration": 0, "first_frame": 3, "position": [4, 5], "confidence": 0.9}
        >>> jumps = pd.DataFrame({"integration": [0], "group": [3], "y": [5], "x": [4], "amplitude": [300.0]})
        >>> cube, mask = np.zeros((1, 6, 16, 16), np.float32), np.zeros((16, 16), np.uint8)
        >>> cube[0, 3:, 5, 4] = 300.0
        >>> results = ResultVisualizer(cube, [event], jumps, mask, slope=cube[:, 0], name="case_1")
        >>> results.event(event).get_suptitle()
        'cosmic ray at x=4, y=5, confidence 0.90'
    """

    cube: Floats32
    detections: list[dict[str, Any]]
    jumps: pd.DataFrame
    mask: Bits
    slope: Floats32
    name: str
    chi2: Floats32 = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    decay: Floats32 = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    said: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def open(folder: Path | str) -> ResultVisualizer:
        """Open a folder that ``predict.py task=ramps`` wrote.

        Raises:
            UserError: a file is missing or damaged.
        """
        folder = Path(folder)
        cubes = sorted(folder.glob("*_processed.npy"))
        wanted = [folder / name for name in ("detections.json", "jumps.parquet", "prediction_mask.npy", "sanity.json")]
        absent = [path.name for path in wanted if not path.is_file()] + ([] if cubes else ["*_processed.npy"])
        if absent:
            raise UserError(
                "a folder of a ramp prediction", f"{folder} without {', '.join(absent)}", "give OUT/EXPOSURE"
            )
        name = cubes[0].name.removesuffix("_processed.npy")
        maps = read_arrays(folder / f"{name}_temporal.npz", ("slope", "chi2", "decay_snr"))
        events = read_note(wanted[0])
        cube, mask = read_array(cubes[0], "r"), read_array(wanted[2])
        shown = (maps["slope"], name, maps["chi2"], maps["decay_snr"], read_note(wanted[3]))
        return ResultVisualizer(cube, events, read_parquet(wanted[1]), mask, *shown)

    def overview(self, integration: int = 0, named: int = 4) -> Figure:
        """The last read with every event marked by its type, and the brightest of each type by name.

        Args:
            integration: 0-based.
            named: events of each type that get a number.
        """
        own = [event for event in self.detections if event["integration"] == integration]
        title = f"{self.name}, integration {integration}: last read and detections"
        return overview_figure(np.asarray(self.cube[integration, -1]), own, title, named)

    def event(self, event: dict[str, Any], half: int = 12) -> Figure:
        """One event: a close-up of the step in its group, and its brightest pixel's reads with the model."""
        integration, group = int(event["integration"]), int(event["first_frame"])
        x, y = (round(v) for v in place(event))
        half = max(half, int(2 * event.get("radius", 0)))
        rows = slice(max(0, y - half), min(self.mask.shape[0], y + half + 1))
        columns = slice(max(0, x - half), min(self.mask.shape[1], x + half + 1))
        step = (
            np.asarray(self.cube[integration, group, rows, columns]) - self.cube[integration, group - 1, rows, columns]
        )
        py, px = self._pixel(event, y, x)
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.7])
        extent = (columns.start - 0.5, columns.stop - 0.5, rows.start - 0.5, rows.stop - 0.5)
        show_read(left, step, extent)
        left.plot(px, py, "+", color=COLOURS[event["type"]], markersize=12)
        left.set_title(f"read {group} - read {group - 1}")
        self._series(right, integration, py, px, COLOURS[event["type"]])
        sure = "withheld" if event["confidence"] is None else f"{event['confidence']:.2f}"
        figure.suptitle(f"{event['type'].replace('_', ' ')} at x={x}, y={y}, confidence {sure}")
        return figure

    def sanity(self) -> Figure:
        """What was measured of the exposure before its results count: chi-square and decay maps, and the verdict."""
        maps = {"chi2": self.chi2, "decay_snr": self.decay, "slope": self.slope}
        return sanity_figure(self.said, maps, self.jumps, self.cube.shape[1], self.name)

    def save(self, folder: Path | str, examples: int = 2) -> list[Path]:
        """Write the overview of each integration, the sanity and the surest examples of each type as PNG."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        figures = {f"overview_{i}": self.overview(i) for i in range(len(self.cube))}
        if self.said:
            figures["sanity"] = self.sanity()
        for kind in COLOURS:
            surest = sorted((e for e in self.detections if e["type"] == kind), key=lambda e: -(e["confidence"] or 0))
            figures |= {f"{kind}_{i}": self.event(event) for i, event in enumerate(surest[:examples])}
        paths = [folder / f"{name}.png" for name in figures]
        for path, figure in zip(paths, figures.values(), strict=True):
            figure.savefig(path, dpi=110)
        return paths

    def _pixel(self, event: dict[str, Any], y: int, x: int) -> tuple[int, int]:
        """The pixel whose reads are shown: the strongest jump near the event, else its centre."""
        near = self.jumps[(self.jumps.integration == event["integration"]) & (self.jumps.group == event["first_frame"])]
        reach = 2 * event.get("radius", 2.0) + 2
        near = near[np.hypot(near.y - y, near.x - x) <= reach]
        if near.empty:
            return y, x
        best = near.loc[near.amplitude.abs().idxmax()]
        return int(best.y), int(best.x)

    def _series(self, axes: Axes, integration: int, y: int, x: int, colour: str) -> None:
        """Reads of a pixel, and the straight ramp with its jumps."""
        reads = np.asarray(self.cube[integration, :, y, x], float)
        groups = np.arange(len(reads))
        axes.plot(groups, reads, ".", color="0.35", label="reads")
        own = self.jumps[(self.jumps.integration == integration) & (self.jumps.y == y) & (self.jumps.x == x)]
        stairs = np.zeros(len(reads))
        for group, amplitude in zip(own.group, own.amplitude, strict=True):
            stairs[group:] += amplitude
        finite = np.isfinite(reads)
        if finite.sum() > 2 and np.isfinite(self.slope[integration, y, x]):
            line = np.polyfit(groups[finite], (reads - stairs)[finite], 1)
            axes.plot(groups, np.polyval(line, groups) + stairs, color=colour, label="ramp with jumps")
        axes.set(xlabel="group", ylabel="signal since the first read (e-)", title=f"pixel x={x}, y={y}")
        axes.legend(frameon=False)
