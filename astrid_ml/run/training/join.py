"""The last stage before the evaluation of a run with several rounds: all their networks in one checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.joined import can_join, joined_weights, refuse_unlike
from astrid_ml.checkpoint.load import read_record, save_model
from astrid_ml.checkpoint.record import Record, TrainingDigest
from astrid_ml.contracts.columns import rows_of
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.run.marks import Marks
from astrid_ml.run.prediction.baselines import fit_baselines
from astrid_ml.run.stages import StageLog, table_digest
from astrid_ml.run.training.rounds import Round
from astrid_ml.types import Ints
from astrid_ml.validity.domain import joined_domain
from astrid_ml.validity.drift import input_statistics

NOT_AGAIN = (
    "Its probability is that of the mean of the members' log-odds, each calibrated on its own validation samples; "
    "the whole was not calibrated again, since no sample is left that no member saw."
)


def join_rounds(
    dataset: PreparedDataset,
    judge: Any,
    rounds: Sequence[Round],
    predictions: tuple[pd.DataFrame, pd.DataFrame],
    marks: Marks,
    log: StageLog,
) -> dict[str, Any] | None:
    """Write ``checkpoints/best.ckpt`` of a run with several rounds, unless it stands there already.

    Args:
        dataset: what the rounds were trained on.
        judge: of the task.
        rounds: one, or k of them.
        predictions: of validation and of test, of all rounds.
        marks: of the run's folder.
        log: of its stages.

    Returns:
        For the run's record: ``members``, ``checkpoint``, ``calibration``, ``words`` and ``of_members`` (the run's
        numbers are those of single members); None of a run with one round.

    Raises:
        UserError: the rounds are not of one kind, or a checkpoint cannot be read or written.
    """
    if len(rounds) < 2:
        return None
    validation, test = predictions
    of_each = [done.record.calibration for done in rounds if done.record is not None]
    weights = [log.digest("fit", "weights", number) for number in range(len(rounds))]
    inputs = {"weights": digest_of(weights), "calibration": digest_of(of_each), "predictions": table_digest(test)}
    mark = marks.find("join", **inputs)
    if mark is not None:
        log.skip(mark.stage)
        kept: dict[str, Any] = mark.kept
        return kept
    with log.stage("join", 0, **inputs) as stage:
        path = marks.folder / "checkpoints" / "best.ckpt"
        calibration, why = calibration_of_members(judge, rounds, of_each, validation, test)
        if not why:
            record, state = members_as_one(dataset, judge, rounds, calibration, log)
            stage.outputs |= {"weights": digest_of(state), "calibration": digest_of(calibration)}
            save_model(path, state, record)
        said = {
            "members": len(rounds),
            "checkpoint": None if why else "checkpoints/best.ckpt",
            "calibration": {k: v for k, v in calibration.items() if k not in ("parameters", "members", "counts")},
            "of_members": True,
            "words": f"There is no checkpoint of all {len(rounds)} folds: {why}."
            if why
            else words(len(rounds), calibration, test),
        }
    marks.leave(stage, [] if why else [path], said)
    return said


def words(count: int, calibration: dict[str, Any], test: pd.DataFrame) -> str:
    """What the report says of the joined checkpoint."""
    numbers = (
        "The numbers here are those of single members, each on the fold that it never saw and at its own threshold."
    )
    said = [f"checkpoints/best.ckpt holds the networks of all {count} folds as one."]
    return " ".join([*said, *([numbers] if len(test) else []), note_of(calibration)])


def note_of(calibration: dict[str, Any]) -> str:
    """What is calibrated of the joined model, and on what."""
    if calibration.get("calibrated"):
        return NOT_AGAIN
    said = "Its scores are those of the mean of the members' log-odds, which are not calibrated."
    sure = [bool(member.get("calibrated")) for member in calibration.get("members", [])]
    if any(sure) and not all(sure):
        less = f"{sure.count(False)} of {len(sure)} members, which had too few groups to be calibrated on"
        said += f" No probability is given here, because of {less}."
    more = f" What decides above them was fitted on {calibration['chosen_on']}."
    return said + more if calibration.get("parameters") else said


def calibration_of_members(
    judge: Any,
    rounds: Sequence[Round],
    of_each: list[dict[str, Any]],
    validation: pd.DataFrame,
    test: pd.DataFrame,
) -> tuple[dict[str, Any], str]:
    """The calibration of the joined model, and why there can be none (empty where there is one).

    The threshold is chosen on predictions that no model made of its own training samples: those of the test folds.
    """
    task = rounds[0].task
    if why := can_join(task, judge):
        return {}, why
    try:
        return fit_joined(judge, of_each, validation, test), ""
    except UserError as error:
        return {}, f"expected {error.expected}, got {error.got}"


def fit_joined(
    judge: Any, of_each: Sequence[dict[str, Any]], validation: pd.DataFrame, test: pd.DataFrame
) -> dict[str, Any]:
    """The calibration of the networks of all rounds as one, with the samples on which it was chosen.

    Raises:
        UserError: these samples cannot choose a threshold.
    """
    on, unseen = ("validation", validation) if test.empty else ("out-of-fold predictions", test)
    fitted: dict[str, Any] = judge.fit_members(of_each, unseen)
    fitted["chosen_on"] = f"{on} of the members"
    if isinstance(fitted.get("rule"), str):
        fitted["rule"] = fitted["rule"].replace("on validation", f"on {on} of the members")
    return fitted


def members_as_one(
    dataset: PreparedDataset, judge: Any, rounds: Sequence[Round], calibration: dict[str, Any], log: StageLog
) -> tuple[Record, dict[str, torch.Tensor]]:
    """The record and the weights of the joined checkpoint, from those of the rounds as they are on disk.

    Raises:
        UserError: see :func:`astrid_ml.checkpoint.joined.refuse_unlike`.
    """
    read = [read_record(done.checkpoint) for done in rounds]
    records, weights = [record for record, _ in read], [state for _, state in read]
    refuse_unlike(records, weights)
    first, digests = records[0], [record.digest for record in records if record.digest is not None]
    seen = np.unique(np.concatenate([training_rows(rounds), *(done.datamodule.rows["val"] for done in rounds)]))
    record = Record(
        domain=first.domain,
        config=first.config,
        channels=first.channels,
        statistics={"inputs": input_statistics(dataset, training_rows(rounds))},
        calibration=calibration,
        calibrated=bool(calibration.get("calibrated", False)),
        dataset_fingerprint=first.dataset_fingerprint,
        digest=TrainingDigest.union(digests),
        classes=first.classes,
        versions=first.versions,
        note=f"{len(rounds)} networks, one of each fold, as one. {note_of(calibration)}",
        known_as=first.known_as,
        validity=joined_domain([one.validity for one in records if one.validity is not None]),
        prevalence=prevalence_of_rows(dataset, seen) if first.classes is None else None,
        sets={"counts": {"seen": len(seen)}, **{k: (first.sets or {}).get(k) for k in ("split", "hash")}},
        # Without times: the same folds make the same bytes.
        stages=[{k: v for k, v in stage.items() if k not in ("started", "seconds")} for stage in done_stages(log)],
        members=[
            {
                "statistics": one.statistics,
                "tested": digest.tested,
                "baselines": one.baselines,
                "validity": one.validity,
            }
            for one, digest in zip(records, digests, strict=True)
        ],
        # Of all that any member was trained on: what was validation of one was training of others.
        baselines=fit_baselines(judge, rounds[0].datamodule, dataset, training_rows(rounds), np.zeros(0, np.int64)),
    )
    return record, joined_weights(weights)


def training_rows(rounds: Sequence[Round]) -> Ints:
    """Positions of the training folds of all rounds, each once."""
    out: Ints = np.unique(np.concatenate([done.datamodule.training_fold for done in rounds]))
    return out


def prevalence_of_rows(dataset: PreparedDataset, rows: Ints) -> dict[str, float]:
    """The share of positives among the samples that any member saw."""
    labels = pd.to_numeric(rows_of(dataset, rows, ["label"])["label"], errors="coerce").dropna()
    return {"seen": float(labels.mean())} if len(labels) else {}


def done_stages(log: StageLog) -> list[dict[str, Any]]:
    """The stages that led to the joined checkpoint."""
    return [stage for stage in log.plain() if stage["status"] == "done" and stage["name"] != "join"]
