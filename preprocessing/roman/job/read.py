"""One job folder becomes samples, a frame, and a table of its truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.roman.job import frames
from astrid_ml.preprocessing.roman.job.catalogues import inside, join, read_table
from astrid_ml.preprocessing.roman.job.columns import same, texts
from astrid_ml.preprocessing.roman.job.header import Science, read_science
from astrid_ml.preprocessing.roman.job.match import Match, label
from astrid_ml.preprocessing.roman.job.names import FAMILIES, Products
from astrid_ml.preprocessing.roman.job.truth import RomanTruth, on_detector
from astrid_ml.sky import healpix
from astrid_ml.types import Count, Floats, Floats32, InUnits

_CELL = 18  # HEALPix cells of 0.8 arcsec: what stands at one place belongs together over all epochs


@dataclass(frozen=True)
class Images:
    """The images of a job.

    Args:
        family: zogy, sfft or naive.
        keep: ``frames`` keeps each job's whole frame, ``cutouts`` only squares around the detections.
        size: px on a side of those squares.
    """

    family: str = "zogy"
    keep: str = "frames"
    size: Annotated[Count, InUnits("px")] = 64

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise UserError(f"images.family of {', '.join(FAMILIES)}", self.family, "choose one of them")
        if self.keep not in ("frames", "cutouts") or self.size < 1:
            got = f"{self.keep}, {self.size} px"
            raise UserError(
                "images.keep of frames or cutouts and images.size of at least 1",
                got,
                "for instance preprocessing.images.keep=frames",
            )

    def bytes_needed(self, image_bytes: int) -> int:
        """Of a job whose science image has this many bytes."""
        return 4 * image_bytes if self.keep == "frames" else image_bytes


@dataclass(frozen=True)
class Catalogues:
    """The detections of a job.

    Args:
        negatives: also read the catalogues of what faded (2026 runs have them).
    """

    negatives: bool = True


class JobParts(Protocol):
    """What of the pipeline a job asks."""

    @property
    def images(self) -> Images: ...

    @property
    def catalogues(self) -> Catalogues: ...

    @property
    def truth(self) -> RomanTruth: ...

    @property
    def match(self) -> Match: ...


def process_job(asked: JobParts, unit: Unit, products: Products, writer: UnitWriter) -> None:
    """Read one job folder.

    Raises:
        ImageError, CatalogueError, TruthError: a file that cannot be used.
    """
    paths = {path.name: path for path in unit.inputs}
    planes = {name: frames.open_plane(paths[products.images[name]]) for name in frames.CHANNELS}
    shape = frames.common_shape(planes)
    science = _science(products, paths, planes, unit.parameters["field"], writer)
    detections = _detections(products, paths, shape, unit.id, writer)
    truth = _truth(asked, products, paths, shape, unit.id, science, writer)
    labelled, known = _labelled(asked, detections, truth, products, writer)
    writer.count("jobs")
    if known is not None:
        writer.add_table("truth", known.assign(jid=unit.id, filter=science.band, mjd=science.mjd, field=science.field))
    if not len(labelled):
        writer.count("jobs_without_detections")
        writer.drop(unit.id, "a job without detections")
        return
    records = _records(labelled, science, unit.id).assign(**frames.limits_of(planes))
    records["source"] = str(unit.parameters["folder"])
    _write(asked.images, records, planes, shape, unit.id, writer)


def _science(
    products: Products,
    paths: Mapping[str, Path],
    planes: Mapping[str, frames.Plane],
    field: str | None,
    writer: UnitWriter,
) -> Science:
    """The science exposure; the headers of the reformatted and of the subtracted image complete each other."""
    headers = [planes["science"].header]
    if products.header is not None and products.header != products.images["science"]:
        headers.insert(0, frames.open_plane(paths[products.header]).header)
    science = read_science(headers, planes["reference"].header, products.exposure, field)
    for name, wrong in (
        ("headers_without_zptmag", science.zero_point is None),
        ("headers_without_filter", science.band_from_name or science.band is None),
        ("headers_without_wcs", science.wcs is None),
    ):
        if wrong:
            writer.count(name)
    return science


def _detections(
    products: Products, paths: Mapping[str, Path], shape: tuple[int, int], job: str, writer: UnitWriter
) -> pd.DataFrame:
    """Detections of both signs, inside the image, each with a ``sample`` name of its own."""
    parts = []
    for sign, name in products.psfcat.items():
        ending = "" if sign > 0 else "_neg"

        def drop(number: str, reason: str, ending: str = ending) -> None:
            writer.drop(f"{job}_{number}{ending}", reason)

        finder = read_table(paths[products.finder[sign]]) if sign in products.finder else None
        table, counts = join(read_table(paths[name]), finder, drop)
        for what, number in counts.items():
            writer.count(what, number)
        table = inside(table, shape, drop)
        table["sign"] = np.int8(sign)
        table["sample"] = texts(f"{job}_{number}{ending}" for number in table["id"])
        writer.count("detections_positive" if sign > 0 else "detections_negative", len(table))
        parts.append(table)
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else parts[0]


def _truth(
    asked: JobParts,
    products: Products,
    paths: Mapping[str, Path],
    shape: tuple[int, int],
    job: str,
    science: Science,
    writer: UnitWriter,
) -> pd.DataFrame | None:
    """Truth on the detector; None where the job has no truth file."""
    named = (products.injections, products.indices, products.reference_indices)
    injections, indices, references = ([paths[name] for name in names] for names in named)
    if not any(named):
        writer.count("jobs_without_truth")
        return None
    everything = asked.truth.read(injections, indices, references, job, science)
    here = on_detector(everything, shape)
    writer.count("truth_off_the_detector", len(everything) - len(here))
    writer.count("truth_on_the_detector", len(here))
    if not len(here):
        writer.count("jobs_with_empty_truth")
    return here


def _labelled(
    asked: JobParts,
    detections: pd.DataFrame,
    truth: pd.DataFrame | None,
    products: Products,
    writer: UnitWriter,
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Label each sign by its own truth: what faded needs the truth of the reference's epoch."""
    positive = bool(products.injections or products.indices)
    known_signs = {1: positive, -1: bool(products.reference_indices)}
    parts, truths = [], []
    for sign, known in known_signs.items():
        chosen = detections[detections["sign"] == sign]
        of_sign = truth[truth["sign"] == sign] if truth is not None and known else None
        if sign < 0 and of_sign is None:
            writer.count("negatives_without_reference_truth", len(chosen))
        table, matched = label(chosen, of_sign, asked.match, asked.truth.mag_limit)
        parts.append(table)
        truths += [] if matched is None else [matched]
    out = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    writer.count("matched", int((out["label"] == 1).sum()))
    writer.count("ambiguous", int(out["ambiguous"].sum()))
    _check_offset(asked, out, writer)
    filled = [table for table in truths if len(table)]
    return out, pd.concat(filled, ignore_index=True) if filled else (truths[0] if truths else None)


