"""Alert files -> samples: parquet tables, archives and files of many packets in chunks, small files together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from astrid_ml.contracts.by_part import without_repeats
from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.fingerprint import places_of, relative
from astrid_ml.found import none_in
from astrid_ml.preprocessing.alerts import files
from astrid_ml.preprocessing.alerts.archives import read_tar, tar_chunks
from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError, avro_chunks, is_avro, read_avro
from astrid_ml.preprocessing.alerts.fields.names import exact_text
from astrid_ml.preprocessing.alerts.forms import own_form
from astrid_ml.preprocessing.alerts.messages import SUFFIX, Schemas, schema_files, schemas_of
from astrid_ml.preprocessing.alerts.packet import PacketError, read_packet
from astrid_ml.preprocessing.alerts.places import run_of, runs
from astrid_ml.preprocessing.alerts.planes import PlanesOfCutouts, planes_of
from astrid_ml.preprocessing.alerts.samples import UnitSamples
from astrid_ml.preprocessing.alerts.stamp_files import read_detections
from astrid_ml.preprocessing.alerts.stamp_fits import StampError
from astrid_ml.preprocessing.surveys.registry import Described, surveys_of
from astrid_ml.printable import printable
from astrid_ml.types import Count, Mask

LARGE = 8 * 2**20  # bytes of a file that is looked through for its chunks


@dataclass(frozen=True)
class AlertsPipeline:
    """Reads alert packets: Avro, messages, JSON, parquet, cutouts as FITS files, and archives of them.

    Args:
        files_per_unit: loose files in a unit; a new file changes only the last unit of its folder.
        rows_per_unit: packets of a parquet file in a unit, as whole row groups.
        packets_per_chunk: packets of an archive or a large Avro file in a unit.
        survey: whose packets they are: a name, a YAML file or its content; None lets each packet say it; a list of
            contents lets it say one of these too.
        schemas: folder or file of schemas (.avsc) for messages that do not bring theirs; those that lie beside the
            packets are found without it.
    """

    files_per_unit: Count = 256
    rows_per_unit: Count = 4000
    packets_per_chunk: Count = 1000
    survey: Described = None
    schemas: str | None = None
    domain: ClassVar[str] = "alerts"
    makes: ClassVar[str] = "stamps"
    # A survey's number is not another's, and some surveys only number the packets of a file. The highest pixel of the
    # difference stamp as it was sent tells stamps apart, however the packet was packed and whether it says its sign.
    identity: ClassVar[tuple[str, ...]] = ("mission", "group_id", "peak_sent")
    version: ClassVar[int] = 6

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        """Units in a stable order; reads names and parquet footers only.

        Raises:
            UserError: no alert file below the paths.
        """
        found = files.find(raw)
        given = schema_files([Path(self.schemas)]) if self.schemas else []
        schemas = tuple(dict.fromkeys([*given, *found.schemas]))
        units = [self._loose(chunk, raw, schemas) for chunk in self._chunks(found.loose)]
        for path in found.tables:
            name, size = relative(path, raw), path.stat().st_size
            for first, past in files.row_groups(path, self.rows_per_unit):
                told = {"kind": "table", "groups": [first, past], "first": files.rows_before(path, first)}
                units.append(Unit(f"{name}#{first}", (path,), told, bytes_needed=3 * size))
        units += [
            Unit(relative(path, raw), (path, *schemas), {"kind": "tar"}, bytes_needed=4 * path.stat().st_size)
            for path in found.tars
        ]
        units += [self._stamps(chunk, raw) for chunk in self._chunks(found.stamps)]
        units += [Unit(relative(path, raw), (path,), missing=("a readable parquet footer",)) for path in found.damaged]
        if not units:
            raise UserError(
                "alert packets (.avro, .json, .parquet with cutouts, .tar.gz)", none_in(raw), "check the path"
            )
        if found.unread:
            units.append(Unit(f"{relative(found.unread[0], raw)} unread", tuple(found.unread), {"kind": "unread"}))
        return units

    def _chunks(self, paths: Sequence[Path]) -> Iterator[list[Path]]:
        """Files of one folder, in runs."""
        by_folder: dict[Path, list[Path]] = {}
        for path in paths:
            by_folder.setdefault(path.parent, []).append(path)
        for found in by_folder.values():
            group = [path for path in found if path.stat().st_size < LARGE]
            yield from ([path] for path in found if path.stat().st_size >= LARGE)
            yield from (
                group[start : start + self.files_per_unit] for start in range(0, len(group), self.files_per_unit)
            )

    @staticmethod
    def _loose(chunk: list[Path], raw: Sequence[Path], schemas: tuple[Path, ...]) -> Unit:
        size = sum(path.stat().st_size for path in chunk)
        name = f"{relative(chunk[0], raw)}+{len(chunk) - 1}"
        return Unit(name, (*chunk, *schemas), {"kind": "loose"}, bytes_needed=2 * size)

    @staticmethod
    def _stamps(chunk: list[Path], raw: Sequence[Path]) -> Unit:
        size = sum(path.stat().st_size for path in chunk)
        name = f"{relative(chunk[0], raw)}+{len(chunk) - 1}"
        return Unit(name, tuple(chunk), {"kind": "stamps"}, bytes_needed=2 * size)

    def is_large(self, unit: Unit) -> bool:
        """An archive or one loose file that holds more than some hundred packets."""
        whole = unit.parameters["kind"] == "tar" or (unit.parameters["kind"] == "loose" and len(_packets_in(unit)) == 1)
        return whole and unit.inputs[0].stat().st_size >= LARGE

    def chunks(self, unit: Unit) -> list[Unit]:
        """The chunks of a large file; a file of one chunk stays as it is.

        Raises:
            DamagedAvroError: it is an Avro file without a sound header.
        """
        path, name = unit.inputs[0], unit.id.removesuffix("+0")
        kind, most = str(unit.parameters["kind"]), self.packets_per_chunk
        if kind == "tar":
            found = tar_chunks(path, most)
        elif is_avro(path):
            kind, found = "avro", avro_chunks(path, most)
        else:
            schemas = _schemas_of(unit)
            found = runs(path, most, lambda: files.read_loose(path, schemas))
        if len(found) < 2:
            return [unit]
        each = unit.bytes_needed // len(found)
        inputs = (path,) if kind == "avro" else unit.inputs
        return [Unit(f"{name}#{run['first']}", inputs, {"kind": kind, **run}, bytes_needed=each) for run in found]

    @staticmethod
    def _run(unit: Unit) -> tuple[int, int | None, int]:
        """First packet file, their number and the place of a chunk in its archive; all of an archive that is one."""
        told = unit.parameters
        return int(told.get("first", 0)), told.get("count"), int(told.get("offset", -1))

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        """Read the packets of a unit; what cannot be used is dropped with its reason."""
        surveys, samples = surveys_of(self.survey), UnitSamples(writer)
        for found in self._packets(unit, writer):
            packet = found.packet
            try:
                record, images = read_packet(packet, surveys, samples.account)
                stamp = surveys.known[record["mission"]].stamp
                extra = planes_of(packet, stamp) if stamp else PlanesOfCutouts()
            except (PacketError, StampError) as error:
                own = own_form(packet)
                name = exact_text(own.get("candid") or own.get("diaSourceId") or found.name)
                writer.drop(name or found.name, str(error), found.place)
                continue
            samples.add({**record, "source": printable(found.file)}, images, extra, stamp)
        samples.write()

    def _packets(self, unit: Unit, writer: UnitWriter) -> Iterator[FoundPacket]:
        """The packets of a unit; what is none is dropped by name."""
        told, last, number = unit.parameters, "", 0
        begin = int(told.get("first", 0)) if told["kind"] != "tar" else 0  # of a tar it counts files
        for name, file, packet in self._found(unit):
            number, last = number + 1 if file == last else begin + 1, file
            if isinstance(packet, PacketFileError):
                writer.drop(name, str(packet), place_in(file, number, packet.place))
            else:
                yield FoundPacket(name, file, place_in(file, number), packet)
        if not last and told["kind"] == "tar":
            path = unit.inputs[0]
            why = "an archive without packets (files named .avro or .json)"
            writer.drop(path.name, why, places_of(unit.id, [path])[path])

    def _found(self, unit: Unit) -> Iterator[tuple[str, str, dict[str, Any] | PacketFileError]]:
        """(name of the file, where it stands below the raw folder, packet) of a unit."""
        kind, path = unit.parameters["kind"], unit.inputs[0]
        files_of = places_of(unit.id, unit.inputs)
        own = files_of[path]
        if kind == "table":
            first, past = unit.parameters["groups"]
            yield from ((path.name, own, packet) for packet in files.read_parquet(path, (first, past)))
        elif kind == "tar":
            for name, packet in read_tar(path, *self._run(unit), _schemas_of(unit)):
                yield name, f"{own}/{name}", packet
        elif kind == "avro":
            with path.open("rb") as stream:
                run = (int(unit.parameters["start"]), int(unit.parameters["end"]))
                yield from ((path.name, own, packet) for packet in read_avro(stream, run))
        elif kind == "stamps":
            yield from ((path.name, files_of[path], packet) for path, packet in read_detections(unit.inputs))
        elif kind == "unread":
            for path in unit.inputs:
                yield path.name, files_of[path], PacketFileError(files.why_unread(path))
        else:
            for path, packet in self._of_loose(unit):
                yield path.name, files_of[path], packet

    def _of_loose(self, unit: Unit) -> Iterator[tuple[Path, dict[str, Any] | PacketFileError]]:
        schemas, (first, count, _) = _schemas_of(unit), self._run(unit)
        for path in _packets_in(unit):
            try:
                if "first" in unit.parameters:
                    packets = run_of(path, first, count, lambda path=path: files.read_loose(path, schemas))  # type: ignore[misc]
                else:
                    packets = files.read_loose(path, schemas)
                yield from ((path, packet) for packet in packets)
            except (PacketFileError, EOFError) as error:
                yield path, error if isinstance(error, PacketFileError) else PacketFileError(str(error))

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        """A packet that lies in two files counts once; packets of one number that differ have ids of their own here."""
        return self.finalise_part(index, index["id"].duplicated().to_numpy())

    def finalise_part(self, part: pd.DataFrame, repeated: Mask) -> tuple[pd.DataFrame, list[Drop]]:
        """The same for some of its rows."""
        return without_repeats(part, repeated, "the same packet stands in another file")

    def describe(self) -> dict[str, Any]:
        """Channels in the order of the stamps; values are the survey's own (DN, nJy for Rubin); its sky, by mission."""
        words = {"kept": "included", "subtracted": "subtracted"}
        stamps = {mission: survey.stamp for mission, survey in surveys_of(self.survey).known.items() if survey.stamp}
        return {
            "channels": ["science", "reference", "difference"],
            "units": {"stamps": "DN; nJy for Rubin"},
            "arrays": {
                "stamps": _IMAGES,
                "variance": {**_IMAGES, "unit": "the square of the stamps' unit"},
                "psf": {**_IMAGES, "unit": "none: each image has the sum 1", "missing": "none"},
            },
            "label": "1 real, 0 bogus, null where nobody knows",
            "rai": {
                "data_collection": "Cutouts of alert packets, as the survey's own pipeline made and sent them.",
                "data_preprocessing_protocol": "Nothing is scaled: training and prediction do it when they read.",
                "data_limitations": "What the survey's pipeline did not detect or did not send is not there.",
                "data_use_cases": "Training and testing of real/bogus classifiers.",
            },
            "sky": {mission: words[stamp.sky] for mission, stamp in sorted(stamps.items()) if stamp.sky is not None},
            "unit_of": {f"read_{mission}": stamp.unit for mission, stamp in sorted(stamps.items()) if stamp.unit},
        }


