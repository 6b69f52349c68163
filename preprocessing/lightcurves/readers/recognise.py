"""Which reader takes which file: a raw folder becomes sources, a source becomes tables of curves."""

from __future__ import annotations

import codecs
import importlib
import pkgutil
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pyarrow as pa

from astrid_ml.avro import read_header
from astrid_ml.errors import UserError
from astrid_ml.executors.within import TooSlowError, within_time
from astrid_ml.found import NOTES, none_in
from astrid_ml.preprocessing.lightcurves import readers as folder
from astrid_ml.preprocessing.lightcurves.curves.row_blocks import columns_of
from astrid_ml.preprocessing.lightcurves.curves.source import CurveReader, CurveSource
from astrid_ml.preprocessing.lightcurves.readers.layouts.beside import is_truth
from astrid_ml.preprocessing.lightcurves.readers.layouts.guess import guess, shown
from astrid_ml.preprocessing.lightcurves.readers.layouts.maps import NO_MAPS, ColumnMaps, why_no_map
from astrid_ml.preprocessing.lightcurves.readers.layouts.rows import FORMS, damage_of_json, form_of, look_at, nameless
from astrid_ml.preprocessing.lightcurves.readers.layouts.text_heads import UTF16
from astrid_ml.preprocessing.lightcurves.readers.layouts.wire import number_in, why_closed
from astrid_ml.preprocessing.lightcurves.readers.long_tables import TABLES
from astrid_ml.preprocessing.lightcurves.readers.magnitude_files import first_tables
from astrid_ml.preprocessing.lightcurves.readers.snana_text import SUFFIXES, first_bytes
from astrid_ml.preprocessing.lightcurves.readers.told_tables import GuessedReader, MappedReader
from astrid_ml.preprocessing.lightcurves.readers.values.owners import is_filter
from astrid_ml.printable import printable
from astrid_ml.readable import in_words
from astrid_ml.reasons import shortened
from astrid_ml.walk import walk

ALERTS = "alerts"  # kind of the reader of nested alerts, which looks at headers alone
GROUP_SIZE = 2000
LONGEST_LOOK = 60.0  # seconds
_ARCHIVES = (".tar", ".tar.gz", ".tgz")
_PACKED = tuple(f"{ending}.gz" for ending in SUFFIXES)
READABLE = (*SUFFIXES, *_PACKED, *(one for form in FORMS.values() for one in form), *_ARCHIVES)  # in small letters
OWN_TRUTH = "truth.parquet"  # of astrid simulate: beside its curves, never an input
NOBODYS = "no reader of light curves knows what is in it"
FEWEST = 3  # columns of a light curve
JOINED = ("brokers", "guessed", "mapped")  # readers of files in folders of filters
NEAR = 2  # parts of a light curve that a table may lack to be told which


@cache
def all_readers() -> tuple[CurveReader, ...]:
    """The readers that the modules of this folder name in ``READERS``, by module."""
    modules = [
        importlib.import_module(f"{folder.__name__}.{item.name}") for item in pkgutil.iter_modules(folder.__path__)
    ]
    return tuple(reader for module in modules for reader in getattr(module, "READERS", ()))


def known() -> str:
    """What to do, in words."""
    say = (
        "say what the columns mean (columns=guess shows what is guessed, columns=map.yaml takes it, with your changes)"
    )
    return f"{say}; or give " + "; ".join(reader.known_as for reader in all_readers())


@dataclass(frozen=True)
class FoundCurves:
    """What files and folders hold.

    Args:
        sources: with curves, by path; damaged files of a readable kind too.
        unread: files of a readable kind that nobody reads, each with the reason.
    """

    sources: list[CurveSource]
    unread: Mapping[Path, str]


