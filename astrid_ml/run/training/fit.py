"""One training: Lightning's Trainer, so that a run that was stopped carries on as if it never had been."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import EarlyStopping

from astrid_ml.checkpoint.lightning import AtomicCheckpointIO
from astrid_ml.contracts.programs import Settles
from astrid_ml.contracts.scoring import OrdersBatches
from astrid_ml.devices import cpu_has_bf16
from astrid_ml.errors import PeerLostError, UserError
from astrid_ml.files import move
from astrid_ml.interrupts import asked, interruptible
from astrid_ml.run.training.guard import LOST, DivergedError, Finite, ended_by_signal, explained, peer_lost
from astrid_ml.run.training.history import History
from astrid_ml.run.training.keep import LAST, AveragedWeights, Choice, Keeper, Pace
from astrid_ml.run.training.requeue import fitting
from astrid_ml.run.training.steady import Reseed, RunningMeans
from astrid_ml.run.training.stop import Stop
from astrid_ml.temporaries import temporaries


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
    task: Any,
    datamodule: Any,
    trainer: dict[str, Any],
    callbacks: dict[str, Any],
    loggers: list[Any],
    folder: Path,
    seed: int = 0,
    data: str = "",
) -> FitOutcome:
    """Train until the monitored metric stops rising; carry on from ``last.ckpt`` where there is one.

    Args:
        task: a Lightning module with ``monitor`` and ``monitor_mode``.
        datamodule: with a dataset attached.
        trainer: the node ``trainer`` of the configuration.
        callbacks: the node ``callbacks``.
        loggers: Lightning loggers.
        folder: gets ``checkpoints/``.
        seed: of dropout and of all else that draws at a step.
        data: what it is trained on, as a text; empty where nobody asks.

    Raises:
        UserError: weight_averaging outside [0, 1); a loss or weights that are no finite numbers; too little memory or
            room; a training that began with other data.
        KeyboardInterrupt: the user stopped it; ``last.ckpt`` allows to carry on.
    """
    on_terminal = bool(trainer["enable_progress_bar"]) and sys.stderr.isatty()
    history = History(not on_terminal, folder / task.history_file if task.history_file else None)
    pace = Pace(float(callbacks.get("checkpoint_minutes", 0)), int(callbacks.get("checkpoint_steps", 0)))
    requeue = bool(trainer.get("requeue"))
    keeper = Keeper(folder / "checkpoints", Choice(task.monitor, task.monitor_mode), pace, data, requeue)
    finite = Finite()
    hooks = [*_averaging(callbacks), Reseed(seed), RunningMeans(), finite, history, *_stopping(callbacks, task), keeper]
    arguments = _trainer_arguments(trainer, on_terminal)
    with quiet(), interruptible():
        plugins = [AtomicCheckpointIO(), *slurm_environment()]
        lightning = Trainer(callbacks=[Stop(), *hooks], logger=loggers or False, plugins=plugins, **arguments)
        refuse_other_job(lightning, plugins)
        begun = _begun(keeper, history, lightning.is_global_zero)
        if begun and (keeper.stopped or keeper.position[0] >= (lightning.max_epochs or float("inf"))):
            return _outcome(lightning, keeper, history, task)
        if isinstance(datamodule, OrdersBatches):
            datamodule.begin(*keeper.position)
        last = keeper.folder / LAST
        try:
            with fitting():
                lightning.fit(task, datamodule=datamodule, ckpt_path=last if begun else None, weights_only=True)
        except SystemExit as ended:  # Lightning turns Ctrl-C into exit(1)
            raise KeyboardInterrupt from ended
        except BaseException as error:
            if asked() or ended_by_signal(error):
                raise KeyboardInterrupt from None
            told = explained(error, datamodule, finite.place)
            if told is None and lightning.world_size > 1 and peer_lost(error):
                raise PeerLostError(LOST) from error
            if told is None:
                raise
            if isinstance(told, DivergedError) and lightning.is_global_zero:
                _put_aside(last)
            raise told from error
    if lightning.interrupted:
        raise KeyboardInterrupt
    return _outcome(lightning, keeper, history, task)


def settled(task: Any, datamodule: Any, outcome: FitOutcome) -> FitOutcome:
    """The outcome of a training with what the task fits after it, if anything."""
    if not isinstance(task, Settles) or not outcome.is_global_zero:
        return outcome
    module: Any = task
    module.load_state_dict(outcome.state_dict)
    task.settle(datamodule)
    return replace(outcome, state_dict=module.state_dict())


def _averaging(callbacks: dict[str, Any]) -> list[Callback]:
    """Averaged weights, first of all: what is validated and kept are they."""
    decay = callbacks["weight_averaging"]
    if not 0 <= decay < 1:
        raise UserError(
            "callbacks.weight_averaging from 0 to below 1",
            str(decay),
            "0 turns it off, 0.99 averages over about the last 100 steps",
        )
    return [AveragedWeights(decay=decay)] if decay else []


def _stopping(callbacks: dict[str, Any], task: Any) -> list[Callback]:
    if not callbacks["early_stopping"]:
        return []
    patience, least = callbacks["patience"], callbacks["min_delta"]
    return [EarlyStopping(task.monitor, patience=patience, mode=task.monitor_mode, min_delta=least)]


def _begun(keeper: Keeper, history: History, first: bool) -> bool:
    """Whether ``last.ckpt`` says where to carry on; if so, the callbacks know it.

    Raises:
        UserError: it cannot be read, or is of other data.
    """
    last = keeper.folder / LAST
    if first:
        for found in temporaries(keeper.folder):  # of a run that was killed, wherever
            found.path.unlink(missing_ok=True)
    if not last.is_file():
        return False
    anew = f"delete {last} and run the same command again: the training begins anew"
    try:
        states = torch.load(last, map_location="cpu", weights_only=True)["callbacks"]
    except Exception as error:
        raise UserError("a whole last.ckpt", f"{last}: {type(error).__name__}", anew) from error
    if keeper.state_key not in states:
        raise UserError("a last.ckpt of this version of astrid_ml", f"{last} of another one", anew)
    if states[keeper.state_key]["data"] != keeper.data:
        raise UserError(
            "the data and the split that this training began with", "others", f"choose another paths.run_dir, or {anew}"
        )
    keeper.load_state_dict(states[keeper.state_key])
    history.load_state_dict(states[history.state_key])
    return True


def _put_aside(last: Path) -> None:
    """What a training that diverged could carry on from leads there again."""
    if last.is_file():
        aside = last.with_name("diverged.ckpt")
        aside.unlink(missing_ok=True)
        move(last, aside)


NOT_LIGHTNINGS = ("fast_dev_run", "precision", "requeue")


def slurm_environment() -> list[Any]:
    """Lightning's view of the job, where srun started this process; what is kept and queued again is ours.

    Raises:
        UserError: srun started other processes than Lightning can use.
    """
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    if not SLURMEnvironment.detect():
        return []
    try:
        return [SLURMEnvironment(auto_requeue=False)]
    except RuntimeError as error:
        raise UserError(
            "sbatch --ntasks-per-node=N with trainer=slurm", str(error), "use it instead of --ntasks"
        ) from error


def refuse_other_job(lightning: Trainer, plugins: list[Any]) -> None:
    """Refuse a SLURM job of other processes than the training has, before any of them waits for the others.

    Args:
        lightning: the trainer, built.
        plugins: that it was given.

    Raises:
        UserError: trainer.devices or trainer.num_nodes are not those of the job.
    """
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    devices, nodes = lightning.num_devices, lightning.num_nodes
    alone = lightning.strategy.launcher is None
    if not any(isinstance(plugin, SLURMEnvironment) for plugin in plugins):
        return
    try:
        if not alone:
            SLURMEnvironment(auto_requeue=False).validate_settings(devices, nodes)
        elif int(os.environ.get("SLURM_STEP_NUM_TASKS") or 1) > 1:
            raise ValueError("each process that srun started would train alone")
    except ValueError as error:
        job_nodes, each = os.environ.get("SLURM_NNODES", "1"), os.environ.get("SLURM_NTASKS_PER_NODE", "1")
        raise UserError(
            "as many processes as the SLURM job has: trainer.num_nodes of its --nodes, trainer.devices of its "
            "--ntasks-per-node",
            f"trainer.num_nodes={nodes} trainer.devices={devices} in a job of --nodes={job_nodes} "
            f"--ntasks-per-node={each}",
            f"train with trainer=slurm trainer.num_nodes={job_nodes} trainer.devices={each}, or ask SLURM for others",
        ) from error


def _trainer_arguments(trainer: dict[str, Any], on_terminal: bool) -> dict[str, Any]:
    arguments = {name: value for name, value in trainer.items() if name not in NOT_LIGHTNINGS}
    arguments["precision"] = precision_of(trainer["precision"], trainer["accelerator"])
    arguments |= {"enable_progress_bar": on_terminal, "enable_model_summary": False}
    if trainer["fast_dev_run"]:
        # Lightning's own fast_dev_run writes no checkpoint, and a run without one cannot be checked end to end.
        arguments |= {"max_epochs": 1, "limit_train_batches": 2, "limit_val_batches": 2}
    return arguments


def _outcome(lightning: Trainer, keeper: Keeper, history: History, task: Any) -> FitOutcome:
    state = task.state_dict() if keeper.best is None else keeper.best
    if history.echo and lightning.is_global_zero and None not in (keeper.best_score, keeper.best_epoch):
        kept = f"kept: epoch {keeper.best_epoch}, {keeper.choice.monitor} {keeper.best_score:.4f}"
        print(kept, file=sys.stderr, flush=True)
    return FitOutcome(state, pd.DataFrame(history.rows), keeper.best_score, lightning.is_global_zero)


@contextmanager
def quiet() -> Iterator[None]:
    """Without Lightning's advice on workers, tips and the like: the run says what matters itself."""
    import logging

    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        warnings.filterwarnings("ignore", module="lightning_fabric")
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory.*exists.*")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
