"""What each epoch gave."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
from pytorch_lightning import Callback, LightningModule, Trainer

from astrid_ml.files import write_json


class History(Callback):
    """Keeps the epoch's metrics as rows; part of ``last.ckpt``, so that a resumed run has them all.

    Args:
        echo: print each epoch's metrics.
        file: written whole after each epoch: name -> one value an epoch. None for no file.
    """

    def __init__(self, echo: bool, file: Path | None = None) -> None:
        self.rows: list[dict[str, float]] = []
        self.echo, self.file = echo, file

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        row = {"epoch": float(trainer.current_epoch)}
        row.update({name: float(value) for name, value in trainer.callback_metrics.items()})
        self.rows.append(row)
        if self.file is not None and trainer.is_global_zero:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.file, pd.DataFrame(self.rows).to_dict("list"))
        if self.echo and trainer.is_global_zero:
            shown = "  ".join(f"{name} {value:.4f}" for name, value in row.items() if name != "epoch")
            print(f"epoch {int(row['epoch']):>3}  {shown}", file=sys.stderr, flush=True)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": list(self.rows)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])
