"""All checks of a split, and what they found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd

from astrid_ml.audit.candidates import Described
from astrid_ml.audit.confounding import Confounding
from astrid_ml.audit.duplicates import Duplicate, DuplicateSearch
from astrid_ml.contracts.columns import Columns, columns_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.dataset.repeats import repeats_of
from astrid_ml.errors import UserError
from astrid_ml.sky import nearest
from astrid_ml.splits.coded import Coded
from astrid_ml.splits.folds import KEPT, TEST, TRAIN, VAL, fold_numbers, folds_of, names_at, places_in, sets_of_groups
from astrid_ml.splits.groups import linked
from astrid_ml.splits.plan import SplitPlan
from astrid_ml.splits.stamps import can_overlap, overlapping_stamps
from astrid_ml.types import Folds, Ints, InUnits, Positive


@dataclass(frozen=True)
class Finding:
    """One kind of leak.

    Args:
        kind: ``shared id``, ``shared group``, ``same position``, ``duplicate stamps``, ``overlapping cutouts``,
            ``time order``.
        message: a sentence with the number.
        pairs: ``train`` and ``test`` ids, and a measure; the worst first.
    """

    kind: str
    message: str
    pairs: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class AuditResult:
    """What the audit found.

    Args:
        findings: leaks; empty when clean.
        confounding: how far metadata alone get (AUCPR beside the prevalence), or why that was not measured.
        checked: the checks that could run on this dataset.
        mode: ``fail``, ``warn`` or ``off``.
        unchecked: check -> samples that it could not look at: without a position, without a pixel that says anything.
    """

    findings: list[Finding]
    confounding: dict[str, Any]
    checked: list[str]
    mode: str = "fail"
    unchecked: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Nothing leaks."""
        return not self.findings

    def to_plain(self) -> dict[str, Any]:
        """For ``run.json``."""
        found = [
            {"kind": f.kind, "message": f.message, "pairs": f.pairs.head(20).to_dict("records")} for f in self.findings
        ]
        return {
            "ok": self.ok,
            "mode": self.mode,
            "checked": self.checked,
            "unchecked": self.unchecked,
            "findings": found,
            "confounding": self.confounding,
        }


@dataclass(frozen=True)
class Audit:
    """Run before every fit.

    Args:
        mode: ``fail`` stops the run on a leak, ``warn`` lets it go on and the report shows it, ``off`` skips.
        radius: arcsec within which two positions are one.
        duplicates: near-duplicate stamps; None skips them.
        confounding: the classifier on metadata alone; None skips it.
    """

    mode: Literal["fail", "warn", "off"] = "fail"
    radius: Annotated[Positive, InUnits("arcsec")] = 1.0
    duplicates: DuplicateSearch | None = field(default_factory=DuplicateSearch)
    confounding: Confounding | None = field(default_factory=Confounding)

    @property
    def column_keys(self) -> dict[str, tuple[str, ...]]:
        """The columns that the user chose, by their key."""
        chosen = self.confounding.chosen if self.confounding is not None and self.mode != "off" else ()
        return {"confounding.columns": chosen}

    def run(self, source: SampleSource, plan: SplitPlan) -> AuditResult:
        """Check all rounds of a split.

        Raises:
            UserError: the mode is ``fail`` and something leaks; the message names it.
        """
        if self.mode == "off":
            return AuditResult([], {"why": "the audit is off"}, [], "off")
        findings: list[Finding] = []
        checked: list[str] = []
        described = self._described(source)
        ordered = str(plan.account.get("column", "mjd")) if plan.time_ordered else None
        for number, folds in enumerate(plan.rounds):
            found, names = self._one_round(source, folds, ordered, described)
            prefix = f"round {number}: " if len(plan.rounds) > 1 else ""
            findings += [Finding(f.kind, prefix + f.message, f.pairs) for f in found]
            checked = names
        index = columns_of(source)
        confounded = self.confounding.measure(index) if self.confounding else {"why": "off"}
        unchecked = {name: n for name, n in not_looked_at(index, described).items() if n and name in checked}
        result = AuditResult(findings, confounded, checked, self.mode, unchecked)
        if self.mode == "fail" and not result.ok:
            raise UserError(
                "a split that leaks nothing from training to test",
                " ".join(f.message for f in findings),
                "split by group or sky with split.link_stamps=true, raise split.link_radius, or accept it with "
                "audit=warn (the report shows it)",
            )
        return result

    def _described(self, source: SampleSource) -> list[Described] | None:
        """What the search for duplicates needs of each stamp, read once for all rounds; None without stamps."""
        if self.duplicates is None or not has_stamps(source):
            return None
        return self.duplicates.describe(source, np.arange(len(columns_of(source)), dtype=np.int64))

    def _one_round(
        self, source: SampleSource, folds: pd.DataFrame, ordered: str | None, described: list[Described] | None
    ) -> tuple[list[Finding], list[str]]:
        index = columns_of(source)
        fold = folds_of(index["id"], folds)
        train = np.flatnonzero((fold == TRAIN) | (fold == VAL)).astype(np.int64)
        test = np.flatnonzero((fold == TEST) | (fold == KEPT)).astype(np.int64)
        del fold
        checks = [("ids", shared(folds, index, "id")), ("groups", shared(folds, index, "group_id"))]
        if {"ra", "dec"} <= set(index.columns):
            checks.append(("positions", same_position(index, train, test, self.radius)))
        if can_overlap(index):
            checks.append(("overlapping cutouts", overlapping(index, train, test)))
        if ordered is not None and ordered in index:
            checks.append(("time order", out_of_order(index, train, test, ordered, self.radius)))
        if self.duplicates is not None and described is not None:
            found = self.duplicates.match(source, described, train, test)
            checks.append(("duplicate stamps", _duplicates(index, found, source.channels)))
        return [finding for _, finding in checks if finding is not None], [name for name, _ in checks]


