"""Ctrl-C and SIGTERM while a training runs: Lightning's own handlers give way, and further processes end too."""

from __future__ import annotations

from pytorch_lightning import Callback, LightningModule, Trainer

from astrid_ml.interrupts import take_signals


class Stop(Callback):
    """Takes the signals back from Lightning, whose handler talks to the other processes from inside a signal.

    There one process may be waiting for the other.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        take_signals()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Without the main process the others would wait for it, and then complain."""
        for process in getattr(trainer.strategy.launcher, "procs", None) or []:
            process.kill()
            process.wait()
            # Lightning kills this process too where another has ended badly.
            process.returncode = 0
