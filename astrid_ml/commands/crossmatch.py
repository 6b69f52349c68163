"""``astrid crossmatch``: columns of a user's catalogues beside a table, or beside the samples of a prepared dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd

from astrid_ml.crossmatch.catalogue import SkyCatalogue, catalogue_names, open_catalogue
from astrid_ml.crossmatch.epochs import times_of
from astrid_ml.crossmatch.join import columns_beside, joined_pairs
from astrid_ml.crossmatch.match import SkyPairs, match_places
from astrid_ml.crossmatch.places import Given, SkyPlaces, places_of
from astrid_ml.dataset.data_card import index_meaning
from astrid_ml.dataset.derived import add_columns
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.described.columns import ColumnMeaning, TableMeaning
from astrid_ml.described.formats import formats_of, write_described
from astrid_ml.errors import UserError
from astrid_ml.files import write_json
from astrid_ml.fingerprint import file_hash
from astrid_ml.nearest import nearest
from astrid_ml.ranks import say
from astrid_ml.tables import read_table
from astrid_ml.types import Existing, Filled, InUnits, NonNegative, Positive, Range

INPUT = "input"  # the name of what is matched, in keys by name


Radius = Annotated[float, Range(0.0, 3600.0, open_low=True)]  # arcsec; beyond a degree all match


@dataclass(frozen=True)
class CrossmatchCommand:
    """Match by position and write what the catalogues say.

    Args:
        catalogues: tables (CSV, ECSV, VOTable, FITS, parquet) or HATS folders; each is called by its file's name.
        output_dir: gets ``matches.parquet`` (a row for each row of the input), or with ``matches=all`` a table of pairs
            for each catalogue, and ``report.json``; with ``dataset`` a dataset in ``dataset/``.
        input: a table with positions, and where known their errors (ra_err, dec_err) and times (mjd, jd, dates).
        dataset: a prepared dataset instead; its samples get the columns.
        radius: arcsec.
        catalogue_radius: by catalogue, where another is better.
        sigma: distance at most, over the errors of both; the nearest is that of fewest sigma. None: the radius alone.
        matches: ``nearest``, or ``all`` pairs.
        columns: by catalogue, those that are taken; all where none are named.
        ra, dec: by catalogue (``input`` for the input), names of the columns of the position.
        position_unit: by catalogue, of the position: deg, hourangle, rad.
        error: by catalogue, arcsec, of both coordinates of every row.
        error_unit: by catalogue, of its columns of errors: mas, arcsec.
        epoch: by catalogue, Julian year of its positions, to which proper motions count.
        format: of the tables beside parquet: ecsv, votable, fits.
    """

    catalogues: Annotated[list[str], Filled()]
    output_dir: str
    input: Existing | None = None
    dataset: str | None = None
    radius: Annotated[Radius, InUnits("arcsec")] = 1.0
    catalogue_radius: Annotated[dict[str, Radius], InUnits("arcsec")] = field(default_factory=dict)
    sigma: Positive | None = None
    matches: Literal["nearest", "all"] = "nearest"
    columns: dict[str, list[str]] = field(default_factory=dict)
    ra: dict[str, str] = field(default_factory=dict)
    dec: dict[str, str] = field(default_factory=dict)
    position_unit: dict[str, str] = field(default_factory=dict)
    error: Annotated[dict[str, NonNegative], InUnits("arcsec")] = field(default_factory=dict)
    error_unit: dict[str, str] = field(default_factory=dict)
    epoch: Annotated[dict[str, Annotated[float, Range(1800.0, 2200.0)]], InUnits("yr")] = field(default_factory=dict)
    format: str | list[str] | None = None

    def run(self) -> dict[str, Any]:
        """Match, write, summarise.

        Raises:
            UserError: neither or both inputs, a catalogue without positions, a unit that nobody can tell, a column or a
                name that is not there.
        """
        formats = formats_of(self.format)
        if (self.input is None) == (self.dataset is None):
            got = "neither" if self.input is None else "both"
            raise UserError("input=TABLE, or dataset=PREPARED", got, "give one of them")
        if self.matches not in ("nearest", "all"):
            raise UserError("matches=nearest or matches=all", str(self.matches), "choose one")
        if self.dataset is not None and self.matches == "all":
            raise UserError("one match for each sample", "matches=all", "leave it out for a dataset")
        names = catalogue_names(self.catalogues)
        self._refuse_unknown(names)
        rows, meanings, places = self._input()
        report: dict[str, Any] = {"rows": len(rows), "without_position": _unplaced(places)}
        report["columns_read"] = list(places.used)
        said, found = list(places.assumed), {}
        for path, name in zip(self.catalogues, names, strict=True):
            catalogue = open_catalogue(Path(path), name, self._given(name), places, self._radius(name))
            pairs = match_places(places, catalogue.places, self._radius(name), self.sigma)
            found[name] = (catalogue, pairs)
            report[name] = self._account(catalogue, pairs, places)
            _say_what_stands_still(name, catalogue.places, places)
        folder = Path(self.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self._write(folder, rows, meanings, found, formats)
        for name, (catalogue, _) in found.items():
            report[name]["marks_as_null"] = dict(catalogue.unknown)
        write_json(folder / "report.json", {**report, "assumed": said, "radius": self.radius, "sigma": self.sigma})
        brief = {name: report[name]["matched"] for name in names}
        return {"rows": len(rows), "matched": brief, "output_dir": self.output_dir}

    def _write(
        self,
        folder: Path,
        rows: pd.DataFrame,
        meanings: Mapping[str, ColumnMeaning],
        found: Mapping[str, tuple[SkyCatalogue, SkyPairs]],
        formats: tuple[str, ...],
    ) -> None:
        if self.matches == "all":
            for name, (catalogue, pairs) in found.items():
                table, own = joined_pairs(rows, catalogue, pairs, self.columns.get(name))
                meaning = TableMeaning(None, own={**meanings, **own})
                write_described(table, folder / f"{name}.parquet", meaning, formats)
            return
        added, own = [], dict(meanings)
        for name, (catalogue, pairs) in found.items():
            table, said = columns_beside(len(rows), catalogue, pairs, self.columns.get(name))
            added.append(table)
            own |= said
        columns = pd.concat(added, axis=1)
        both = [str(name) for name in columns if name in rows]
        if both:
            raise UserError("columns that the input does not have", ", ".join(both[:5]), "rename the catalogue's file")
        if self.dataset is not None:
            add_columns(PreparedDataset(self.dataset), columns, folder / "dataset", self._decided(found))
            return
        table = pd.concat([rows, columns], axis=1)
        write_described(table, folder / "matches.parquet", TableMeaning(None, own=own), formats)

    def _input(self) -> tuple[pd.DataFrame, Mapping[str, ColumnMeaning], SkyPlaces]:
        """The rows, what is known of their columns, and their places with times."""
        if self.dataset is not None:
            dataset = PreparedDataset(self.dataset)
            index = dataset.index.reset_index(drop=True)
            described = index_meaning(dataset.meta, index.columns)
            meanings: Mapping[str, ColumnMeaning] = {name: described.column(name) for name in map(str, index.columns)}
            rows, path = index, self.dataset
        else:
            path = str(self.input)
            read = read_table(path, {}, optional={"mjd": "number"})
            if read.dropped:
                row, reason = read.dropped[0]
                raise UserError("a table whose rows can all be read", f"{path}, row {row}: {reason}", "correct it")
            rows, meanings = read.rows, read.meanings
        names = tuple(map(str, rows.columns))
        places = places_of(path, INPUT, names, meanings, lambda wanted: rows[list(wanted)], self._given(INPUT))
        times, epoch = (
            (f"epoch.{INPUT}", places.epoch) if INPUT in self.epoch else times_of(path, INPUT, rows, meanings)
        )
        used = places.used if times is None else (*places.used, times)
        # Samples do not move: what moves are the catalogue's objects, to the time of the sample.
        return rows, meanings, SkyPlaces(places.sky, places.error, None, epoch, used, places.assumed)

    def _given(self, name: str) -> Given:
        return Given(
            ra=self.ra.get(name),
            dec=self.dec.get(name),
            unit=self.position_unit.get(name),
            error=self.error.get(name),
            epoch=self.epoch.get(name),
            error_unit=self.error_unit.get(name),
            errors=self.sigma is not None,
        )

    def _radius(self, name: str) -> float:
        return self.catalogue_radius.get(name, self.radius)

    def _refuse_unknown(self, names: list[str]) -> None:
        """A key by catalogue that names none would count for nothing."""
        keys: dict[str, Mapping[str, Any]] = {
            "catalogue_radius": self.catalogue_radius, "columns": self.columns, "ra": self.ra, "dec": self.dec,
            "position_unit": self.position_unit, "error": self.error, "error_unit": self.error_unit,
            "epoch": self.epoch,
        }  # fmt: skip
        for key, values in keys.items():
            known = names if key in ("catalogue_radius", "columns") else [*names, INPUT]
            for name in values:
                if name not in known:
                    fix = nearest(name, known) or f"leave out {key}.{name}"
                    raise UserError(f"{key} of one of {', '.join(known)}", f"{key}.{name}", fix)

    def _account(self, catalogue: SkyCatalogue, pairs: SkyPairs, places: SkyPlaces) -> dict[str, Any]:
        """What there is to know of a match: counts, and what was assumed."""
        _, count = pairs.nearest(len(places))
        best = np.unique(pairs.second, return_counts=True)[1] if len(pairs.second) else np.zeros(0, dtype=int)
        known = catalogue.places
        applied = known.motion is not None and all(
            side.epoch is not None and np.isfinite(side.epoch).any() for side in (known, places)
        )
        out: dict[str, Any] = {
            "path": str(catalogue.path),
            "rows": len(known),
            "without_position": _unplaced(known),
            "matched": int((count > 0).sum()),
            "several": int((count > 1).sum()),
            "shared": int((best > 1).sum()),
            "radius": self._radius(catalogue.name),
            "columns_read": list(known.used),
            "assumed": [*known.assumed, *self._errorless(catalogue, places)],
            "proper_motions": "applied" if applied else "none" if known.motion is None else "no epoch of both",
        }
        if applied and known.epoch is not None:
            out |= {"without_epoch": _untimed(known), "without_proper_motion": known.unmoved}
            out["rows_without_time"] = _untimed(places)
        if self.sigma is not None and known.error is not None:
            out["without_error"] = int((~np.isfinite(known.error).all(axis=1)).sum())
        return out

    def _errorless(self, catalogue: SkyCatalogue, places: SkyPlaces) -> list[str]:
        """Whose positions count as exact, where sigma asks for errors and one side has none."""
        sides = (("the rows", places), (catalogue.name, catalogue.places))
        exact = [name for name, side in sides if side.error is None]
        return [f"positions of {name} without errors: taken as exact" for name in exact if self.sigma is not None]

    def _decided(self, found: Mapping[str, tuple[SkyCatalogue, SkyPairs]]) -> dict[str, Any]:
        """What decides the columns of a dataset: settings, and the catalogues by their content."""
        keys = ("radius", "catalogue_radius", "sigma", "columns", "ra", "dec", "position_unit", "error", "error_unit")
        hashes = {
            name: {file.relative_to(catalogue.path.parent).as_posix(): file_hash(file) for file in catalogue.files}
            for name, (catalogue, _) in found.items()
        }
        return {"crossmatch": {key: getattr(self, key) for key in (*keys, "epoch")}, "catalogues": hashes}


def _say_what_stands_still(name: str, known: SkyPlaces, places: SkyPlaces) -> None:
    """A line where proper motions do not count for want of a time, which matches are lost by."""
    if known.motion is None or not np.any(known.motion):
        return
    missing = []
    if known.epoch is None or not np.isfinite(known.epoch).any():
        missing.append(f"the catalogue has no epoch (epoch.{name}=2016.0)")
    if places.epoch is None or not np.isfinite(places.epoch).any():
        missing.append(f"the input has no mjd, jd or date (or epoch.{INPUT}=2020.5)")
    if missing:
        say(f"note: proper motions of {name} are not applied: {' and '.join(missing)}")
        return
    still = {
        "proper motion": (known.unmoved, len(known), name),
        "epoch": (_untimed(known), len(known), name),
        "time": (_untimed(places), len(places), "the input"),
    }
    for what, (number, of, whose) in still.items():
        if number:
            say(f"note: {number} of {of} rows of {whose} have no {what}: they are matched unmoved")


def _untimed(places: SkyPlaces) -> int:
    return 0 if places.epoch is None else int((~np.isfinite(places.epoch)).sum())


def _unplaced(places: SkyPlaces) -> int:
    return int((~np.isfinite(places.sky).all(axis=1)).sum())
