"""``astrid audit input=FOLDER``: copies among stamps of anybody, with or without sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from astrid_ml.audit.audit import Audit
from astrid_ml.audit.copies import Copies, copies_in, stamp_of
from astrid_ml.audit.duplicates import DuplicateSearch
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.csv_text import marked
from astrid_ml.executors.within import within_memory
from astrid_ml.files import write_json, write_text
from astrid_ml.progress import waiting
from astrid_ml.report.contact_sheet import stamp_png, write_contact_sheet
from astrid_ml.splits.folds import FOLDS
from astrid_ml.splits.plan import SplitPlan
from astrid_ml.types import Array

SHOWN = 24  # pairs in the picture
APART = 2  # px between the two stamps of a pair


class ReadsStamps(Protocol):
    """Stamps of folders as samples; the column ``set`` is train, val, test or null.

    ``attrs["left_out"]`` of the index: files that cannot be read, each with its reason.
    """

    def __call__(self, places: Sequence[Path]) -> SampleSource:
        """The stamps below some places."""


def audit_folder(reader: ReadsStamps, places: Sequence[Path], audit: Audit, folder: Path | None) -> dict[str, Any]:
    """Read, search, draw, write.

    Args:
        reader: of the stamps.
        places: files and folders.
        audit: its search for copies, and its checks of sets that the folder tells.
        folder: gets ``audit.json``, ``copies.csv``, ``families.csv``, ``copies.png``; None writes nothing.

    Returns:
        The verdict and what else the sets share; ``failed`` counts the findings and the files that cannot be
        read, which the mode ``warn`` forgives.
    """
    with within_memory("the stamps"):
        source = reader(places)
    sets = source.index["set"]
    learned, tested = (np.flatnonzero(sets.isin(names)).astype(np.int64) for names in (FOLDS[:2], FOLDS[2:]))
    if not len(learned) or not len(tested):
        learned = tested = np.zeros(0, dtype=np.int64)
    with waiting("looking for copies"):
        found = copies_in(source, audit.duplicates or DuplicateSearch(), learned, tested)
    summary: dict[str, Any] = {"verdict": found.verdict, "stamps": _counts(sets)}
    others = _other_leaks(source, audit) if len(tested) else {}
    lost = source.index.attrs.get("left_out", {})
    if lost:  # what was not read may hold copies
        summary |= {"left_out": len(lost), "left_out_files": [{"source": s, "reason": r} for s, r in lost.items()]}
    failed = len(others) + bool(found.pairs) + len(lost)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        _write(source, found, folder, {**summary, **others, "pairs": len(found.pairs)})
    return {**summary, **others, "failed": failed if audit.mode == "fail" else 0}


def _counts(sets: pd.Series) -> str:
    told = sets.dropna().value_counts()
    by_set = ", ".join(f"{told[name]:,} {name}" for name in FOLDS if name in told)
    return f"{len(sets):,}" + (f" ({by_set})" if by_set else "; no set is told by a name or a column")


def _other_leaks(source: SampleSource, audit: Audit) -> dict[str, str]:
    """What the sets share beside pixels, by the columns that the tables have."""
    index = source.index
    folds = pd.DataFrame({"id": index["id"], "fold": index["set"].fillna("unused")})
    checks = Audit("warn", audit.radius, None, None)
    found = checks.run(source, SplitPlan("sets of the folder", [folds])).findings
    return {finding.kind: finding.message for finding in found}


def _write(source: SampleSource, found: Copies, folder: Path, content: dict[str, Any]) -> None:
    write_json(folder / "audit.json", content)
    write_text(folder / "copies.csv", marked(found.table(source.index, source.channels)).to_csv(index=False))
    families = pd.DataFrame({"id": source.index["id"], "family": found.families, "set": source.index["set"]})
    write_text(folder / "families.csv", marked(families).to_csv(index=False))
    if found.pairs:
        draw(source, found, folder / "copies.png")


def draw(source: SampleSource, found: Copies, path: Path) -> None:
    """A picture of pairs, some of each kind: one stamp above its copy.

    Args:
        source: the stamps.
        found: pairs among them.
        path: PNG.
    """
    ids = source.index["id"].astype(str).to_numpy()
    rows: dict[str, list[tuple[str, bytes]]] = {}
    kinds = list(dict.fromkeys(found.kinds))
    for pair, kind in zip(found.pairs, found.kinds, strict=True):
        shown = rows.setdefault(kind, [])
        if len(shown) < max(4, SHOWN // len(kinds)):
            both = _above(stamp_of(source, pair.first), stamp_of(source, pair.second))
            shown.append((f"{ids[pair.first]} ~ {ids[pair.second]}: {pair.correlation:.2f}", stamp_png(both)))
    write_contact_sheet(path, rows, source.channels)


def _above(first: Array, second: Array) -> Array:
    """Two stamps (C, h, w), one above the other, each channel of each in units of its own scatter."""
    width = max(first.shape[2], second.shape[2])
    parts = [np.pad(_scaled(stamp), ((0, 0), (0, 0), (0, width - stamp.shape[2]))) for stamp in (second, first)]
    rule = np.full((first.shape[0], APART, width), np.nan)
    return np.concatenate([parts[0], rule, parts[1]], axis=1)


def _scaled(stamp: Array) -> Array:
    values = stamp.astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    middle, scatter = (f(values, axis=(1, 2), keepdims=True) for f in (np.nanmedian, np.nanstd))
    out: Array = (values - middle) / np.where(scatter > 0, scatter, 1.0)
    return out
