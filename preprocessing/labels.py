"""Where labels come from: the truth beside simulated data, a table, a column of the packet, or a model's score.

A threshold on another model's score is a proxy, and its account says so in words: such labels measure agreement with
that model, not with the sky.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd

from astrid_ml.contracts.by_part import TOLD_FROM
from astrid_ml.contracts.pipeline import Unit
from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.preprocessing.label_columns import column_of, counts_of, numbers_of, refuse_codes, refuse_shared
from astrid_ml.tables import read_table
from astrid_ml.types import Existing, Range

_OTHERWISE = "give a table: label=table label.path=LABELS.csv; or prepare them without labels: label=none"


@dataclass(frozen=True)
class TruthLabel:
    """The label that stands in the raw files already (simulations, injections, matched truth)."""

    version: ClassVar[int] = 1

    def inputs(self) -> tuple[Path, ...]:
        """No file of its own."""
        return ()

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        return ("label",)

    def apply(self, index: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Keep the labels; refuse a dataset without any.

        Raises:
            UserError: there is no label at all, or they are numbers of which nobody says what they mean.
        """
        if "label" not in index or index["label"].isna().all():
            raise UserError(
                "raw files that hold their truth",
                "no label in them",
                _OTHERWISE,
            )
        refuse_codes(index["label"])
        return index, {"source": "truth in the raw files", "proxy": False, **counts_of(index)}


@dataclass(frozen=True)
class TableLabel:
    """Labels joined from a CSV or parquet table.

    Args:
        path: the table.
        id_column: its column that equals the samples' ``id``.
        label_column: 0 or 1 (or a class name for other tasks).
        source: named in the account and in ``label_source``.
        mapping: value (as text) -> label; values outside it stay unlabelled. Empty: the column is the label.
    """

    path: Existing
    id_column: str = "id"
    label_column: str = "label"
    source: str = "table"
    mapping: Mapping[str, int | str] = field(default_factory=dict)
    version: ClassVar[int] = 1

    def inputs(self) -> tuple[Path, ...]:
        """The table: another content gives another dataset."""
        if not Path(self.path).is_file():
            raise UserError("label.path=TABLE (CSV or parquet)", found(self.path), "check the path")
        return (Path(self.path),)

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Read the table, so that one without the columns costs no preparation."""
        self._read()

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        return (TOLD_FROM,)

    def apply(self, index: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Join on the id as text; samples without a row stay unlabelled and are counted.

        Raises:
            UserError: a column is missing, an id has two different labels or is that of several different samples, or
                nothing matches.
        """
        table = self._read()
        clash = table.groupby(self.id_column)[self.label_column].nunique()
        if (clash > 1).any():
            names = ", ".join(clash[clash > 1].index[:3])
            raise UserError(
                "one label for each id", f"{int((clash > 1).sum())} ids with two ({names})", "fix the table"
            )
        labels = table.drop_duplicates(self.id_column).set_index(self.id_column)[self.label_column]
        refuse_shared(index, labels.index)
        out = index.copy()
        out["label"] = out["id"].astype(str).map(labels)
        matched = int(out["label"].notna().sum())
        if not matched:
            shown = f"table: {', '.join(labels.index[:2])}; samples: {', '.join(out['id'].astype(str)[:2])}"
            raise UserError(
                "a table whose ids match the samples",
                f"none of {len(labels)} does ({shown})",
                "set label.id_column, and read ids as text",
            )
        if out["label"].dropna().isin([0, 1]).all():
            out["label"] = out["label"].astype("Int8")
        out["label_source"] = self.source
        unused = int((~labels.index.isin(out["id"].astype(str))).sum())
        return out, {
            "source": f"table {Path(self.path).name}",
            "proxy": False,
            "rows_without_sample": unused,
            **counts_of(out),
        }

    def _read(self) -> pd.DataFrame:
        [path] = self.inputs()
        read = read_table(path, {self.id_column: "text"})
        if self.label_column not in read.rows:
            raise UserError(
                f"the columns {self.id_column}, {self.label_column}",
                f"{', '.join(map(str, read.rows.columns[:8]))}",
                "set label.id_column and label.label_column",
            )
        if read.dropped:
            row, reason = read.dropped[0]
            raise UserError("a label's id in every row", f"{path}, row {row}: {reason}", "correct the table")
        rows = read.rows.astype({self.id_column: object})
        return self._mapped(rows[rows[self.label_column].notna()])

    def _mapped(self, rows: pd.DataFrame) -> pd.DataFrame:
        if not self.mapping:
            return rows
        said = rows[self.label_column].astype(str)
        labels = said.map({str(value): label for value, label in self.mapping.items()})
        if labels.isna().all():
            got = ", ".join(said.unique()[:5]) or "no label at all"
            raise UserError(f"values of {self.label_column} in label.mapping", got, "fix label.mapping")
        return rows.assign(**{self.label_column: labels})[labels.notna()]