def not_looked_at(index: Columns, described: list[Described] | None) -> dict[str, int]:
    """Check -> how many samples of a dataset it cannot look at."""
    out = {"positions": without(index, ("ra", "dec"))} if {"ra", "dec"} <= set(index.columns) else {}
    if can_overlap(index):
        out["overlapping cutouts"] = overlapping_stamps(index).unplaced
    return out | {"duplicate stamps": sum(part.blank + part.small for part in described or [])}


def without(index: Columns, columns: Sequence[str]) -> int:
    """Rows in which a column holds nothing, or no finite number."""
    absent = np.zeros(len(index), dtype=bool)
    for name in columns:
        values = index[name]
        absent |= values.isna().to_numpy()
        if pd.api.types.is_numeric_dtype(values):
            absent |= ~np.isfinite(values.to_numpy(dtype=np.float64, na_value=np.nan))
    return int(absent.sum())


def has_stamps(source: SampleSource) -> bool:
    """Whether the source offers stamps."""
    try:
        source.groups("stamps", np.arange(min(1, len(columns_of(source))), dtype=np.int64))
    except KeyError:
        return False
    return True


def _finding(
    kind: str, words: str, index: Columns, pairs: Sequence[tuple[int, int]], measure: Sequence[float] = ()
) -> Finding | None:
    if not len(pairs):
        return None
    ids = index["id"]
    table = pd.DataFrame({"train": [ids.iloc[a] for a, _ in pairs], "test": [ids.iloc[b] for _, b in pairs]})
    if len(measure):
        table["measure"] = list(measure)
    shown = ", ".join(f"{row.train} ~ {row.test}" for row in table.head(3).itertuples())
    count = f"{len(table)} pair{'s' if len(table) > 1 else ''}"
    return Finding(kind, f"{count} of {words} ({shown}).", table)


def _duplicates(index: Columns, found: Sequence[Duplicate], names: Sequence[str]) -> Finding | None:
    """The pairs with the channels that are alike; how many share one channel only stands in the message."""
    ranked = sorted(found, key=lambda pair: -pair.correlation)
    words = "near-duplicate stamps stand in training and test"
    pairs = [(pair.first, pair.second) for pair in ranked]
    finding = _finding("duplicate stamps", words, index, pairs, [round(pair.correlation, 4) for pair in ranked])
    if finding is None:
        return None
    channels = [", ".join(names[c] if c < len(names) else str(c) for c in pair.channels) for pair in ranked]
    finding.pairs["channels"] = channels
    parts = Counter(name for name, pair in zip(channels, ranked, strict=True) if not pair.all_channels)
    told = "".join(
        f" {count} of them share{'s' if count == 1 else ''} only {name}." for name, count in sorted(parts.items())
    )
    return Finding(finding.kind, finding.message + told, finding.pairs)


