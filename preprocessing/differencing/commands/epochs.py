"""``astrid forced``, ``astrid associate``, ``astrid depth``: what many difference images say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.pipeline.executors import Executor, Serial
from astrid_ml.preprocessing.differencing.commands.products import atomically
from astrid_ml.preprocessing.differencing.epochs.associate import Associate
from astrid_ml.preprocessing.differencing.epochs.depth import Depth, depth_table
from astrid_ml.preprocessing.differencing.epochs.figures import write_curves, write_depths
from astrid_ml.preprocessing.differencing.epochs.forced import (
    FORCED_COLUMNS,
    by_mission,
    forced_photometry,
    light_curves,
    read_epoch,
)


def find_files(places: str | Sequence[str], pattern: str) -> list[Path]:
    """Files that are named, and those of that pattern inside folders that are named, in order.

    Raises:
        UserError: nothing at a place, or no file at all.
    """
    found: list[Path] = []
    for place in [places] if isinstance(places, str) else list(places):
        path = Path(place)
        if not path.exists():
            raise UserError("input=FILE or FOLDER that exists", f"nothing at {path}", "check the path")
        found += sorted(path.rglob(pattern)) if path.is_dir() else [path]
    if not found:
        raise UserError(f"files named {pattern}", f"none in {places}", "make them with astrid difference")
    return list(dict.fromkeys(found))


def read_rows(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A table from CSV, ECSV or parquet that must have some columns.

    Raises:
        UserError: an unreadable file, or a column is missing.
    """
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, comment="#", sep=r"\s+" if path.suffix == ".ecsv" else ",")
    except (ValueError, OSError) as error:
        raise UserError(f"a table with {', '.join(columns)}", f"{path}: {str(error)[:120]}", "check it") from error
    absent = [name for name in columns if name not in table]
    if absent:
        raise UserError(f"the columns {', '.join(columns)}", f"{path} without {', '.join(absent)}", "add them")
    return table


def run_all(
    executor: Executor | None, work: Callable[[Any], Any], jobs: Sequence[Any], names: Sequence[str]
) -> tuple[list[Any], list[dict[str, str]]]:
    """Results in the order of the jobs, and what failed with its reason.

    Raises:
        UserError: where every job failed, the first one's own message.
    """
    results = dict((executor or Serial()).map(work, jobs))
    failed = [i for i in range(len(jobs)) if isinstance(results[i], BaseException)]
    if len(failed) == len(jobs):
        raise results[failed[0]]
    done = [results[i] for i in range(len(jobs)) if i not in set(failed)]
    return done, [{"source": names[i], "reason": f"{type(results[i]).__name__}: {results[i]}"} for i in failed]


def write_report(path: Path, report: dict[str, Any]) -> None:
    """``report.json``."""
    from astrid_ml.run.prediction.predict import write_json

    write_json(path, report)


