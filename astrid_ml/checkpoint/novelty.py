"""The p-value of each answer's novelty, from networks to columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.columns import rows_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.told import EmbedsQuestions
from astrid_ml.types import Floats, Ints
from astrid_ml.validity.novelty import COLUMN, fit_novelty, p_values

MOST = 1000  # training and validation samples that are asked, each at every window


def questions_of(
    task: object, data: Any, source: SampleSource, rows: Ints | None
) -> tuple[Ints, Floats, Floats] | None:
    """What a network knows at each question.

    Args:
        task: with its network.
        data: the datamodule.
        source: the samples.
        rows: positions in its index, asked at the windows; None for new files, asked as a prediction asks.

    Returns:
        Positions (n,), what is known (n, D), and the age of what was seen in days (n,), in the order of predictions;
        None of a task that answers no questions.
    """
    import torch

    network = getattr(task, "network", None)
    if not isinstance(task, EmbedsQuestions) or not isinstance(network, torch.nn.Module):
        return None
    network.eval()
    device = next((weight.device for weight in network.parameters()), torch.device("cpu"))
    at: list[Ints] = []
    known: list[Floats] = []
    ages: list[Floats] = []
    with torch.inference_mode():
        for positions, batch in data.batches(source, rows):
            found = task.embed_questions({name: value.to(device) for name, value in batch.items()})
            if found is None:
                return None
            at.append(positions)
            known.append(found.float().cpu().numpy().astype(np.float64))
            ages.append(batch.get("seen_days", batch["days"]).flatten().cpu().numpy().astype(np.float64))
    if not at:
        return None
    return np.concatenate(at), np.concatenate(known), np.concatenate(ages)


def fitted_novelty(task: object, data: Any, source: SampleSource, folds: tuple[Ints, Ints]) -> dict[str, Any] | None:
    """What a checkpoint keeps; None of a task that answers no questions, or of too few samples.

    Args:
        task: with the weights that are kept.
        data: the datamodule.
        source: the dataset.
        folds: positions of training and of validation.
    """
    if not isinstance(task, EmbedsQuestions):
        return None
    random = np.random.default_rng(0)
    train, val = (np.sort(random.permutation(rows)[:MOST]).astype(np.int64) for rows in folds)
    first, second = (questions_of(task, data, source, rows) if len(rows) else None for rows in (train, val))
    if first is None or second is None:
        return None
    labels = rows_of(source, train, ["label"])["label"].astype(str)
    classes = pd.factorize(labels)[0][np.searchsorted(train, first[0])].astype(np.int64)
    return fit_novelty(first[1], classes, second[1], second[2])


def with_novelty(
    table: pd.DataFrame,
    validity: Mapping[str, Any] | None,
    asked: tuple[object, Any],
    source: SampleSource,
    rows: Ints | None,
    positions: Ints,
) -> pd.DataFrame:
    """Predictions with ``novelty_p``; as they are where the checkpoint knows none.

    Args:
        table: of predictions; a sample may have several rows, one a question.
        validity: of the record.
        asked: the task and the datamodule.
        source: the samples.
        rows: positions that are asked at the windows; None for new files.
        positions: of each row of the table.
    """
    novelty = (validity or {}).get("novelty")
    found = None if novelty is None or not len(table) else questions_of(*asked, source, rows)
    if novelty is None or found is None:
        return table
    at, known, ages = found
    value = pd.Series(p_values(novelty, known, ages), index=pd.MultiIndex.from_arrays(numbered(at)))
    return table.assign(**{COLUMN: value.reindex(pd.MultiIndex.from_arrays(numbered(positions))).to_numpy()})


def numbered(positions: Ints) -> tuple[Ints, Ints]:
    """Positions, and which question of its sample each is, from 0: the questions of a sample come in one order."""
    return positions, pd.Series(positions).groupby(positions).cumcount().to_numpy().astype(np.int64)
