"""One training: Lightning's Trainer, with checkpoints that survive a kill and a history that survives a resume."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint

from astrid_ml.checkpoint.files import AtomicCheckpointIO
from astrid_ml.devices import cpu_has_bf16
from astrid_ml.errors import UserError
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
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])


@dataclass(frozen=True)
class FitOutcome:
    """What a training leaves.

    Args:
        state_dict: the task's weights at the best validation score.
        history: one row an epoch.
        best_score: the monitored value of those weights; None where it was never defined.
        is_global_zero: whether this process writes the results (False in further DDP processes).
    """

    state_dict: dict[str, Any]
    history: pd.DataFrame
    best_score: float | None
    is_global_zero: bool


def precision_of(setting: str, accelerator: str) -> Any:
    """``auto`` -> bf16-mixed where the chip computes in bfloat16, 32-true elsewhere."""
    if setting != "auto":
        return setting
    if accelerator == "gpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if cpu_has_bf16() else "32-true"


def fit(
    task: Any, datamodule: Any, trainer: dict[str, Any], callbacks: dict[str, Any], loggers: list[Any], folder: Path
) -> FitOutcome:
    """Train until the monitored metric stops rising; carry on from ``last.ckpt`` where there is one.

    Args:
        task: a Lightning module with ``monitor`` and ``monitor_mode``.
        datamodule: with a dataset attached.
        trainer: the node ``trainer`` of the configuration.
        callbacks: the node ``callbacks``.
        loggers: Lightning loggers.
        folder: gets ``checkpoints/``.

    Raises:
        UserError: weight_averaging outside [0, 1).
        KeyboardInterrupt: the user stopped it; ``last.ckpt`` allows to carry on.
    """
    checkpoints = folder / "checkpoints"
    keeper = ModelCheckpoint(
        dirpath=checkpoints,
        filename="candidate",
        monitor=task.monitor,
        mode=task.monitor_mode,
        save_top_k=1,
        save_last=True,
        enable_version_counter=False,
    )
    on_terminal = bool(trainer["enable_progress_bar"]) and sys.stderr.isatty()
    history = History(not on_terminal, folder / task.history_file if task.history_file else None)
    hooks: list[Callback] = [keeper, history]
    if callbacks["early_stopping"]:
        hooks.append(
            EarlyStopping(
                task.monitor, patience=callbacks["patience"], mode=task.monitor_mode, min_delta=callbacks["min_delta"]
            )
        )
    if not 0 <= callbacks["weight_averaging"] < 1:
        raise UserError(
            "callbacks.weight_averaging from 0 to below 1",
            str(callbacks["weight_averaging"]),
            "0 turns it off, 0.99 averages over about the last 100 steps",
        )
    if callbacks["weight_averaging"]:
        # First: what is validated and kept are the averaged weights.
        hooks.insert(0, EMAWeightAveraging(decay=callbacks["weight_averaging"]))
    last = checkpoints / "last.ckpt"
    with quiet():
        lightning = Trainer(
            callbacks=hooks,
            logger=loggers or False,
            plugins=[AtomicCheckpointIO()],
            **_trainer_arguments(trainer, on_terminal),
        )
        try:
            lightning.fit(task, datamodule=datamodule, ckpt_path=last if last.is_file() else None, weights_only=True)
        except SystemExit as stop:  # Lightning turns Ctrl-C into exit(1)
            raise KeyboardInterrupt from stop
    if lightning.interrupted:
        raise KeyboardInterrupt
    return _outcome(lightning, keeper, history, task)


def _trainer_arguments(trainer: dict[str, Any], on_terminal: bool) -> dict[str, Any]:
    arguments = {name: value for name, value in trainer.items() if name not in ("fast_dev_run", "precision")}
    arguments["precision"] = precision_of(trainer["precision"], trainer["accelerator"])
    arguments |= {"enable_progress_bar": on_terminal, "enable_model_summary": False}
    if trainer["fast_dev_run"]:
        # Lightning's own fast_dev_run writes no checkpoint, and a run without one cannot be checked end to end.
        arguments |= {"max_epochs": 1, "limit_train_batches": 2, "limit_val_batches": 2}
    return arguments


def _outcome(lightning: Trainer, keeper: ModelCheckpoint, history: History, task: Any) -> FitOutcome:
    best = Path(keeper.best_model_path) if keeper.best_model_path else None
    state = task.state_dict()
    if best is not None and best.is_file():
        state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
    score = None if keeper.best_model_score is None else float(keeper.best_model_score)
    return FitOutcome(state, pd.DataFrame(history.rows), score, lightning.is_global_zero)


@contextmanager
def quiet() -> Iterator[None]:
    """Without Lightning's advice on workers, tips and the like: the run says what matters itself."""
    import logging

    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        warnings.filterwarnings("ignore", module="lightning_fabric")
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory.*exists.*")
        try:
            yield
        finally:
            logger.setLevel(level)
