"""Catalogues of a user: any table, or a HATS folder of which only the tiles near the places are read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.crossmatch.marks import without_marks
from astrid_ml.crossmatch.places import Given, SkyPlaces, places_of
from astrid_ml.described.columns import ColumnMeaning
from astrid_ml.described.parquet import meanings_in
from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.inflating import refuse_swollen_parquet
from astrid_ml.readable import in_words, of_parquet
from astrid_ml.reasons import shortened
from astrid_ml.sky import healpix
from astrid_ml.tables import read_table
from astrid_ml.types import Floats, Ints
from astrid_ml.walk import left_out, walk

TILE = re.compile(r"Norder=(\d+)/Dir=\d+/Npix=(\d+)(?:\.parquet|/.*\.parquet)$")
PROPERTIES = ("hats.properties", "properties")  # of a HATS folder; the names of HATS 0.6 and before
FASTEST = 10.4  # arcsec / yr: Barnard's star; tiles so far away may hold a star that has come


@dataclass(frozen=True)
class SkyCatalogue:
    """An opened catalogue: its places, and its other columns by row.

    Args:
        name: that leads its columns.
        path: where it lies.
        places: of its rows.
        columns: names of the columns that can be taken.
        meanings: what it says of them.
        take: (rows, names) -> a table of these.
        files: that were read, for fingerprints.
        unknown: marks of nothing, by column, that became null in what was taken.
    """

    name: str
    path: Path
    places: SkyPlaces
    columns: tuple[str, ...]
    meanings: Mapping[str, ColumnMeaning] = field(default_factory=dict)
    take: Callable[[Ints, Sequence[str]], pd.DataFrame] = field(repr=False, default=lambda rows, names: pd.DataFrame())
    files: tuple[Path, ...] = ()
    unknown: Counter[str] = field(default_factory=Counter)

    def taken(self, rows: Ints, names: Sequence[str]) -> pd.DataFrame:
        """Columns of some rows; numbers that mean nothing are null, and counted.

        Args:
            rows: of the catalogue.
            names: of the columns.
        """
        table, count = without_marks(self.take(rows, names), self.meanings)
        self.unknown.update(count)
        return table


def catalogue_names(paths: Sequence[str | Path]) -> list[str]:
    """A name for each catalogue, from its file: letters, digits and underlines.

    Raises:
        UserError: two have one name, or a file gives none.

    Example:
        >>> catalogue_names(["a/gaia dr3.parquet", "ps1.fits.gz"])
        ['gaia_dr3', 'ps1']
    """
    names = [re.sub(r"\W+", "_", Path(path).name.split(".")[0]).strip("_") for path in paths]
    for name, path in zip(names, paths, strict=True):
        if not name:
            raise UserError("a catalogue whose file has a name", str(path), "rename it")
        if names.count(name) > 1:
            raise UserError("catalogues of different names", f"{name} twice", "rename one of the files")
    return names


def open_catalogue(path: Path, name: str, given: Given, near: SkyPlaces, radius: float) -> SkyCatalogue:
    """Open a catalogue.

    Args:
        path: a table (CSV, ECSV, VOTable, FITS, parquet), or a folder in the HATS form.
        name: that leads its columns.
        given: what the user says of it.
        near: the places that it is matched to: tiles of a folder that hold none of them are not read.
        radius: arcsec.

    Raises:
        UserError: nothing there, no table, no columns of a position, a unit that nobody can tell.
    """
    if not path.exists():
        raise UserError(f"the catalogue {name}", found(path), "check the path")
    if path.is_dir():
        return _folder(path, name, given, near, radius)
    if _is_parquet(path):
        return _parquet(path, [path], name, given)
    read = read_table(path, {})
    table = read.rows

    def take(rows: Ints, names: Sequence[str]) -> pd.DataFrame:
        return table[list(names)].iloc[rows].reset_index(drop=True)

    names = tuple(map(str, table.columns))
    if read.dropped:
        row, reason = read.dropped[0]
        raise UserError("a catalogue whose rows can all be read", f"{path}, row {row}: {reason}", "correct the table")
    places = places_of(str(path), name, names, read.meanings, lambda wanted: table[list(wanted)], given)
    return SkyCatalogue(name, path, places, names, read.meanings, take, (path,))


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"PAR1"


def _parquet(path: Path, files: Sequence[Path], name: str, given: Given) -> SkyCatalogue:
    """Parquet files as one table, of which columns are read when they are asked for."""
    import pyarrow as pa

    try:
        for file in files:
            refuse_swollen_parquet(file)
        meanings = meanings_in(files[0])
        schemas = [_schema(file) for file in files]
        kinds = pa.unify_schemas([schema.remove_metadata() for schema in schemas], promote_options="permissive")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"the catalogue {name} in parquet", _why_damaged(files, error), "copy or make it again"
        ) from error
    # Lists in cells are no columns of a sample.
    names = tuple(field.name for field in kinds if not pa.types.is_nested(field.type))

    def column(wanted: str) -> pa.ChunkedArray:
        parts = [_column(file, wanted, schema, kinds) for file, schema in zip(files, schemas, strict=True)]
        return pa.chunked_array([chunk for part in parts for chunk in part.chunks], kinds.field(wanted).type)

    def take(rows: Ints, wanted: Sequence[str]) -> pd.DataFrame:
        taken = {one: column(one).take(pa.array(rows)) for one in wanted}
        return pa.table(taken).to_pandas() if taken else pd.DataFrame(index=range(len(rows)))

    def read(wanted: Sequence[str]) -> pd.DataFrame:
        frame: pd.DataFrame = pa.table({one: column(one) for one in wanted}).to_pandas()
        return frame

    places = places_of(str(path), name, names, meanings, read, given)
    return SkyCatalogue(name, path, places, names, meanings, take, tuple(files))


def _why_damaged(files: Sequence[Path], error: Exception) -> str:
    """Which of the files cannot be read, and why; what does not fit together where each can."""
    for file in files:
        try:
            refuse_swollen_parquet(file)
            _schema(file)
        except Exception as own:  # of pyarrow, for whatever its bytes lead to
            return f"{file}: {shortened(of_parquet(own), 200)}"
    return f"{files[0].parent}: {shortened(in_words(error), 200)}"


def _schema(file: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_schema(file)


def _column(file: Path, name: str, schema: Any, kinds: Any) -> Any:
    """A column of a file, of nulls where it has none.

    Raises:
        UserError: the file is damaged there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        refuse_swollen_parquet(file, (name,))
        with pq.ParquetFile(file) as stream:  # not the data set reader: it makes columns of folders' names
            if name not in schema.names:
                return pa.chunked_array([pa.nulls(stream.metadata.num_rows, kinds.field(name).type)])
            read = stream.read(columns=[name])[name].cast(kinds.field(name).type)
            if len(read) != stream.metadata.num_rows:
                raise ValueError(f"{len(read)} values in {stream.metadata.num_rows} rows")
            return read
    except (pa.ArrowException, OSError, ValueError) as error:
        got = f"{file}, column {name}: {shortened(of_parquet(error), 200)}"
        raise UserError("a whole parquet table", got, "copy or make it again") from error


