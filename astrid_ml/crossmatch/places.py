"""Columns of a catalogue become places on the sky with errors, motions and epochs: which columns, in which unit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.crossmatch.angles import SkyTable, degrees_of, on_the_sphere, refuse_other_units
from astrid_ml.crossmatch.epochs import epochs_of
from astrid_ml.crossmatch.marks import is_mark
from astrid_ml.described.columns import ColumnMeaning
from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest
from astrid_ml.sky import unit_vectors
from astrid_ml.types import Floats, Mask

# Names that catalogues give: ra and dec, their errors, proper motions. The first pair that is there counts.
PLACES = (
    ("ra", "dec"), ("RAJ2000", "DEJ2000"), ("_RAJ2000", "_DEJ2000"), ("RA_ICRS", "DE_ICRS"), ("ra_deg", "dec_deg"),
    ("raMean", "decMean"), ("ramean", "decmean"), ("raStack", "decStack"), ("coord_ra", "coord_dec"),
    ("ALPHA_J2000", "DELTA_J2000"), ("radeg", "dedeg"), ("RAdeg", "DEdeg"), ("RAICRS", "DEICRS"),
    ("right_ascension", "declination"),
)  # fmt: skip
ERRORS = (
    ("ra_err", "dec_err"), ("ra_error", "dec_error"), ("e_RAJ2000", "e_DEJ2000"), ("e_RA_ICRS", "e_DE_ICRS"),
    ("raMeanErr", "decMeanErr"), ("sigra", "sigdec"), ("raErr", "decErr"),
)  # fmt: skip
UNSAID = ("ra_error", "e_RAJ2000", "e_RA_ICRS")  # mas in Gaia's and most of VizieR's tables, arcsec in others
MOTIONS = (("pmra", "pmdec"), ("pmRA", "pmDE"), ("pm_ra", "pm_dec"), ("pmra_cosdec", "pmdec"))
EPOCHS = ("ref_epoch", "epoch", "Epoch")
MAIN = ("pos.eq.ra;meta.main", "pos.eq.dec;meta.main")


@dataclass(frozen=True)
class Given:
    """What a user says of a catalogue, where it does not say it itself.

    Args:
        ra, dec: names of its columns.
        unit: of both: deg, hourangle, rad, as astropy calls them.
        error: arcsec, of both coordinates of all rows.
        epoch: Julian year of all rows.
        error_unit: of its columns of errors.
        errors: whether they are asked for.
    """

    ra: str | None = None
    dec: str | None = None
    unit: str | None = None
    error: float | None = None
    epoch: float | None = None
    error_unit: str | None = None
    errors: bool = True


@dataclass(frozen=True)
class SkyPlaces:
    """Places of n objects.

    Args:
        sky: (n, 2) ra, dec in degrees, ICRS; NaN where there is none.
        error: (n, 2) one sigma of ra cos(dec) and of dec, arcsec; None where nobody knows.
        motion: (n, 2) proper motion in ra cos(dec) and dec, mas / yr, 0 where it is not known; None for none.
        epoch: (n,) Julian years of the places; None where nobody knows.
        used: names of the columns that were read.
        assumed: what the table did not say and was taken as usual.
        unmoved: places without a proper motion, where others have one.
    """

    sky: Floats
    error: Floats | None = None
    motion: Floats | None = None
    epoch: Floats | None = None
    used: tuple[str, ...] = ()
    assumed: tuple[str, ...] = field(default=())
    unmoved: int = 0

    def __len__(self) -> int:
        return len(self.sky)


Read = Callable[[Sequence[str]], pd.DataFrame]


def places_of(
    path: str, name: str, names: Collection[str], meanings: Mapping[str, ColumnMeaning], read: Read, given: Given
) -> SkyPlaces:
    """The places of a table.

    Args:
        path: of the table, for messages.
        name: of the catalogue, as keys call it.
        names: its columns.
        meanings: what it says of them.
        read: gives columns by their names.
        given: what the user says.

    Raises:
        UserError: no columns of a position, a unit that nobody can tell, values that are no angles.
    """
    ra, dec = _position_columns(path, name, names, meanings, given)
    assumed: list[str] = []
    wanted = _error_columns(path, name, names, meanings, given)
    moves = _first_pair(MOTIONS, names)
    epochs = next((column for column in EPOCHS if column in names), None) if given.epoch is None else None
    more = [column for pair in (wanted, moves) if pair for column in pair] + ([epochs] if epochs and moves else [])
    table = read([ra, dec, *more])
    where, angles, told = SkyTable(path, name), [], []
    for axis, column in (("ra", ra), ("dec", dec)):
        degrees, said = degrees_of(where, table[column], _unit(meanings, column), given.unit, axis)
        assumed += [] if said else [f"{column}: deg"]
        angles.append(degrees)
        told.append(said)
    sky = np.column_stack(angles)
    if not told[0]:
        refuse_other_units(where, sky, ra)
    sky = on_the_sphere(where, sky, (ra, dec))
    error = None if given.error is None else np.full(sky.shape, float(given.error))
    if wanted is not None:
        error = np.column_stack([_errors(path, table[c], _unit(meanings, c), given, assumed) for c in wanted])
    motion, unmoved = None, 0
    if moves is not None:
        columns = [_measure(path, table[c], _unit(meanings, c), "mas / yr", assumed) for c in moves]
        motion = np.column_stack(columns)
        known: Mask = np.asarray(np.isfinite(motion).all(axis=1))
        motion, unmoved = np.where(known[:, None], motion, 0.0), int((~known).sum())
    epoch = None if given.epoch is None else np.full(len(sky), float(given.epoch))
    if epochs is not None and moves is not None:
        epoch = epochs_of(path, name, table[epochs])
    return SkyPlaces(sky, error, motion, epoch, (ra, dec, *more), tuple(assumed), unmoved)


def moved(places: SkyPlaces, rows: Any, epochs: Any) -> Floats:
    """Unit vectors (k, 3) of some places at other times: along the great circle of their proper motion, parallax apart.

    Args:
        places: with motions and epochs; without, they stand still.
        rows: (k,) of the places.
        epochs: (k,) Julian years; where one is not known, the place stays where its catalogue has it.
    """
    sky = places.sky[rows]
    vectors = unit_vectors(sky)
    if places.motion is None or places.epoch is None:
        return vectors
    years = np.nan_to_num(np.asarray(epochs, dtype=float) - places.epoch[rows])
    ra, dec = np.radians(sky[:, 0]), np.radians(sky[:, 1])
    east = np.column_stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)])
    north = np.column_stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    along = np.radians(places.motion[rows] / 3.6e6) * years[:, None]
    out = vectors + along[:, :1] * east + along[:, 1:] * north
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True))


def _position_columns(
    path: str, name: str, names: Collection[str], meanings: Mapping[str, ColumnMeaning], given: Given
) -> tuple[str, str]:
    if given.ra or given.dec:
        for key, column in (("ra", given.ra), ("dec", given.dec)):
            if column is None:
                raise UserError(f"ra.{name} and dec.{name}", f"no {key}.{name}", f"add {key}.{name}=COLUMN")
            if column not in names:
                fix = nearest(column, names) or f"give a column of it as {key}.{name}"
                raise UserError(f"the column {column}", f"{path} without it", fix)
        return str(given.ra), str(given.dec)
    for ra_name, dec_name in PLACES:
        if ra_name in names and dec_name in names:
            return ra_name, dec_name
    main = [[c for c in names if meanings.get(c, ColumnMeaning()).ucd == ucd] for ucd in MAIN]
    if all(len(found) == 1 for found in main):
        return main[0][0], main[1][0]
    small = {str(column).lower(): str(column) for column in names}
    if "ra" in small and "dec" in small:
        return small["ra"], small["dec"]
    shown = ", ".join(map(str, list(names)[:12])) or "no column"
    raise UserError(
        "a catalogue with columns of a position (ra and dec, or names that surveys have)",
        f"{path} with {shown}",
        f"name them: ra.{name}=COLUMN dec.{name}=COLUMN",
    )


def _first_pair(pairs: Sequence[tuple[str, str]], names: Collection[str]) -> tuple[str, str] | None:
    return next((pair for pair in pairs if pair[0] in names and pair[1] in names), None)


def _unit(meanings: Mapping[str, ColumnMeaning], column: str) -> str:
    return meanings.get(column, ColumnMeaning()).unit


def _error_columns(
    path: str, name: str, names: Collection[str], meanings: Mapping[str, ColumnMeaning], given: Given
) -> tuple[str, str] | None:
    """Columns of errors, where they are asked for and no number is given for all rows.

    Raises:
        UserError: nobody says their unit, where surveys differ; or a unit is given for columns that are not read.
    """
    found = _first_pair(ERRORS, names)
    if given.error_unit and (given.error is not None or found is None):
        got = f"error.{name} beside it" if given.error is not None else f"{path} without them"
        raise UserError(f"columns of errors for error_unit.{name}", got, f"leave out error_unit.{name}")
    if not given.errors or given.error is not None or found is None:
        return None
    if found[0] in UNSAID and not given.error_unit and not all(_unit(meanings, column) for column in found):
        fix = f"say it: error_unit.{name}=mas (or arcsec), or one error for all rows: error.{name}=0.05"
        raise UserError("errors of which one can tell the unit (Gaia's are mas)", f"{path}: {found[0]} without it", fix)
    return found


def _errors(path: str, values: pd.Series[Any], unit: str, given: Given, assumed: list[str]) -> Floats:
    """Errors in arcsec; NaN where there is none: no error is below 0, and some numbers mean nothing."""
    error = _measure(path, values, given.error_unit or unit, "arcsec", assumed)
    return np.where(error < 0, np.nan, error)


def _measure(path: str, values: pd.Series[Any], unit: str, wanted: str, assumed: list[str]) -> Floats:
    """An error or a motion in the wanted unit; without a word of the table it is taken to be in it."""
    from astropy import units

    plain = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    plain = np.where(is_mark(plain) & (np.abs(plain) > 100), np.nan, plain)  # 99 mas may be one
    if not unit:
        assumed.append(f"{values.name}: {wanted}")
        return np.asarray(plain)
    try:
        return np.asarray(plain * float(units.Unit(unit).to(units.Unit(wanted))))
    except (units.UnitConversionError, ValueError) as error:
        got = f"the unit {unit[:40]}"
        raise UserError(f"{values.name} of {path} in {wanted}", got, f"give it in {wanted}") from error
