"""Datasets that the old scripts left: ``master_index.csv``, its images, perhaps a ``croissant.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.files import read_array, read_note
from astrid_ml.preprocessing.roman.job.columns import same, texts
from astrid_ml.preprocessing.roman.job.frames import CHANNELS
from astrid_ml.preprocessing.roman.job.master_index import SCHEMA
from astrid_ml.readable import reading

_NEEDED = ("id", "jid", "x", "y", "label", "image_filename")
TABLE = "master_index.csv"
_FALSE = ("", "false", "0", "0.0")


def find(place: Path) -> Path | None:
    """The ``master_index.csv`` that a path stands for: itself, its folder's, or that of a ``croissant.json``."""
    if place.is_file() and place.suffix == ".csv":
        return place
    if place.is_file() and place.name.endswith(".json"):
        return _of_croissant(place)
    return place / TABLE if (place / TABLE).is_file() else None


def _of_croissant(path: Path) -> Path:
    """The CSV table that a Croissant description names."""
    try:
        content = read_note(path)
        files = [str(item.get("contentUrl", "")) for item in content.get("distribution", [])]
    except (ValueError, AttributeError) as error:
        raise UserError("a croissant.json", f"{path}: {error}", "give the folder of the dataset") from error
    tables = [path.parent / name for name in files if name.endswith(".csv")]
    if not tables or not tables[0].is_file():
        raise UserError(f"a croissant.json that names {TABLE}", f"{tables or 'no table'}", "give the dataset's folder")
    return tables[0]


def plan(table: Path) -> list[Unit]:
    """A unit for each image, incomplete where the image is missing, and one for the rows that name none.

    Raises:
        UserError: the table lacks a column.
    """
    with reading(table, f"a {TABLE}"):
        rows = pd.read_csv(table, dtype={"jid": str, "image_filename": str})
    absent = [name for name in _NEEDED if name not in rows]
    if rows.empty and not absent:
        raise UserError(f"a {TABLE} with rows", f"none in {table}", "fetch it again")
    if absent:
        raise UserError(
            f"a {TABLE} with {', '.join(_NEEDED)}", f"no {', '.join(absent)} in {table}", "give one as described"
        )
    units = []
    names = _unit_names(sorted(rows["image_filename"].dropna().unique()))
    for image, part in rows.groupby("image_filename", sort=True):
        file = table.parent / str(image)
        there = file.is_file()
        parameters = {"rows": [int(part.index[0]), int(part.index[-1])], "image": str(image)}
        missing = () if there else (str(image),)
        size = file.stat().st_size if there else 0
        units.append(Unit(names[str(image)], (table, file) if there else (table,), parameters, missing, size))
    nameless = rows.index[rows["image_filename"].isna()]
    if len(nameless):
        place = {"rows": [int(nameless[0]), int(nameless[-1])], "image": None}
        units.append(Unit(f"rows without an image of {table.parent.name}", (table,), place))
    return units


def _unit_names(images: Sequence[str]) -> dict[str, str]:
    """A name for each image: its stem; where several have it, the whole path, without what would make folders."""
    stems = Counter(Path(image).stem for image in images)
    names = {image: Path(image).stem for image in images if stems[Path(image).stem] == 1}
    taken = set(names.values())
    for image in (image for image in images if image not in names):
        name = image.removesuffix(".npy").lstrip("./").replace("/", "_")
        while name in taken:
            name += "_"
        names[image] = name
        taken.add(name)
    return names


