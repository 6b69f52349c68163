"""Which column of somebody's table says what of their stamps: guessed by name, or as they say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.crossmatch.angles import DEGREES, SkyTable, degrees_of, refuse_other_units
from astrid_ml.errors import UserError
from astrid_ml.found import kind_at
from astrid_ml.nearest import nearest
from astrid_ml.preprocessing.alerts.fields.names import lost_digits
from astrid_ml.preprocessing.alerts.fields.times import mjd_of
from astrid_ml.preprocessing.alerts.packet import RANGES, sign_of
from astrid_ml.preprocessing.triplets.containers.one_hot import BETWEEN, with_one_hot
from astrid_ml.reasons import shortened
from astrid_ml.tables import SUFFIXES, read_table

# Role -> the names that tables give it, best first.
ROLES: dict[str, tuple[str, ...]] = {
    "id": ("id", "sample_id", "candid", "diaSourceId", "alert_id", "alertId", "source_id"),
    "group": ("group_id", "objectId", "object_id", "oid", "diaObjectId", "object", "name"),
    "label": ("label", "labels", "is_real", "isreal", "real", "class", "target", "y"),
    "ra": ("ra", "ra_deg", "_raj2000", "raj2000", "ra_icrs", "radeg", "meanra"),
    "dec": ("dec", "dec_deg", "_dej2000", "dej2000", "decj2000", "de_icrs", "dedeg", "decl", "meandec"),
    "mjd": ("mjd", "mjdobs", "mjd_obs"),
    "jd": ("jd",),
    "date": ("date", "obsdate", "date_obs", "dateobs", "obs_date", "date-obs"),
    "filter": ("filter", "band", "fid", "filt"),
    "mission": ("mission", "survey"),
    "positive": ("isdiffpos", "is_diff_pos", "is_diffpos", "sign"),
    "negative": ("isNegative", "is_negative"),
    "file": ("file", "filename", "path", "file_name", "stamp"),
    "row": (),
}
OF_TWO = ("target", "y")  # names of labels, and of objects and pixels: guessed where there are two values or fewer
OF_SEVERAL = ("object", "name")  # of samples, and of the one field that was observed: guessed where there are several
COUNTED = ("Unnamed: 0", "", "index", "__index_level_0__", "level_0")  # what pandas writes of a table's index
SEXAGESIMAL = r"\d[:hd ]\s*\d"
SOME_REPEATED = 0.1  # of the rows: fewer are samples that were given twice, and are left out by name
UNKNOWN = ("-999", "-999.0", "-9999", "-9999.0", "")  # how tables say that they do not know
JD_ZERO = 2400000.5  # of MJD; no MJD is as large
EXPORTED = ("sign", "peak_snr", "stamp_h", "stamp_w")  # columns that tell a table of ours
OWN = ("array", "row", "image", "sky", "normalised", "source", "stamp_h", "stamp_w", "n_nan", "peak_snr", "peak_sent",
       "label_source")  # fmt: skip


def is_table(path: Path) -> bool:
    """Whether a file is a table by its name; of FITS files those that begin with one. A .txt is none unless said."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".fits", ".fit")):
        return kind_at(path) == "a FITS table"
    return name.endswith(SUFFIXES) and not name.endswith((".txt", ".dat"))


def check_roles(given: Mapping[str, str]) -> None:
    """Refuse roles that nothing reads.

    Args:
        given: role -> column.
    """
    strange = sorted(set(given) - set(ROLES))
    if strange:
        fix = nearest(strange[0], ROLES) or "choose one of them"
        raise UserError(f"preprocessing.columns of {', '.join(ROLES)}", strange[0], fix)


