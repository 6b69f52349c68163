"""``astrid depth``: limiting magnitudes of difference images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.formats import formats_of, write_described
from astrid_ml.executors.contract import Executor
from astrid_ml.preprocessing.differencing.commands.epochs import MeasureImage, find_files, measure_all, write_report
from astrid_ml.preprocessing.differencing.epochs.depth import Depth, depth_table
from astrid_ml.preprocessing.differencing.epochs.figures import write_depths
from astrid_ml.preprocessing.differencing.epochs.forced import (
    read_epoch,
)
from astrid_ml.types import Count, InUnits, Positive, ZeroPoint

NUMBERS = ("mjd", "median", "p05", "p95", "area")
FORM = 1  # of an image's table: raised when the same image and settings give another one


@dataclass(frozen=True)
class DepthCommand:
    """Limiting magnitudes of difference images.

    Args:
        input: ``difference.fits`` files, or folders of them.
        output_dir: gets ``depth.parquet`` (a row a box and image), ``depth.png`` and ``report.json``.
        n_sigma: significance of the limit.
        box: px, side of a box of the coarse map.
        zero_point: AB, of all images where their headers have none.
        executor: where the images are read; None is one after the other.
        format: of ``depth`` beside parquet: ecsv, votable, fits.
    """

    input: str | list[str]
    output_dir: str
    n_sigma: Positive = 5.0
    box: Annotated[Count, InUnits("px")] = 64
    zero_point: Annotated[ZeroPoint, InUnits("mag")] | None = None
    executor: Executor | None = None
    format: str | list[str] | None = None

    def run(self) -> dict[str, Any]:
        """Measure, write, summarise; ``failed`` counts the images that could not be read."""
        formats = formats_of(self.format)
        files = find_files(self.input, "difference*.fits*")
        folder = Path(self.output_dir)
        settings = ["depth", FORM, self.n_sigma, self.box, self.zero_point]
        measured, failed = measure_all(MeasureImage(self._measure, folder), files, settings, self.executor)
        table = pd.concat([boxes for _, boxes in measured], ignore_index=True)
        images = [{name: _known(name, value) for name, value in image.items()} for image, _ in measured]
        write_described(table, folder / "depth.parquet", TableMeaning("depth"), formats)
        write_depths(folder / "depth.png", table, images)
        medians = np.array([image["median"] for image in images], dtype=float)
        known = medians[np.isfinite(medians)]
        report: dict[str, Any] = {
            "images": len(files),
            "n_sigma": self.n_sigma,
            "median": float(np.median(known)) if len(known) else None,
            "shallowest": float(known.min()) if len(known) else None,
            "deepest": float(known.max()) if len(known) else None,
            "failed": len(failed),
        }
        write_report(folder / "report.json", report | {"by_image": images, "failed_images": failed})
        return report | {"output_dir": self.output_dir}

    def _measure(self, path: Path) -> tuple[dict[str, Any], pd.DataFrame]:
        epoch = read_epoch(path, self.zero_point)
        result = epoch.result
        found = Depth(self.n_sigma, self.box)(result.flux_error, result.mask, epoch.zero_point)
        h, w = result.diff.shape
        boxes = depth_table(found, (h, w), epoch.wcs).assign(source=str(path), mjd=epoch.mjd, band=epoch.band)
        figures = {"median": found.median, "p05": found.p05, "p95": found.p95, "area": found.area}
        shape = list(found.coarse.shape)
        return {"source": str(path), "mjd": epoch.mjd, "band": epoch.band, "boxes": shape, **figures}, boxes


def _known(name: str, value: Any) -> Any:
    """A figure of an image as it was: JSON has no NaN."""
    return float("nan") if value is None and name in NUMBERS else value
