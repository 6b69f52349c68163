"""A large folder of alerts in pieces: files are gathered by chunks, each object falls into a box, each box is a part.

An object's alerts lie anywhere in the folder, so no process can finish an object by its own files. Each chunk leaves
its epochs once each, sorted into boxes by the object's name. A box of all chunks is joined as a whole folder is. Chunks
and boxes are those of the files: any number of processes makes the same parts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from astrid_ml.files import whole
from astrid_ml.footprint import inner_folder
from astrid_ml.pipeline.parts import PARTS, Part
from astrid_ml.preprocessing.lightcurves.curves.exchange import ExchangeWriter
from astrid_ml.preprocessing.lightcurves.curves.gathered import Gathered
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.source import CurveSource
from astrid_ml.preprocessing.lightcurves.readers.nested_alerts import NestedAlertReader, gather
from astrid_ml.types import Ints

CHUNK_FILES, CHUNK_BYTES = 5000, 2**28  # of a chunk: what a process reads at a time
BOX_BYTES, MOST_BOXES = 2**27, 256  # of the alerts of a box
KINDS = ("epochs", "objects")


@dataclass(frozen=True)
class GatherJob:
    """A chunk of a folder of alerts.

    Args:
        files: of the chunk, in order.
        target: beginning of the names of its tables.
        boxes: into which its objects fall.
        zero_point: of fluxes whose schema does not tell it.
    """

    files: tuple[Path, ...]
    target: Path
    boxes: int
    zero_point: float | None


@dataclass(frozen=True)
class BoxJob:
    """The objects of one box, from all chunks.

    Args:
        source: of the folder.
        box: which one.
        chunks: beginnings of the names of their tables.
        groups: of each chunk and kind the row group that has the box; None where there is nothing.
        target: the part that is written.
        wavelengths: micrometres by band, over the built-in ones.
        row_group: objects in a row group of the part.
        account: what the chunks said, in the first box alone; None in the others.
    """

    source: CurveSource
    box: int
    chunks: tuple[Path, ...]
    groups: tuple[tuple[int | None, ...], ...]
    target: Path
    wavelengths: Mapping[str, float]
    row_group: int
    account: Mapping[str, Any] | None


def chunks_of(source: CurveSource) -> list[tuple[Path, ...]]:
    """The files of a large folder of alerts, a chunk each; none of anything else.

    Args:
        source: as it was found.
    """
    if not isinstance(source.reader, NestedAlertReader) or source.damage or source.missing:
        return []
    out: list[list[Path]] = [[]]
    held = 0
    for path in source.members:
        size = path.stat().st_size
        if out[-1] and (len(out[-1]) == CHUNK_FILES or held + size > CHUNK_BYTES):
            out.append([])
            held = 0
        out[-1].append(path)
        held += size
    return [tuple(files) for files in out] if len(out) > 1 else []


def boxes_of(source: CurveSource) -> int:
    """How many parts a large folder of alerts becomes, by the size of its files."""
    size = sum(path.stat().st_size for path in source.members)
    return int(np.clip(-(-size // BOX_BYTES), 1, MOST_BOXES))


def gather_parts(number: int, source: CurveSource, output: Path, zero_point: float | None) -> list[Part]:
    """The chunks as pieces of work.

    Args:
        number: of the source.
        source: a large folder of alerts.
        output: of the results; tables of chunks lie in its ``parts`` meanwhile.
        zero_point: of fluxes whose schema does not tell it.
    """
    boxes, folder = boxes_of(source), inner_folder(output, PARTS)
    return [
        Part(
            f"{source.path.absolute()} chunk {place}",
            GatherJob(files, folder / f"gathered-{number}-{place}", boxes, zero_point),
            files,
            decides=[number, place, boxes],
        )
        for place, files in enumerate(chunks_of(source))
    ]


def table_of_chunk(target: Path, kind: str) -> Path:
    """Where a chunk leaves its epochs, or its objects."""
    return target.with_name(f"{target.name}.{kind}.parquet")


def gather_one(job: GatherJob) -> tuple[dict[str, Any], list[Path]]:
    """Read a chunk and leave its rows by box: what was told, the rows of each box, and the two tables."""
    account = Account()
    gathered = gather(job.files, account, job.zero_point)
    gathered.tidy()
    gathered.tell(account)
    rows: dict[str, list[int]] = {}
    for kind in KINDS:
        pieces = getattr(gathered, kind)
        table = pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame({"object_id": []})
        boxes = _boxes(table["object_id"], job.boxes)
        rows[kind] = np.bincount(boxes, minlength=job.boxes).tolist()
        _write(table.iloc[np.argsort(boxes, kind="stable")], rows[kind], table_of_chunk(job.target, kind))
    return {"account": vars(account), "rows": rows}, [table_of_chunk(job.target, kind) for kind in KINDS]


def _boxes(names: pd.Series, boxes: int) -> Ints:
    """The box of each row, by the object's name alone, (n,)."""
    codes, unique = pd.factorize(names)
    own = np.array([zlib.crc32(str(name).encode()) % boxes for name in unique], dtype=np.int64)
    return own[codes] if len(own) else np.zeros(0, dtype=np.int64)