def _folder(path: Path, name: str, given: Given, near: SkyPlaces, radius: float) -> SkyCatalogue:
    """A HATS folder (https://www.ivoa.net/documents/Notes/HATS/), the tiles near some places.

    Raises:
        UserError: a folder of another kind, or tiles that are not there.
    """
    said = _properties(path)
    tiles = {}
    files = walk(path, lambda file: file.suffix == ".parquet")  # links are followed
    if lost := {name: why for name, why in left_out([path]).items() if TILE.search(name)}:
        got = "; ".join(f"{name}: {why}" for name, why in list(lost.items())[:3])
        raise UserError("tiles that are parquet files", got, "copy the catalogue again")
    for file in files:
        where = TILE.search(file.relative_to(path).as_posix())
        if where is not None:
            tiles[file] = (int(where[1]), int(where[2]))
    if not tiles:
        raise UserError(
            f"{path} to be a table, or a HATS folder with dataset/Norder=K/Dir=D/Npix=N.parquet",
            found(path),
            "give the file of the catalogue, or the folder that holds hats.properties",
        )
    ra, dec = given.ra or said.get("hats_col_ra"), given.dec or said.get("hats_col_dec")
    given = replace(given, ra=ra, dec=dec)
    wide = radius
    if near.epoch is not None and given.epoch is not None and np.isfinite(near.epoch).any():
        wide += FASTEST * float(np.nanmax(np.abs(near.epoch - given.epoch)))
    chosen = [file for order in {k for k, _ in tiles.values()} for file in _near(tiles, order, near.sky, wide)]
    if not chosen:  # far from all places: its columns are known, its rows are none
        first = next(iter(tiles))
        empty = _parquet(path, [first], name, given)
        nowhere = np.full(empty.places.sky.shape, np.nan)
        return SkyCatalogue(name, path, SkyPlaces(nowhere), empty.columns, empty.meanings, empty.take, tuple(tiles))
    opened = _parquet(path, sorted(chosen), name, given)
    return SkyCatalogue(name, path, opened.places, opened.columns, opened.meanings, opened.take, tuple(tiles))


def _near(tiles: Mapping[Path, tuple[int, int]], order: int, sky: Floats, radius: float) -> list[Path]:
    """Tiles of one order that may hold something within a radius (arcsec) of a place."""
    from astropy_healpix import neighbours

    side = np.degrees(np.sqrt(4 * np.pi / 12)) / (1 << order) * 3600  # of a cell, arcsec
    files = {cell: file for file, (level, cell) in tiles.items() if level == order}
    if radius > side / 4:
        return list(files.values())
    known = sky[np.isfinite(sky).all(axis=1)]
    cells = np.unique(healpix(known[:, 0], known[:, 1], order))
    with np.errstate(invalid="ignore"):  # at eight corners of the sphere a cell has seven neighbours
        around = neighbours(cells, 1 << order, order="nested")
    wanted = set(cells.tolist()) | set(around.ravel().tolist())
    return [file for cell, file in files.items() if cell in wanted]


def _properties(path: Path) -> dict[str, str]:
    for name in PROPERTIES:
        if (path / name).is_file():
            lines = (path / name).read_text(encoding="utf-8", errors="replace").splitlines()
            pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
            return {key.strip(): value.strip() for key, _, value in pairs}
    return {}
