"""The losses and scores of every epoch as a JSON file beside the checkpoints' folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from astrid_ml.files import write_json

NAME = "training_history_unet3d.json"


class HistoryFile(Callback):
    """Writes ``training_history_unet3d.json``: name -> one value an epoch; whole after each epoch, resumes included."""

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.history.setdefault("epoch", []).append(float(trainer.current_epoch))
        for name, value in trainer.callback_metrics.items():
            self.history.setdefault(name, []).append(float(value))
        keeper: Any = trainer.checkpoint_callback
        if trainer.is_global_zero and keeper is not None and keeper.dirpath:
            folder = Path(keeper.dirpath).parent
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / NAME, self.history)

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = {name: list(values) for name, values in state_dict["history"].items()}