@dataclass(frozen=True)
class ColumnLabel:
    """Labels from a column of the packets.

    Args:
        column: of the index.
        mapping: value (as text) -> 0 or 1; values outside it stay unlabelled. Empty: the column is the label.
    """

    column: str
    mapping: Mapping[str, Annotated[int, Range(0, 1)]] = field(default_factory=dict)
    version: ClassVar[int] = 1

    def inputs(self) -> tuple[Path, ...]:
        """No file of its own."""
        return ()

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        return (self.column,)

    def apply(self, index: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Map the column.

        Raises:
            UserError: the column is missing or no value is in the mapping.
        """
        values, by_text = column_of(index, self.column), {str(said): label for said, label in self.mapping.items()}
        labels = values.astype("string").map(by_text) if self.mapping else numbers_of(values)
        if labels.isna().all():
            found = ", ".join(values.dropna().astype(str).unique()[:5])
            raise UserError(f"values of {self.column} in label.mapping", found or "all null", "fix label.mapping")
        if not labels.dropna().isin([0, 1]).all():
            strange = ", ".join(labels[~labels.isin([0, 1])].dropna().astype(str).unique()[:5])
            raise UserError(
                "labels 0 and 1", f"{self.column} gives {strange}", "set label.mapping={value: 0 or 1, ...}"
            )
        out = index.assign(label=labels.astype("Int8"), label_source=f"column {self.column}")
        return out, {"source": f"column {self.column}", "proxy": False, **counts_of(out)}


@dataclass(frozen=True)
class ScoreThresholdLabel:
    """A proxy: another model's score, cut at a threshold.

    Args:
        column: the score.
        threshold: real at or above it.
        judged: scores that the run will judge; a label made from one of them is refused.
    """

    column: str = "drb"
    threshold: float = 0.5
    judged: tuple[str, ...] | list[str] = ()
    version: ClassVar[int] = 1

    def inputs(self) -> tuple[Path, ...]:
        """No file of its own."""
        return ()

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse the very score that is being judged."""
        if self.column in self.judged:
            raise UserError(
                "labels from another source than the score that is judged",
                f"both are {self.column}",
                "choose other labels",
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        return (self.column,)

    def apply(self, index: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Cut the score; samples without it stay unlabelled.

        Raises:
            UserError: the score is missing, or it is the very score that is being judged.
        """
        self.check_first({})
        values = numbers_of(column_of(index, self.column))
        if values.isna().all():
            raise UserError(f"packets with {self.column}", "none has it", _OTHERWISE)
        labels = pd.array(np.where(values.isna(), -1, values >= self.threshold), dtype="Int8")
        labels[values.isna().to_numpy()] = pd.NA
        source = f"{self.column} >= {self.threshold:g}"
        out = index.assign(label=labels, label_source=source)
        words = f"{source}: another model's score, not human truth. Metrics measure agreement with that model."
        return out, {"source": source, "proxy": True, "score": self.column, "words": words, **counts_of(out)}


@dataclass(frozen=True)
class MatchLabel:
    """Real where a candidate was matched to a known source; what the rest is, the user says.

    Args:
        unmatched: ``bogus`` where the truth of a pair is complete (simulations, injections into a subtracted pair),
            ``unknown`` where it is not: then they stay unlabelled.
    """

    unmatched: Literal["bogus", "unknown"] = "unknown"
    version: ClassVar[int] = 1

    def inputs(self) -> tuple[Path, ...]:
        """No file of its own."""
        return ()

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        return ("truth_given", "match_id")

    def check_units(self, units: Sequence[Unit]) -> None:
        """Pairs of which none names a truth table: known before the first is subtracted.

        Raises:
            UserError: no pair has one.
        """
        named = [unit.parameters["truth"] for unit in units if "truth" in unit.parameters]
        if named and not any(named):
            raise _no_truth()

    def apply(self, index: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Label the candidates of pairs that came with a truth.

        Raises:
            UserError: no pair had one, or an unknown choice.
        """
        if self.unmatched not in ("bogus", "unknown"):
            raise UserError("label.unmatched=bogus or unknown", self.unmatched, "choose one of them")
        given = column_of(index, "truth_given").astype(bool)
        if not given.any():
            raise _no_truth()
        matched = column_of(index, "match_id").notna()
        labels = pd.array([pd.NA] * len(index), dtype="Int8")
        labels[(given & matched).to_numpy()] = 1
        if self.unmatched == "bogus":
            labels[(given & ~matched).to_numpy()] = 0
        out = index.assign(label=labels, label_source="matched to known positions")
        return out, {
            "source": "matched to known positions",
            "proxy": False,
            "unmatched": self.unmatched,
            **counts_of(out),
        }


def _no_truth() -> UserError:
    fix = "add the column truth to the manifest, or give a table: label=table label.path=LABELS.csv"
    return UserError("pairs with a truth table", "none", fix)
