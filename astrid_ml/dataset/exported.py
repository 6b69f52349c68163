"""A prepared dataset as files that other tools read: npz, HDF5, parquet, FITS, HATS; samples of one size together."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.csv_text import marked
from astrid_ml.dataset.data_card import index_meaning
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.described.columns import SPELLINGS, ColumnMeaning, TableMeaning, printable_ascii
from astrid_ml.described.parquet import with_meaning
from astrid_ml.errors import MissingNameError, UserError
from astrid_ml.files import whole, write_text
from astrid_ml.sky import healpix
from astrid_ml.types import Array, Ints

BATCH = 512  # samples that are held at a time
MOST_ROWS = 50_000  # of a tile of HATS
DEEPEST, FINEST = 12, 29  # orders of its tiles, and of the column _healpix_29
USUAL = "stamps"  # the kind of array that is exported unless another is named
MEANINGS = "columns"  # the array of npz that says what the others mean
_PLACES = ("array", "row")  # columns that say where a sample lies in the dataset


@dataclass(frozen=True)
class SameSize:
    """Samples of a dataset whose arrays have one size.

    Args:
        dataset: whose they are.
        kind: of array.
        rows: of the index, ascending.
        shape: of one sample: channels, height, width.
        table: their columns, in the same order.
    """

    dataset: PreparedDataset
    kind: str
    rows: Ints
    shape: tuple[int, ...]
    table: pd.DataFrame

    def batches(self) -> Iterator[tuple[slice, Array]]:
        """(part of the rows, their arrays) one after another."""
        for start in range(0, len(self.rows), BATCH):
            part = slice(start, min(start + BATCH, len(self.rows)))
            yield part, self.dataset.gather(self.kind, self.rows[part]).astype(np.float32, copy=False)


def same_sizes(dataset: PreparedDataset, kind: str) -> list[SameSize]:
    """The samples of each size.

    Raises:
        UserError: samples without arrays of that kind, or whose arrays are no channels of images.
    """
    places, _ = dataset.places()
    by_shape: dict[tuple[int, ...], list[Ints]] = {}
    for name, rows in places.items():
        try:
            shape = tuple(int(size) for size in dataset.shard(name, kind).shape[1:])
        except MissingNameError as error:
            if kind != USUAL:
                raise UserError(f"array={error.expected}", f"array={kind}", error.fix) from error
            shape = ()
        if len(shape) != 3 or shape[0] != len(dataset.channels):
            fix = "give a dataset of real/bogus stamps"
            raise UserError(f"a dataset whose samples are {kind} of named channels", str(dataset.path), fix)
        by_shape.setdefault(shape, []).append(rows)
    table = columns_to_export(dataset).rename(columns=renamed(dataset, kind))
    found = {shape: np.sort(np.concatenate(parts)) for shape, parts in by_shape.items()}
    return [
        SameSize(dataset, kind, rows, shape, table.iloc[rows].reset_index(drop=True)) for shape, rows in found.items()
    ]


def renamed(dataset: PreparedDataset, kind: str) -> dict[str, str]:
    """Columns that would stand where an export has something of its own -> what they are called there.

    Args:
        dataset: that is exported.
        kind: of array.
    """
    reserved = {kind, USUAL, "channels", MEANINGS, "file", "_healpix_29", *dataset.channels}
    taken = {str(name) for name in dataset.index}
    out = {}
    for name in (str(name) for name in dataset.index if str(name) in reserved):
        new = f"{name}_"
        while new in taken or new in reserved:
            new += "_"
        taken.add(new)
        out[name] = new
    return out


def columns_to_export(dataset: PreparedDataset) -> pd.DataFrame:
    """The index without places in arrays, and with the sky of each sample where the dataset says it for all."""
    table = dataset.index.drop(columns=[name for name in _PLACES if name in dataset.index])
    stated = dataset.meta.get("description", {}).get("sky")
    if "sky" not in table and stated is not None:
        by_mission = isinstance(stated, Mapping)
        if not by_mission or "mission" in table:
            table = table.assign(sky=table["mission"].map(stated) if by_mission else stated)
            table["sky"] = table["sky"].astype("string")
    return table


def meaning_of(part: SameSize) -> TableMeaning:
    """What the columns of an export mean; of a table of others only those that this program fills itself."""
    unit = next(iter(set(units_of(part))), "") if len(set(units_of(part))) == 1 else ""
    pixels = {name: ColumnMeaning(unit, f"Pixels of the {name} stamp, by rows") for name in part.dataset.channels}
    known = index_meaning(part.dataset.meta, part.table.columns)
    return replace(known, own={**known.own, **pixels})


def units_of(part: SameSize) -> list[str]:
    """The unit of each sample's pixels as astropy calls it; empty where nobody says it."""
    by_count: Mapping[str, str] = part.dataset.meta.get("description", {}).get("unit_of", {})
    known = {name: SPELLINGS.get(unit.replace(" ", "").lower(), "") for name, unit in by_count.items()}
    n = len(part.table)
    n, [first, *more] = len(part.table), [*known, ""]
    if more == [""] and not first.startswith("read_"):
        return [known[first]] * n
    if "mission" not in part.table:
        return [""] * n
    return [known.get(f"read_{mission}", "") for mission in part.table["mission"]]


