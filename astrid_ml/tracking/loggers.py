"""Trackers that mirror a run. The run's own files are the truth: a tracker that breaks is dropped with one warning."""

from __future__ import annotations

import importlib.util
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from astrid_ml.errors import UserError

KNOWN = ("csv", "tensorboard", "wandb", "mlflow")
MISSING = {
    "mlflow": "pip install 'astrid-ml[mlflow]' -c constraints.txt",
    "wandb": "pip install 'wandb<0.30' -c constraints.txt",
}


class SafeLogger(Logger):
    """A Lightning logger that never raises: at the first error it says why and falls silent.

    Args:
        inner: the real logger.
        kind: its name for the message.
    """

    def __init__(self, inner: Logger, kind: str) -> None:
        super().__init__()
        self.inner, self.kind, self.broken = inner, kind, ""

    def attempt(self, action: Callable[[], Any]) -> Any:
        """Do it, unless the tracker is broken or breaks now."""
        if self.broken:
            return None
        try:
            return action()
        except Exception as error:  # whatever a tracker raises, the run goes on
            self.broken = f"{type(error).__name__}: {error}"[:300]
            print(f"warning: the tracker {self.kind} is dropped, the run goes on ({self.broken})", file=sys.stderr)
            return None

    @property
    def name(self) -> str | None:
        return self.kind

    @property
    def version(self) -> int | str | None:
        found: int | str | None = self.attempt(lambda: self.inner.version)
        return found

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.attempt(lambda: self.inner.log_metrics(metrics, step))

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        self.attempt(lambda: self.inner.log_hyperparams(params, *args, **kwargs))

    def save(self) -> None:
        self.attempt(lambda: self.inner.save())

    def finalize(self, status: str) -> None:
        self.attempt(lambda: self.inner.finalize(status))


def build_loggers(config: Mapping[str, Any], folder: Path, name: str) -> list[SafeLogger]:
    """The trackers that the configuration asks for, each with a run of its own in the run's folder.

    Args:
        config: the node ``logger``: ``trackers``, ``project``, ``wandb_mode``.
        folder: the run's folder; two jobs of a sweep have two.
        name: the experiment's name.

    Raises:
        UserError: an unknown tracker, or one whose package is not installed.
    """
    loggers = []
    for kind in config["trackers"]:
        if kind not in KNOWN:
            raise UserError(f"logger.trackers among {', '.join(KNOWN)}", kind, "choose some of them")
        if kind in MISSING and importlib.util.find_spec(kind) is None:
            raise UserError(f"the package {kind} for the tracker {kind}", "it is not installed", MISSING[kind])
        loggers.append(_safely(kind, config, folder, name))
    return loggers


def _safely(kind: str, config: Mapping[str, Any], folder: Path, name: str) -> SafeLogger:
    from pytorch_lightning.loggers.logger import DummyLogger

    try:
        return SafeLogger(_make(kind, config, folder, name), kind)
    except Exception as error:  # no write access, no network: the run goes on without it
        dropped = SafeLogger(DummyLogger(), kind)
        dropped.broken = f"{type(error).__name__}: {error}"[:300]
        print(f"warning: the tracker {kind} could not start, the run goes on ({dropped.broken})", file=sys.stderr)
        return dropped


def _make(kind: str, config: Mapping[str, Any], folder: Path, name: str) -> Logger:
    from pytorch_lightning import loggers

    folder.mkdir(parents=True, exist_ok=True)
    if kind == "csv":
        return loggers.CSVLogger(str(folder), name="csv", version="")
    if kind == "tensorboard":
        return loggers.TensorBoardLogger(str(folder), name="tensorboard", version="")
    label = f"{name}-{folder.name}"
    if kind == "wandb":
        os.environ.setdefault("WANDB_SILENT", "true")
        offline = config["wandb_mode"] != "online"
        # A run of its own even where several live in one process, as the jobs of a sweep do.
        return loggers.WandbLogger(
            name=label, project=config["project"], save_dir=str(folder), offline=offline, reinit="create_new"
        )
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    store = Path(config["mlflow_store"] or folder / "mlflow").absolute()
    store.mkdir(parents=True, exist_ok=True)
    return loggers.MLFlowLogger(
        experiment_name=config["project"],
        run_name=label,
        tracking_uri=f"sqlite:///{store / 'mlflow.db'}",
        artifact_location=(store / "artifacts").as_uri(),
    )
