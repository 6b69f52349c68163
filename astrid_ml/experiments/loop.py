"""Does the trials of a sweep, several at a time, and carries on where an earlier call was ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.experiments.samples import SAMPLES, deciding, validated_on
from astrid_ml.experiments.study import SweepStudy
from astrid_ml.experiments.trial import INTERRUPTED, PRUNED, STOP, Wanted, do_trial, epochs_of, last_words, outcome
from astrid_ml.progress import Progress
from astrid_ml.ranks import say

TRIALS = "trials"
LOOK = 1.0  # seconds between two looks at the epochs of a trial
MISTAKE = 2
DIVERGED = "a loss that is a finite number"  # what a training says whose values lead nowhere


@dataclass
class Trials:
    """The trials of a sweep, while they are done.

    Args:
        study: what is asked and told.
        folder: of the sweep.
        training: words that every trial shares.
        executor: where trainings run.
        workers: how many there are at a time.
    """

    study: SweepStudy
    folder: Path
    training: Sequence[str]
    executor: Executor
    workers: int
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False
    _started: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Do what is left.

        Raises:
            UserError: trainings cannot even begin: the first ends with a mistake of the user's.
            KeyboardInterrupt: the user stopped it; the same command carries on.
        """
        (self.folder / TRIALS).mkdir(parents=True, exist_ok=True)
        stop = self.folder / TRIALS / STOP
        stop.unlink(missing_ok=True)
        begun = self.study.begun()
        done, total = self.study.count() - len(begun), self.study.sweep.trials
        with Progress("trials", total, done, unit="trial") as progress, ThreadPoolExecutor(self.workers) as pool:
            running: set[Future[None]] = set()
            try:
                while True:
                    while len(running) < self.workers and (trial := self._next(begun)) is not None:
                        running.add(pool.submit(self._do, trial))
                    if not running:
                        return
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in ended:
                        future.result()
                        progress.step()
            except BaseException:
                self._ended = True
                stop.touch()
                raise

    def _next(self, begun: list[Any]) -> Any:
        """The next trial: one that was begun and ended by others first; None where there is none."""
        if begun:
            return begun.pop(0)
        minutes = self.study.sweep.minutes
        late = minutes is not None and time.monotonic() - self._started > 60 * minutes
        with self._lock:
            return None if late or self.study.count() >= self.study.sweep.trials else self.study.ask()

    def _do(self, trial: Any) -> None:
        folder = self.folder / TRIALS / str(trial.number)
        words = (*self.training, *self.study.space.words(trial.params))
        metrics = outcome(folder)
        code = 0
        if metrics is None and not (folder / PRUNED).is_file():
            over = threading.Event()
            watcher = threading.Thread(target=self._watch, args=(trial, folder, over), daemon=True)
            watcher.start()
            try:
                [(_, answer)] = self.executor.map(do_trial, [Wanted(trial.number, words, str(folder))])
            finally:
                over.set()
                watcher.join()
            if isinstance(answer, UserError):
                raise answer
            code, metrics = (1 if isinstance(answer, Exception) else answer), outcome(folder)
        with self._lock:
            self._tell(trial, folder, code, metrics)

    def _tell(self, trial: Any, folder: Path, code: int, metrics: Any) -> None:
        if metrics is not None:
            if not self.study.any_complete():
                self.study.refuse_absent(metrics)
                self._say_if_none_ends_early(folder)
            trial.set_user_attr(SAMPLES, validated_on(folder, trial.params, deciding(self.study.space)))
            self.study.tell(trial, metrics)
        elif (folder / PRUNED).is_file():
            self.study.tell(trial, None, pruned=True)
        elif self._ended or code == INTERRUPTED:
            return  # the next call carries it on
        else:
            said = last_words(folder)
            if code == MISTAKE and DIVERGED not in said and not self.study.any_complete():
                raise UserError(
                    f"a training that can begin (trial {trial.number})", said, f"see {folder / 'trial.log'}"
                )
            self.study.tell(trial, None, said)

    def _say_if_none_ends_early(self, folder: Path) -> None:
        """A pruner that begins after the last epoch ends nothing."""
        sweep, epochs = self.study.sweep, len(epochs_of(folder))
        if sweep.pruner != "none" and 0 < epochs <= sweep.warmup:
            say(
                f"sweep.pruner={sweep.pruner} begins after sweep.warmup={sweep.warmup} epochs, and a trial has {epochs}"
            )

    def _watch(self, trial: Any, folder: Path, over: threading.Event) -> None:
        """Tell the pruner of each epoch, the last ones too; end the training where it says so."""
        told = set[int]()
        while self.study.sweep.pruner != "none":
            ended = over.wait(LOOK)
            if self._hopeless(trial, folder, told) and not ended:
                (folder / PRUNED).touch()
                return
            if ended:
                return

    def _hopeless(self, trial: Any, folder: Path, told: set[int]) -> bool:
        """Tell of epochs that are new; whether the pruner would end the trial."""
        metric, hopeless = self.study.sweep.objectives[0].metric, False
        for epoch, values in sorted(epochs_of(folder).items()):
            if epoch in told or metric not in values:
                continue
            told.add(epoch)
            with self._lock:
                trial.report(values[metric], epoch)
                hopeless = hopeless or trial.should_prune()
        return hopeless
