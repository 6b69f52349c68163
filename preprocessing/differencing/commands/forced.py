"""``astrid forced``: photometry at known positions on many difference images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd

from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.formats import formats_of, write_described
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.within import within_memory
from astrid_ml.footprint import inner_folder
from astrid_ml.preprocessing.differencing.commands.epochs import (
    MeasureImage,
    find_files,
    measure_all,
    read_positions,
    write_report,
)
from astrid_ml.preprocessing.differencing.epochs.figures import write_curves
from astrid_ml.preprocessing.differencing.epochs.forced import (
    FORCED_COLUMNS,
    by_mission,
    forced_photometry,
    light_curves,
    read_epoch,
)
from astrid_ml.tables import UserTable
from astrid_ml.types import Existing, InUnits, Micrometres, Positive, ZeroPoint

FORM = 2  # of an image's table: raised when the same image and settings give another one


@dataclass(frozen=True)
class ForcedCommand:
    """Forced photometry at known positions on every difference image.

    Args:
        input: ``difference.fits`` files, or folders of them.
        positions: CSV, ECSV, VOTable, FITS or parquet with object_id, ra, dec, and optionally label.
        output_dir: gets ``forced.parquet`` (a row an object and epoch), ``objects/part-00000.parquet`` (light curves in
            the exchange form), ``curves.png`` and ``report.json``.
        n_sigma: of the upper limits.
        detection: |snr| from which an epoch counts as detected.
        zero_point, band: of all images, where their headers have none or a wrong one.
        bands: ``mission`` names them mission-filter, ``filter`` by the filter alone.
        wavelengths: micrometres by band, over the built-in ones.
        executor: where the images are measured; None is one after the other.
        format: of ``forced`` beside parquet: ecsv, votable, fits.
    """

    input: str | list[str]
    positions: Existing
    output_dir: str
    n_sigma: Positive = 3.0
    detection: Positive = 5.0
    zero_point: Annotated[ZeroPoint, InUnits("mag")] | None = None
    band: str | None = None
    bands: Literal["mission", "filter"] = "mission"
    wavelengths: Annotated[dict[str, Micrometres], InUnits("um")] = field(default_factory=dict)
    executor: Executor | None = None
    format: str | list[str] | None = None

    def run(self) -> dict[str, Any]:
        """Measure, write, summarise; ``failed`` counts the images that could not be read."""
        if self.bands not in ("mission", "filter"):  # made without the command line, which asks the annotation
            raise UserError("bands=mission or bands=filter", self.bands, "for instance bands=mission")
        formats = formats_of(self.format)
        positions = self._positions()
        objects = positions.rows
        files = find_files(self.input, "difference*.fits*")
        folder = Path(self.output_dir)
        settings = ["forced", FORM, self.n_sigma, self.detection, self.zero_point, self.band]
        work = MeasureImage(self._measure, folder)
        measured, failed = measure_all(work, files, settings, self.executor, [Path(self.positions)])
        tables = [table for _, table in measured]
        # An image without any of the objects says nothing of column types.
        filled = [table for table in tables if len(table)]
        table = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=pd.Index(FORCED_COLUMNS))
        table = table.sort_values(["object_id", "mjd", "source"], kind="stable", ignore_index=True)
        write_described(table, folder / "forced.parquet", TableMeaning("forced"), formats)
        curves = self._write_curves(folder, table, objects)
        if len(table):
            write_curves(folder / "curves.png", table)
        seen = table["object_id"].nunique()
        report: dict[str, Any] = {
            "images": len(files),
            "objects": len(objects),
            "positions_dropped": len(positions.dropped),
            "objects_covered": int(seen),
            "measurements": len(table),
            "masked": int(table["masked"].sum()),
            "detections": int(table["detected"].sum()),
            "curves": curves,
            "failed": len(failed),
        }
        write_report(folder / "report.json", report | {"failed_images": failed, "positions": positions.account()})
        return report | {"output_dir": self.output_dir}

    @within_memory("a table of positions")
    def _positions(self) -> UserTable:
        read = read_positions(Path(self.positions))
        repeated = read.rows["object_id"][read.rows["object_id"].duplicated()]
        if len(repeated):
            raise UserError("object ids that appear once", f"{repeated.iloc[0]} twice", f"correct {self.positions}")
        rows = read.rows.assign(object_id=read.rows["object_id"].astype(str))  # plain text, as curves carry it
        return UserTable(rows, read.dropped)

    def _measure(self, path: Path) -> tuple[dict[str, Any], pd.DataFrame]:
        epoch = read_epoch(path, self.zero_point, self.band)
        return {}, forced_photometry(epoch, self._positions().rows, self.n_sigma, self.detection)

    def _write_curves(self, folder: Path, table: pd.DataFrame, objects: pd.DataFrame) -> int:
        from astrid_ml.preprocessing.lightcurves.curves.exchange import ExchangeWriter

        usable = table[~table["masked"].astype(bool)]
        if usable.empty:
            return 0
        inner_folder(folder, "objects")
        named = by_mission(usable) if self.bands == "mission" else usable
        curves, _ = light_curves(named, objects, self.wavelengths)
        with ExchangeWriter(folder / "objects" / "part-00000.parquet") as writer:
            writer.write(curves)
        return len(curves)
