"""Scores raw files with a checkpoint: unit by unit, through a writer, so that memory stays flat."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.build import build
from astrid_ml.checkpoint.load import LoadedModel
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.errors import UserError
from astrid_ml.files import TableWriter
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.run.prediction.extremes import Extremes
from astrid_ml.run.prediction.readers import Reader

# Columns that stand in every file of predictions, in this order; the rest of the index follows.
FIRST = ("id", "group_id", "mission", "score", "probability", "threshold", "threshold_on", "decision", "source")


@dataclass
class Account:
    """What happened to the records of a prediction."""

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
        output_dir: gets ``predictions.parquet``, ``report.json`` and, for stamps, ``contact_sheet.png``.
        progress: a bar on a terminal, plain lines elsewhere.

    Returns:
        The content of ``report.json``.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    judge = build(config["evaluation"])
    account, extremes = Account(), Extremes()
    with TableWriter(output_dir / "predictions.parquet") as writer:
        for source, unit_id in _sources(reader, account, progress):
            scored = score_source(model, judge, source)
            if "source" not in scored:
                scored["source"] = unit_id
            writer.write(ordered(scored))
            account.scored += len(scored)
            extremes.offer(scored, source, model.datamodule)
        if writer.empty:
            raise UserError(
                "at least one sample that can be scored",
                json.dumps(account.summary()["dropped_by_reason"] or {"failed": account.failed_units[:3]}),
                "see the reasons; give files of a kind that the checkpoint can read",
            )
    extremes.draw(output_dir / "contact_sheet.png", reader.pipeline.describe())
    report = {
        "checkpoint": str(model.path),
        "reader": reader.domain,
        "calibrated": model.record.calibrated,
        "threshold": model.record.calibration.get("threshold"),
        "threshold_rule": model.record.calibration.get("rule"),
        **account.summary(),
    }
    write_json(output_dir / "report.json", report)
    return report


def score_source(model: LoadedModel, judge: Any, source: SampleSource) -> pd.DataFrame:
    """Scores, probabilities and decisions for every sample of a source, beside its index columns."""
    table = model.task.predict_table(model.datamodule, source)
    index = source.index.iloc[table["row"].to_numpy()].reset_index(drop=True)
    index = index.drop(columns=[name for name in ("array", "row", "label") if name in index])
    joined = pd.concat([index, table.drop(columns="row")], axis=1)
    applied: pd.DataFrame = judge.apply(joined, model.record.calibration if model.record.calibration else {})
    return applied


def _sources(reader: Reader, account: Account, progress: bool) -> Iterator[tuple[SampleSource, str]]:
    from astrid_ml.progress import bar

    seen: set[str] = set()
    for unit in bar(reader.units, "scoring", progress):
        account.units += 1
        if unit.missing:
            account.failed_units.append({"unit": unit.id, "reason": "missing " + ", ".join(unit.missing)})
            continue
        writer = MemoryUnitWriter()
        try:
            reader.pipeline.process(unit, writer, 0)
        except KeyboardInterrupt:
            raise
        except Exception as error:  # one bad file must not stop a night's work; it is named in the report
            account.failed_units.append({"unit": unit.id, "reason": f"{type(error).__name__}: {error}"[:500]})
            continue
        account.dropped.extend({"id": drop.id, "reason": drop.reason} for drop in writer.drops)
        account.counts.update(writer.counts)
        source = without_repeats(writer.source(), seen, account)
        if len(source.index):
            yield source, unit.id


def without_repeats(source: SampleSource, seen: set[str], account: Account) -> SampleSource:
    """Leave out ids that were scored already; a packet may lie in two files."""
    ids = source.index["id"].astype(str)
    repeated = (ids.isin(seen) | ids.duplicated()).to_numpy()
    account.dropped.extend({"id": name, "reason": "the same id was scored already"} for name in ids[repeated])
    seen.update(ids)
    if repeated.any():
        source.index = source.index[~repeated].reset_index(drop=True)
    return source


def ordered(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that people rely on first, missing ones as null; id as text, decision as int8."""
    out = table.copy()
    for name in FIRST:
        if name not in out:
            out[name] = None if name in ("mission", "threshold_on") else np.nan
    out["id"] = out["id"].astype(str)
    rest = [name for name in out.columns if name not in FIRST]
    return out[[*FIRST, *rest]]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whole; NaN becomes null."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(_finite(content), indent=2, default=str) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_finite(part) for part in value]
    return value
