"""Columns that tell several objects apart in a table that is read as one object's curve, for want of their name."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.printable import printable

MAP = "a map, columns=map.yaml (columns=guess writes one; in training preprocessing.columns)"
NEAR = 10 / 3600  # degrees: rows of one object lie within it
# Words in the name of a column that says how, where or by whom something was measured, not of what.
_OF_THE_ROW = frozenset(
    """observer obs observation observatory telescope tel instrument inst camera cam detector ccd chip amp quadrant qid
    rcid field filter filt flt band passband exposure exp exptime expid image img frame visit night run file filename
    path date time day mjd jd utc ut comment comments note notes remark remarks flag flags quality qual code codes
    reference ref refs bibcode paper author survey origin provenance dataset mode method site station program proposal
    pid chart charts digitizer affiliation grouping type class label classification magsys zpsys magsystem system unit
    units version pipeline software reducer user group status candid comp comparison check calibration calib airmass
    seeing fwhm nobs ndet npts epoch row line index mag flux err error upper limit limits detected valid grid""".split()
)
# Words in the name of one that names objects.
_OF_OBJECTS = re.compile(
    r"(\w*name|[a-z]*id|ident|candidate|cluster|host|identifier|designation|star|obj|object|target|source|src|variable|nova|sn|supernova"
    r"|transient|quasar|galaxy|gaia|hip|epic|kic|tic|sdss|2mass|ztf|tns|iau|asassn|ogle|hd|catalog|catalogue)"
)


def refuse_several(
    unused: pd.DataFrame,
    times: pd.Series,
    bands: pd.Series,
    sky: pd.DataFrame | None = None,
    file: npt.ArrayLike = 0,
) -> None:
    """Refuse rows of a file without a column of objects in which one that nothing uses tells several apart.

    It does where its name is one of objects, or where its values part the rows so that in one filter times repeat or
    run backwards between the parts alone, or positions differ between them.

    Args:
        unused: columns that nothing uses, (n,) rows.
        times: of the rows, as they stand in the file.
        bands: filters of the rows.
        sky: columns of numbers, right ascension and declination in degrees.
        file: of each row, where several files are read together.

    Raises:
        UserError: names the column.

    Example:
        >>> rows = pd.DataFrame({"mjd": [1, 2, 1, 2], "band": "g", "which": ["a", "a", "b", "b"]})
        >>> try:
        ...     refuse_several(rows[["which"]], rows["mjd"], rows["band"])
        ... except UserError as error:
        ...     print(error.got)
        none of a known name, and the column which that nothing uses tells 2 apart (a, b)
    """
    owner = np.broadcast_to(np.asarray(file), len(unused))
    moments = _ranks(times)
    band = pd.factorize(bands)[0]
    for name in map(str, unused):
        values = unused[name]
        words = _words(name)
        if not _is_key(values) or _OF_THE_ROW.intersection(words):
            continue
        said = pd.DataFrame({"file": owner, "band": band, "time": moments, "value": pd.factorize(values)[0]})
        said = said[said["value"] >= 0]
        each = said.groupby("file")["value"].agg(["nunique", "size"])
        each = each[(each["nunique"] > 1) & (each["nunique"] < each["size"])]
        said = said[said["file"].isin(each.index)]
        if not len(said):
            continue
        named = any(_OF_OBJECTS.fullmatch(word) for word in words)
        if named or _apart_in_time(said) or (sky is not None and _apart_in_sky(said, sky)):
            raise _error(name, values)


def _error(name: str, values: pd.Series) -> UserError:
    several = list(dict.fromkeys(printable(str(value))[:30] for value in values.dropna()))
    shown = ", ".join(several[:3]) + (", ..." if len(several) > 3 else "")
    return UserError(
        "a column that names the objects, or rows of one object alone",
        f"none of a known name, and the column {printable(name)[:40]} that nothing uses tells {len(several)} apart "
        f"({shown})",
        f"{MAP} with object: {printable(name)[:40]} in it, or without object where all rows are one object's",
    )


def _words(name: str) -> list[str]:
    """Words of a column's name without capitals, the whole of it, and what comes before ``name`` or ``id``.

    >>> _words("Star Name"), _words("GaiaDR3"), _words("imageid")
    (['star', 'name', 'starname', 'star'], ['gaia', 'dr', 'gaiadr3', 'gaiadr3'], ['imageid', 'imageid', 'image'])
    """
    parts = [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    whole = re.sub(r"[^a-z0-9]+", "", name.lower())
    return [*parts, whole, re.sub(r"(name|id|no|number)$", "", whole)]


def _is_key(values: pd.Series) -> bool:
    """Whether a column may tell objects: by texts or whole numbers."""
    known = values.dropna()
    if not len(known) or pd.api.types.is_bool_dtype(known):
        return False
    if pd.api.types.is_integer_dtype(known):
        return True
    if pd.api.types.is_float_dtype(known):
        return bool((known % 1 == 0).all())
    return pd.api.types.is_object_dtype(known) or pd.api.types.is_string_dtype(known)


def _ranks(times: pd.Series) -> npt.NDArray[np.float64]:
    """Times as numbers in their order; dates by their texts."""
    numbers = pd.to_numeric(times, errors="coerce")
    if numbers.notna().any():
        return np.asarray(numbers.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(pd.factorize(times.astype(str), sort=True)[0], dtype=np.float64)


def _apart_in_time(said: pd.DataFrame) -> bool:
    """Whether times repeat or run backwards in a filter, and do not where the column has one value."""
    whole, part = ["file", "band"], ["file", "band", "value"]
    if said.duplicated([*whole, "time"]).any() and not said.duplicated([*part, "time"]).any():
        return True
    return _runs_back(said, whole) and not _runs_back(said, part)


def _runs_back(said: pd.DataFrame, by: Iterable[str]) -> bool:
    return bool((said.groupby(list(by))["time"].diff() < 0).any())


def _apart_in_sky(said: pd.DataFrame, sky: pd.DataFrame) -> bool:
    """Whether positions differ between the values of the column, and are one for each of them."""
    places = sky.reset_index(drop=True).reindex(said.index).groupby(said["value"])
    inside, middle = (places.max() - places.min()).max(), places.median()
    return bool((inside < NEAR).all() and ((middle.max() - middle.min()) > NEAR).any())
