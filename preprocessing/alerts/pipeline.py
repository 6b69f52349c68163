"""Alert files -> samples: parquet tables, archives and files of many packets in chunks, small files together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.fingerprint import relative
from astrid_ml.found import none_in
from astrid_ml.preprocessing.alerts import files
from astrid_ml.preprocessing.alerts.archives import read_tar, tar_chunks
from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError, avro_chunks, read_avro
from astrid_ml.preprocessing.alerts.packet import NUMBERS, PacketError, read_packet
from astrid_ml.preprocessing.alerts.planes import PlanesOfCutouts, planes_of
from astrid_ml.preprocessing.alerts.stamp_fits import StampError
from astrid_ml.preprocessing.stamps import peak_snr
from astrid_ml.preprocessing.surveys.registry import Described, surveys_of
from astrid_ml.printable import printable
from astrid_ml.types import Count, Floats32, Mask

LARGE = 8 * 2**20  # bytes of a file that is looked through for its chunks
FLOATS = ("mjd", "ra", "dec", "snr", "reliability", *NUMBERS)
TEXTS = ("filter", "field", "detector", "drbversion", "rbversion", "time_ref")


@dataclass(frozen=True)
class AlertsPipeline:
    """Reads Avro, mongo-JSON, parquet and tar archives of alert packets.

    Args:
        files_per_unit: loose files in a unit; a new file changes only the last unit of its folder.
        rows_per_unit: packets of a parquet file in a unit, as whole row groups.
        packets_per_chunk: packets of an archive or a large Avro file in a unit.
        survey: whose packets they are: a name, a YAML file or its content; None lets each packet say it; a list of
            contents lets it say one of these too.
    """

    files_per_unit: Count = 256
    rows_per_unit: Count = 4000
    packets_per_chunk: Count = 1000
    survey: Described = None
    domain: ClassVar[str] = "alerts"
    makes: ClassVar[str] = "stamps"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        """Units in a stable order; reads names and parquet footers only.

        Raises:
            UserError: no alert file below the paths.
        """
        found = files.find(raw)
        units = [self._loose(chunk, raw) for chunk in self._chunks(found.loose)]
        for path in found.tables:
            name, size = relative(path, raw), path.stat().st_size
            for first, past in files.row_groups(path, self.rows_per_unit):
                units.append(
                    Unit(f"{name}#{first}", (path,), {"kind": "table", "groups": [first, past]}, bytes_needed=3 * size)
                )
        units += [
            Unit(relative(path, raw), (path,), {"kind": "tar"}, bytes_needed=4 * path.stat().st_size)
            for path in found.tars
        ]
        units += [Unit(relative(path, raw), (path,), missing=("a readable parquet footer",)) for path in found.damaged]
        if not units:
            raise UserError(
                "alert packets (.avro, .json, .parquet with cutouts, .tar.gz)", none_in(raw), "check the path"
            )
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

    def _loose(self, chunk: list[Path], raw: Sequence[Path]) -> Unit:
        size = sum(path.stat().st_size for path in chunk)
        return Unit(
            f"{relative(chunk[0], raw)}+{len(chunk) - 1}", tuple(chunk), {"kind": "loose"}, bytes_needed=2 * size
        )

    def is_large(self, unit: Unit) -> bool:
        """An archive or one Avro file that holds more than some hundred packets."""
        path = unit.inputs[0]
        whole = unit.parameters["kind"] == "tar" or (len(unit.inputs) == 1 and path.suffix.lower() == ".avro")
        return whole and path.stat().st_size >= LARGE

    def chunks(self, unit: Unit) -> list[Unit]:
        """The chunks of a large file; a file of one chunk stays as it is.

        Raises:
            DamagedAvroError: it is no Avro file.
        """
        path, name = unit.inputs[0], unit.id.removesuffix("+0")
        tar = unit.parameters["kind"] == "tar"
        found = (tar_chunks if tar else avro_chunks)(path, self.packets_per_chunk)
        if len(found) < 2:
            return [unit]
        kind, each = ("tar" if tar else "avro"), unit.bytes_needed // len(found)
        return [Unit(f"{name}#{run['first']}", (path,), {"kind": kind, **run}, bytes_needed=each) for run in found]

    @staticmethod
    def _run(unit: Unit) -> tuple[int, int | None, int]:
        """First packet file, their number and the place of a chunk in its archive; all of an archive that is one."""
        told = unit.parameters
        return int(told.get("first", 0)), told.get("count"), int(told.get("offset", -1))

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        """Read the packets of a unit; what cannot be used is dropped with its reason."""
        records: list[dict[str, Any]] = []
        stamps: list[Floats32] = []
        planes: list[dict[str, Floats32]] = []
        surveys = surveys_of(self.survey)
        for name, packet in self._packets(unit, writer):
            try:
                record, images = read_packet(packet, surveys)
                stamp = surveys.known[record["mission"]].stamp
                extra = planes_of(packet, stamp) if stamp else PlanesOfCutouts()
            except (PacketError, StampError) as error:
                writer.drop(str(packet.get("candid") or packet.get("diaSourceId") or name), str(error))
                continue
            record["source"] = printable(name)
            if record["n_nan"]:
                writer.count("stamps_with_nan_pixels")
            if (record["stamp_h"], record["stamp_w"]) != images.shape[1:]:
                writer.count("stamps_cut_at_an_edge")
            records.append(record)
            stamps.append(images)
            planes.append(extra.planes)
            for plane in extra.lost:
                writer.count(f"stamps_without_{plane}")
            if record["sign"] < 0 and (stamp is None or stamp.negative is None):
                writer.count("negative_detections_of_unknown_convention")
            writer.count(f"read_{record['mission']}")
        write_samples(records, stamps, planes, writer)

    def _packets(self, unit: Unit, writer: UnitWriter) -> Iterator[tuple[str, dict[str, Any]]]:
        kind = unit.parameters["kind"]
        if kind == "table":
            first, past = unit.parameters["groups"]
            yield from ((unit.inputs[0].name, packet) for packet in files.read_parquet(unit.inputs[0], (first, past)))
        elif kind == "tar":
            empty = True
            for name, packet in read_tar(unit.inputs[0], *self._run(unit)):
                empty = False
                if isinstance(packet, PacketFileError):
                    writer.drop(name, str(packet))
                else:
                    yield name, packet
            if empty:
                writer.drop(unit.inputs[0].name, "an archive without packets (files named .avro)")
        elif kind == "avro":
            with unit.inputs[0].open("rb") as stream:
                run = (int(unit.parameters["start"]), int(unit.parameters["end"]))
                yield from ((unit.inputs[0].name, packet) for packet in read_avro(stream, run))
        else:
            for path in unit.inputs:
                try:
                    yield from ((path.name, packet) for packet in files.read_loose(path))
                except PacketFileError as error:
                    writer.drop(path.name, str(error))

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        """A packet that lies in two files counts once."""
        return self.finalise_part(index, index["id"].duplicated().to_numpy())

    def finalise_part(self, part: pd.DataFrame, repeated: Mask) -> tuple[pd.DataFrame, list[Drop]]:
        """The same for some of its rows."""
        twice = "the same packet stands in another file"
        return part[~repeated].reset_index(drop=True), [Drop(str(name), twice) for name in part["id"][repeated]]

    def describe(self) -> dict[str, Any]:
        """Channels in the order of the stamps; values are the survey's own (DN, nJy for Rubin); its sky, by mission."""
        words = {"kept": "included", "subtracted": "subtracted"}
        known = {mission: survey.stamp.sky for mission, survey in surveys_of(self.survey).known.items() if survey.stamp}
        return {
            "channels": ["science", "reference", "difference"],
            "units": {"stamps": "DN; nJy for Rubin"},
            "sky": {mission: words[sky] for mission, sky in sorted(known.items()) if sky is not None},
        }


def write_samples(
    records: list[dict[str, Any]], stamps: list[Floats32], planes: list[dict[str, Floats32]], writer: UnitWriter
) -> None:
    """Samples of one shape and kind together, in the order in which they came."""
    kinds: dict[tuple[Any, ...], list[int]] = {}
    for number, (image, extra) in enumerate(zip(stamps, planes, strict=True)):
        kinds.setdefault((image.shape, *sorted((name, part.shape) for name, part in extra.items())), []).append(number)
    for rows in kinds.values():
        stacked = np.stack([stamps[row] for row in rows])
        table = pd.DataFrame([records[row] for row in rows])
        for name in FLOATS:
            table[name] = pd.to_numeric(table[name]).astype(np.float64) if name in table else np.nan
        for name in TEXTS:
            table[name] = table[name].astype("string")
        table["peak_snr"] = peak_snr(stacked[:, 2])
        extra = {name: np.stack([planes[row][name] for row in rows]) for name in planes[rows[0]]}
        writer.add(table, {"stamps": stacked, **extra})