@dataclass(frozen=True)
class Forced:
    """Forced photometry at known positions on every difference image.

    Args:
        input: ``difference.fits`` files, or folders of them.
        positions: CSV, ECSV or parquet with object_id, ra, dec, and optionally label.
        output_dir: gets ``forced.parquet`` (a row an object and epoch), ``objects/part-00000.parquet`` (light curves in
            the exchange form), ``curves.png`` and ``report.json``.
        n_sigma: of the upper limits. detection: |snr| from which an epoch counts as detected.
        zero_point, band: of all images, where their headers have none or a wrong one.
        bands: ``mission`` names them mission-filter, ``filter`` by the filter alone.
        wavelengths: micrometres by band, over the built-in ones.
        executor: where the images are measured; None is one after the other.
    """

    input: str | list[str]
    positions: str
    output_dir: str
    n_sigma: float = 3.0
    detection: float = 5.0
    zero_point: float | None = None
    band: str | None = None
    bands: str = "mission"
    wavelengths: dict[str, float] = field(default_factory=dict)
    executor: Executor | None = None

    def run(self) -> dict[str, Any]:
        """Measure, write, summarise; ``failed`` counts the images that could not be read."""
        if self.bands not in ("mission", "filter"):
            raise UserError("bands=mission or bands=filter", self.bands, "choose one")
        objects = self._objects()
        files = find_files(self.input, "difference*.fits*")
        tables, failed = run_all(self.executor, self._measure, files, [str(path) for path in files])
        # An image without any of the objects says nothing of column types.
        filled = [table for table in tables if len(table)]
        table = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=pd.Index(FORCED_COLUMNS))
        table = table.sort_values(["object_id", "mjd", "source"], kind="stable", ignore_index=True)
        folder = Path(self.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        atomically(folder / "forced.parquet", lambda at: table.to_parquet(at, index=False))
        curves = self._write_curves(folder, table, objects)
        if len(table):
            write_curves(folder / "curves.png", table)
        seen = table["object_id"].nunique()
        report: dict[str, Any] = {
            "images": len(files),
            "objects": len(objects),
            "objects_covered": int(seen),
            "measurements": len(table),
            "masked": int(table["masked"].sum()),
            "detections": int(table["detected"].sum()),
            "curves": curves,
            "failed": len(failed),
        }
        write_report(folder / "report.json", report | {"failed_images": failed})
        return report | {"output_dir": self.output_dir}

    def _objects(self) -> pd.DataFrame:
        objects = read_rows(Path(self.positions), ("object_id", "ra", "dec"))
        repeated = objects["object_id"][objects["object_id"].astype(str).duplicated()]
        if len(repeated):
            raise UserError("object ids that appear once", f"{repeated.iloc[0]} twice", f"mend {self.positions}")
        return objects.assign(object_id=objects["object_id"].astype(str)).reset_index(drop=True)

    def _measure(self, path: Path) -> pd.DataFrame:
        epoch = read_epoch(path, self.zero_point, self.band)
        return forced_photometry(epoch, self._objects(), self.n_sigma, self.detection)

    def _write_curves(self, folder: Path, table: pd.DataFrame, objects: pd.DataFrame) -> int:
        from astrid_ml.preprocessing.lightcurves.curves.exchange import ExchangeWriter

        usable = table[~table["masked"].astype(bool)]
        if usable.empty:
            return 0
        (folder / "objects").mkdir(exist_ok=True)
        named = by_mission(usable) if self.bands == "mission" else usable
        curves, _ = light_curves(named, objects, self.wavelengths)
        with ExchangeWriter(folder / "objects" / "part-00000.parquet") as writer:
            writer.write(curves)
        return len(curves)


@dataclass(frozen=True)
class AssociateCandidates:
    """Candidates of many images become objects.

    Args:
        input: ``candidates.parquet`` files, or folders of them.
        output_dir: gets ``candidates.parquet`` (all, with object_id and group_id), ``objects.parquet`` and
            ``report.json``.
        radius: arcsec. mission_radius: arcsec by mission.
        known: objects.parquet of an earlier run, whose names are kept.
        min_candidates: objects with fewer are left out of ``objects.parquet``.
    """

    input: str | list[str]
    output_dir: str
    radius: float = 1.0
    mission_radius: dict[str, float] = field(default_factory=dict)
    known: str | None = None
    min_candidates: int = 1

    def run(self) -> dict[str, Any]:
        """Associate, write, summarise."""
        files = find_files(self.input, "candidates*.parquet")
        candidates = joined_candidates(files)
        known = read_rows(Path(self.known), ("object_id", "ra", "dec")) if self.known else None
        out, objects = Associate(self.radius, self.mission_radius)(candidates, known)
        kept = objects[objects["n_candidates"] >= self.min_candidates].reset_index(drop=True)
        folder = Path(self.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        atomically(folder / "candidates.parquet", lambda at: out.to_parquet(at, index=False))
        atomically(folder / "objects.parquet", lambda at: kept.to_parquet(at, index=False))
        extent = objects["extent"].to_numpy(dtype=float)
        report: dict[str, Any] = {
            "files": len(files),
            "candidates": len(out),
            "objects": len(objects),
            "objects_kept": len(kept),
            "objects_seen_again": int((objects["n_epochs"] > 1).sum()),
            "objects_wider_than_two_radii": int((extent > 2 * self.radius).sum()),
        }
        write_report(folder / "report.json", report)
        return report | {"output_dir": self.output_dir}


def joined_candidates(files: Sequence[Path]) -> pd.DataFrame:
    """The candidates of all files; where two files share an id, each id is led by its file's folder."""
    tables = [read_rows(path, ("id", "ra", "dec")).assign(candidates_file=str(path)) for path in files]
    filled = [table for table in tables if len(table)] or tables[:1]
    ids = pd.concat([table["id"].astype(str) for table in filled], ignore_index=True)
    together = pd.concat(filled, ignore_index=True)
    if ids.duplicated().any():
        folders = together["candidates_file"].map(lambda name: Path(name).parent.name)
        ids = folders.astype(str) + "/" + ids
    return together.assign(id=ids.astype("string"))


@dataclass(frozen=True)
class DepthMaps:
    """Limiting magnitudes of difference images.

    Args:
        input: ``difference.fits`` files, or folders of them.
        output_dir: gets ``depth.parquet`` (a row a box and image), ``depth.png`` and ``report.json``.
        n_sigma: significance of the limit. box: px of the coarse map.
        zero_point: AB, of all images where their headers have none.
        executor: where the images are read; None is one after the other.
    """

    input: str | list[str]
    output_dir: str
    n_sigma: float = 5.0
    box: int = 64
    zero_point: float | None = None
    executor: Executor | None = None

    def run(self) -> dict[str, Any]:
        """Measure, write, summarise; ``failed`` counts the images that could not be read."""
        files = find_files(self.input, "difference*.fits*")
        results, failed = run_all(self.executor, self._measure, files, [str(path) for path in files])
        folder = Path(self.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        table = pd.concat([boxes for boxes, _ in results], ignore_index=True)
        images = [image for _, image in results]
        atomically(folder / "depth.parquet", lambda at: table.to_parquet(at, index=False))
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

    def _measure(self, path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
        epoch = read_epoch(path, self.zero_point)
        result = epoch.result
        found = Depth(self.n_sigma, self.box)(result.flux_error, result.mask, epoch.zero_point)
        h, w = result.diff.shape
        boxes = depth_table(found, (h, w), epoch.wcs).assign(source=str(path), mjd=epoch.mjd, band=epoch.band)
        figures = {"median": found.median, "p05": found.p05, "p95": found.p95, "area": found.area}
        shape = list(found.coarse.shape)
        return boxes, {"source": str(path), "mjd": epoch.mjd, "band": epoch.band, "boxes": shape, **figures}
