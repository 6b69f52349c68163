"""Triplets of stamps -> samples: those of the simulator, and those that anybody keeps in arrays with a table."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd

from astrid_ml.contracts.by_part import without_repeats
from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.files import read_array
from astrid_ml.fingerprint import places_of, relative
from astrid_ml.found import found, none_in
from astrid_ml.missions import canonical
from astrid_ml.preprocessing.stamps import CHANNELS, peak_snr, why_blank
from astrid_ml.preprocessing.surveys.registry import Described, Surveys, surveys_of
from astrid_ml.preprocessing.triplets.columns import check_roles, read_rows
from astrid_ml.preprocessing.triplets.containers.one_hot import columns_said
from astrid_ml.preprocessing.triplets.fits_rows import by_channel, called, stand_alone, told_of
from astrid_ml.preprocessing.triplets.layout import check_words
from astrid_ml.preprocessing.triplets.sets import Reading, StampSet, containers_below, open_set, pair, refuse_bytes
from astrid_ml.preprocessing.triplets.strangers import (
    FitsSet,
    channel_files,
    check_order,
    check_order_of_files,
    fits_sets,
    write_fits,
    write_rows,
)
from astrid_ml.printable import printable
from astrid_ml.table_files import read_parquet
from astrid_ml.types import Count, Filled, Mask
from astrid_ml.walk import walk

# Layouts by name: what their authors' scripts write.
NAMED: dict[str, dict[str, Any]] = {
    "braai": {"axes": "nyxc", "columns": {"id": "candid", "group": "objectId"}, "survey": "ztf"},
    "btsbot": {"axes": "nyxc", "columns": {"id": "candid", "group": "objectId"}, "survey": "ztf"},
}

SIMULATED = "simulated_stamps"  # a count


@dataclass(frozen=True)
class TripletsPipeline:
    """Reads what ``astrid simulate what=triplets`` writes, and stamps of anybody.

    A pair of ``triplets_*.npy`` and ``.parquet`` is the simulator's, and a unit. Else npy, npz, HDF5, zarr, parquet and
    Arrow files (Hugging Face) with a table beside, or a table that names FITS files.

    Args:
        layout: ``braai`` and ``btsbot`` are known; ``auto`` guesses what is not said, and says what it guessed.
        axes: letters n (sample), c (channel), y, x in the order of the array.
        channels: their order in the array, or in a FITS file; None: as the file names it, else the usual one.
        stack: name of the array in its container, or the names of three: science, reference, difference.
        table: file, where several tables lie beside the stamps.
        columns: role (id, group, label, ra, dec, mjd, jd, filter, mission, file; row, the stamp's number) -> column;
            of the label several, one for each class.
        rows_per_unit: stamps in a unit.
        position_unit: of numbers of right ascension and declination, where no table says it; ``hourangle`` is that of
            right ascensions. None: degrees, unless they may be something else.
        survey: whose stamps they are: a name, a YAML file or its content; None lets objects or a column say it.
    """

    layout: Literal["auto", "braai", "btsbot"] = "auto"
    axes: str | None = None
    channels: Annotated[tuple[str, ...] | list[str], Filled()] | None = None
    stack: str | list[str] | None = None
    table: str | None = None
    columns: Mapping[str, str | list[str]] = field(default_factory=dict)
    rows_per_unit: Count = 4000
    position_unit: Literal["deg", "hourangle", "rad"] | None = None
    survey: Described = None
    domain: ClassVar[str] = "triplets"
    makes: ClassVar[str] = "stamps"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_words(self.axes, self.channels)
        check_roles(columns_said(self.columns))

    @property
    def said(self) -> Reading:
        """What was said of somebody's stamps, by a layout's name and by single keys; these go first."""
        named = NAMED.get(self.layout, {})
        stack = (self.stack,) if isinstance(self.stack, str) else tuple(self.stack or ())
        columns = {**named.get("columns", {}), **columns_said(self.columns)}
        table = None if self.table is None else Path(self.table)
        channels = None if self.channels is None else tuple(self.channels)
        return Reading(self.axes or named.get("axes"), channels, stack, table, columns, self.position_unit)

    @property
    def surveys(self) -> Surveys:
        """Among which a sample's is found."""
        named = NAMED.get(self.layout, {}).get("survey")
        said = self.survey is not None and not isinstance(self.survey, list)
        return surveys_of(self.survey if said or named is None else named)

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        """One unit for each of the simulator's pairs, and for each run of rows of somebody's stamps.

        Raises:
            UserError: there are no stamps, or nobody can tell how they lie.
        """
        files = sorted(walk(raw))
        ours = [path for path in files if path.name.startswith("triplets_") and path.suffix == ".npy"]
        ours = [path for path in ours if path.with_suffix(".parquet").is_file() or not _has_table(path, files)]
        self._tell_of_simulated(ours)
        units = [_simulated(path) for path in ours]
        units += self._strangers(raw, {*ours, *(path.with_suffix(".parquet") for path in ours)})
        if not units:
            refuse_bytes(raw)
            expected = "stamps in npy, npz, HDF5, zarr, parquet or Arrow files, or FITS files that a table names"
            raise UserError(expected, none_in(raw), "check the path, or make some: astrid simulate what=triplets")
        return units

    def _tell_of_simulated(self, ours: Sequence[Path]) -> None:
        """Refuse a survey that their tables contradict, and say which keys are for other stamps.

        Raises:
            UserError: the simulated stamps are of another survey than the one that was given.
        """
        tables = [path.with_suffix(".parquet") for path in ours if path.with_suffix(".parquet").is_file()]
        chosen = self.surveys.chosen
        if chosen is not None and tables:
            others = sorted(_missions_in(tables) - {chosen.mission})
            if others:
                got = f"survey={chosen.name}, and stamps that their table says are of {', '.join(others)}"
                raise UserError("simulated stamps of the survey that is named", got, "leave out survey=")
        unread = [name for name in ("axes", "channels", "stack", "table", "columns") if getattr(self, name)]
        if unread and tables:
            keys = " and ".join(f"preprocessing.{name}" for name in unread)
            _say(f"{keys}: of arrays of your own; the simulator's files say it themselves")

    def _strangers(self, raw: Sequence[Path], ours: set[Path]) -> list[Unit]:
        said = self.said
        if said.table is not None and not said.table.is_file():
            raise UserError("preprocessing.table=FILE that exists", found(said.table), "check the path")
        containers, tables = containers_below(raw)
        containers = [path for path in containers if path not in ours]
        tables = [path for path in tables if path not in ours]
        units, wrong = list[Unit](), list[tuple[Path, UserError]]()
        for own in pair(containers, tables, said):
            try:
                units += self._rows_of(own, said, raw)
            except UserError as error:
                wrong.append((own.container, error))
            except ValueError as error:
                units.append(
                    Unit(relative(own.container, raw), (), missing=(f"a container that can be read: {error}",))
                )
        units = _told_apart(units)
        if not containers:
            for named in fits_sets(tables, said):
                units += self._fits_of(named, raw)
            files = [] if units else sorted(walk(raw))
            alone, apart = stand_alone(files), by_channel(files, raw)
            for table in tables if alone or apart else ():
                _say(f"{relative(table, raw)} is not read: no FITS file is named in it, or called by its ids")
            units += [*self._alone(alone, raw), *self._by_channel(apart, raw)]
        if wrong and not units:
            raise wrong[0][1]
        return units + [Unit(relative(path, raw), (), missing=(f"a layout ({error.got})",)) for path, error in wrong]

    def _rows_of(self, own: StampSet, said: Reading, raw: Sequence[Path]) -> Iterator[Unit]:
        opened = open_set(own, said)
        layout = opened.layout
        check_order(own, opened)
        name, files = relative(own.container, raw), own.files
        if own.container.is_dir():  # its folder, which relative() takes for a root
            name = relative(files[0], raw).partition(".zarr")[0] + ".zarr"
        table = own.table.name if own.table else "the same file"
        guessed = ", ".join(f"{role} = {column}" for role, column in opened.roles.items())
        words = f"{layout.samples} stamps in {layout.words}; of {table}: {guessed or 'no column is known'}"
        words += f"; joined by {opened.joined}" if opened.joined else ""
        _say(f"{name}: {words}" if layout.samples > 1 else words)  # once of a file for each sample
        size, counted = sum(path.stat().st_size for path in files), opened.counted
        for first in range(0, layout.samples, self.rows_per_unit):
            past = min(first + self.rows_per_unit, layout.samples)
            told = {"kind": "rows", "first": first, "past": past, "table": own.table is not None}
            told |= {"parts": len(own.parts)} if own.parts else {}
            told |= {"counted": name} if counted else {}
            yield Unit(f"{name}#{first}", files, told, bytes_needed=size * (past - first) // layout.samples)

    def _fits_of(self, own: FitsSet, raw: Sequence[Path]) -> Iterator[Unit]:
        assert own.table is not None  # it names the files
        name, said = relative(own.table, raw), self.said
        rows, roles, _ = read_rows(own.table, said.columns, said.position_unit)
        if said.channels is None:
            check_order_of_files(own, rows, roles)
        guessed = ", ".join(f"{role} = {column}" for role, column in roles.items()) or "no column is known"
        told = told_of(own.files[0], said.channels or CHANNELS)
        _say(f"{name}: {len(own.files)} rows that name FITS files, such as {told}; of the table: {guessed}")
        for first in range(0, len(own.files), self.rows_per_unit):
            past = min(first + self.rows_per_unit, len(own.files))
            inputs = dict.fromkeys(path for row in own.files[first:past] for path in row if path.is_file())
            yield Unit(f"{name}#{first}", (own.table, *inputs), {"kind": "fits", "first": first, "past": past})

    def _alone(self, files: Sequence[Path], raw: Sequence[Path]) -> Iterator[Unit]:
        for first in range(0, len(files), self.rows_per_unit):
            some = tuple(files[first : first + self.rows_per_unit])
            yield Unit(f"{relative(some[0], raw)}#{first}", some, {"kind": "alone"})

    def _by_channel(self, apart: Mapping[str, tuple[Path, ...]], raw: Sequence[Path]) -> Iterator[Unit]:
        names = list(apart)
        if names:
            words = told_of(next(parts for parts in apart.values() if all(map(Path.is_file, parts))), CHANNELS)
            _say(f"{len(names)} samples of a file a channel, such as {words}; no table: ids are the files' names")
        for first in range(0, len(names), self.rows_per_unit):
            some = names[first : first + self.rows_per_unit]
            inputs = [path for name in some for path in apart[name] if path.is_file()]
            lacks = [[path.name if not path.is_file() else "" for path in apart[name]] for name in some]
            told = {"kind": "by channel", "ids": some, "lacks": lacks}
            yield Unit(f"{relative(inputs[0], raw)}#{first}", tuple(inputs), told)

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        """Copy the stamps; measure the peak S/N of the difference.

        Raises:
            ValueError: the stamps are damaged, or do not fit their table.
        """
        kind = unit.parameters.get("kind")
        if kind is None:
            _copy_simulated(unit, writer)
            return
        if kind == "alone":
            for path, where in places_of(unit.id, unit.inputs).items():
                alone = FitsSet(None, ((path,),), (str(called(path)),))
                write_fits(alone, self.said, (0, 1), writer, self.surveys, where)
            return
        if kind == "by channel":
            for alone, where in channel_files(unit):
                write_fits(alone, self.said, (0, 1), writer, self.surveys, where)
            return
        run = (int(unit.parameters["first"]), int(unit.parameters["past"]))
        place = unit.id.rpartition("#")[0]
        if kind == "fits":
            [named] = fits_sets([unit.inputs[0]], self.said)
            write_fits(named, self.said, run, writer, self.surveys, place)
            return
        table = unit.inputs[-1] if unit.parameters["table"] else None
        first = unit.inputs[0]
        container = next((parent for parent in first.parents if parent.suffix == ".zarr"), first)
        own = StampSet(container, table, unit.inputs[: int(unit.parameters.get("parts", 0))])
        try:
            by_file = bool(unit.parameters.get("by_file"))
            write_rows(own, self.said, run, writer, self.surveys, place, by_file)
        except UserError as error:
            raise ValueError(f"{error.expected}; got {error.got}") from error

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        """A sample whose id stands in two files counts once; groups stand in the tables."""
        return self.finalise_part(index, index["id"].duplicated().to_numpy())

    def finalise_part(self, part: pd.DataFrame, repeated: Mask) -> tuple[pd.DataFrame, list[Drop]]:
        """The same for some of its rows."""
        return without_repeats(part, repeated, "the same id stands in another file")

    def describe(self) -> dict[str, Any]:
        """Channels in the order of the stamps; of the simulator's the sky was taken away, of others ``sky`` says it."""
        units = {"stamps": "electrons; of others as their files have them"}
        return {
            "channels": list(CHANNELS),
            "units": units,
            "unit_of": {SIMULATED: "electrons", "others": "as their files have them"},
            "sky": "subtracted",
            "arrays": {
                "stamps": {
                    "axes": "channel, y, x",
                    "channels": list(CHANNELS),
                    "unit": units["stamps"],
                    "normalised": "as the files have them: the column normalised says it where it was recognised",
                    "missing": "NaN: pixels without data, padding",
                }
            },
            "label": "1 real, 0 bogus, null where nobody knows",
            "rai": {
                "data_collection": "Stamps in arrays beside a table, as their authors or a simulator wrote them.",
                "data_preprocessing_protocol": "Padding became NaN; nothing is scaled: training does it on reading.",
                "data_limitations": "How the stamps were chosen is not known to the file format.",
                "data_use_cases": "Training and testing of real/bogus classifiers.",
            },
        }


def _told_apart(units: list[Unit]) -> list[Unit]:
    """Units whose samples are called by their files too, where the ids of several tables count their rows."""
    counted = {unit.parameters["counted"] for unit in units if "counted" in unit.parameters}
    if len(counted) < 2:
        return units
    return [replace(unit, parameters={**unit.parameters, "by_file": "counted" in unit.parameters}) for unit in units]


def _missions_in(tables: Sequence[Path]) -> set[str]:
    """Missions that the simulator's tables name; a damaged one fails with its unit."""
    found: set[str] = set()
    for path in tables:
        try:
            names = read_parquet(path, ["mission"])["mission"].dropna().unique()
        except (OSError, ValueError, KeyError):
            continue
        found |= {canonical(str(name)) for name in names}
    return found


def _simulated(path: Path) -> Unit:
    table = path.with_suffix(".parquet")
    found = table.is_file()
    files, missing = ((path, table), ()) if found else ((path,), (table.name,))
    return Unit(path.stem, files, missing=missing, bytes_needed=path.stat().st_size)


def _has_table(path: Path, files: Sequence[Path]) -> bool:
    """Whether a table lies beside an array that is named as the simulator's."""
    return any(other.parent == path.parent and other.suffix in (".csv", ".ecsv", ".tsv") for other in files)


def _copy_simulated(unit: Unit, writer: UnitWriter) -> None:
    try:
        stamps = read_array(unit.inputs[0])
    except UserError as error:
        raise ValueError(error.got) from error
    table = read_parquet(unit.inputs[1])
    if stamps.ndim != 4 or stamps.shape[1] != 3 or len(stamps) != len(table):
        raise ValueError(f"stamps of shape {stamps.shape} beside {len(table)} rows")
    reasons = [why_blank(images) for images in stamps]
    usable: Mask = np.array([not reason for reason in reasons], dtype=bool)
    for name, reason in zip(table["id"], reasons, strict=True):
        if reason:
            writer.drop(str(name), reason)
    records = table.assign(stamp_h=stamps.shape[2], stamp_w=stamps.shape[3], injected=True, label_source="simulation")
    writer.count(SIMULATED, int(usable.sum()))
    records["peak_snr"] = peak_snr(stamps[:, 2])
    records["source"] = printable(unit.inputs[0].name)
    writer.add(records[usable].reset_index(drop=True), {"stamps": stamps[usable].astype(np.float32)})


@cache
def _say(text: str) -> None:
    """Say once what was guessed, so that the user can see it is right."""
    print(printable(f"note: {text}"), file=sys.stderr, flush=True)
