"""Ctrl-C and SIGTERM while a training runs: it ends at once, once, and quietly."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Stop(Callback):
    """A block in which the first signal to stop raises ``KeyboardInterrupt`` and later ones wait for the end.

    What comes up after the first signal, such as a worker that the same signal has ended, is not told of. As a callback
    it takes the signals back from Lightning, whose own handler talks to the other processes from inside a signal, where
    one may be waiting for the other.

    Example:
        >>> import os
        >>> stop = Stop()
        >>> try:
        ...     with stop:
        ...         os.kill(os.getpid(), signal.SIGTERM)
        ... except KeyboardInterrupt:
        ...     print(stop.asked)
        True
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in STOPPING}
            self._install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._install()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Without the main process the others would wait for it, and then complain."""
        for process in getattr(trainer.strategy.launcher, "procs", None) or []:
            process.kill()
            process.wait()
            # Lightning kills this process too where another has ended badly.
            process.returncode = 0

    def _install(self) -> None:
        for number in self._before or ():
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self.asked:
            self.asked = True
            raise KeyboardInterrupt