def find_curves(raw: Sequence[Path], maps: ColumnMaps = NO_MAPS) -> FoundCurves:
    """All sources in files and folders, and the files that were passed over.

    Args:
        raw: files and folders.
        maps: the user's, of columns; asked before all readers.

    Raises:
        UserError: no reader recognises a named file, or nothing was found at all.
    """
    sound: list[CurveSource] = []
    damaged: dict[Path, str] = {}
    unread: dict[Path, str] = {}
    for place in raw:
        named = place.is_file()
        for path in walk(place):
            source, damage = looked_at(path, maps)
            if source is not None:
                sound.append(source)
            elif damage:
                damaged[path] = damage
            elif named:
                lacks = why_unread(path, _of_no_reader(path), maps)
                raise UserError("a light-curve file", f"{none_in(path)}: {lacks}", known())
            elif path.name.lower().endswith(READABLE) and not path.name.startswith((".", OWN_TRUTH, *NOTES)):
                unread[path] = why_unread(path, maps=maps)
    _refuse_unused(maps, sound)
    if not sound:
        told = {**damaged, **{path: why for path, why in unread.items() if why != NOBODYS}}
        told = told or {path: _of_no_reader(path) for path in list(unread)[:1]}
        got = [f"{path.name}: {why}" for path, why in list(told.items())[:3]]
        raise UserError("light-curve files", "; ".join([none_in(raw), *got]), known())
    beside = {path for source in sound for path in source.companions.values()}
    sound = [source for source in sound if source.path not in beside]
    used = {path for source in sound for path in source.inputs}
    lost = [CurveSource(sound[0].reader, path, {}, damage=why) for path, why in damaged.items() if path not in used]
    unread = {path: why for path, why in unread.items() if path not in used}
    return FoundCurves([*grouped(sound), *lost], unread)


def _of_no_reader(path: Path) -> str:
    """What is said of a file that lacks almost all: its columns, or that its kind is not read."""
    if not path.name.lower().endswith(READABLE):
        return f"files of {path.suffix or 'no ending'} are not read: write CSV, JSON, FITS, VOTable or parquet"
    names = next((rows.names for rows in look_at(path)), None)
    return "no reader knows its columns" + (f": {shown(names)}" if names else "")


def _refuse_unused(maps: ColumnMaps, sound: Sequence[CurveSource]) -> None:
    """Refuse maps of which none fits where tables are guessed instead, as if no map were given."""
    guessed = [source for source in sound if source.reader.kind == GuessedReader.kind]
    if not guessed or not maps.layouts or any(source.reader.kind == MappedReader.kind for source in sound):
        return
    got = f"{guessed[0].path.name}: {why_no_map(guessed[0].path, maps)}"
    raise UserError("a map of columns that fits one of the files", got, "correct the map, or leave it out")


def looked_at(path: Path, maps: ColumnMaps = NO_MAPS) -> tuple[CurveSource | None, str]:
    """The source that a file is, if any; else why a file of a readable kind cannot be read, if it cannot."""
    try:
        with within_time(LONGEST_LOOK):
            source = recognise(path, maps)
            return source, "" if source is not None else damage_of(path)
    except TooSlowError as error:
        return None, str(error)


def damage_of(path: Path) -> str:
    """Why a table, a packed text, an archive or an Avro file cannot be read; empty where it can, or is none of them."""
    look = next((one for endings, one in _LOOKS if path.name.lower().endswith(endings)), None)
    if path.name.startswith(".") or look is None:
        return ""
    try:
        if look is columns_of and _in_utf16(path):
            return UTF16
        look(path)
    except (OSError, ValueError, EOFError, zlib.error, tarfile.TarError, pa.ArrowException) as error:
        lost = path.suffix == ".parquet" and isinstance(error, pa.ArrowException | OSError)
        return "its parquet footer cannot be read" if lost else printable(shortened(in_words(error), 200))
    return ""


