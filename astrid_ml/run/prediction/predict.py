"""Scores raw files with a checkpoint: unit by unit, each kept when it is done, then all joined in the plan's order."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from astrid_ml import __version__
from astrid_ml.checkpoint.predictions import METADATA, WHY_NULL, PredictionsMeaning, brief_columns
from astrid_ml.checkpoint.record import Record
from astrid_ml.column_kinds import cast_table, settled_types
from astrid_ml.contracts.by_part import TOLD_FROM, identity_of
from astrid_ml.contracts.left_out import left_out_units
from astrid_ml.contracts.pipeline import Drop, Unit
from astrid_ml.described.formats import write_formats_of
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.files import write_json
from astrid_ml.fingerprint import file_hash, fingerprint
from astrid_ml.identity import lasting
from astrid_ml.pipeline.parts import PARTS, Part, do_parts, forget_other_parts, in_short, mark_of
from astrid_ml.pipeline.publish import with_units
from astrid_ml.pipeline.shards import Share, failed_of_shares
from astrid_ml.pipeline.streams import chunked
from astrid_ml.pipeline.units import portable
from astrid_ml.reasons import shortened
from astrid_ml.run.prediction.account import PredictionAccount
from astrid_ml.run.prediction.assumed import settled_calibration
from astrid_ml.run.prediction.domain import said
from astrid_ml.run.prediction.drops import DropsFile, table_of, with_counts
from astrid_ml.run.prediction.extremes import Extremes
from astrid_ml.run.prediction.readers import Reader
from astrid_ml.run.prediction.repeats import Repeats, ids_before, read_part
from astrid_ml.run.prediction.scoring import PartFiles, ScoreUnit, Scoring, UnitToScore, UnscorableError
from astrid_ml.table_files import TableWriter
from astrid_ml.validity.domain import is_measured
from astrid_ml.validity.spread import apart, said_of_set

FORM = 3  # of what each unit leaves: raised when it is other files
GROUP = 10_000  # rows that are gathered into a group of the file: small units would make it slow to open
Result = dict[str, Any] | Exception


@dataclass(frozen=True)
class Workplace:
    """Where a prediction is made, and by whom.

    Args:
        folder: gets the results; below ``parts/`` what each unit gave.
        executor: runs the units.
        share: which units are scored here; None scores and joins all.
        progress: show that it moves.
        formats: of the table beside parquet.
        brief: columns of the table, those that hold nothing left out; None for all that there are.
    """

    folder: Path
    executor: Executor
    share: Share | None = None
    progress: bool = True
    formats: Sequence[str] = ()
    brief: Sequence[str] | None = None


def predict_files(scoring: Scoring, record: Record, reader: Reader, place: Workplace) -> dict[str, Any]:
    """Score every sample that the reader finds; units that are scored already are not scored again.

    Args:
        scoring: what scores.
        record: of its checkpoint.
        reader: the pipeline and its units.
        place: gets ``predictions.parquet``, ``report.json`` and, where samples can be drawn, ``contact_sheet.png``;
            where something was left out, ``drops.parquet``.

    Returns:
        The content of ``report.json``; of a share ``shard``, ``units`` and ``failed_units``.

    Raises:
        UserError: nothing could be scored; the checkpoint cannot be loaded; the machine failed; or shares are joined
            that are not all done.
    """
    import pyarrow.parquet as pq

    folder = place.folder
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    units = chunked(reader.pipeline, reader.units, reader.raw, folder, place.executor, place.progress)
    units += left_out_units(reader.raw)
    settings = {
        "checkpoint": file_hash(scoring.checkpoint),
        "config": lasting(dict(scoring.config)),
        "reader": reader.pipeline,
        "version": __version__,
        "allow_outside": scoring.allow_outside,
        "form": FORM,
    }
    parts = parts_of(units, fingerprint(settings), reader.raw)
    work = ScoreUnit(scoring, reader.pipeline, folder, uuid.uuid4().hex)
    try:
        results = do_parts(
            work,
            parts,
            folder,
            settings=settings,
            executor=place.executor,
            share=place.share,
            what="scoring",
            roots=reader.raw,
            progress=place.progress,
        )
    finally:
        _leave_no_empty(folder, made)
    if results is None:
        return _of_share(place, [part.name for part in parts])
    files = {part.name: PartFiles(folder, part.item.mark) for part in parts}
    target, given = folder / "predictions.parquet", dict(zip(files, results, strict=True))
    meaning = _meaning(reader, results)
    joining = _joined(units, given, files, target, (identity_of(reader.pipeline), place.brief), meaning)
    if place.formats:
        write_formats_of(target, meaning.of(pq.read_schema(target).names), place.formats)
    joining.extremes.draw(folder / "contact_sheet.png", tuple(reader.pipeline.describe().get("channels", ())))
    report = {**_of_model(scoring, record, reader), **joining.account.summary()}
    report["domain"]["words"] = said(report["domain"], scoring.allow_outside, record.calibrated)
    known = record.validity or {}
    found = apart(known.get("spread"), joining.account.spread)
    words = said_of_set(known.get("simulated"), found)
    report["domain"] |= {"as_a_set": [asdict(each) for each in found], "set_words": words}
    write_json(folder / "report.json", report)
    forget_other_parts(folder, {part.item.mark for part in parts})
    return report


def parts_of(units: Sequence[Unit], settings: str, roots: Sequence[Path]) -> list[Part]:
    """The pieces of work of a plan: its units but for those that lack files.

    Args:
        units: of the plan.
        settings: fingerprint of what decides all scores.
        roots: that the user named.
    """
    parts = []
    for unit in (unit for unit in units if not unit.missing):
        part = Part(unit.id, None, unit.inputs, decides=portable(unit, roots))
        parts.append(replace(part, item=UnitToScore(unit, mark_of(part, settings, roots))))
    return parts


@dataclass
class Joining:
    """The units of a prediction on their way into one table.

    Args:
        writer: of the table.
        drops: gets what was left out.
        repeats: samples that several units have.
        types: of columns that are of different kinds in the units.
        account: of all.
        extremes: for the contact sheet.
        columns: that are written; None for all.
    """

    writer: TableWriter
    drops: DropsFile
    repeats: Repeats
    types: Mapping[str, Any] = field(default_factory=dict)
    account: PredictionAccount = field(default_factory=PredictionAccount)
    extremes: Extremes = field(default_factory=Extremes)
    columns: Sequence[str] | None = None

    def add(self, unit: Unit, result: dict[str, Any] | Exception | None, files: PartFiles) -> None:
        """Write what a unit gave, or name it as one that failed.

        Args:
            unit: the next one of the plan.
            result: of it; None where it lacks files.
            files: that it left.
        """
        self.account.units += 1
        if result is None:
            self.account.fail(unit.id, "missing " + ", ".join(unit.missing))
        elif isinstance(result, Exception):
            self.account.fail(unit.id, in_short(result))
        else:
            self._add(unit, result, files)

    def _add(self, unit: Unit, result: dict[str, Any], files: PartFiles) -> None:
        import pyarrow as pa

        rows, again, names, told = 0, list[Drop](), dict[str, str](), set[str]()
        if result["scored"]:
            read = cast_table(read_part(files.scores), self.types)
            ids = read["id"].to_pandas().astype(str)
            told, names = set(ids[ids != ids_before(read)]), self.repeats.own_names(read)
            table, again = self.repeats.without(read)
            names_kept = table.column_names if self.columns is None else self.columns
            table = table.select([n for n in names_kept if n != TOLD_FROM and n in table.column_names])
            rows = len(table)
            try:
                if rows:
                    self.writer.write(table)
            except pa.ArrowException as error:
                self.account.fail(
                    unit.id, shortened(f"its columns are not of the kinds of the first file's: {error}", 500)
                )
                return
        self.account.add(result)
        self.account.repeat(len(again))
        apart = {new for old, new in names.items() if old not in told}  # the unit counted those itself
        self.account.tell_apart(len(apart - {drop.id for drop in again}))
        self.account.scored += rows
        drops = [with_counts(read_part(files.drops).to_pandas())] if result["dropped"] else []
        drops += [table_of(again, unit.id)] if again else []
        for table in drops:
            self.account.named.add(unit.id, table)
            self.drops.write(table)
        if files.pictures.is_file():
            pictures = read_part(files.pictures).to_pandas()
            pictures["id"] = pictures["id"].replace(names)
            self.extremes.merge(pictures[~pictures["id"].isin([drop.id for drop in again])])


def _joined(
    units: Sequence[Unit],
    given: Mapping[str, Result],
    files: Mapping[str, PartFiles],
    path: Path,
    kinds: tuple[Sequence[str], Sequence[str] | None],
    meaning: PredictionsMeaning,
) -> Joining:
    """Write all rows in the order of the plan, and account for every unit; ``kinds`` are identity and brief columns.

    Raises:
        UserError: there are none.
    """
    scored = [name for name, result in given.items() if isinstance(result, dict) and result["scored"]]
    repeats = Repeats.among((files[name].scores for name in scored), kinds[0])
    columns = None if kinds[1] is None else brief_columns(kinds[1], (files[name].scores for name in scored))
    types = settled_types([(name, files[name].scores) for name in scored], empty=True)  # a score needs none of them
    left_out = DropsFile(path.with_name("drops.parquet"))
    with TableWriter(path, METADATA, GROUP, meaning) as writer, left_out as drops:
        joining = Joining(writer, drops, repeats, types, columns=columns)
        for unit in units:
            joining.add(unit, given.get(unit.id), files.get(unit.id, PartFiles(path.parent, "")))
        if writer.empty:
            for result in given.values():
                if isinstance(result, UnscorableError):  # what the checkpoint says of them
                    raise UserError(result.expected, result.got, result.fix)
            raise UserError(
                "at least one sample that can be scored",
                joining.account.in_words(),
                joining.account.mend("see the reasons; give files of a kind that the checkpoint can read"),
            )
    return joining


def _meaning(reader: Reader, results: Sequence[Result | None]) -> PredictionsMeaning:
    """What the columns mean: of somebody's own samples their columns are theirs."""
    counts: Counter[str] = Counter()
    for result in results:
        if isinstance(result, dict):
            counts.update({**result["counts"], "samples": result["scored"]})
    return PredictionsMeaning(with_units(reader.pipeline.describe(), counts))


