"""Samples of somebody's stamps: what their table and their survey say of each, and how it was normalised before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.fingerprint import places_of
from astrid_ml.preprocessing.alerts.stamp_fits import StampError
from astrid_ml.preprocessing.stamps import (
    CHANNELS,
    MARKED_PIXELS,
    NAN_PIXELS,
    ONE_VALUE,
    flat_channels,
    peak_snr,
    why_blank,
    without_marks,
)
from astrid_ml.preprocessing.surveys.registry import Surveys
from astrid_ml.preprocessing.surveys.survey import Survey
from astrid_ml.preprocessing.triplets.columns import (
    UNKNOWN,
    is_exported,
    read_rows,
    records_of,
    signs_of,
    without_impossible,
)
from astrid_ml.preprocessing.triplets.containers.stacks import unwritten
from astrid_ml.preprocessing.triplets.fits_rows import files_of, named_planes, read_row
from astrid_ml.preprocessing.triplets.layout import Layout, refuse_other_order
from astrid_ml.preprocessing.triplets.normalised import normalised_as, without_padding
from astrid_ml.preprocessing.triplets.sets import OpenedSet, Reading, StampSet, open_set
from astrid_ml.preprocessing.triplets.whose import contradictions, surveys_of_rows, upright
from astrid_ml.printable import printable
from astrid_ml.types import Array, Floats32, Mask

LOOKED_AT = 64  # stamps that are held against the order of channels that was guessed
_SKY = {"kept": "included", "subtracted": "subtracted"}


@dataclass(frozen=True)
class FitsSet:
    """FITS files of samples.

    Args:
        table: of the samples, that names them; None where they stand alone.
        files: of each row.
        ids: of each row, where there is no table.
    """

    table: Path | None
    files: tuple[tuple[Path, ...], ...]
    ids: tuple[str, ...] = ()


def fits_sets(tables: Sequence[Path], said: Reading) -> list[FitsSet]:
    """The tables that name FITS files which exist, each with those files."""
    out = []
    for table in tables if said.table is None else [said.table]:
        try:
            rows, roles, _ = read_rows(table, said.columns, "deg")  # only files are looked for
        except UserError:
            if said.table is not None:
                raise
            continue  # some other table, or none
        files = files_of(rows, roles, table.parent)
        if files is not None and any(path.is_file() for row in files for path in row):
            out.append(FitsSet(table, tuple(files)))
    return out


def channel_files(unit: Unit) -> Iterator[tuple[FitsSet, str]]:
    """The files of each sample of a unit, and where the first of them stands."""
    places, inputs = places_of(unit.id, unit.inputs), iter(unit.inputs)
    for name, lacks in zip(unit.parameters["ids"], unit.parameters["lacks"], strict=True):
        parts = [Path(lacking) if lacking else next(inputs) for lacking in lacks]
        where = next(places[path] for path, lacking in zip(parts, lacks, strict=True) if not lacking)
        yield FitsSet(None, (tuple(parts),), (name,)), where


_UNWRITTEN = "nothing of it is stored: the chunks of zarr are absent, or hold the fill value alone"


@dataclass(frozen=True)
class GivenStamps:
    """Some stamps with what was said of them.

    Args:
        stamps: (n, 3, h, w): science, reference, difference, as they came.
        records: index columns, n rows.
        reasons: why a sample cannot be used; empty where it can.
        roles: role -> column of the table.
        rows: of the table.
        source: where the file stands below the raw folder.
        numbers: of the rows in it, from 0.
    """

    stamps: Floats32
    records: pd.DataFrame
    reasons: list[str]
    roles: Mapping[str, str]
    rows: pd.DataFrame
    source: str
    numbers: Sequence[int]


def write_rows(
    found: StampSet,
    said: Reading,
    run: tuple[int, int],
    writer: UnitWriter,
    surveys: Surveys,
    place: str,
    by_file: bool = False,
) -> None:
    """Samples of some rows of a container.

    Args:
        found: the container and its table.
        said: of the user.
        run: first row, and the one behind the last.
        writer: gets the samples.
        surveys: among which a sample's is found.
        place: of the container below the raw folder: other folders may hold one of its name.
        by_file: whether ids are numbers of rows that other files have too: samples are called by the file and the row.

    Raises:
        UserError: no layout fits, or the table has another number of rows.
        ValueError: a damaged file, or values that are no numbers.
    """
    first, past = run
    opened = open_set(found, said)
    layout, rows, roles, lost = opened.layout, opened.rows, opened.roles, opened.lost
    if by_file:
        roles = {role: column for role, column in roles.items() if role != "id"}
        writer.count("samples_called_by_their_file", past - first)
    parts = _parts(found, layout, first, past)
    nothing = _unwritten(found, layout, parts)
    some = rows.iloc[first:past].reset_index(drop=True)
    reasons = [
        lost.get(row, "") or (_UNWRITTEN if none else "") for row, none in zip(range(first, past), nothing, strict=True)
    ]
    records = records_of(some, roles, str(Path(place).with_suffix("")), first)
    given = GivenStamps(layout.stamps(parts), records, reasons, roles, some, printable(place), range(first, past))
    add_samples(given, writer, surveys)


def _parts(found: StampSet, layout: Layout, first: int, past: int) -> list[Array]:
    """Some samples of each array of a container, its axes as they are."""
    if layout.axes.startswith("n"):
        return [found.read(name, first, past) for name in layout.stacks]
    wholes = [found.read(name, 0, layout.shape[0]) for name in layout.stacks]  # samples are another axis
    return [np.take(whole, range(first, past), axis=layout.axes.index("n")) for whole in wholes]


def check_order(found: StampSet, opened: OpenedSet) -> None:
    """Hold the guessed order of a container's channels against its first stamps.

    Raises:
        UserError: they contradict it.
    """
    if opened.layout.guessed:
        past = min(LOOKED_AT, opened.layout.samples)
        stamps = opened.layout.stamps(_parts(found, opened.layout, 0, past))
        _check(stamps, opened.rows.iloc[:past], opened.roles, opened.layout.named, found.container.name)


def check_order_of_files(found: FitsSet, rows: pd.DataFrame, roles: Mapping[str, str]) -> None:
    """Hold the guessed order of planes in a table's FITS files against the first of them.

    Raises:
        UserError: they contradict it.
    """
    read: dict[int, Floats32] = {}
    for row, paths in enumerate(found.files[:LOOKED_AT]):
        if len(paths) == 1 and not named_planes(paths[0]) >= set(CHANNELS):
            with suppress(StampError):  # it is dropped by name
                read[row] = read_row(paths, CHANNELS)
    for shape in {stamp.shape for stamp in read.values()}:
        places = [row for row, stamp in read.items() if stamp.shape == shape]
        stamps = np.stack([read[row] for row in places])
        _check(stamps, rows.iloc[places], roles, CHANNELS, found.files[places[0]][0].name)


def _check(stamps: Floats32, rows: pd.DataFrame, roles: Mapping[str, str], named: Sequence[str], file: str) -> None:
    signs = signs_of(rows, roles)
    faded = np.zeros(len(rows), dtype=bool) if signs is None else (signs == -1).fillna(False).to_numpy(dtype=bool)
    stamps, _ = without_marks(np.where(np.isfinite(stamps), stamps, np.float32(np.nan)))
    plain = [kind == "none" and not why_blank(one) for kind, one in zip(normalised_as(stamps), stamps, strict=True)]
    refuse_other_order(stamps[np.array(plain, dtype=bool) & ~faded], named, file)


def _unwritten(found: StampSet, layout: Layout, parts: Sequence[Array]) -> Mask:
    """Rows of which the container stores nothing in any of its arrays, (n,)."""
    axis = layout.axes.index("n")
    rows = (np.moveaxis(part, axis, 0) for part in parts)
    of_each = [unwritten(found.container, name, part) for name, part in zip(layout.stacks, rows, strict=True)]
    return np.asarray(np.logical_and.reduce(of_each))


def write_fits(
    found: FitsSet, said: Reading, run: tuple[int, int], writer: UnitWriter, surveys: Surveys, place: str
) -> None:
    """Samples of some rows of FITS files, of a table or alone; those of one size together. See :func:`write_rows`."""
    if found.table is None:
        rows, roles, lost = pd.DataFrame({"id": pd.array(found.ids, "string")}), {"id": "id"}, dict[int, str]()
    else:
        rows, roles, lost = read_rows(found.table, said.columns, said.position_unit)
    records = records_of(rows, roles, str(Path(place).with_suffix("")), 0)
    by_shape: dict[tuple[int, ...], list[tuple[int, Floats32]]] = {}
    for row in range(*run):
        try:
            stamps = read_row(found.files[row], said.channels or CHANNELS)
        except StampError as error:
            writer.drop(str(records["id"].iloc[row]), str(error), f"{printable(place)}, row {row + 1}")
            continue
        by_shape.setdefault(stamps.shape, []).append((row, stamps))
    for group in by_shape.values():
        places = [row for row, _ in group]
        stamps = np.stack([image for _, image in group])
        some, own = (table.iloc[places].reset_index(drop=True) for table in (rows, records))
        reasons = [lost.get(row, "") for row in places]
        add_samples(GivenStamps(stamps, own, reasons, roles, some, printable(place), places), writer, surveys)


def add_samples(given: GivenStamps, writer: UnitWriter, surveys: Surveys) -> None:
    """Give samples to the writer; one without a pixel or an id is dropped by name."""
    stamps, marked = without_marks(given.stamps)
    if marked:
        writer.count(MARKED_PIXELS, marked)
    stamps, sizes = without_padding(np.where(np.isfinite(stamps), stamps, np.float32(np.nan)))
    reasons = [reason or why_blank(images) for reason, images in zip(given.reasons, stamps, strict=True)]
    for name, reason, row in zip(given.records["id"], reasons, given.numbers, strict=True):
        if reason:
            place = f"{given.source}, row {row + 1}"
            writer.drop(f"{given.source}" if pd.isna(name) else str(name), reason, place)
    usable: Mask = np.array([not reason for reason in reasons])
    records = given.records[usable].reset_index(drop=True)
    if not len(records):
        return
    rows, stamps, sizes = given.rows[usable].reset_index(drop=True), stamps[usable], sizes[usable]
    records, impossible = without_impossible(records)
    for column, count in impossible.items():
        writer.count(f"impossible_values_of_{column}", count)
    of_each = surveys_of_rows(records, rows, given.roles, surveys)
    records = records.assign(normalised=pd.Series(normalised_as(stamps), index=records.index, dtype="string"))
    stamps = upright(stamps, records, of_each, is_exported(rows), writer)
    records = records.assign(stamp_h=sizes[:, 0], stamp_w=sizes[:, 1], peak_snr=peak_snr(stamps[:, 2]))
    records = _with_survey(records.assign(source=given.source), rows, given.roles, of_each)
    for name, count in contradictions(records, rows, given.roles, surveys).items():
        writer.count(name, count)
    records["label_source"] = f"column {given.roles['label']}" if "label" in given.roles else None
    records["label_source"] = records["label_source"].astype("string")
    for kind, count in records["normalised"].value_counts().items():
        if kind != "none":
            writer.count(f"stamps_normalised_before_by_{kind}", int(count))
    padding = 3 * (stamps.shape[2] * stamps.shape[3] - sizes.prod(axis=1))
    records["n_nan"] = np.isnan(stamps).sum(axis=(1, 2, 3)) - padding
    counts = Counter(f"{ONE_VALUE}{channel}" for images in stamps for channel in flat_channels(images, np.inf))
    for name, count in (counts | {NAN_PIXELS: int((records["n_nan"] > 0).sum())}).items():
        if count:
            writer.count(name, count)
    cut = int((sizes < stamps.shape[2:]).any(axis=1).sum())
    if cut:
        writer.count("stamps_cut_at_an_edge", cut)
    writer.add(records, {"stamps": stamps})


def _with_survey(
    records: pd.DataFrame, rows: pd.DataFrame, roles: Mapping[str, str], of_each: Sequence[Survey | None]
) -> pd.DataFrame:
    """Mission, filter, pixel scale and sky, where a survey was named, stands in the table or is told by the objects."""
    filters = rows[roles["filter"]] if "filter" in roles else [None] * len(records)
    stamp = [survey.stamp if survey else None for survey in of_each]
    missions = rows[roles["mission"]] if "mission" in roles else [None] * len(records)
    pairs = list(zip(missions, of_each, strict=True))
    columns: dict[str, tuple[list[Any], str]] = {
        "mission": ([survey.mission if survey else _text(said) for said, survey in pairs], "string"),
        "survey": ([survey.name if survey else None for survey in of_each], "string"),
        "filter": ([_filter(said, survey) for said, survey in zip(filters, of_each, strict=True)], "string"),
        "sky": (_skies(rows, [_SKY.get(str(one.sky)) if one else None for one in stamp]), "string"),
        "pixel_scale": ([one.pixel_scale if one else np.nan for one in stamp], "float64"),
    }
    return records.assign(
        **{name: pd.Series(values, index=records.index, dtype=kind) for name, (values, kind) in columns.items()}
    )


def _text(said: Any) -> str | None:
    return None if said is None or pd.isna(said) else str(said)


def _skies(rows: pd.DataFrame, described: list[str | None]) -> list[str | None]:
    """The table's own column where it has one in our words, else what the survey does."""
    if "sky" not in rows or not rows["sky"].dropna().isin(_SKY.values()).all():
        return described
    return [_text(said) for said in rows["sky"]]


def _filter(said: Any, survey: Survey | None) -> str | None:
    """The survey's name of a filter, or the table's; a number is a filter of a survey, or of nobody."""
    if said is None or pd.isna(said) or str(said).strip() in UNKNOWN:
        return None
    number = isinstance(said, int | float | np.number) or str(said).strip().isdigit()
    known = survey.band_of(int(said) if number else str(said)) if survey else None
    return known or (None if number else str(said))
