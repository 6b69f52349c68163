"""Cutouts that stand alone as FITS files, as ALeRCE gives them: a file for each of the three, or one with all of them.

The server names files ``OBJECT_CANDID_science.fits.gz``, ``..._template...`` and ``..._difference...``; its Python
client gives one file of three images whose headers hold STAMP_TYPE, which users save as ``OBJECT_CANDID.fits``. Others
name the extensions so (EXTNAME).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError
from astrid_ml.preprocessing.alerts.forms import CUTOUT_KEYS
from astrid_ml.preprocessing.alerts.stamp_fits import DAMAGE, StampError, open_fits, unpacked

KINDS = ("science", "template", "difference")
_FITS = r"\.fits?(?:\.gz|\.fz)?"
_NAME = re.compile(rf"(?P<object>[A-Za-z][\w-]*?)_(?P<candid>\d{{9,}})(?:_(?P<kind>{'|'.join(KINDS)}))?{_FITS}")
_KEYS = dict(zip(KINDS, CUTOUT_KEYS[0], strict=True))


_EXTENSION = re.compile(rb"EXTNAME = '([^']*)'")
_WORDS = {"science": ("science", "sci", "new"), "template": ("template", "reference", "ref", "templ", "tmpl"),
          "difference": ("difference", "diff", "sub")}  # fmt: skip
LARGEST = 2**20  # bytes; frames of a night may be named so, too


def is_stamp_file(path: Path) -> bool:
    """Whether a file is a small one that is named as a cutout; one with all three must say so in its header."""
    name = _NAME.fullmatch(path.name)
    if name is None or path.stat().st_size > LARGEST:
        return False
    if name["kind"]:
        return True
    try:
        content = unpacked(path.read_bytes())
        return (
            b"STAMP_TYPE" in content
            or len({kind for word in _EXTENSION.findall(content) if (kind := _kind(word))}) == 3
        )
    except StampError:
        return False


def _kind(word: bytes) -> str | None:
    """Which of the three images an extension's name means; None for another one."""
    plain = word.decode("ascii", "replace").strip().lower().removeprefix("cutout").removesuffix("stamp").strip("_ ")
    return next((kind for kind, words in _WORDS.items() if plain in words), None)


def detections(paths: Sequence[Path]) -> list[tuple[Path, ...]]:
    """The files of each detection together, in the order of their names."""
    found: dict[tuple[Path, str, str], list[Path]] = {}
    for path in paths:
        name = _NAME.fullmatch(path.name)
        if name is not None:
            found.setdefault((path.parent, name["object"], name["candid"]), []).append(path)
    return [tuple(group) for group in found.values()]


def read_detections(paths: Sequence[Path]) -> Iterator[tuple[Path, dict[str, Any] | PacketFileError]]:
    """(first file, packet or what is wrong) of each detection; a packet knows its object and its number alone."""
    for group in detections(paths):
        try:
            yield group[0], _packet(group)
        except PacketFileError as error:
            yield group[0], error


def _packet(group: Sequence[Path]) -> dict[str, Any]:
    name = _NAME.fullmatch(group[0].name)
    assert name is not None  # they were found by it
    packet: dict[str, Any] = {"objectId": name["object"], "candid": int(name["candid"]), "candidate": {}}
    for path in group:
        kind = (_NAME.fullmatch(path.name) or {"kind": None})["kind"]
        try:
            content = path.read_bytes()
            packet |= {_KEYS[kind]: content} if kind else _of_one_file(content)
        except StampError as error:
            raise PacketFileError(f"{path.name}: {error}") from error
    absent = [kind for kind, key in _KEYS.items() if key not in packet]
    if absent:
        raise PacketFileError(f"no {' and no '.join(absent)} stamp among its files")
    return packet


def _of_one_file(content: bytes) -> dict[str, Any]:
    """Three images by their headers' STAMP_TYPE, or by the names of their extensions."""
    found: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_fits(unpacked(content)) as hdus:
            try:
                for hdu in hdus:
                    kind = _kind(str(hdu.header.get("STAMP_TYPE", hdu.name)).encode("ascii", "replace"))
                    if kind in _KEYS and np.ndim(hdu.data) == 2:
                        found[_KEYS[kind]] = np.asarray(hdu.data, dtype=np.float32)
            except DAMAGE as error:
                raise StampError("damaged FITS file") from error
    if not found:
        raise StampError("no image whose header says STAMP_TYPE, and no extension that is called as one of the three")
    return found