def write_npz(part: SameSize, path: Path) -> int:
    """``stamps`` (n, channels, h, w) and an array for each column; the stamps go to the disk piece by piece.

    ``columns`` is one text, JSON: column -> unit, description, UCD, as npz has no place for them.
    """
    with whole(path) as draft, zipfile.ZipFile(draft, "w") as archive:
        with archive.open("stamps.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(part.rows), *part.shape)}
            np.lib.format.write_array_header_1_0(member, header)
            for _, arrays in part.batches():
                member.write(np.ascontiguousarray(arrays, dtype="<f4").tobytes())
        more = {"channels": np.array(part.dataset.channels), MEANINGS: np.array(_meanings_as_text(part))}
        for name, values in {**_plain(part.table), **more}.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
    return 1


def write_hdf5(part: SameSize, path: Path) -> int:
    """``stamps`` in chunks of one sample, with a dataset for each column beside."""
    import h5py

    with whole(path) as draft, h5py.File(draft, "w") as file:
        shape = (len(part.rows), *part.shape)
        stamps = file.create_dataset(part.kind, shape, "f4", chunks=(1, *part.shape), compression="gzip", shuffle=True)
        stamps.attrs["channels"] = list(part.dataset.channels)
        for where, arrays in part.batches():
            stamps[where] = arrays
        meaning = meaning_of(part)
        _describe(stamps, _of_stamps(part, meaning))
        for name, values in _plain(part.table).items():
            kind = h5py.string_dtype() if values.dtype.kind == "U" else values.dtype
            given = values.astype(object) if values.dtype.kind == "U" else values
            _describe(file.create_dataset(name, data=given, dtype=kind), meaning.column(name))
    return 1


def _of_stamps(part: SameSize, meaning: TableMeaning) -> ColumnMeaning:
    return replace(meaning.column(part.dataset.channels[0]), description="Stamps: channel, y, x")


def _meanings_as_text(part: SameSize) -> str:
    """JSON: column -> what is known of its unit, description and UCD."""
    meaning = meaning_of(part)
    known = {str(name): meaning.column(str(name)) for name in part.table} | {USUAL: _of_stamps(part, meaning)}
    said = {name: {key: text for key, text in asdict(one).items() if text} for name, one in known.items()}
    return json.dumps({name: one for name, one in said.items() if one})


def _describe(dataset: Any, meaning: ColumnMeaning) -> None:
    """Unit, description and UCD as attributes of a dataset of HDF5, each where there is one."""
    for name, text in asdict(meaning).items():
        if text:
            dataset.attrs[name] = text


def write_parquet(part: SameSize, path: Path) -> int:
    """The columns, and one of rows of pixels for each channel."""
    import pyarrow.parquet as pq

    with whole(path) as draft:
        writer, meaning = None, meaning_of(part)
        try:
            for where, arrays in part.batches():
                table = _with_pixels(part, where, arrays, slice(None))
                schema = writer.schema if writer else with_meaning(table.schema, meaning)
                writer = writer or pq.ParquetWriter(draft, schema)
                writer.write_table(table.cast(schema))
        finally:
            if writer is not None:
                writer.close()
    return 1


def write_fits(part: SameSize, path: Path) -> int:
    """A file for each sample, with an extension for each channel, and a table that names them (column ``file``)."""
    from astropy.io import fits

    folder = path.parent / path.stem
    folder.mkdir(exist_ok=True)
    names, units, labels = [], units_of(part), part.table.get("label")
    said = printable_ascii(str(part.dataset.meta.get("description", {}).get("label", "")))
    for where, arrays in part.batches():
        for place, stamps in zip(range(where.start, where.stop), arrays, strict=True):
            first = fits.PrimaryHDU()
            first.header["ID"] = printable_ascii(str(part.table["id"].iloc[place]))[:60]
            if labels is not None and pd.notna(labels.iloc[place]):
                label = labels.iloc[place]
                first.header["LABEL"] = printable_ascii(label)[:60] if isinstance(label, str) else label
                first.header.comments["LABEL"] = said[:47]
            hdus = [fits.ImageHDU(plane, name=name) for plane, name in zip(stamps, part.dataset.channels, strict=True)]
            for hdu in hdus if units[place] else []:
                hdu.header["BUNIT"] = units[place]
            names.append(f"{folder.name}/{place:07d}.fits")
            with whole(path.parent / names[-1]) as draft:
                fits.HDUList([first, *hdus]).writeto(draft, overwrite=True)
    write_text(path.with_suffix(".csv"), marked(part.table.assign(file=names)).to_csv(index=False))
    return len(names) + 1


def write_hats(part: SameSize, path: Path) -> int:
    """A HATS folder: tiles of HEALPix as parquet files, none of more than 50,000 rows, sorted by ``_healpix_29``.

    Raises:
        UserError: samples without a position.
    """
    import pyarrow.parquet as pq

    table = part.table
    cells = np.full(len(table), -1, dtype=np.int64)
    if {"ra", "dec"} <= set(table):
        cells = healpix(table["ra"].to_numpy(), table["dec"].to_numpy(), FINEST)
    if (cells < 0).any():
        got = f"{int((cells < 0).sum())} of {len(cells)} samples without ra and dec"
        raise UserError("samples with positions, by which HATS sorts them", got, "export them as parquet")
    root, tiles, schema, meaning = path, _tiles(cells), None, meaning_of(part)
    for order, cell, rows in tiles:
        rows = rows[np.argsort(cells[rows], kind="stable")]
        file = root / "dataset" / f"Norder={order}" / f"Dir={cell // 10_000 * 10_000}" / f"Npix={cell}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        arrays = part.dataset.gather(part.kind, part.rows[rows]).astype(np.float32, copy=False)
        made = _with_pixels(part, slice(None), arrays, rows)
        made = made.add_column(0, "_healpix_29", [cells[rows]])
        schema = schema or with_meaning(made.schema, meaning)
        with whole(file) as draft:
            pq.write_table(made.cast(schema), draft)
    with whole(root / "dataset" / "_common_metadata") as draft:
        pq.write_metadata(schema, draft)
    lines = [f"{order},{cell},{len(rows)}" for order, cell, rows in tiles]
    write_text(root / "partition_info.csv", "\n".join(["Norder,Npix,num_rows", *lines, ""]))
    said = {
        "obs_collection": part.dataset.meta.get("name"),
        "dataproduct_type": "object",
        "hats_nrows": len(table),
        "hats_col_ra": "ra",
        "hats_col_dec": "dec",
        "hats_col_healpix": "_healpix_29",
        "hats_col_healpix_order": FINEST,
        "hats_order": max(order for order, _, _ in tiles),
        "hats_npix_suffix": ".parquet",
        "hats_version": "v0.1",
    }
    write_text(root / "hats.properties", "#HATS catalog\n" + "".join(f"{key}={value}\n" for key, value in said.items()))
    return len(tiles) + 3


FORMATS: dict[str, tuple[str, Callable[[SameSize, Path], int]]] = {
    "npz": (".npz", write_npz),
    "hdf5": (".h5", write_hdf5),
    "parquet": (".parquet", write_parquet),
    "fits": (".fits", write_fits),
    "hats": (".hats", write_hats),
}


def _tiles(cells: Ints, order: int = 0) -> list[tuple[int, int, Ints]]:
    """(order, cell, rows) of tiles of at most ``MOST_ROWS`` rows, where the deepest order allows it."""
    out: list[tuple[int, int, Ints]] = []
    waiting = [(order, np.arange(len(cells)))]
    while waiting:
        depth, rows = waiting.pop()
        here = cells[rows] >> (2 * (FINEST - depth))
        for cell in np.unique(here):
            inside = rows[here == cell]
            if len(inside) > MOST_ROWS and depth < DEEPEST:
                waiting.append((depth + 1, inside))
            else:
                out.append((depth, int(cell), inside))
    return sorted(out, key=lambda tile: tile[:2])


def _with_pixels(part: SameSize, where: slice, arrays: Array, rows: Any) -> Any:
    """A table of pyarrow: the columns of some samples, and one of rows of pixels for each channel."""
    import pyarrow as pa

    table = pa.Table.from_pandas(part.table.iloc[where].iloc[rows], preserve_index=False)
    _, height, width = part.shape
    for place, name in enumerate(part.dataset.channels):
        flat = pa.array(np.ascontiguousarray(arrays[:, place]).reshape(-1), pa.float32())
        lists = pa.FixedSizeListArray.from_arrays(pa.FixedSizeListArray.from_arrays(flat, width), height)
        table = table.append_column(name, lists)
    return table


def _plain(table: pd.DataFrame) -> dict[str, Array]:
    """Columns as arrays without Python objects: texts that nobody knows are empty, numbers are NaN."""
    out: dict[str, Array] = {}
    for name in map(str, table.columns):
        values = table[name]
        if values.dtype.kind in "fiub" and isinstance(values.dtype, np.dtype):
            out[name] = values.to_numpy()
        elif pd.api.types.is_numeric_dtype(values.dtype):
            out[name] = values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            out[name] = values.astype("string").fillna("").to_numpy(dtype=str)
    return out