def columns_of(rows: pd.DataFrame, given: Mapping[str, str], file: str) -> dict[str, str]:
    """Role -> column.

    Args:
        rows: of the table.
        given: what the user says.
        file: for the messages.

    Raises:
        UserError: a role or a column that is not there.
    """
    check_roles(given)
    names = [str(name) for name in rows.columns]
    absent = [column for column in given.values() if column not in names]
    if absent:
        fix = nearest(absent[0], names) or f"choose among {', '.join(names[:12])}"
        raise UserError(f"a column of {file}", absent[0], fix)
    folded = {name.lower(): name for name in reversed(names)}
    folded = {word: name for word, name in folded.items() if _may_be(word, rows[name])}
    found: dict[str, str] = dict(given)
    for role, words in ROLES.items():
        column = next((folded[word.lower()] for word in words if word.lower() in folded), None)
        if role not in found and column is not None and column not in found.values():
            found[role] = column
    if "date" in found and "date" not in given and {"mjd", "jd"} & set(found):
        del found["date"]  # it stays a column as it is
    return found


def _are_dates(values: pd.Series[Any]) -> bool:
    try:
        return bool(np.isfinite([mjd_of(text, "iso")[0] for text in values.dropna().astype(str).str.strip()]).all())
    except ValueError:
        return False


def _may_be(word: str, values: pd.Series[Any]) -> bool:
    """Whether a column that may be called so for another reason holds what its role has."""
    if word in OF_TWO:
        return bool(values.nunique() <= 2)
    if word in ROLES["date"]:
        return not pd.api.types.is_numeric_dtype(values) and bool(values.notna().any()) and _are_dates(values)
    return word not in OF_SEVERAL or len(values) < 2 or bool(values.nunique() > 1)


def read_rows(
    path: Path, given: Mapping[str, str], position_unit: str | None = None
) -> tuple[pd.DataFrame, dict[str, str], dict[int, str]]:
    """A table of samples, one row for each stamp, in their order; positions that the table has in another unit in deg.

    Args:
        path: of the table.
        given: role -> column, as the user says it.
        position_unit: of right ascensions and declinations, as the user says it.

    Returns:
        the rows, with ids and groups as text; role -> column; (row from 0 -> reason) of those that cannot be used,
        which stand in the rows with nulls.

    Raises:
        UserError: it is no table, lacks a column that was named, or has positions of which nobody can tell the unit.
    """
    first, given = with_one_hot(read_table(path, {}).rows, given, path.name)
    roles = columns_of(first, given, path.name)
    asked = {roles[role]: "text" for role in ("id", "group", "file") if role in roles}
    read = read_table(path, {}, asked)
    refuse_lost_digits(read.rows, roles, path.name)
    lost = {row - 1: reason for row, reason in read.dropped}
    total = len(read.rows) + len(lost)
    places = [row for row in range(total) if row not in lost]
    rows, _ = with_one_hot(read.rows, given, path.name)
    rows = rows.set_index(pd.Index(places)).reindex(range(total)) if lost else rows
    if "id" in roles:
        empty = rows[roles["id"]].isna()
        lost |= {int(row): f"{roles['id']} is empty" for row in np.flatnonzero(empty) if int(row) not in lost}
    units = {name: meaning.unit for name, meaning in read.meanings.items()}
    return in_degrees(rows.reset_index(drop=True), roles, units, position_unit, path.name), roles, lost


def in_degrees(
    rows: pd.DataFrame, roles: Mapping[str, str], units: Mapping[str, str], given: str | None, file: str
) -> pd.DataFrame:
    """Rows whose positions are in degrees, where somebody says that they are in another unit.

    Args:
        rows: of a table.
        roles: role -> column.
        units: that the table says, by column.
        given: unit that the user says.
        file: for the messages.

    Raises:
        UserError: no unit of angles; or nobody says one, and numbers up to 24 or 2 pi lie all over the sky.
    """
    where = SkyTable(file, "", "preprocessing.position_unit")
    columns = {axis: roles[axis] for axis in ("ra", "dec") if axis in roles}
    said = {axis: given or units.get(column, "") for axis, column in columns.items()}
    for axis, column in columns.items():
        if said[axis] and said[axis].casefold() not in DEGREES:
            degrees, _ = degrees_of(where, rows[column], units.get(column, ""), given, axis)
            rows = rows.assign(**{column: degrees})
    if len(columns) == 2 and not said["ra"]:
        plain = [pd.to_numeric(rows[column], errors="coerce").to_numpy(float, na_value=np.nan)
                 for column in columns.values()]  # fmt: skip
        refuse_other_units(where, np.column_stack(plain), columns["ra"])
    return rows


