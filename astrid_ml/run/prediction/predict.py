"""Scores raw files with a checkpoint: unit by unit, through a writer, so that memory stays flat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astrid_ml.build import build
from astrid_ml.checkpoint.load import LoadedModel
from astrid_ml.checkpoint.predictions import METADATA, WHY_NULL, ordered
from astrid_ml.checkpoint.score import score_source
from astrid_ml.contracts.check import ContractError
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.errors import UserError
from astrid_ml.files import TableWriter, write_json
from astrid_ml.pipeline.contract import process
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.reasons import in_words
from astrid_ml.run.prediction.extremes import Extremes
from astrid_ml.run.prediction.readers import Reader


@dataclass
class PredictionAccount:
    """What happened to the records of a prediction.

    Args:
        units: how many were begun.
        scored: samples.
        failed_units: ``unit`` and ``reason`` of each.
        dropped: ``id`` and ``reason`` of each sample that was left out.
        counts: what the pipeline counted, by name.
    """

    units: int = 0
    scored: int = 0
    failed_units: list[dict[str, str]] = field(default_factory=list)
    dropped: list[dict[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, Any]:
        """The content of ``report.json``."""
        reasons = Counter(drop["reason"] for drop in self.dropped)
        return {
            "read": self.scored + len(self.dropped),
            "scored": self.scored,
            "dropped": len(self.dropped),
            "dropped_by_reason": dict(sorted(reasons.items())),
            "units": self.units,
            "failed": len(self.failed_units),
            "failed_units": self.failed_units,
            "drops": self.dropped[:1000],
            "counts": dict(sorted(self.counts.items())),
        }


def predict_files(
    model: LoadedModel, config: dict[str, Any], reader: Reader, output_dir: Path, progress: bool = True
) -> dict[str, Any]:
    """Score every sample that the reader finds.

    Args:
        model: a loaded checkpoint.
        config: its configuration, with the user's overrides merged in.
        reader: the pipeline and its units.
        output_dir: gets ``predictions.parquet``, ``report.json`` and, ``contact_sheet.png`` where samples can be drawn.
        progress: a bar on a terminal, plain lines elsewhere.

    Returns:
        The content of ``report.json``.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    judge = build(config["evaluation"], config.get("trust", []))
    account, extremes = PredictionAccount(), Extremes()
    with TableWriter(output_dir / "predictions.parquet", METADATA) as writer:
        for source, unit_id in _sources(reader, account, progress):
            scored = score_source(model, judge, model.record.calibration, source)
            if "source" not in scored:
                scored["source"] = unit_id
            writer.write(ordered(scored))
            account.scored += len(scored)
            extremes.offer(scored, source, model.datamodule)
        if writer.empty:
            raise UserError(
                "at least one sample that can be scored",
                in_words(
                    [*(drop["reason"] for drop in account.dropped), *(unit["reason"] for unit in account.failed_units)]
                ),
                "see the reasons; give files of a kind that the checkpoint can read",
            )
    extremes.draw(output_dir / "contact_sheet.png", tuple(reader.pipeline.describe().get("channels", ())))
    report = {
        "checkpoint": str(model.path),
        "reader": reader.domain,
        "members": model.record.count,
        "calibrated": model.record.calibrated,
        "threshold": model.record.calibration.get("threshold"),
        "threshold_rule": model.record.calibration.get("rule"),
        "null": dict(WHY_NULL),
        **account.summary(),
    }
    write_json(output_dir / "report.json", report)
    return report


def _sources(reader: Reader, account: PredictionAccount, progress: bool) -> Iterator[tuple[SampleSource, str]]:
    from astrid_ml.progress import bar

    seen: set[str] = set()
    for unit in bar(reader.units, "scoring", progress):
        account.units += 1
        if unit.missing:
            account.failed_units.append({"unit": unit.id, "reason": "missing " + ", ".join(unit.missing)})
            continue
        writer = MemoryUnitWriter(reader.pipeline.describe())
        try:
            process(reader.pipeline, unit, writer, 0)
        except Exception as error:  # one bad file must not stop a night's work; it is named in the report
            if isinstance(error, ContractError) and not account.scored:
                raise  # code that has read no file yet
            account.failed_units.append({"unit": unit.id, "reason": f"{type(error).__name__}: {error}"[:500]})
            continue
        account.dropped.extend({"id": drop.id, "reason": drop.reason} for drop in writer.drops)
        account.counts.update(writer.counts)
        source = without_repeats(writer.source(), seen, account)
        if len(source.index):
            yield source, unit.id


def without_repeats(source: SampleSource, seen: set[str], account: PredictionAccount) -> SampleSource:
    """Leave out ids that were scored already; a packet may lie in two files."""
    ids = source.index["id"].astype(str)
    repeated = (ids.isin(seen) | ids.duplicated()).to_numpy()
    account.dropped.extend({"id": name, "reason": "the same id was scored already"} for name in ids[repeated])
    seen.update(ids)
    if repeated.any():
        source.index = source.index[~repeated].reset_index(drop=True)
    return source
