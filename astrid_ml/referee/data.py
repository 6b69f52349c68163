"""What is computed again with the dataset: its bytes, the split, the audit, and the predictions themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.audit import AuditResult
from astrid_ml.build import build
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.load import LoadedModel, load_model
from astrid_ml.contracts.columns import columns_of
from astrid_ml.contracts.programs import FitsItself
from astrid_ml.dataset.digests import digest_of_file
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.devices import device_of, full_precision
from astrid_ml.errors import UserError
from astrid_ml.referee.columns import columns
from astrid_ml.referee.numbers import TOLERANCE, in_rounds
from astrid_ml.referee.opened import Bundle, plainly
from astrid_ml.referee.pictures import PagePictures, drawn_again
from astrid_ml.referee.verdicts import (
    DIFFERENT,
    EQUAL,
    UNKNOWN,
    WITHOUT_DATA,
    Compared,
    PartAbsentError,
    compare,
    compare_tables,
)
from astrid_ml.run.stages import StageLog
from astrid_ml.run.told.pictures import notable
from astrid_ml.run.training.publish import leak_pictures
from astrid_ml.run.training.rounds import RoundWork, predictions, told
from astrid_ml.run.training.train import joined_tables
from astrid_ml.splits.plan import index_for, planned_for_training

OF_NETWORKS = 1e-4  # of scores: another processor sums in another order, in single precision
NEEDS = Compared(WITHOUT_DATA, "give dataset=PREPARED, the dataset of the run")
Check = Callable[[], Compared]


class DataAgain:
    """A bundle beside its dataset.

    Args:
        bundle: that is judged.
        dataset: folder of the prepared dataset; None where there is none.
        device: where networks compute.

    Raises:
        UserError: there is no dataset at that place.
    """

    def __init__(self, bundle: Bundle, dataset: str | None, device: str) -> None:
        self.bundle, self.device = bundle, device_of(device)
        self.dataset = None if dataset is None else PreparedDataset(dataset)

    def checks(self) -> list[tuple[str, str, Check]]:
        """(name, what, check) of each."""
        columns = ("columns", "no column of the predictions that a run does not write", self.columns)
        checks = [
            ("data", "the dataset is the one that the bundle describes, byte by byte", self.data),
            ("split again", "the split, made again from the configuration", self.split),
            ("audit again", "the audit for leaks, made again", self.audit),
            ("scores again", "scores, baselines, domain and decisions, by the networks", self.scores),
            ("pictures", "the pictures of the report, drawn again from the samples", self.pictures),
        ]
        needed = [(name, what, check if self.dataset is not None else lambda: NEEDS) for name, what, check in checks]
        return [columns, *needed]

    @property
    def _there(self) -> PreparedDataset:
        assert self.dataset is not None
        return self.dataset

    def data(self) -> Compared:
        """Fingerprint, descriptions, and the content of every file against the bundle's digests."""
        dataset, bundle = self._there, self.bundle
        found = compare(bundle.record["dataset"]["fingerprint"], dataset.fingerprint, what="fingerprint")
        for name in ("dataset.json", "digests.json", "croissant.json"):
            own = dataset.path / name
            if not own.is_file():
                found = found.also(Compared(UNKNOWN, f"the dataset has no {name}"))
            elif own.read_bytes() != bundle.file(f"dataset/{name}").read_bytes():
                found = found.also(Compared(DIFFERENT, f"another {name} than the dataset's"))
        wrong = [name for name, said in dataset.digests.items() if not _holds(dataset.path / name, said)]
        if wrong:
            return Compared(DIFFERENT, f"{len(wrong)} files of the dataset are damaged: {', '.join(wrong[:3])}")
        return found.also(Compared(EQUAL, f"{len(dataset.digests)} files of the dataset"))

    @cached_property
    def _plan(self) -> Any:
        split = build(self.bundle.config["split"], self.bundle.trust)
        return planned_for_training(split, index_for(split, self._there))

    def split(self) -> Compared:
        """Hash and account."""
        try:
            plan = self._plan
        except UserError as error:
            return Compared(UNKNOWN, f"it cannot be made here: expected {error.expected}; got {error.got}")
        said = self.bundle.record["split"]
        own = {
            "name": plan.name,
            "hash": plan.hash,
            "account": plan.account,
            "counts": plan.counts(columns_of(self._there)).to_dict("records"),
        }
        found = compare({name: said[name] for name in own}, plainly(own), what="values of the split")
        return found.also(compare(self.bundle.plan.hash, plan.hash, what="hash of the tables in the bundle"))

    @cached_property
    def _audited(self) -> AuditResult:
        audit = build(self.bundle.config["audit"], self.bundle.trust)
        asked = audit if audit.mode == "off" else replace(audit, mode="warn")
        result: AuditResult = asked.run(self._there, self.bundle.plan)
        return replace(result, mode=audit.mode)

    def audit(self) -> Compared:
        """All findings, and how far metadata alone get."""
        result = plainly(self._audited.to_plain())
        return compare(self.bundle.record["audit"], result, TOLERANCE, "values of the audit")

    def scores(self) -> Compared:
        """Every column of the predictions, by the networks in the bundle from the samples of the dataset."""
        bundle, found = self.bundle, Compared(EQUAL, "")
        folds: dict[str, list[pd.DataFrame]] = {"val": [], "test": []}
        for number in range(bundle.rounds):
            try:
                model = load_model(bundle.file(bundle.place(number)), bundle.trust, device=self.device)
                tables = self._of_round(model, number)
            except UserError as error:  # what is damaged is told by the item checkpoint
                return Compared(UNKNOWN, f"the networks cannot score here: expected {error.expected}; got {error.got}")
            for fold, table in tables.items():
                folds[fold].append(table)
        for fold, made in zip(folds, joined_tables(folds["val"], folds["test"]), strict=True):
            said = bundle.predictions[fold]
            if len(said) or len(made):
                made = made.assign(set=fold)
                found = found.also(compare_tables(in_rounds(said), made, OF_NETWORKS, close_calls(said, made)))
        return found.also(self._statistics())

    def _of_round(self, model: LoadedModel, number: int) -> dict[str, pd.DataFrame]:
        bundle, dataset = self.bundle, self._there
        data = build(bundle.config["datamodule"], bundle.trust)
        data.attach(dataset, bundle.plan.rounds[number], seed=int(bundle.config["seed"]))
        data.load_statistics(model.record.statistics)
        if isinstance(model.task, FitsItself):
            model.task.prepare_for(data)
        work = RoundWork(bundle.config, dataset, bundle.plan, number, bundle.judge, StageLog())
        with full_precision(self.device):
            tables = {fold: predictions(model.task, data, dataset, fold) for fold in ("val", "test")}
            return {fold: told(work, model.record, model.task, data, table) for fold, table in tables.items()}

    def columns(self) -> Compared:
        """Those that only the dataset knows are compared by :meth:`scores` where it is given."""
        found = columns(self.bundle)
        if self.dataset is not None and found.verdict == WITHOUT_DATA:
            return Compared(EQUAL, "none; those of the dataset are compared by the item scores again")
        return found

    def pictures(self) -> Compared:
        """Samples that the judge picks and pairs that leak, drawn by the datamodule."""
        bundle, dataset = self.bundle, self._there
        if "report.html" not in bundle.files:
            raise PartAbsentError("report.html")
        data = build(bundle.config["datamodule"], bundle.trust)
        data.attach(dataset, bundle.plan.rounds[0], seed=int(bundle.config["seed"]))
        data.load_statistics(bundle.checkpoints[0][0].statistics)
        tables = bundle.predictions
        table = tables["test"] if len(tables["test"]) else tables["val"]
        made = PagePictures(notable(bundle.judge, table, dataset, data), leak_pictures(self._audited, dataset, data))
        return drawn_again(PagePictures.of(bundle.page), made)

    def _statistics(self) -> Compared:
        """What normalises the inputs, fitted again on each training fold."""
        bundle, found = self.bundle, Compared(EQUAL, "statistics of the training folds")
        for number, (record, _) in enumerate(bundle.checkpoints):
            data = build(bundle.config["datamodule"], bundle.trust)
            data.attach(self._there, bundle.plan.rounds[number], seed=int(bundle.config["seed"]))
            if digest_of(data.statistics) != digest_of(record.statistics):
                said, made = plainly(record.statistics), plainly(data.statistics)
                found = found.also(compare(said, made, TOLERANCE, "statistics", f"round {number}: "))
        return found


def close_calls(said: pd.DataFrame, made: pd.DataFrame) -> tuple[str, ...]:
    """``decision`` and the sets where every one that differs lies within the tolerance of its threshold."""
    if not {"decision", "threshold", "threshold_on"} <= set(made) or len(said) != len(made):
        return ()
    one, other = in_rounds(said), made
    differ = (one["decision"] != other["decision"]) & other["decision"].notna()
    on = other["probability"].where(other["threshold_on"] == "probability", other["score"])
    near = (on.astype(float) - other["threshold"].astype(float)).abs() <= OF_NETWORKS
    return ("decision",) if differ.any() and bool((near | ~differ).all()) else ()


def _holds(path: Path, said: tuple[int, str]) -> bool:
    return path.is_file() and digest_of_file(path) == said
