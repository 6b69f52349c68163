"""Parquet tables of ours: written with a checksum of each page, read with each page checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.reasons import shortened


def write_pages(table: pd.DataFrame, path: Path) -> None:
    """Write a table with page checksums; into a folder that appears whole, or a temporary that is renamed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.parquet"
        >>> write_pages(pd.DataFrame({"id": ["x", "y"]}), path)
        >>> read_pages(path)["id"].tolist()
        ['x', 'y']
    """
    table.to_parquet(path, index=False, engine="pyarrow", write_page_checksum=True)


@contextmanager
def writing(path: Path, schema: Any, rows: int = 1 << 20) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write a table piece by piece: what is given adds rows.

    Args:
        path: as of :func:`write_pages`.
        schema: of pyarrow, for all pieces.
        rows: of a row group.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    held: list[Any] = []
    with pq.ParquetWriter(str(path), schema, write_page_checksum=True) as file:

        def flush(least: int) -> None:
            while held and sum(map(len, held)) >= least:
                table = pa.concat_tables(held)
                file.write_table(table.slice(0, rows), row_group_size=rows)
                held[:] = [table.slice(rows)] if len(table) > rows else []

        def write(piece: pd.DataFrame) -> None:
            held.append(pa.Table.from_pandas(piece, schema=schema, preserve_index=False))
            flush(rows)

        yield write
        flush(1)


def read_pages(path: Path, fix: str = "prepare the dataset again") -> pd.DataFrame:
    """Read a table; pages with a checksum are checked, those of earlier versions have none.

    Args:
        path: the file.
        fix: what the user can do about a damaged one.

    Raises:
        UserError: the file is missing, cut short, or a page is not what was written.
    """
    with reading(path, fix), path.open("rb") as stream:  # pyarrow would look at names; the file itself is what is meant
        table: pd.DataFrame = pd.read_parquet(stream, engine="pyarrow", page_checksum_verification=True)
        return table


def open_pages(path: Path, fix: str = "prepare the dataset again") -> Any:
    """A table as pyarrow opens it, whose row groups are read when they are asked for; pages are checked.

    Args:
        path: the file.
        fix: what the user can do about a damaged one.

    Raises:
        UserError: see :func:`read_pages`.
    """
    import pyarrow.parquet as pq

    with reading(path, fix):
        return pq.ParquetFile(str(path), page_checksum_verification=True)


@contextmanager
def reading(path: Path, fix: str = "prepare the dataset again") -> Iterator[None]:
    """Errors of reading a table, in words for a user."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"the table {path.name} in its folder", f"no {path}", fix) from error
    except Exception as error:
        # ArrowInvalid is a ValueError, other errors of pyarrow are not, and metadata of pandas that are damaged end in
        # anything; but an error of the disk is no damage of the table.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"a whole table {path.name}", f"{path}: {short(error)}", fix) from error


def short(error: Any) -> str:
    """The first line of an error, without the advice that follows it.

    >>> short(ValueError("CRC checksum verification failed\\nmore"))
    'CRC checksum verification failed'
    """
    lines = str(error).strip().splitlines()
    return shortened(lines[0] if lines else type(error).__name__, 200)