def records_of(rows: pd.DataFrame, roles: Mapping[str, str], stem: str, first: int) -> pd.DataFrame:
    """Index columns of samples: those of the roles under our names, and every other number and text as it is.

    Args:
        rows: of the table, some of them.
        roles: role -> column.
        stem: of the file, for ids where the table has none.
        first: number of the first row.

    Raises:
        ValueError: labels or positions that are no numbers.
    """
    numbered = pd.Series([f"{stem}-{first + n}" for n in range(len(rows))], index=rows.index, dtype="string")
    out = pd.DataFrame({"id": rows[roles["id"]].astype("string") if "id" in roles else numbered})
    group = rows[roles["group"]].astype("string") if "group" in roles else out["id"]
    out["group_id"] = group.fillna(out["id"])
    for role in ("ra", "dec"):
        out[role] = _angles(rows, roles.get(role), role)
    out["mjd"] = _days(rows, next((roles[role] for role in ("mjd", "jd", "date") if role in roles), None))
    signs = signs_of(rows, roles)
    if is_exported(rows):
        out["sign"] = pd.to_numeric(rows["sign"]).astype("Int8")
    elif signs is not None:
        out["sign"] = signs
    if "label" in roles:
        out["label"] = _labels(rows[roles["label"]])
    labels = roles.get("label", "").split(BETWEEN)  # what the label was made of tells it
    taken = {*out.columns, *roles.values(), *labels, *OWN, "filter", "mission", "label"}
    for name in rows.columns:
        if name not in taken and str(name).isidentifier() and _is_plain(rows[name]):
            out[str(name)] = rows[name]
    return out


def is_exported(rows: pd.DataFrame) -> bool:
    """Whether a table is one of our own: its difference stamps were turned over already where ``sign`` is -1."""
    return set(EXPORTED) <= {str(name) for name in rows.columns}


