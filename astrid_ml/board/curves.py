"""What the page shows of one run when it is chosen: its curves, its configuration, where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.board.find import Run
from astrid_ml.board.table import shown
from astrid_ml.errors import UserError
from astrid_ml.metrics.binary import UndefinedError, pr_curve, roc_curve
from astrid_ml.metrics.reliability import reliability
from astrid_ml.reasons import shortened
from astrid_ml.table_files import read_parquet
from astrid_ml.tracking.lineage import lineage_of

POINTS = 160  # of a curve
BINS = 10
COLUMNS = ("label", "score", "probability")


def detail_of(run: Run) -> dict[str, Any]:
    """Curves of the test samples, configuration and lineage of one run; what is absent has its reason.

    Args:
        run: as read.
    """
    curves, why = curves_of(run)
    config = {key: shown(value) for key, value in run.config.items()}
    return {"curves": curves, "why": why, "config": config, "lineage": lineage(run)}


def curves_of(run: Run) -> tuple[dict[str, list[list[float]]], str]:
    """Precision against recall, ROC and reliability as ``[x, y]``, and why there are none.

    Args:
        run: as read.
    """
    try:
        if not run.predictions.is_file():
            return {}, "no predictions of test samples"
        table = read_parquet(run.predictions, COLUMNS)
    except (ValueError, OSError) as error:
        return {}, f"{run.predictions.name}: {shortened(' '.join(str(error).split()), 200)}"
    table = table[table["label"].notna()]
    if not pd.api.types.is_numeric_dtype(table["label"]) or not len(table) or table["score"].isna().any():
        return {}, "curves are drawn of two classes"
    labels = table["label"].astype(int).to_numpy()
    if str(run.config.get("evaluation.evaluation.positive", 1)) == "0":
        labels, table = 1 - labels, table.assign(score=1 - table["score"], probability=1 - table["probability"])
    try:
        pr, roc = pr_curve(table["score"], labels, POINTS), roc_curve(table["score"], labels, POINTS)
    except (UserError, UndefinedError, ValueError) as error:
        return {}, shortened(str(error), 200)
    out = {
        # From no recall at the first precision: the area under these steps is the average precision.
        "pr": [[0.0, *_rounded(pr["recall"])], [_rounded(pr["precision"])[0], *_rounded(pr["precision"])]],
        "roc": [_rounded(roc["fpr"]), _rounded(roc["tpr"])],
    }
    if table["probability"].notna().all():
        bins = reliability(table["probability"], labels, BINS)
        out["reliability"] = [_rounded(bins["predicted"]), _rounded(bins["observed"])]
    return out, ""


def lineage(run: Run) -> dict[str, str]:
    """Where a run comes from: data, split, code, machine, parents; only what its record says.

    Args:
        run: as read.
    """
    typed = run.at("overrides")
    out = {"folder": str(run.path), **lineage_of(run.record), "parent": parent_of(run)}
    out["typed"] = " ".join(map(str, typed)) if isinstance(typed, list) else ""
    return {name: text for name, text in out.items() if text}


def parent_of(run: Run) -> str:
    """The checkpoint that a run began with, or that an evaluation judged; empty where there is none."""
    if said := run.text("checkpoint", "path"):
        return said
    keys = [key for key in run.config if key.rpartition(".")[2] in ("init_ckpt", "ckpt_path", "weights")]
    named = [run.config[key] for key in keys if isinstance(run.config[key], str)]
    return ", ".join(str(Path(name)) for name in named)


def _rounded(values: pd.Series) -> list[float]:
    return [float(f"{value:.4g}") for value in values.astype(float)]