_IMAGES = {
    "axes": "channel, y, x",
    "unit": "DN; nJy for Rubin",
    "channels": ["science", "reference", "difference"],
    "normalised": "none: values are the survey's own",
    "missing": "NaN: pixels without data, and the part of a stamp beyond the edge of the detector",
}


@dataclass(frozen=True)
class FoundPacket:
    """A packet and where it stands.

    Args:
        name: of its file, or of the member of an archive.
        file: below the raw folder, with the member.
        place: the file, and the place in it.
        packet: as it was read.
    """

    name: str
    file: str
    place: str
    packet: dict[str, Any]


def place_in(file: str, number: int, told: str = "") -> str:
    """Where a packet stands: its file, and which it is there; the first of a file is most often the only one.

    >>> place_in("night/a.avro", 1), place_in("night/a.avro", 3), place_in("a.jsonl", 3, "line 5")
    ('night/a.avro', 'night/a.avro, packet 3', 'a.jsonl, line 5')
    """
    return f"{file}, {told}" if told else file if number == 1 else f"{file}, packet {number}"


def _packets_in(unit: Unit) -> list[Path]:
    """The inputs of a unit that are no schemas."""
    return [path for path in unit.inputs if path.suffix != SUFFIX]


def _schemas_of(unit: Unit) -> Schemas:
    return schemas_of([path for path in unit.inputs if path.suffix == SUFFIX])
