"""``astrid evaluate ckpt_path=C dataset=D output_dir=O``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astrid_ml.build import plain
from astrid_ml.printable import printable
from astrid_ml.progress import waiting
from astrid_ml.start import importing


def command(cfg: Any) -> int:
    """Evaluate a checkpoint on a prepared dataset."""
    with importing(), waiting("loading libraries"):
        from astrid_ml.run.prediction.evaluate import evaluate

    tree = plain(cfg)
    metrics = evaluate(Path(tree["ckpt_path"]), Path(tree["dataset"]), Path(tree["output_dir"]), tree["trust"])
    for line in metrics["summary"]:
        print(printable(line))
    return 0
