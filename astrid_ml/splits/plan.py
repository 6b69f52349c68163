"""What a split says: for each round, which sample is in which fold. Written beside the dataset and into the run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from astrid_ml.contracts.check import ContractError, called, check_part, described
from astrid_ml.contracts.columns import Columns, PlansByColumn, columns_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.dataset.repeats import repeats_of
from astrid_ml.errors import UserError
from astrid_ml.files import whole
from astrid_ml.splits.coded import Coded, as_series, as_texts
from astrid_ml.splits.folds import FOLDS, NAMES, SEALED, UNUSED, folds_of, names_at, same, sets_of_groups
from astrid_ml.splits.sealed import Seal
from astrid_ml.types import Folds

BLOCK = 1 << 18  # rows that become texts of Python together


@dataclass(frozen=True)
class SplitPlan:
    """One or more rounds of training.

    Args:
        name: of the split's option.
        rounds: tables with ``id`` and ``fold`` (train, val, test, ``sealed`` or ``unused``); k of them for k-fold. Each
            holds every id of the index once; for a training, train and val are not empty; test may be.
        account: JSON-able facts for the report (fractions, held-out mission, what was linked).
        time_ordered: the split claims that training is earlier than test; the audit checks it.

    Example:
        >>> index = pd.DataFrame({"id": ["a", "b", "c"], "group_id": ["a", "b", "c"], "label": [1, 0, 1]})
        >>> folds = pd.DataFrame({"id": ["a", "b", "c"], "fold": ["train", "val", "test"]})
        >>> plan = SplitPlan("by_hand", [folds])
        >>> plan.counts(index)[["fold", "samples", "positives"]].to_dict("list")
        {'fold': ['train', 'val', 'test'], 'samples': [1, 1, 1], 'positives': [1, 0, 1]}
        >>> len(plan.hash)
        12
    """

    name: str
    rounds: list[pd.DataFrame]
    account: dict[str, Any] = field(default_factory=dict)
    time_ordered: bool = False

    @cached_property
    def hash(self) -> str:
        """Over ids and folds of all rounds."""
        import pyarrow as pa
        import pyarrow.compute as pc

        digest = hashlib.sha256()
        for table in self.rounds:
            ids, folds = as_texts(table["id"]).combine_chunks(), as_texts(table["fold"]).combine_chunks()
            order = pc.array_sort_indices(ids)
            for start in range(0, len(order), BLOCK):
                rows = order.slice(start, BLOCK)
                line = pc.binary_join_element_wise(ids.take(rows), folds.take(rows), pa.scalar("\t", pa.large_string()))
                digest.update((("\n" if start else "") + "\n".join(line.to_pylist())).encode())
        return digest.hexdigest()[:12]

    def write(self, folder: Path) -> list[Path]:
        """Write ``<hash>.parquet`` (with ``_<round>`` for more than one) into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for number, table in enumerate(self.rounds):
            name = f"{self.hash}.parquet" if len(self.rounds) == 1 else f"{self.hash}_{number}.parquet"
            with whole(folder / name) as part:
                table.to_parquet(part, index=False)
            written.append(folder / name)
        return written

    def keep(self, dataset: Path) -> list[Path]:
        """Write it into ``<dataset>-splits`` too, for whoever works with the dataset: once it is trained with.

        What it seals is sealed from then on.
        """
        Seal(dataset).keep(self.rounds, float(self.account.get("sealed", 0.0)))
        folder = dataset.with_name(f"{dataset.name}-splits")
        there = sorted(folder.glob(f"{self.hash}*.parquet"))
        return there if len(there) == len(self.rounds) else self.write(folder)

    def counts(self, index: Columns) -> pd.DataFrame:
        """Rows round, fold, samples, groups, labelled, positives; the fold ``sealed`` where some are."""
        rows, groups, labels = [], Coded.of(index["group_id"]), index["label"]
        numbers = pd.to_numeric(labels, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        known, real = labels.notna().to_numpy(), numbers == 1
        for number, table in enumerate(self.rounds):
            folds = folds_of(index["id"], table)
            there = sets_of_groups(groups, folds).sum(axis=0)
            for place, fold in enumerate((*FOLDS, SEALED)):
                part = folds == place
                if fold == SEALED and not part.any():
                    continue
                rows.append(
                    {
                        "round": number,
                        "fold": fold,
                        "samples": int(part.sum()),
                        "groups": int(there[place]),
                        "labelled": int((part & known).sum()),
                        "positives": int((part & real).sum()),
                    }
                )
        return pd.DataFrame(rows)


class Split(Protocol):
    """Shares out the samples: ``split=`` builds one. Implement as a frozen dataclass: fields are its parameters.

    What it gives is checked when it is made, see :class:`SplitPlan`. Whether a group (an object, an exposure) stands on
    both sides is the audit's question: it stops the run, unless ``audit=warn``.

    Example:
        >>> @dataclass(frozen=True)
        ... class ByHalves:
        ...     def plan(self, index):
        ...         folds = ["train", "val"] * (len(index) // 2)
        ...         return SplitPlan("halves", [pd.DataFrame({"id": index["id"], "fold": folds})])
        >>> planned(ByHalves(), pd.DataFrame({"id": ["a", "b"]})).rounds[0]["fold"].tolist()
        ['train', 'val']
    """

    def plan(self, index: pd.DataFrame) -> SplitPlan:
        """The rounds for an index, whose columns are those of :class:`~astrid_ml.contracts.pipeline.DomainPipeline`."""


def index_for(split: Split, source: SampleSource) -> Any:
    """What a split is given: the columns of a source where it asks for no more, else the whole index."""
    return columns_of(source) if isinstance(split, PlansByColumn) and split.by_column else source.index


def planned(split: Split, index: Any) -> SplitPlan:
    """What a split says of an index (see :func:`index_for`), if it is a plan.

    Raises:
        ContractError: it is none: a round without its columns, an id twice, not at all or unknown, an unknown fold.
    """
    check_part(split, Split, "split=")
    plan: Any = split.plan(index)
    if not isinstance(plan, SplitPlan):
        raise ContractError(
            "split= whose plan(index) returns a SplitPlan",
            f"{described(plan)} from {called(split)}",
            "return SplitPlan(name, [table]) with the columns id and fold in the table",
        )
    if not isinstance(plan.rounds, list) or not plan.rounds:
        raise ContractError(
            "a SplitPlan with a list of one round or more", f"{described(plan.rounds)} from {called(split)}", "add one"
        )
    known = index["id"].astype(str)
    for number, table in enumerate(plan.rounds):
        fault = fault_of_round(table, known)
        if fault is not None:
            place = f" in round {number}" if len(plan.rounds) > 1 else ""
            raise ContractError(fault[0], f"{fault[1]}{place} from {called(split)}", fault[2])
    return plan


def planned_for_training(split: Split, index: Any) -> SplitPlan:
    """The same, if there is something to train on and to choose by in each round.

    Raises:
        ContractError: see :func:`planned`.
        UserError: train or val is empty.
    """
    plan = planned(split, index)
    for table in plan.rounds:
        empty = [fold for fold in ("train", "val") if not (table["fold"] == fold).any()]
        if empty:
            raise UserError(
                "a split with samples to train on and to choose by",
                f"nothing in {' and '.join(empty)} of {len(table)} samples, from {called(split)}",
                "give more data, or another split or split.seed",
            )
    return plan


def fault_of_round(table: Any, known: pd.Series) -> tuple[str, str, str] | None:
    """What is wrong with one round, in three parts: expected, got, fix; None where nothing is.

    Args:
        table: columns ``id`` and ``fold``.
        known: the ids of the index.
    """
    folds = ", ".join(NAMES)
    if not isinstance(table, pd.DataFrame) or not {"id", "fold"} <= set(table.columns):
        columns = f" with {', '.join(map(str, table.columns[:6]))}" if isinstance(table, pd.DataFrame) else ""
        return "rounds that are tables with id and fold", f"{described(table)}{columns}", "name the columns id and fold"
    strange = table["fold"][~table["fold"].isin(NAMES)].astype(str).unique()
    if len(strange):
        return f"folds named {folds}", ", ".join(map(repr, strange[:3])), "use these names"
    ids = table["id"].astype(str)
    twice = ids.iloc[repeats_of(ids)].unique()
    if len(twice):
        return "each id once in a round", f"{len(twice)} more than once ({', '.join(twice[:3])})", "give each one fold"
    if same(ids, known):
        return None
    unknown = _not_in(ids, known)
    if len(unknown):
        return "ids of the index", f"{len(unknown)} others ({', '.join(unknown[:3])})", "take them from index['id']"
    absent = _not_in(known, ids)
    if len(absent):
        fix = f"give those that are left out the fold {UNUSED}"
        return "every id of the index in a round", f"{len(absent)} without a fold ({', '.join(absent[:3])})", fix
    return None


def _not_in(ids: pd.Series, known: pd.Series) -> list[str]:
    """Ids that do not stand in another column, each once, in order."""
    import pyarrow.compute as pc

    texts = as_texts(ids)
    absent = pc.invert(pc.is_in(texts, value_set=as_texts(known).combine_chunks()))
    return sorted(as_series(texts.filter(absent)).unique())


def check_disjoint(index: Columns, rounds: list[pd.DataFrame]) -> None:
    """No id and no group stands in two folds of a round.

    Raises:
        UserError: some do; they are named.
    """
    groups = Coded.of(index["group_id"])
    for table in rounds:
        used = table["id"][table["fold"].isin((*FOLDS, SEALED))].astype(str)
        twice = used.iloc[repeats_of(used)].unique()
        if len(twice):
            raise UserError(
                "each id in one fold", f"{len(twice)} in two ({', '.join(twice[:3])})", "fix the split file"
            )
        refuse_split_groups(groups, folds_of(index["id"], table))


def refuse_split_groups(groups: Coded, folds: Folds) -> None:
    """No group stands in two folds.

    Raises:
        UserError: some do; they are named.
    """
    crossing = np.flatnonzero(sets_of_groups(groups, folds).sum(axis=1) > 1)
    if len(crossing):
        raise UserError(
            "each group (object, exposure) in one fold",
            f"{len(crossing)} groups in two folds ({', '.join(names_at(groups, crossing[:3]))})",
            "split by group, use a larger link_radius, or number objects so that an id stands for one over all files",
        )