def process(unit: Unit, writer: UnitWriter) -> None:
    """Copy one image as float32 and take over its rows; its values are scaled to [0, 1] already.

    Raises:
        ValueError: the image is damaged or has another shape.
    """
    table = _rows(unit)
    if unit.parameters["image"] is None:
        for jid, number in zip(table["jid"].fillna("no job"), table["id"], strict=True):
            writer.drop(f"{jid}_{_number(number)}", "no image_filename")
        return
    try:
        frame = read_array(unit.inputs[1], "r")
    except UserError as error:
        raise ValueError(error.got) from error
    if frame.ndim != 3 or frame.shape[2] != len(CHANNELS):
        raise ValueError(f"{unit.inputs[1].name} has the shape {frame.shape}, not (H, W, {len(CHANNELS)})")
    records = _records(table, unit.id)
    places = records[["x", "y"]].to_numpy(np.float64)
    with np.errstate(invalid="ignore"):
        within = np.all((places >= -0.5) & (places < [frame.shape[1] - 0.5, frame.shape[0] - 0.5]), axis=1)
    for name in records["id"][~within]:
        writer.drop(str(name), "a position outside the image")
    repeated = records["id"].duplicated().to_numpy()
    for name in records["id"][repeated]:
        writer.drop(str(name), "an id that stands in the table twice")
    path = f"images/{unit.id}.npy"
    shard = writer.open_frame(path, frame.shape, np.float32)
    shard.arrays["frame"][:] = frame
    writer.count("jobs")
    kept = records[within & ~repeated].reset_index(drop=True)
    if len(kept):
        writer.add_rows(kept.assign(image=path, row=np.int64(0)), shard)


def _rows(unit: Unit) -> pd.DataFrame:
    first, last = unit.parameters["rows"]
    types = {"jid": str, "match_id": str, "truth_id": str, "image_filename": str}
    table = pd.read_csv(unit.inputs[0], dtype=types, skiprows=range(1, first + 1), nrows=last - first + 1)
    image, named = unit.parameters["image"], table["image_filename"]
    chosen: pd.DataFrame = table[named.isna() if image is None else named == image].reset_index(drop=True)
    return chosen


def _records(table: pd.DataFrame, job: str) -> pd.DataFrame:
    """Index rows as job folders give them, with what the table cannot say as missing."""
    out = pd.DataFrame({"catalogue_id": pd.to_numeric(table["id"]), "jid": table["jid"].astype("string")})
    out.insert(0, "id", texts(f"{job}_{_number(value)}" for value in table["id"]))
    floats = [name for name, kind in SCHEMA.items() if kind == "float" and name != "id"]
    for name in floats:
        out[name] = pd.to_numeric(table[name]).astype(np.float64) if name in table else np.nan
    for name in ("match_id", "truth_id"):
        out[name] = table[name].astype("string") if name in table else same(None, len(table))
    out["injected"] = _injected(table["injected"]) if "injected" in table else False
    out["truth_id"] = _object(out, job)
    out["group_id"] = out["truth_id"].fillna(out["id"])
    out["label"] = table["label"].astype("Int8")
    constants: dict[str, Any] = {"sign": np.int8(1), "ambiguous": False, "mag_truth": np.nan, "ra": np.nan}
    constants |= {"dec": np.nan, "mjd": np.nan, "mission": "roman", "source": job, "label_source": "old dataset"}
    for channel in CHANNELS:
        constants |= {f"zscale_low_{channel}": 0.0, f"zscale_high_{channel}": 1.0}
    out = out.assign(**constants)
    for name in ("filter", "field"):
        out[name] = table[name].astype("string") if name in table else same(None, len(out))
    return out


def _injected(column: pd.Series) -> pd.Series:
    """True where a row says so; an empty one does not. With one empty row pandas may read the column as text."""
    words = column.astype("string").str.strip().str.lower()
    return (words.notna() & ~words.isin(_FALSE)).astype(bool)


def _object(table: pd.DataFrame, job: str) -> Any:
    """One name for one object over all jobs: injections are numbered anew in each."""
    own = job + "_" + table["match_id"]
    shared = table["match_id"].where(table["match_id"].notna(), table["truth_id"])
    return shared.where(~table["injected"], own)


def _number(value: Any) -> str:
    number = float(value)
    return str(int(number)) if number.is_integer() else str(number)
