"""``astrid evaluate ckpt_path=C dataset=D output_dir=O``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astrid_ml.build import plain
from astrid_ml.printable import printable
from astrid_ml.progress import waiting
from astrid_ml.start import importing
from astrid_ml.typed_values import share_of


def first(tree: Mapping[str, Any]) -> None:
    """Refuse a prevalence that is no share, before torch is imported."""
    if tree.get("prevalence") is not None:
        share_of(tree["prevalence"])


def command(cfg: Any) -> int:
    """Evaluate a checkpoint on a prepared dataset."""
    with importing(), waiting("loading libraries"):
        from astrid_ml.run.prediction.evaluate import evaluate

    tree = plain(cfg)
    checkpoint, dataset, output_dir = (Path(tree[name]) for name in ("ckpt_path", "dataset", "output_dir"))
    metrics = evaluate(
        checkpoint,
        dataset,
        output_dir,
        tree["trust"],
        tree["device"],
        tree["format"],
        tree["prevalence"],
        tree["allow_outside"],
    )
    for line in metrics["summary"]:
        print(printable(line))
    return 0
