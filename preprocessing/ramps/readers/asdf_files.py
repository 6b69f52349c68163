"""ASDF files of Roman: the tree without its objects, and arrays that stay in the file.

Nothing outside the file is opened and no object is made: the library asdf reads the tree as plain lists and mappings,
and what a node declares is held against the block that it names before anything is reserved.
"""

from __future__ import annotations

import reprlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.inflating import SwollenError, refuse_swollen
from astrid_ml.readable import reading
from astrid_ml.types import Array

BEGINNING, MAGIC = b"#ASDF", b"\xd3BLK"
MOST_TREE = 4 * 2**20  # bytes of the tree: that of an exposure has some hundred thousand
MOST_BLOCKS = 1000
KINDS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


@dataclass(frozen=True)
class Block:
    """Bytes of an array.

    Args:
        start: where they begin.
        used: how many there are, in the file.
        size: how many numbers they hold once inflated, in bytes.
        packed: name of their compression; empty for none.
    """

    start: int
    used: int
    size: int
    packed: str


@dataclass(frozen=True)
class RomanFile:
    """The tree below ``roman``, and the blocks of its file.

    Args:
        path: of the file.
        tree: lists, mappings, numbers, texts.
        blocks: of its arrays.
    """

    path: Path
    tree: Mapping[str, Any]
    blocks: tuple[Block, ...]

    def get(self, *names: str) -> Any:
        """What stands at a place of the tree; None where nothing does."""
        here: Any = self.tree
        for name in names:
            here = here.get(name) if isinstance(here, Mapping) else None
        return here

    def keywords(self) -> dict[str, Any]:
        """The keywords that a FITS file of this exposure or reference file would have."""
        meta = {
            "TELESCOP": ("meta", "telescope"),
            "DETECTOR": ("meta", "instrument", "detector"),
            "FILTER": ("meta", "instrument", "optical_element"),
            "REFTYPE": ("meta", "reftype"),
            "TFRAME": ("meta", "exposure", "frame_time"),
        }
        out = {key: self.get(*place) for key, place in meta.items()}
        unit = self.get("data", "unit")
        out["BUNIT"] = unit if isinstance(unit, str) else "DN"
        return {key: value for key, value in out.items() if isinstance(value, str | int | float)}

    def array(self, name: str) -> Array:
        """An array by its name: mapped, or whole in memory where its block is compressed.

        Raises:
            UserError: no array, or one that its block cannot hold or that stands in another file.
        """
        node = self.get(name)
        if isinstance(node, Mapping) and "value" in node:  # a quantity: its unit stands beside it
            node = node["value"]
        if not isinstance(node, Mapping) or "source" not in node:
            raise UserError(
                f"an array roman.{name} in {self.path.name}", "none", "give a file of Roman's ramps or maps"
            )
        shape, kind, block = self._declared(node, name)
        if block.packed:
            return self._inflated(name, shape, kind, block)
        begin = block.start + int(node.get("offset", 0))
        return np.memmap(self.path, kind, "r", offset=begin, shape=shape)

    def _declared(self, node: Mapping[str, Any], name: str) -> tuple[tuple[int, ...], np.dtype[Any], Block]:
        source, offset = node["source"], node.get("offset", 0)
        if isinstance(source, bool) or not isinstance(source, int) or not -1 <= source < len(self.blocks):
            got = f"roman.{name} in {brief(source)}, which is no block of {self.path.name}"
            raise UserError("an array that stands in its own file", got, "write the arrays into the file")
        shape = node.get("shape", [])
        whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in [*shape, offset])
        if node.get("datatype") not in KINDS or "strides" in node or not whole:
            got = f"roman.{name} of {brief(node.get('datatype'))} and shape {brief(shape)}"
            raise UserError("an array of numbers in the order of its axes", got, "write the file again")
        kind = np.dtype(node["datatype"]).newbyteorder(">" if node.get("byteorder") == "big" else "<")
        block = self.blocks[source]
        declared = offset + kind.itemsize * int(np.prod([int(n) for n in shape], dtype=object))
        if declared > block.size:
            got = f"roman.{name} of {declared} bytes in a block of {block.size}"
            raise UserError(f"a whole ASDF file ({self.path.name})", got, "fetch the file again")
        return tuple(shape), kind, block

    def _inflated(self, name: str, shape: tuple[int, ...], kind: np.dtype[Any], block: Block) -> Array:
        try:
            refuse_swollen(f"roman.{name}", block.size, self.path.stat().st_size)
        except SwollenError as error:
            got, _, fix = f"{self.path.name}: {error}".rpartition(": ")
            raise UserError("an ASDF file that does not swell beyond its size", got, fix) from error
        with reading(self.path, "an ASDF file"), _library().open(self.path, memmap=False) as file:
            node = file["roman"][name]
            out = np.array(getattr(node, "value", node) if not isinstance(node, Mapping) else node["value"])
        if out.shape != shape or out.dtype != kind:
            raise UserError(f"a whole ASDF file ({self.path.name})", f"roman.{name} of {out.shape}", "fetch it again")
        return out


