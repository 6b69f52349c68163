"""``astrid convert``: survey files to parquet, one row an object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa

from astrid_ml.described.formats import formats_of, write_formats
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Serial
from astrid_ml.files import discard, write_json, write_text
from astrid_ml.fingerprint import fingerprint, relative
from astrid_ml.footprint import inner_folder, pass_on_mark
from astrid_ml.found import found
from astrid_ml.pipeline.parts import PARTS, Part, all_done, do_parts, in_short, mark_of, said_of_share
from astrid_ml.pipeline.shards import Share, share_of
from astrid_ml.preprocessing.lightcurves.commands.scattered import (
    BoxJob,
    box_parts,
    boxes_of,
    chunks_of,
    forget_chunks,
    gather_one,
    gather_parts,
    join_box,
    merged,
)
from astrid_ml.preprocessing.lightcurves.curves.exchange import MEANING, ExchangeWriter, read_epochs
from astrid_ml.preprocessing.lightcurves.curves.ingest import BY_GIVEN, Account
from astrid_ml.preprocessing.lightcurves.curves.source import CurveSource
from astrid_ml.preprocessing.lightcurves.readers.layouts.maps import GUESS, as_file, maps_in, maps_of
from astrid_ml.preprocessing.lightcurves.readers.layouts.reading import FIX
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
from astrid_ml.printable import printable
from astrid_ml.reasons import in_words, mend, shortened
from astrid_ml.temporaries import forget_orphans
from astrid_ml.types import Count, InUnits, Micrometres, ZeroPoint
from astrid_ml.walk import left_out

FORM = 7  # of the parts: raised when the same files and settings give other bytes


@dataclass(frozen=True)
class ConvertCommand:
    """Convert every light-curve file of a folder.

    Args:
        input: a file, a folder, or several.
        output_dir: gets ``objects/part-*.parquet`` (one for each source) and ``report.json``.
        executor: where the files are read; None reads them one after the other.
        wavelengths: effective wavelengths (micrometres) of bands by name, over the built-in ones.
        zero_point: of fluxes in files that do not tell it (31.4 for nJy).
        row_group: objects in a row group.
        shard: ``i/n`` converts every n-th source from the i-th on; ``join`` reports on what shards converted.
        format: ecsv, votable, fits: ``epochs/part-*`` with a row an epoch, since few tools read lists in cells.
        columns: a file of YAML (or its keys and values) that says what columns mean; ``guess`` converts nothing, prints
            what would be made of them and writes it as ``columns.yaml``.
    """

    input: str | list[str]
    output_dir: str
    executor: Executor | None = None
    wavelengths: Annotated[dict[str, Micrometres], InUnits("um")] = field(default_factory=dict)
    zero_point: Annotated[ZeroPoint, InUnits("mag")] | None = None
    row_group: Count = 2000
    shard: str | None = None
    format: str | list[str] | None = None
    columns: str | dict[str, Any] | None = None

    def run(self) -> dict[str, Any]:
        """Convert what is not converted; ``failed`` counts the sources that could not be read at all."""
        share, formats = share_of(self.shard), formats_of(self.format)
        places = [Path(place) for place in ([self.input] if isinstance(self.input, str) else self.input)]
        absent = [found(place) for place in places if not place.exists()]
        if absent:
            raise UserError("input=FILE or FOLDER that exists", ", ".join(absent[:3]), "check the path")
        maps = maps_of(self.columns)
        if self.columns == GUESS:
            return show_columns(places, Path(self.output_dir))
        found_curves = find_curves(places, maps)
        sources = found_curves.sources
        output = Path(self.output_dir)
        folder = output / "objects"
        folder.mkdir(parents=True, exist_ok=True)
        settings = ["convert", FORM, dict(self.wavelengths), self.row_group, self.zero_point, str(maps)]
        converted = self._converted(sources, share, settings, places)
        if converted is None:
            return {**said_of_share(output, share), "output_dir": self.output_dir}
        results, parts_of = converted
        parts = [part for own in parts_of for part in own]
        sound = [own for own, result in zip(parts_of, results, strict=True) if isinstance(result, dict)]
        _clear(folder, [part for own in sound for part in own])
        names = [relative(source.path, places) for source in sources]
        report = summarise(sources, names, results)
        unread = {relative(path, places): why for path, why in found_curves.unread.items()} | left_out(places)
        report["unread_files"] += [{"source": s, "reason": r} for s, r in unread.items()]
        report["unread"] = len(report["unread_files"])
        report["in_several_sources"] = repeated(
            [(name, part) for name, own in zip(names, parts_of, strict=True) for part in own]
        )
        if not report["objects"]:
            lost = [entry["reason"] for entry in (*report["drops"], *report["failed_sources"])]
            for made in (folder, output / PARTS):
                discard(made)  # nothing is left of what was refused
            raise none_usable(lost, report["counts"])
        for number, part in enumerate(parts):
            if formats and part.is_file():
                inner_folder(output, "epochs")
                write_formats(read_epochs(part), part_of(output / "epochs", number), MEANING.meaning, formats)
        if self.zero_point is not None and not report["counts"].get(BY_GIVEN):
            report["zero_point_unused"] = "each file tells its own zero point, or has magnitudes"
        write_json(output / "report.json", report)
        pass_on_mark(places, output)
        named = ("drops", "repairs", "failed_sources", "in_several_sources", "photflag_bits", "unread_files")
        summary = {name: value for name, value in report.items() if name not in named}
        return summary | {"in_several_sources": len(report["in_several_sources"]), "output_dir": self.output_dir}

    def _converted(
        self, sources: Sequence[CurveSource], share: Share | None, settings: Any, roots: Sequence[Path]
    ) -> tuple[list[dict[str, Any] | Exception], list[list[Path]]] | None:
        """Of each source its result and its parts; None where a share is done and others are not here.

        A large folder of alerts is gathered in chunks first, and becomes several parts; a shard reads it whole.
        """
        output = Path(self.output_dir)
        common = {"settings": settings, "executor": self.executor or Serial(), "share": share, "roots": roots}
        wide = [share is None and bool(chunks_of(source)) for source in sources]
        counts = [boxes_of(source) if is_wide else 1 for source, is_wide in zip(sources, wide, strict=True)]
        numbers = iter(range(sum(counts)))
        targets = [[part_of(output / "objects", next(numbers)) for _ in range(count)] for count in counts]
        pieces: list[list[Part]] = []
        failed: dict[int, Exception] = {}
        chunks: dict[str, Part] = {}
        for number, (source, own, is_wide) in enumerate(zip(sources, targets, wide, strict=True)):
            if not is_wide:
                job = ConvertJob(source, own[0], self.wavelengths, self.row_group, self.zero_point)
                decides = [number, list(source.lacks)]
                pieces.append([Part(str(source.path.absolute()), job, source.inputs, decides=decides)])
                continue
            gathering = gather_parts(number, source, output, self.zero_point)
            marks = [mark_of(part, fingerprint(settings), roots) for part in gathering]
            chunks |= zip(marks, gathering, strict=True)
            given = (own, self.wavelengths, self.row_group)
            boxes = box_parts(number, source, (gathering, []), given, marks)
            if not all_done(boxes, output, settings, roots):
                results = do_parts(gather_one, gathering, output, what="gathering", forget=False, **common) or []
                lost = [result for result in results if isinstance(result, Exception)]
                failed |= dict.fromkeys([number] if lost else [], *lost[:1])
                sound = [result for result in results if isinstance(result, dict)]
                boxes = [] if lost else box_parts(number, source, (gathering, sound), given, marks)
            pieces.append(boxes)
        every = [part for own in pieces for part in own]
        done = do_parts(convert_piece, every, output, what="converting", beside=chunks, **common)
        if done is None:
            return None
        told = iter(done)
        of_each = [[next(told) for _ in own] for own in pieces]
        results = [failed.get(n) or (merged(own) if wide[n] else own[0]) for n, own in enumerate(of_each)]
        if not any(isinstance(result, Exception) for result in results):
            forget_chunks(chunks, output)
        return results, targets


def none_usable(lost: Sequence[str], counts: Mapping[str, int] | None = None) -> UserError:
    """What to say where no curve is left.

    Args:
        lost: reasons of all that was lost; some say what to do.
        counts: rows by what was done to them.
    """
    told = [reason.partition(FIX) for reason in lost]
    fixes = list(dict.fromkeys(fix for _, _, fix in told if fix))
    fix = mend(lost, "; ".join(fixes[:2]) or "see the reasons; give files of light curves")
    got = in_words([reason for reason, _, _ in told])
    rows = ", ".join(f"{name} {number}" for name, number in (counts or {}).items() if name.startswith("rows_"))
    return UserError("at least one usable curve", f"{got} ({rows})" if rows else got, fix)


def show_columns(places: Sequence[Path], output: Path) -> dict[str, Any]:
    """Print what would be made of the columns of files, and write it as a map to be changed; nothing is converted.

    Args:
        places: files and folders.
        output: gets ``columns.yaml``.

    Raises:
        UserError: none of them holds a table of light curves.
    """
    texts, found_shown = maps_in(places)
    if not texts:
        got = f"none in {shortened(', '.join(map(str, places)), 200)}"
        raise UserError("tables of light curves", got, "give CSV, JSON, FITS, parquet or text with a row an epoch")
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "columns.yaml", as_file(texts))
    for text in texts:
        print("\n".join(printable(line) for line in text.splitlines()) + "\n")
    return {**found_shown, "columns": str(output / "columns.yaml")}


def part_of(folder: Path, number: int) -> Path:
    """Where the curves of a source lie.

    Args:
        folder: of all.
        number: of the source.
    """
    return folder / f"part-{number:05d}.parquet"


def _clear(folder: Path, kept: Sequence[Path]) -> None:
    """Remove what earlier conversions left, of files that are gone or cannot be read any more."""
    for part in folder.glob("part-*.parquet"):
        if part not in kept:
            part.unlink()
    forget_orphans(folder)


@dataclass(frozen=True)
class ConvertJob:
    """One source and where it goes.

    Args:
        source: a file, or a group of them.
        target: the part that is written, ``part-<number>.parquet``.
        wavelengths: micrometres by band, over the built-in ones.
        row_group: objects in a row group of the parquet file.
        zero_point: AB, of fluxes in files that do not tell it.
    """

    source: CurveSource
    target: Path
    wavelengths: Mapping[str, float]
    row_group: int
    zero_point: float | None = None


def convert_one(job: ConvertJob) -> tuple[dict[str, Any], list[Path]]:
    """Read a source and write its part; returns objects, epochs and the account, and the file if there is one."""
    if job.source.damage:
        raise UserError("a whole file", f"{found(job.source.path)}: {job.source.damage}", "fetch it again")
    if job.source.missing:
        raise UserError(
            f"{', '.join(job.source.missing)} beside {job.source.path.name}", "none", "fetch the whole pair"
        )
    account, epochs = Account(), 0
    with ExchangeWriter(job.target, job.row_group) as writer:
        for table in job.source.read(account, job.wavelengths, job.zero_point):
            writer.write(table)
            epochs += len(table.mjd)
    if not writer.objects:
        job.target.unlink(missing_ok=True)  # of an earlier conversion
    result = {"objects": writer.objects, "epochs": epochs, "account": vars(account)}
    return result, [job.target] if writer.objects else []


def convert_piece(job: ConvertJob | BoxJob) -> tuple[dict[str, Any], list[Path]]:
    """A source, or a box of a large folder of alerts."""
    return join_box(job) if isinstance(job, BoxJob) else convert_one(job)


def summarise(sources: Sequence[CurveSource], names: Sequence[str], results: Sequence[Any]) -> dict[str, Any]:
    """The content of ``report.json``.

    Args:
        sources: that were read.
        names: of them, below the raw folder.
        results: of each.
    """
    total, objects, epochs = Account(), 0, 0
    bits: dict[str, dict[str, int]] = {}
    failed = []
    for source, name, result in zip(sources, names, results, strict=True):
        if isinstance(result, BaseException):
            failed.append({"source": str(source.path), "reason": in_short(result)})
            continue
        objects, epochs = objects + result["objects"], epochs + result["epochs"]
        account = Account(**result["account"])
        if account.bits:
            bits[name] = account.bits
        account.dropped = [_placed(drop, source, name) for drop in account.dropped]
        account.repaired = [_placed(repaired, source, name) for repaired in account.repaired]
        failed += [_placed(lost, source, str(source.path)) for lost in account.failed]
        account.unread = [_placed(other, source, name) for other in account.unread]
        total.merge(account)
    return {
        "sources": len(sources),
        "read": total.read,
        "objects": objects,
        "epochs": epochs,
        "repaired": len(total.repaired),
        "dropped": len(total.dropped),
        "dropped_by_reason": dict(sorted(Counter(drop["reason"] for drop in total.dropped).items())),
        "repaired_by_reason": dict(sorted(Counter(repaired["reason"] for repaired in total.repaired).items())),
        "counts": {name: number for name, number in sorted(total.counts.items()) if number},
        "photflag_bits": bits,
        "failed": len(failed),
        "failed_sources": failed,
        "unread_files": total.unread,
        "drops": total.dropped,
        "repairs": total.repaired,
    }


def _placed(entry: Mapping[str, str], source: CurveSource, name: str) -> dict[str, str]:
    """What an account says of an object or a file, with the place of its own file below the raw folder."""
    said = {key: value for key, value in entry.items() if key != "file"}
    return {**said, "source": source.place_of(entry.get("file"), name)}


def repeated(parts: Sequence[tuple[str, Path]]) -> list[dict[str, Any]]:
    """Objects that several sources hold, with those sources: both copies stay, a dataset keeps the first."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    there = [(source, path) for source, path in parts if path.is_file()]
    columns = [pq.read_table(path, columns=["object_id"])["object_id"] for _, path in there]
    if not columns:
        return []
    names = pa.chunked_array([chunk for column in columns for chunk in column.chunks], columns[0].type)
    counts = pc.value_counts(names)
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    out: dict[str, list[str]] = {str(name): [] for name in sorted(twice.to_pylist())}
    for (source, _), column in zip(there, columns, strict=True):
        for name in column.filter(pc.is_in(column, value_set=twice)).to_pylist():
            out[str(name)].append(source)
    return [{"object_id": name, "sources": places} for name, places in out.items()]