def _in_utf16(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _start_of_archive(path: Path) -> None:
    for _ in first_tables(path):
        pass


def _header_of_avro(path: Path) -> None:
    if number_in(path) is not None:
        if why := why_closed(path):
            raise ValueError(why)
        return
    with path.open("rb") as stream:
        read_header(stream)


# How a file of a kind is looked at whose reader does not know it.
_LOOKS: tuple[tuple[tuple[str, ...], Callable[[Path], object]], ...] = (
    (TABLES, columns_of),
    (_PACKED, first_bytes),
    (_ARCHIVES, _start_of_archive),
    ((".avro",), _header_of_avro),
)


def what_lacks(path: Path) -> str:
    """What a table of light curves lacks, and the columns that it has; empty where it is none, or lacks almost all."""
    if form_of(path) is None or is_truth(path):
        return ""
    if _in_utf16(path):
        return UTF16
    if (width := nameless(path)) >= FEWEST:
        said = "[time, mag, mag_err]" if width == FEWEST else "[time, mag, mag_err, ...]"
        return f"no line names its {width} columns: say them in a map (names: {said}, and band: NAME)"
    found = [(guess(rows), rows.names) for rows in look_at(path)]
    near = [(one.lacks, names) for one, names in found if 0 < len(one.lacks) <= NEAR]
    if not near:
        return ""
    lacks, names = min(near, key=lambda pair: len(pair[0]))
    return f"it lacks {' and '.join(lacks)}; its columns: {shown(names)}"


def why_unread(path: Path, otherwise: str = NOBODYS, maps: ColumnMaps = NO_MAPS) -> str:
    """Why no reader takes a file: a column that it lacks, JSON that cannot be read; else what is said of others.

    Args:
        path: of the file.
        otherwise: what is said of others.
        maps: the user's.
    """
    try:
        with within_time(LONGEST_LOOK):
            return why_no_map(path, maps) or what_lacks(path) or damage_of_json(path) or otherwise
    except (OSError, TooSlowError) as error:
        return in_words(error)


def grouped(sources: Sequence[CurveSource]) -> list[CurveSource]:
    """The sources of a folder that belong together as one; a LIST or alerts of one object forbid to cut it further."""
    groups: dict[tuple[str, Path], list[CurveSource]] = {}
    for source in sources:
        place = source.path
        if source.reader.grouped:  # an object has a file in the folder of each filter: I/NAME.dat, V/NAME.dat
            joined = source.reader.kind in JOINED and is_filter(place.parent.name)
            place = place.parent.parent if joined else place.parent
        groups.setdefault((source.reader.kind, place), []).append(source)
    out = []
    for (_, place), parts in groups.items():
        if any(part.path.parent != place for part in parts):
            parts = sorted(parts, key=lambda part: (part.path.name, part.path))
        whole = not parts[0].reader.cut or "list" in parts[0].companions
        start = 0
        while start < len(parts):
            end = len(parts) if whole else min(start + GROUP_SIZE, len(parts))
            while end < len(parts) and parts[end].path.name == parts[end - 1].path.name:
                end += 1
            members = tuple(path for part in parts[start:end] for path in part.members)
            out.append(replace(parts[start], members=members))
            start = end
    return out


@cache
def _asked_in_order(suffix: str) -> tuple[CurveReader, ...]:
    """All readers; of Avro that which needs the header alone goes first: there are millions of packets."""
    return tuple(sorted(all_readers(), key=lambda reader: suffix == ".avro" and reader.kind != ALERTS))


def source_of(inputs: Sequence[Path], maps: ColumnMaps = NO_MAPS) -> CurveSource:
    """The source that has these inputs (as :attr:`CurveSource.inputs` gave them)."""
    first = recognise(inputs[0], maps)
    if first is None:
        raise UserError("a light-curve file", f"{inputs[0].name}, whose columns no reader knows", known())
    beside = set(first.companions.values())
    return replace(first, members=tuple(p for p in inputs if p not in beside)) if first.reader.grouped else first


def recognise(path: Path, maps: ColumnMaps = NO_MAPS) -> CurveSource | None:
    """The source that a file is, by name and columns; None for anything else.

    Args:
        path: of the file.
        maps: the user's, asked first.
    """
    if path.name.startswith("."):
        return None
    readers = (*([MappedReader(maps)] if maps.layouts else []), *_asked_in_order(path.suffix))
    return next((source for reader in readers if (source := reader.recognise(path)) is not None), None)