def brief(value: Any) -> str:
    """A value of a tree in a few words: lists that hold each other may be without end."""
    short = reprlib.Repr()
    short.maxlevel, short.maxlist, short.maxdict, short.maxstring = 2, 4, 2, 60
    return short.repr(value)


def is_asdf(path: Path) -> bool:
    """Whether a file is named as ASDF files are."""
    return path.suffix.lower() == ".asdf"


def read_roman(path: Path) -> RomanFile:
    """The tree of a file and its blocks; no array is read.

    Raises:
        UserError: the library is not there; no ASDF file, a damaged one, or one without ``roman``.
    """
    library = _library()
    with reading(path, "an ASDF file"), path.open("rb") as stream:
        head = stream.read(MOST_TREE)
        if not head.startswith(BEGINNING):
            raise UserError("an ASDF file", f"{path.name}, which does not begin as one", "check the file")
        ends = [place for mark in (b"\n...\n", b"\n...\r\n") if (place := head.find(mark)) >= 0]
        if not ends:
            got = f"{path.name} without the end of its tree in {MOST_TREE} bytes"
            raise UserError("a whole ASDF file", got, "fetch the file again")
        tree = library.util.load_yaml(path, tagged=False)
        blocks = _blocks(stream, min(ends), path.stat().st_size)
    roman = tree.get("roman") if isinstance(tree, Mapping) else None
    if not isinstance(roman, Mapping):
        raise UserError("a tree with roman in it", f"{path.name} without it", "give a file of the Roman telescope")
    return RomanFile(path, roman, blocks)


def _blocks(stream: BinaryIO, begin: int, size: int) -> tuple[Block, ...]:
    """The blocks behind the tree, by their headers alone (ASDF standard 1.6, binary blocks).

    Raises:
        ValueError: one that the file cannot hold.
    """
    stream.seek(begin)
    place = stream.read(MOST_TREE).find(MAGIC)
    out: list[Block] = []
    place = size if place < 0 else begin + place
    while place + 54 <= size and len(out) < MOST_BLOCKS:
        stream.seek(place)
        head = stream.read(54)
        if not head.startswith(MAGIC):
            break  # the index of blocks
        length, flags, packed, allocated, used, inflated = struct.unpack(">HI4sQQQ", head[4:38])
        start = place + 6 + length
        if flags & 1:  # streamed: to the end of the file
            allocated = used = inflated = size - start
        if length < 48 or used > allocated or start + used > size:
            raise ValueError(f"it ends in its block {len(out)}, which has {used} bytes")
        name = packed.strip(b"\0").decode("latin-1")
        out.append(Block(start, used, inflated if name else used, name))
        place = start + allocated
    return tuple(out)


def _library() -> Any:
    try:
        import asdf
        import asdf.util
    except ImportError as error:
        fix = "pip install 'astrid-ml[roman]'"
        raise UserError("the library asdf, which reads Roman's files", "it is not installed", fix) from error
    return asdf