def _check_offset(asked: JobParts, table: pd.DataFrame, writer: UnitWriter) -> None:
    """Count jobs whose matches are off by more than they should be: a wrong pixel origin, or a wrong WCS."""
    matched = table[table["label"] == 1]
    if len(matched) >= 5:
        offset = math.hypot(float(matched["match_dx"].median()), float(matched["match_dy"].median()))
        if offset > asked.match.max_offset:
            writer.count(f"warning: jobs whose matches are off by more than {asked.match.max_offset:g} px")


def _records(table: pd.DataFrame, science: Science, job: str) -> pd.DataFrame:
    """Index rows of a job's detections."""
    out = table.rename(columns={"id": "catalogue_id", "sample": "id"})
    unknown = ~np.isfinite(out["ra"]) | ~np.isfinite(out["dec"])
    if unknown.any():
        ra, dec = science.sky(out["x"].to_numpy(), out["y"].to_numpy())
        out["ra"], out["dec"] = out["ra"].where(~unknown, ra), out["dec"].where(~unknown, dec)
    out["group_id"] = _groups(out)
    for name, value in (("jid", job), ("filter", science.band), ("field", science.field)):
        out[name] = same(value, len(out))
    out["mission"] = same("roman", len(out))
    out["detector"] = same(None if science.sca is None else f"SCA{science.sca:02d}", len(out))
    out["label_source"] = texts("injections and simulation truth" if known else None for known in out["label"].notna())
    return out.assign(mjd=science.mjd)


def _groups(table: pd.DataFrame) -> Any:
    """The object where it has one name in all jobs, else its cell of the sky, else the detection itself."""
    cells = healpix(table["ra"].to_numpy(np.float64), table["dec"].to_numpy(np.float64), _CELL)
    named = table["truth_id"].notna() & ~table["injected"].astype(bool)
    rows = zip(table["id"], table["truth_id"], named, cells, strict=True)
    names = [truth if use else f"sky-{cell}" if cell >= 0 else name for name, truth, use, cell in rows]
    return texts(names)


def _write(
    images: Images,
    records: pd.DataFrame,
    planes: Mapping[str, frames.Plane],
    shape: tuple[int, int],
    job: str,
    writer: UnitWriter,
) -> None:
    """The whole frame as one file, or the squares around the detections."""
    if images.keep == "frames":
        path = f"images/{job}.npy"
        shard = writer.open_frame(path, (*shape, len(frames.CHANNELS)), np.float32)
        writer.count("pixels_without_data", frames.stack(planes, shard.arrays["frame"]))
        writer.add_rows(records.assign(image=path, row=np.int64(0)), shard)
        return
    places = records[["x", "y"]].to_numpy(np.float64)
    stamps = cut(planes, places, images.size)
    stamps[:, 2:] *= records["sign"].to_numpy(np.float32)[:, None, None, None]  # a source that faded is positive
    writer.add(records.assign(stamp_h=images.size, stamp_w=images.size), {"stamps": stamps})


def cut(planes: Mapping[str, frames.Plane], places: Floats, size: int) -> Floats32:
    """Squares (n, 4, size, size) around positions (n, 2) x, y; the nearest pixel on ``size // 2``; NaN beyond."""
    out = np.full((len(places), len(frames.CHANNELS), size, size), np.nan, dtype=np.float32)
    centres = np.floor(places + 0.5).astype(np.int64)
    for channel, name in enumerate(frames.CHANNELS):
        data = planes[name].data
        for place, (x, y) in enumerate(centres):
            top, left = y - size // 2, x - size // 2
            rows, columns = slice(max(top, 0), top + size), slice(max(left, 0), left + size)
            part = data[rows, columns]
            first, second = rows.start - top, columns.start - left
            out[place, channel, first : first + part.shape[0], second : second + part.shape[1]] = part
    out[~np.isfinite(out)] = np.nan
    return out
