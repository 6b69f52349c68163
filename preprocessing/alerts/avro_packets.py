"""Packets of Avro files: all of them, or of a run of blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from astrid_ml.avro import MAGIC, DamagedAvroError, read_blocks, read_header, records

HISTORIES = ("prv", "fp_hists", "mulens", "mpc_orbits")  # fields of packets that begin so; nothing here reads them


class PacketFileError(ValueError):
    """A file that holds no packets; the message says why.

    Args:
        reason: the same for all that are wrong in the same way: they are counted together.
        place: in the file, where it is known.
    """

    def __init__(self, reason: str, place: str = "") -> None:
        super().__init__(reason)
        self.place = place


def read_avro(stream: IO[bytes], blocks: tuple[int, int] | None = None) -> Iterator[dict[str, Any]]:
    """Packets of an Avro stream (null, deflate, snappy).

    Args:
        stream: of the whole file; it can seek.
        blocks: (start, end) in bytes of a run of blocks; None reads all.

    Raises:
        PacketFileError: it is no Avro file, or is truncated.
    """
    try:
        for record in records(stream, blocks, HISTORIES):
            if isinstance(record, dict):
                yield record
    except ImportError as error:
        raise PacketFileError(f"a codec that is not installed: {error}") from error
    except DamagedAvroError as error:
        raise PacketFileError(f"no Avro file, or a damaged one ({error})") from error


def is_avro(path: Path) -> bool:
    """Whether a file begins as an Avro file, not compressed once more."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def avro_chunks(path: Path, most: int) -> list[dict[str, int]]:
    """Runs of blocks of an Avro file.

    Args:
        path: of the file.
        most: packets in a chunk, or one block.

    Returns:
        For each chunk ``first`` (number of its first packet), ``count``, and ``start`` and ``end`` in bytes. A file
        that is damaged somewhere ends with a chunk of its own for what cannot be read: what stands before is not lost.
    """
    size = path.stat().st_size
    out: list[dict[str, int]] = []
    first = 0
    with path.open("rb") as stream:
        header = read_header(stream)
        try:
            for block in read_blocks(stream, header, size):
                if not out or out[-1]["count"] + block.records > most:
                    out.append({"first": first, "count": 0, "start": block.start, "end": block.end})
                out[-1]["count"] += block.records
                out[-1]["end"] = block.end
                first += block.records
        except DamagedAvroError:
            start = out[-1]["end"] if out else header.end
            out.append({"first": first, "count": 0, "start": start, "end": size})
    return out