def without_impossible(records: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Records without values that nothing on the sky has (a declination of -999), and how many became null, by column.

    Example:
        >>> without_impossible(pd.DataFrame({"ra": [10.0, -999.0], "dec": [5.0, 124.0], "mjd": [6e4, 6e4]}))[1]
        {'ra': 1, 'dec': 1}
    """
    found = {}
    for name, (least, most) in RANGES.items():
        values = records[name].to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = ~np.isnan(values) & ~((values >= least) & (values <= most))
        if wrong.any():
            records = records.assign(**{name: np.where(wrong, np.nan, values)})
            found[name] = int(wrong.sum())
    return records, found


def refuse_repeated(rows: pd.DataFrame, roles: Mapping[str, str], file: str) -> None:
    """Refuse a column of ids that does not tell the samples apart: all but one of each would be left out.

    Raises:
        UserError: more than a tenth of the rows have the id of another.
    """
    if "id" not in roles or not len(rows):
        return
    again = int(rows[roles["id"]].dropna().astype("string").duplicated().sum())
    if again > SOME_REPEATED * len(rows):
        got = f"{again} of {len(rows)} rows of {file} with a {roles['id']} of another row"
        fix = "name the column: preprocessing.columns.id=COLUMN; without a column of ids the rows are numbered"
        raise UserError("an id of its own for each sample", got, fix)


def refuse_lost_digits(rows: pd.DataFrame, roles: Mapping[str, str], file: str) -> None:
    """Refuse ids and names of objects that are large floats, or texts of them: others may have the same.

    Args:
        rows: of the table, as it has them.
        roles: role -> column.
        file: for the messages.

    Raises:
        UserError: says which column.
    """
    for role, column in roles.items():
        if role not in ("id", "group") or pd.api.types.is_integer_dtype(rows[column]):
            continue
        lost = next((value for value in rows[column].dropna().tolist() if lost_digits(value)), None)
        if lost is not None:
            got = f"{column} of {file}, such as {lost}: numbers of 17 digits and more do not survive as floats"
            fix = f"write integers or texts, or name another column: preprocessing.columns.{role}=COLUMN"
            raise UserError(f"{'ids' if role == 'id' else 'names of objects'} with all their digits", got, fix)


def signs_of(rows: pd.DataFrame, roles: Mapping[str, str]) -> pd.Series[Any] | None:
    """1, or -1 of a source that faded, null where a word means neither; None without a column that says it."""
    for role, of_true in (("negative", -1), ("positive", 1)):
        if role in roles:
            said = [None if pd.isna(value) else sign_of(value) for value in rows[roles[role]]]
            known = [of_true * value if isinstance(value, int) else None for value in said]
            return pd.Series(known, index=rows.index, dtype="Int8")
    return None


def _numbers(rows: pd.DataFrame, column: str | None) -> pd.Series[float]:
    if column is None:
        return pd.Series(np.nan, index=rows.index, dtype="float64")
    return pd.to_numeric(rows[column]).astype("float64")


def _angles(rows: pd.DataFrame, column: str | None, axis: str) -> pd.Series[float]:
    """Degrees: of numbers as they are, of 12:34:56.7 as hours (right ascension) or degrees (declination)."""
    if column is None or not rows[column].astype("string").str.contains(SEXAGESIMAL).any():
        return _numbers(rows, column)
    from astropy.coordinates import Angle

    texts = rows[column].astype("string").str.strip()
    known = texts.notna() & (texts != "")
    try:
        degrees = Angle(texts[known].tolist(), unit="hourangle" if axis == "ra" else "deg").deg
    except ValueError as error:
        raise ValueError(f"{column} that is no angle: {shortened(str(error), 80)}") from error
    return pd.Series(np.nan, index=rows.index, dtype="float64").where(
        ~known, pd.Series(degrees, index=rows.index[known])
    )


def _days(rows: pd.DataFrame, column: str | None) -> pd.Series[float]:
    """MJD of MJD, JD or dates of ISO 8601: the values tell which, whatever the column is called.

    Raises:
        ValueError: neither; a date without a time of the day is null.
    """
    if column is not None and not pd.api.types.is_numeric_dtype(rows[column]):
        texts = rows[column].astype("string").str.strip()
        texts = texts.mask(texts.isin(UNKNOWN))
        if pd.to_numeric(texts, errors="coerce").isna().ne(texts.isna()).any():
            try:
                days_of = [np.nan if pd.isna(text) else mjd_of(text, "iso")[0] for text in texts]
            except ValueError as error:
                raise ValueError(f"{column}: no time: {shortened(str(error), 80)}") from error
            return pd.Series(np.where(np.isfinite(days_of), days_of, np.nan), index=rows.index, dtype="float64")
    days = _numbers(rows, column)
    return days.where(~(days >= JD_ZERO), days - JD_ZERO)


def _labels(values: pd.Series[Any]) -> pd.Series[Any]:
    """0 and 1 as numbers, however they are written; names of classes as texts."""
    words = {"true": 1, "false": 0, "1": 1, "0": 0, "1.0": 1, "0.0": 0, "real": 1, "bogus": 0}
    texts = values.astype("string").str.strip()
    texts = texts.mask(texts.isin(UNKNOWN))
    known = texts.dropna()
    if known.str.lower().isin(words).all():
        return texts.str.lower().map(words).astype("Int8")
    return texts


def _is_plain(values: pd.Series[Any]) -> bool:
    return values.dtype.kind in "fiub" or isinstance(values.dtype, pd.StringDtype) or _all_texts(values)


def _all_texts(values: pd.Series[Any]) -> bool:
    return values.dtype.kind == "O" and all(isinstance(value, str) for value in values.dropna())
