"""Tables of light curves in every described layout, made from the descriptions, and variants of them by a seed."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.time import Time

from astrid_ml.preprocessing.lightcurves.curves.bands import offset_of
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import TableLayout, layouts
from astrid_ml.preprocessing.lightcurves.readers.layouts.names import words
from astrid_ml.preprocessing.surveys.registry import survey_named

N = 8
MJD = 58000.25 + 3.0 * np.arange(N)
FLUX = 500.0 + 40.0 * np.arange(N)
ERROR = 0.05 * FLUX
MADE = {layout.name: layout for layout in layouts() if {"table", "text"} & set(layout.files)}
_OWN_BANDS = {"light curves of OGLE": ["I"], "tables of sncosmo": ["sdssg", "sdssr"]}


def bands_of(layout: TableLayout) -> list[Any]:
    """Filters as the layout writes them."""
    if layout.name in _OWN_BANDS:
        return _OWN_BANDS[layout.name]
    if layout.bands:
        return list(layout.bands)[:2]
    if layout.survey is None:
        return ["V", "g"]
    numbers = any("filterid" in name.lower() or name.lower().endswith("fid") for name in layout.columns["filter"])
    known = survey_named(layout.survey).bands.items()
    return [band.code for _, band in known if band.code][:2] if numbers else [name for name, _ in known][:2]


def table_of(layout: TableLayout) -> pd.DataFrame:
    """The truth as a table of a layout."""
    name = {role: names[0] for role, names in layout.columns.items()}
    name |= {role: known for role in name for known in layout.known_by if known in layout.columns[role]}
    out: dict[str, Any] = {name["time"]: times_of(layout)}
    written = (bands_of(layout) * N)[:N] if "filter" in name else [layout.band] * N
    if "filter" in name and layout.name != "light curves of OGLE":
        out[name["filter"]] = written
    if "object" in name and layout.name not in (
        "light curves of OGLE",
        "light curves of TESS",
        "light curves of Kepler",
    ):
        out[name["object"]] = 1234567
    if "flux" in name:
        zero = np.array([layout.zero_points.get(str(band), layout.zero_point or 25.0) for band in written])
        factor = 10 ** (0.4 * (zero - 27.5))
        out |= {name["flux"]: FLUX * factor, name["flux_err"]: ERROR * factor}
        if "zero_point" in name:
            out[name["zero_point"]] = zero
        if "system" in name:
            out[name["system"]] = "ab"
    else:
        own = layout.offsets if layout.system == "Vega" else dict.fromkeys(map(str, written), 0.0)
        offsets = np.array([own.get(str(band), offset_of(str(band))) for band in written])
        out[name["mag"]] = 27.5 - 2.5 * np.log10(FLUX) - offsets
        out[name["mag_err"]] = 2.5 / np.log(10) * ERROR / FLUX
        if "sign" in name:
            out[name["sign"]] = "t"
        if "limit" in name:
            out[name["limit"]] = 21.0
    for role in ("ra", "dec"):
        if role in name and not name[role].startswith(("Requested", "RA_OBJ", "DEC_OBJ")):
            out[name[role]] = 10.5
    for column, kept in layout.kept.items():
        out[column] = kept[0]
    for known in layout.known_by:
        out.setdefault(known, 0)
    return pd.DataFrame(out, index=range(N))


def times_of(layout: TableLayout) -> np.ndarray:
    """MJD in UTC as a layout writes it."""
    days = MJD if layout.time_scale == "utc" else getattr(Time(MJD, format="mjd", scale="utc"), layout.time_scale).mjd
    if layout.time == "jd":
        return np.asarray(days + 2400000.5)
    return np.asarray(days + 2400000.5 - (layout.time_zero or 2457000.0)) if layout.time == "days" else np.asarray(days)


def shuffled(table: pd.DataFrame, random_of: random.Random) -> pd.DataFrame:
    """Columns in another order."""
    return table[random_of.sample(list(table), len(table.columns))]


def louder(table: pd.DataFrame, _: random.Random) -> pd.DataFrame:
    """Names in capitals."""
    return table.rename(columns=str.upper)


def quieter(table: pd.DataFrame, _: random.Random) -> pd.DataFrame:
    """Names in small letters."""
    return table.rename(columns=str.lower)


def richer(table: pd.DataFrame, random_of: random.Random) -> pd.DataFrame:
    """Columns that nobody asked for."""
    more = {f"extra_{n}": random_of.random() for n in range(3)}
    return table.assign(**more, comment="of the service")


CHANGES: tuple[Callable[[pd.DataFrame, random.Random], pd.DataFrame], ...] = (shuffled, louder, quieter, richer)


def as_csv(table: pd.DataFrame, folder: Path) -> Path:
    table.to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def as_packed_csv(table: pd.DataFrame, folder: Path) -> Path:
    (folder / "a.csv.gz").write_bytes(gzip.compress(table.to_csv(index=False).encode()))
    return folder / "a.csv.gz"


def as_semicolons(table: pd.DataFrame, folder: Path) -> Path:
    """With a byte-order mark and commas in numbers, as spreadsheets write them."""
    text = table.to_csv(index=False, sep=";", decimal=",")
    (folder / "a.csv").write_text(text, encoding="utf-8-sig")
    return folder / "a.csv"


def as_commented(table: pd.DataFrame, folder: Path) -> Path:
    """Tabs, below lines of comments."""
    text = "# from: a service\n# version = 2\n" + table.to_csv(index=False, sep="\t")
    (folder / "a.tsv").write_text(text)
    return folder / "a.tsv"


def as_parquet(table: pd.DataFrame, folder: Path) -> Path:
    table.to_parquet(folder / "a.parquet", index=False)
    return folder / "a.parquet"


def as_fits(table: pd.DataFrame, folder: Path) -> Path:
    from astropy.table import Table

    Table.from_pandas(table).write(folder / "a.fits")
    return folder / "a.fits"


def as_votable(table: pd.DataFrame, folder: Path) -> Path:
    from astropy.table import Table

    Table.from_pandas(table).write(folder / "a.vot", format="votable")
    return folder / "a.vot"


def as_nest(table: pd.DataFrame, folder: Path) -> Path:
    """A row an object, its rows a struct of lists, as HATS catalogues have them."""
    once = [name for name in table if table[name].nunique() == 1 and "id" in str(name).lower()]
    rest = [name for name in table if name not in once]
    nested = pa.array([{name: table[name].tolist() for name in rest}])
    columns = {name: pa.array(table[name].iloc[:1]) for name in once}
    pq.write_table(pa.table({**columns, "lc": nested}), folder / "a.parquet")
    return folder / "a.parquet"


def as_lists(table: pd.DataFrame, folder: Path) -> Path:
    """A row an object, each of its columns a list."""
    once = [name for name in table if table[name].nunique() == 1 and "id" in str(name).lower()]
    columns = {name: pa.array(table[name].iloc[:1]) for name in once}
    columns |= {str(name): pa.array([table[name].tolist()]) for name in table if name not in once}
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return folder / "a.parquet"


def as_json(table: pd.DataFrame, folder: Path) -> Path:
    (folder / "a.json").write_text(json.dumps({"lightcurve": table.to_dict("records")}))
    return folder / "a.json"


def as_columns(table: pd.DataFrame, folder: Path) -> Path:
    """JSON of columns side by side."""
    (folder / "a.json").write_text(json.dumps({"data": table.to_dict("list")}))
    return folder / "a.json"


WRITERS: tuple[Callable[[pd.DataFrame, Path], Path], ...] = (
    as_csv,
    as_packed_csv,
    as_semicolons,
    as_commented,
    as_parquet,
    as_fits,
    as_votable,
    as_nest,
    as_lists,
)


def several_objects(name: str, order: str, time: str = "mjd", whole: bool = False) -> pd.DataFrame:
    """Two objects of six rows that a column tells apart.

    Args:
        name: of that column.
        order: of the rows: one object ``behind`` the other, at the same times ``together``, in ``turns``, or so with
            positions (``sky``).
        time: name of the column of times.
        whole: whether the column has whole numbers and no texts.
    """
    first, second = (1187, 2299) if whole else ("SS Cyg", "T CrB")
    day = np.arange(12.0)
    days, names = {
        "behind": (np.tile(day[:6], 2) + np.repeat([0.0, 0.5], 6), [first] * 6 + [second] * 6),
        "together": (np.repeat(day[:6], 2), [first, second] * 6),
    }.get(order, (day, [first, second] * 6))
    zero = {"mjd": 58000.25, "jd": 2458000.75}[time]
    rows: dict[str, Any] = {time: days + zero, "band": "V", "mag": 15.0 + 0.1 * day, "magerr": 0.01, name: names}
    if order == "sky":
        rows |= {"ra": [10.0, 20.0] * 6, "dec": [5.0, 5.0] * 6}
    return pd.DataFrame(rows)


_UNITS = {"": 1.0, " (nJy)": 10 ** (0.4 * 3.9), "[uJy]": 10 ** (-0.4 * 3.6), "(mJy)": 10 ** (-0.4 * 11.1)}
_TIMES = {"mjd": 0.0, "jd": 2400000.5, "hjd": 2400000.5, "btjd": -56999.5, "BJD - 2457000": -56999.5, "time": 0.0}


def guessed_table(seed: int) -> tuple[pd.DataFrame, float | None]:
    """A table of names that nobody described, and the zero point that must be given with it; None where it tells it."""
    chosen = random.Random(seed)
    time = chosen.choice(list(_TIMES))
    given = MJD if time in ("mjd", "jd", "hjd", "time") else Time(MJD, format="mjd", scale="utc").tdb.mjd
    spellings: list[Callable[[str], str]] = [str.strip, str.upper, str.title]
    spelt = chosen.choice(spellings)
    names = words()
    rows: dict[str, Any] = {
        spelt(chosen.choice(names["object"][:25])): [f"sn{seed}"] * N,
        time: given + _TIMES[time],
        spelt(chosen.choice(names["filter"][:6])): (["g", "r"] * N)[:N],
    }
    zero_point = None
    if chosen.random() < 0.5:
        mag, error = chosen.choice(["mag", "magnitude", "psfmag"]), chosen.choice(["err", "_err", "error", "_sigma"])
        rows |= {spelt(mag): 27.5 - 2.5 * np.log10(FLUX), spelt(mag + error): 2.5 / np.log(10) * ERROR / FLUX}
    else:
        flux, error = chosen.choice([("flux", "flux_err"), ("psfFlux", "psfFluxErr"), ("fnu", "e_fnu")])
        unit = chosen.choice(list(_UNITS))
        zero_point = 27.5 if not unit else None
        rows |= {flux + unit: FLUX * _UNITS[unit], error + unit: ERROR * _UNITS[unit]}
    table = pd.DataFrame(rows)
    for change in chosen.sample([shuffled, richer], chosen.randint(0, 2)):
        table = change(table, chosen)
    return table, zero_point