def shared(folds: pd.DataFrame, index: Columns, column: str) -> Finding | None:
    """Ids or groups that stand both in training (or validation) and in test."""
    both = _ids_twice(folds) if column == "id" else _groups_twice(folds, index, column)
    if not both:
        return None
    what = "ids" if column == "id" else "groups"
    shown = ", ".join(map(str, both[:3]))
    return Finding(
        f"shared {what[:-1]}",
        f"{len(both)} {what} stand in training and test ({shown}).",
        pd.DataFrame({"train": both, "test": both}),
    )


def _ids_twice(folds: pd.DataFrame) -> list[str]:
    """Ids of a round that it puts into training and into test."""
    again = folds["id"].iloc[repeats_of(folds["id"])]
    if not len(again):
        return []
    lines = folds[folds["id"].isin(again.unique())]
    ids = Coded.of(lines["id"])
    return names_at(ids, _learned_and_tested(ids, fold_numbers(lines["fold"])))


def _groups_twice(folds: pd.DataFrame, index: Columns, column: str) -> list[str]:
    """Groups with samples in training and in test."""
    groups, places = Coded.of(index[column]), places_in(folds["id"], index["id"])
    own = groups if places is None else groups[places[places >= 0]]
    numbers = fold_numbers(folds["fold"])
    return names_at(groups, _learned_and_tested(own, numbers if places is None else numbers[places >= 0]))


def _learned_and_tested(keys: Coded, folds: Folds) -> Ints:
    """Places of the names that stand in training (or validation) and in test."""
    there = sets_of_groups(keys, folds)
    return np.flatnonzero((there[:, TRAIN] | there[:, VAL]) & (there[:, TEST] | there[:, KEPT]))


def same_position(index: Columns, train: Ints, test: Ints, radius: float) -> Finding | None:
    """Pairs within ``radius`` arcsec on the sky."""
    sky = index[["ra", "dec"]].to_numpy(dtype=np.float64, na_value=np.nan)
    tested, learned = sky[test], sky[train]
    del sky  # of an index of any size: two copies are enough
    found, arcsec = nearest(tested, learned, radius)
    hit = np.flatnonzero(found >= 0)
    pairs = [(int(train[found[i]]), int(test[i])) for i in hit]
    return _finding("same position", f'samples within {radius:g}" of each other', index, pairs, arcsec[hit].tolist())


def overlapping(index: Columns, train: Ints, test: Ints) -> Finding | None:
    """Stamps of one exposure that share pixels; the measure is the share of the smaller stamp that both hold."""
    shared = overlapping_stamps(index)
    side = np.zeros(len(index), dtype=np.int8)
    side[train], side[test] = 1, 2
    crossing = np.flatnonzero(side[shared.one] + side[shared.other] == 3)
    crossing = crossing[side[shared.one[crossing]] != 0]
    crossing = crossing[np.argsort(-shared.share[crossing], kind="stable")]
    one, other = shared.one[crossing], shared.other[crossing]
    first = np.where(side[one] == 1, one, other)
    second = np.where(side[one] == 1, other, one)
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    words = "cutouts share pixels of one exposure"
    return _finding("overlapping cutouts", words, index, pairs, shared.share[crossing].round(3).tolist())


def out_of_order(index: Columns, train: Ints, test: Ints, column: str, radius: float) -> Finding | None:
    """Objects first seen after the first object of the test fold, yet trained on, where the split claims order.

    One object under two names counts from the first detection under either.
    """
    first = index[column].astype(float).groupby(linked(index, radius).codes).transform("min").to_numpy()
    train, test = train[np.isfinite(first[train])], test[np.isfinite(first[test])]
    if not len(train) or not len(test):
        return None
    late = train[first[train] > first[test].min() + 1e-9]
    earliest = int(test[np.argmin(first[test])])
    return _finding("time order", "training samples later than test", index, [(int(row), earliest) for row in late])