def _of_model(scoring: Scoring, record: Record, reader: Reader) -> dict[str, Any]:
    fitted = settled_calibration(scoring.config, record.calibration, scoring.trust)
    return {
        "checkpoint": str(scoring.checkpoint),
        "reader": reader.domain,
        "members": record.count,
        "calibrated": record.calibrated,
        "threshold": fitted.get("threshold"),
        "threshold_rule": fitted.get("rule"),
        "prevalence": fitted.get("prevalence"),
        "null": {
            name: why for name, why in WHY_NULL.items() if name != "in_domain" or not is_measured(record.validity)
        },
        "sky": record.channels.sky,
    }


def _of_share(place: Workplace, names: Sequence[str]) -> dict[str, Any]:
    """What a share says: its units, and which of them failed."""
    share, failed = place.share, failed_of_shares(place.folder)
    own = [name for position, name in enumerate(names) if share is not None and share.takes(position)]
    told = [{"unit": name, "reason": failed[name]} for name in own if name in failed]
    return {"shard": str(share), "units": len(own), "failed": len(told), "failed_units": told}


def _leave_no_empty(folder: Path, made: bool) -> None:
    """Remove folders that this command made and in which nothing came to stand."""
    for path in [folder / PARTS, *([folder] if made else [])]:
        with suppress(OSError):
            path.rmdir()
