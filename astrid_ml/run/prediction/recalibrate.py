"""A trained network for samples of another origin: its weights stay, all that was fitted to its scores is fitted anew.

Calibration, threshold, prediction sets and the domain of validity come from labelled samples of the new origin. How
good they are is told by parts of these samples that had no share in what judges them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.checkpoint.load import LoadedModel
from astrid_ml.checkpoint.record import ChannelRecord, Record, TrainingDigest
from astrid_ml.contracts.columns import rows_of
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.evaluation.calibration import log_losses
from astrid_ml.evaluation.choice import parts_of
from astrid_ml.evaluation.judge import Judge
from astrid_ml.metrics.means import mean_interval
from astrid_ml.run.prediction.domain import fit_validity
from astrid_ml.run.prediction.sky import sky_of
from astrid_ml.run.told.dataset import simulated_of
from astrid_ml.types import Ints
from astrid_ml.validity.domain import ORIGIN

PARTS = 5


def parts_by_group(table: pd.DataFrame, parts: int = PARTS) -> Ints:
    """The part of each sample, (n,): groups whole, the rarest label dealt out first.

    Args:
        table: with ``label`` and ``group_id``.
        parts: their number.
    """
    labels = table["label"].to_numpy()
    kinds, counts = np.unique(labels.astype(str), return_counts=True)
    rarest = labels.astype(str) == kinds[np.argmin(counts)]
    return parts_of(rarest, pd.factorize(table["group_id"])[0].astype(np.int64), parts)


def out_of_part(judge: Judge, scores: pd.DataFrame, part: Ints) -> pd.DataFrame:
    """Each sample judged by what the other parts fitted, (n,) rows in the order of ``scores``.

    Args:
        judge: of the checkpoint.
        scores: raw scores with labels.
        part: (n,) of :func:`parts_by_group`.
    """
    out = []
    for number in np.unique(part):
        held = part == number
        judged = judge.apply(scores[held].reset_index(drop=True), judge.fit(scores[~held].reset_index(drop=True)))
        out.append(judged.set_axis(np.flatnonzero(held), axis=0))
    return pd.concat(out).sort_index()


def difference_of_losses(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, float] | None:
    """How much the log-loss of a real/bogus task falls, with its 95 % interval; None without probabilities.

    Args:
        before: predictions as trained, (n,) rows.
        after: the same samples recalibrated.
    """
    label = before["label"]
    if not label.isin([0, 1]).all() or before["probability"].isna().any() or after["probability"].isna().any():
        return None
    losses = [log_losses(table["probability"], label) for table in (before, after)]
    fallen = losses[0] - losses[1]
    ends = mean_interval(fallen, before["group_id"])
    if ends is None:
        return None
    return {"before": float(losses[0].mean()), "gain": float(fallen.mean()), "low": ends[0], "high": ends[1]}


def recalibrated(
    model: LoadedModel, dataset: PreparedDataset, rows: Ints, judge: Judge, scores: pd.DataFrame
) -> Record:
    """The record of the new checkpoint.

    Args:
        model: the checkpoint, of one network.
        dataset: of the new origin.
        rows: positions of the samples used.
        judge: of the checkpoint.
        scores: raw scores of these samples with their labels.
    """
    old, calibration = model.record, judge.fit(scores)
    index = rows_of(dataset, rows, ("id", "group_id", "ra", "dec", "label", *ORIGIN)).reset_index(drop=True)
    stated = (dataset.meta.get("description") or {}).get("sky")
    channels = ChannelRecord(old.channels.names, sky_of(stated, index))
    half = parts_by_group(index, 2)
    folds = [rows[half == 0], rows[half == 1]]
    simulated = simulated_of(dataset.meta)
    validity = fit_validity(model.tasks[0], model.datamodule, dataset, folds, channels.sky, simulated)
    seen = TrainingDigest.of(index)
    origin = ", ".join(origins(index)) or "unnamed origin"
    note = f"calibrated anew on {len(rows):,} samples of {index['group_id'].nunique():,} groups ({origin})"
    return replace(
        old,
        channels=channels,
        calibration=calibration,
        calibrated=bool(calibration.get("calibrated", False)),
        digest=seen if old.digest is None else joined_digest(old.digest, seen),
        validity=validity,
        note="; ".join(part for part in (old.note.rstrip("."), note) if part),
        stages=[*old.stages, {"name": "recalibrate", "status": "done", "dataset": dataset.fingerprint}],
    )


def joined_digest(old: TrainingDigest, seen: TrainingDigest) -> TrainingDigest:
    """What training saw and what this calibration saw; the test fold stays that of training."""
    return replace(TrainingDigest.union([old, seen]), tested=old.tested)


def origins(index: Mapping[str, Any] | pd.DataFrame) -> list[str]:
    """The missions, or what else the samples name as their origin."""
    for name in ("mission", "survey", "detector"):
        if name in index:
            known = sorted(pd.Series(index[name]).dropna().astype(str).unique())
            if known:
                return known
    return []