def _write(table: pd.DataFrame, rows: Sequence[int], path: Path) -> None:
    """A row group for each box that has rows."""
    content = pa.Table.from_pandas(table, preserve_index=False)
    with whole(path) as at, pq.ParquetWriter(at, content.schema) as writer:
        start = 0
        for count in (count for count in rows if count):
            writer.write_table(content.slice(start, count), row_group_size=count)
            start += count


def box_parts(
    number: int,
    source: CurveSource,
    gathered: tuple[Sequence[Part], Sequence[Mapping[str, Any]]],
    given: tuple[Sequence[Path], Mapping[str, float], int],
    decides: Any,
) -> list[Part]:
    """The boxes as pieces of work.

    Args:
        number: of the source.
        source: a large folder of alerts.
        gathered: its chunks and their results; without results pieces that can only be asked whether they are done.
        given: the parts that are written, the user's wavelengths, and objects in a row group.
        decides: fingerprints of the chunks.
    """
    chunks, results = gathered
    total = Account()
    for result in results:
        total.merge(Account(**result["account"]))
    groups = [[_row_groups(result["rows"][kind]) for kind in KINDS] for result in results]
    targets, wavelengths, row_group = given
    out = []
    for box, target in enumerate(targets):
        own = tuple(tuple(kind[box] for kind in chunk) for chunk in groups)
        first = vars(total) if box == 0 else None
        places = tuple(part.item.target for part in chunks)
        job = BoxJob(replace(source, members=()), box, places, own, target, wavelengths, row_group, first)
        out.append(Part(f"{source.path.absolute()} box {box}", job, decides=[number, box, decides]))
    return out


def _row_groups(rows: Sequence[int]) -> list[int | None]:
    """Which row group has the rows of each box."""
    before = accumulate((int(count > 0) for count in rows), initial=0)
    return [place if count else None for count, place in zip(rows, before, strict=False)]


def join_box(job: BoxJob) -> tuple[dict[str, Any], list[Path]]:
    """Join the rows of a box as those of a whole folder are, and write its part."""
    account = Account() if job.account is None else Account(**job.account)
    gathered, epochs = Gathered(), 0
    for epochs_here, objects_here in _rows_of(job):
        gathered.merge(Gathered([epochs_here], [objects_here], rows=len(epochs_here)))
    with ExchangeWriter(job.target, job.row_group) as writer:
        if gathered.epochs:
            reader = job.source.reader
            assert isinstance(reader, NestedAlertReader)
            table = reader.told(job.source, gathered.joined(account, job.wavelengths), account)
            writer.write(table)
            epochs = len(table.mjd)
    if not writer.objects:
        job.target.unlink(missing_ok=True)  # of an earlier conversion
    result = {"objects": writer.objects, "epochs": epochs, "account": vars(account)}
    return result, [job.target] if writer.objects else []


def _rows_of(job: BoxJob) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    for chunk, places in zip(job.chunks, job.groups, strict=True):
        if all(place is not None for place in places):
            tables = []
            for kind, place in zip(KINDS, places, strict=True):
                with pq.ParquetFile(table_of_chunk(chunk, kind)) as file:
                    tables.append(file.read_row_group(place).to_pandas())
            yield tables[0], tables[1]


def forget_chunks(chunks: Mapping[str, Part], output: Path) -> None:
    """Remove the tables and notes of chunks whose boxes are joined.

    Args:
        chunks: by the marks of their notes.
        output: of the results.
    """
    for mark, part in chunks.items():
        (output / PARTS / f"{mark}.json").unlink(missing_ok=True)
        for kind in KINDS:
            table_of_chunk(part.item.target, kind).unlink(missing_ok=True)


def merged(results: Sequence[dict[str, Any] | Exception]) -> dict[str, Any] | Exception:
    """What is said of a folder, from what is said of its boxes; the first failure where there is one."""
    total, objects, epochs = Account(), 0, 0
    for result in results:
        if isinstance(result, Exception):
            return result
        total.merge(Account(**result["account"]))
        objects, epochs = objects + result["objects"], epochs + result["epochs"]
    return {"objects": objects, "epochs": epochs, "account": vars(total)}
