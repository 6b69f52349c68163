"""``astrid evaluate ckpt_path=C dataset=D output_dir=O``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astrid_ml.build import plain
from astrid_ml.errors import UserError
from astrid_ml.printable import printable
from astrid_ml.progress import waiting
from astrid_ml.start import importing
from astrid_ml.typed_values import share_of


def first(tree: Mapping[str, Any]) -> None:
    """Refuse a prevalence that is no share, and a word without effect, before torch is imported.

    Raises:
        UserError: ``reopen=true`` without ``sealed=true``.
    """
    if tree.get("reopen") and not tree.get("sealed"):
        raise UserError("reopen=true beside sealed=true", "reopen=true alone", "add sealed=true, or leave out reopen")
    if tree.get("prevalence") is not None:
        share_of(tree["prevalence"])


def command(cfg: Any) -> int:
    """Evaluate a checkpoint on a prepared dataset."""
    with importing(), waiting("loading libraries"):
        from astrid_ml.run.prediction.evaluate import evaluate
        from astrid_ml.run.prediction.sealed import Asked

    tree = plain(cfg)
    checkpoint, dataset, output_dir = (Path(tree[name]) for name in ("ckpt_path", "dataset", "output_dir"))
    metrics = evaluate(
        checkpoint,
        dataset,
        output_dir,
        tree["trust"],
        tree["device"],
        tree["format"],
        Asked(tree["prevalence"], tree["allow_outside"], tree["sealed"], tree["reopen"]),
    )
    for line in metrics["summary"]:
        print(printable(line))
    return 0
