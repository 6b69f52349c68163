"""What is computed again from the predictions alone: calibration, decisions, metrics, report and model card."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import pandas as pd

from astrid_ml import __version__
from astrid_ml.build import build
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.referee.opened import Bundle, plainly
from astrid_ml.referee.pictures import SECTION, PagePictures, captions
from astrid_ml.referee.verdicts import DIFFERENT, EQUAL, UNKNOWN, Compared, compare, compare_tables
from astrid_ml.report.content import RunReport
from astrid_ml.report.model_card import card_text
from astrid_ml.report.write import report_page
from astrid_ml.run.prediction.domain import counted, domain_record
from astrid_ml.run.told.pictures import notable_captions
from astrid_ml.run.training.join import fit_joined
from astrid_ml.run.training.publish import (
    RECORD,
    joined_history,
    leak_captions,
    metrics_of,
    repeat_command,
    without_long_lists,
)
from astrid_ml.run.training.train import evaluate_folds, joined_tables

TOLERANCE = 1e-6  # of numbers from the same predictions: another version of a library may round elsewhere
Check = Callable[[], Compared]
TRAINING = "training"  # the section of the epochs


class Numbers:
    """A bundle's numbers, computed again.

    Args:
        bundle: that is judged.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def checks(self) -> list[tuple[str, str, Check]]:
        """(name, what, check) of each."""
        return [
            ("rows", "one prediction for each sample of a fold, no more and no less", self.rows),
            ("calibration", "calibration, threshold and sets, fitted again on validation", self.calibration),
            ("decisions", "probabilities and decisions, applied again to the scores", self.decisions),
            ("labels", "shares of positives that the networks remember", self.labels),
            ("metrics", "all metrics with their intervals, from the predictions", self.metrics),
            ("record", "what run.json says: remarks, domain of validity, epochs, its end", self.record),
            ("report", "the sections of report.html, made again", self.report),
            ("card", "the model card, made again", self.card),
        ]

    @cached_property
    def results(self) -> dict[str, EvaluationResult]:
        """The evaluation of each fold."""
        tables = self.bundle.predictions
        return evaluate_folds(self.bundle.judge, tables["val"], tables["test"], self.bundle.plan)

    @cached_property
    def computed(self) -> dict[str, Any]:
        """``metrics.json``, made again."""
        return metrics_of(self.results, self.bundle.record["dataset"]["counts"])

    def rows(self) -> Compared:
        """The ids of predictions against the split."""
        bundle, total = self.bundle, 0
        said = {(row["round"], row["fold"]): row for row in bundle.record["split"]["counts"]}
        for number, table in enumerate(bundle.plan.rounds):
            for fold in ("val", "test"):
                predictions = bundle.of_round(fold, number)
                ids = predictions["id"].astype(str) if len(predictions) else pd.Series([], dtype=str)
                inside = set(table["id"][table["fold"] == fold].astype(str))
                strange = set(ids) - inside
                each = ids.value_counts()
                counts = said[(number, fold)]
                whole = counts["samples"] == counts["labelled"]
                if strange:
                    return Compared(DIFFERENT, f"{len(strange)} samples that are not in {fold} of round {number}")
                if each.nunique() > 1:
                    return Compared(DIFFERENT, f"samples with {each.min()} and with {each.max()} rows in {fold}")
                if (whole and len(each) != len(inside)) or len(each) > counts["labelled"]:
                    return Compared(DIFFERENT, f"{len(each)} of {counts['labelled']} samples of {fold}, round {number}")
                total += len(ids)
        sets = {str(name) for fold in ("val", "test") for name in bundle.predictions[fold].get("round", [])}
        if len(sets) > bundle.rounds:
            return Compared(DIFFERENT, f"predictions of {len(sets)} rounds, and the run has {bundle.rounds}")
        return Compared(EQUAL, f"{total:,} rows")

    def calibration(self) -> Compared:
        """Fitted on the validation predictions of each round; of all folds on what no member saw."""
        bundle, found = self.bundle, Compared(EQUAL, "")
        members = []
        for number, (record, _) in enumerate(bundle.checkpoints):
            fitted = bundle.judge.fit(bundle.of_round("val", number))
            members.append(record.calibration)
            said, made = plainly(record.calibration), plainly(fitted)
            found = found.also(compare(said, made, TOLERANCE, "values", f"round {number}: "))
        shown = members[0]
        if bundle.joined is not None:
            shown, tables = bundle.joined[0].calibration, bundle.predictions
            fitted = fit_joined(bundle.judge, members, tables["val"], tables["test"])
            found = found.also(compare(plainly(shown), plainly(fitted), TOLERANCE, "values of the joined calibration"))
        told = self.bundle.record["calibration"]
        own = {name: value for name, value in without_long_lists(shown).items() if name in told}
        return found.also(compare(told, plainly(own), 0.0, "values of the calibration in run.json"))

    def decisions(self) -> Compared:
        """The scores judged again by the calibration in the checkpoint."""
        bundle = self.bundle
        folds: dict[str, list[pd.DataFrame]] = {"val": [], "test": []}
        for number, (record, _) in enumerate(bundle.checkpoints):
            for fold, parts in folds.items():
                table = bundle.of_round(fold, number)
                parts.append(applied(bundle, table, record.calibration) if len(table) else table)
        found = Compared(EQUAL, "")
        for fold, made in zip(folds, joined_tables(folds["val"], folds["test"]), strict=True):
            said = bundle.predictions[fold]
            if len(said):
                found = found.also(compare_tables(in_rounds(said), made, TOLERANCE))
        return found

    def labels(self) -> Compared:
        """Of real and bogus the share in each fold, which the checkpoint carries."""
        bundle, found = self.bundle, Compared(UNKNOWN, "networks of more than two classes carry no shares")
        for number, (record, _) in enumerate(bundle.checkpoints):
            tables = {fold: bundle.of_round(fold, number) for fold in ("val", "test")}
            known = {fold: share for fold, share in (record.prevalence or {}).items() if fold in tables}
            own = {fold: float(pd.to_numeric(tables[fold]["label"]).mean()) for fold in known if len(tables[fold])}
            if own:
                found = found.also(compare({fold: known[fold] for fold in own}, own, TOLERANCE, "shares of positives"))
        return found

    def metrics(self) -> Compared:
        """Each name of ``metrics.json``."""
        return compare(self.bundle.metrics, plainly(self.computed), TOLERANCE, "metrics and ends of intervals")

    @cached_property
    def words(self) -> dict[str, Any]:
        """What the record says in words, and how many samples lie where the first network is valid; made again."""
        tables, (first, _) = self.bundle.predictions, self.bundle.checkpoints[0]
        table = tables["test"] if len(tables["test"]) else tables["val"]
        remarks = {fold: [*result.alarms, *result.remarks] for fold, result in self.results.items()}
        return {"remarks": remarks, "domain_of_validity": domain_record(first, counted(table), own=True)}

    def record(self) -> Compared:
        """Both, against ``run.json``; that it ended well, and says no more and no less than a run does."""
        bundle, record = self.bundle, self.bundle.record
        said = {name: record[name] for name in self.words}
        found = compare(said, plainly(self.words), TOLERANCE, "remarks and values of the domain of validity")
        found = found.also(compare(record["status"], "done", what="status"))
        found = found.also(compare(record["environment"]["versions"], record["versions"], what="versions said twice"))
        if not self._other_version:
            found = found.also(compare(sorted(record), sorted(RECORD), what="keys of run.json"))
        if "history.json" in bundle.files:
            epochs = [len(history) for history in bundle.histories]
            found = found.also(compare(record["epochs"], epochs, what="epochs"))
        return found

    @cached_property
    def content(self) -> RunReport:
        """The report that record, epochs and recomputed results make, with the pictures that the page shows."""
        bundle, shown = self.bundle, self.pictures
        _ = self.computed  # puts the end-to-end completeness into the results
        datamodule = build(bundle.config["datamodule"], bundle.trust)
        return RunReport(
            str(bundle.config["name"]),
            bundle.record,
            {fold: self.results[fold] for fold in ("test", "val") if fold in self.results},
            joined_history(bundle.histories) if "history.json" in bundle.files else pd.DataFrame(),
            shown.samples,
            repeat_command(bundle.config, list(bundle.record.get("overrides") or [])),
            audit_pictures=shown.leaks,
            config=bundle.written,
            cross=datamodule.report_tables(),
        )

    @cached_property
    def pictures(self) -> PagePictures:
        """Those of the page; none where there is no page."""
        return PagePictures.of(self.bundle.page) if "report.html" in self.bundle.files else PagePictures()

    def report(self) -> Compared:
        """The page by its sections, and what stands under pictures; the item ``pictures`` looks at those."""
        bundle, said = self.bundle, self.bundle.page
        if self._other_version:
            return Compared(UNKNOWN, f"made by astrid_ml {self._version}, and read by {__version__}: pages may differ")
        one, other = sections(said), sections(report_page(self.content))
        lost = TRAINING in one and "history.json" not in bundle.files
        if lost:
            del one[TRAINING]
        wrong = [name or "the head" for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]
        if wrong:
            return Compared(DIFFERENT, f"other sections than the numbers make: {', '.join(wrong)}")
        if lost:
            return Compared(UNKNOWN, "the bundle has no history.json, from which the section Training is made")
        tables = bundle.predictions
        table = tables["test"] if len(tables["test"]) else tables["val"]
        wanted = notable_captions(bundle.judge, table)
        ids = {str(name) for part in bundle.plan.rounds for name in part["id"]}
        leaks = leak_captions(bundle.record["audit"]["findings"], ids)
        return Compared(EQUAL, f"{len(one)} sections").also(captions(self.pictures, wanted, leaks))

    def card(self) -> Compared:
        """Both files of the card."""
        if self._other_version:
            return Compared(UNKNOWN, f"made by astrid_ml {self._version}, and read by {__version__}: texts may differ")
        made = card_text(self.content)
        said = {name: self.bundle.file(name).read_text(encoding="utf-8") for name in made}
        wrong = [name for name in made if said[name] != made[name]]
        return (
            Compared(DIFFERENT, f"another text in {', '.join(wrong)}")
            if wrong
            else Compared(EQUAL, f"{len(made)} files")
        )

    @property
    def _version(self) -> str:
        return str(self.bundle.record["versions"].get("astrid-ml"))

    @property
    def _other_version(self) -> bool:
        return self._version != __version__


def in_rounds(table: pd.DataFrame) -> pd.DataFrame:
    """Predictions in the order in which a run joins its rounds."""
    return table.sort_values("round", kind="stable", ignore_index=True)


def applied(bundle: Bundle, table: pd.DataFrame, calibration: dict[str, Any]) -> pd.DataFrame:
    """Judged again; a column that is added again takes the place of the old one."""
    made = bundle.judge.apply(table, calibration)
    return made.loc[:, ~made.columns.duplicated(keep="last")]


def sections(page: str) -> dict[str, str]:
    """The parts of a report: what stands around the sections under an empty name, and each section by its anchor.

    Links to sections that the page has are left out of the rest: a page has more of them where it has pictures.
    """
    parts: dict[str, str] = {}
    around = SECTION.sub("", page)
    for found in SECTION.finditer(page):
        parts[found[1]] = parts.get(found[1], "") + found[0]
        around = around.replace(f'<a href="#{found[1]}">{found[2]}</a>', "")
    return {"": "\n".join(" ".join(line.split()) for line in around.splitlines() if line.strip()), **parts}
