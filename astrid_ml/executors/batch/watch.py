"""Jobs that were submitted: which have ended, by what they leave and by what the batch system says."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from astrid_ml.executors.batch.slurm import SilentError, answer_of, states_of
from astrid_ml.printable import printable
from astrid_ml.reasons import shortened

PAUSE = 0.2  # seconds between two looks at the results
ASKED = 10.0  # seconds between two questions to SLURM
TOLD, LOST = 60.0, 300.0  # seconds in which SLURM knows nothing of a job: then it is said, then the job counts as lost
LIVE = frozenset(
    "READY PENDING RUNNING REQUEUED REQUEUE_HOLD REQUEUE_FED SPECIAL_EXIT RESV_DEL_HOLD COMPLETING CONFIGURING "
    "PREEMPTED RESIZING SIGNALING STAGE_OUT STOPPED SUSPENDED".split()
)
BY_WORK = frozenset(("TIMEOUT", "OUT_OF_MEMORY"))  # ends of jobs that what they did may have brought


class JobWatch:
    """Which of some jobs have ended: by the result that they leave, else by what the batch system says of them.

    Args:
        jobs: of submitit.
        asks: SLURM; else processes of this machine.
    """

    def __init__(self, jobs: Sequence[Any], asks: bool) -> None:
        self.jobs, self.asks = jobs, asks
        self.states: dict[str, str] = {}
        self.silent: str | None = None  # why SLURM says nothing
        self._asked = self._known = time.monotonic()
        self._told = False

    def look(self, numbers: Sequence[int]) -> None:
        """Ask SLURM now and then for the states of jobs that run.

        Args:
            numbers: of the jobs.
        """
        if not self.asks or time.monotonic() - self._asked < ASKED:
            return
        names = [str(self.jobs[number].job_id) for number in numbers]
        try:
            found, self.silent = states_of(names), None
        except SilentError as error:
            found, self.silent = {}, str(error)
        self.states |= found
        self._asked = time.monotonic()
        if len(found) == len(names):
            self.heard()
        elif self._asked - self._known > TOLD and not self._told:
            self._told = True
            unknown = next(name for name in names if name not in found)
            why = self.silent or f"it knows no job {unknown}"
            words = f"SLURM says nothing of jobs that were submitted ({why}): waiting {LOST:.0f} s for their results"
            print(words, file=sys.stderr, flush=True)

    def heard(self) -> None:
        """A job gave a result, or SLURM knows all of them."""
        self._known, self._told = time.monotonic(), False

    def ended(self, number: int) -> bool:
        """Whether a job has ended.

        Args:
            number: of the job.
        """
        job = self.jobs[number]
        if not self.asks:
            return bool(job.done())
        with suppress(OSError):
            if job.paths.result_pickle.name in os.listdir(job.paths.folder):  # a disk that is shared looks anew for it
                return True
        state = self.states.get(str(job.job_id))
        if state is not None:
            return self._plain(state) not in LIVE
        return time.monotonic() - self._known > LOST

    def cancel(self) -> None:
        """End jobs that run, and wait a moment until they are gone."""
        left = [number for number in range(len(self.jobs)) if not self.ended(number)]
        for number in left:
            with suppress(OSError, SilentError):
                if self.asks:
                    answer_of(["scancel", str(self.jobs[number].job_id)], ASKED)
                else:
                    self.jobs[number].cancel(check=False)
        end = time.monotonic() + 5
        while not self.asks and time.monotonic() < end and not all(map(self.ended, left)):
            time.sleep(PAUSE)

    def nothing_by_work(self) -> bool:
        """Whether SLURM itself ended all jobs, or lost them: no end that their work may have brought."""
        states = {self._plain(self.states.get(str(job.job_id), "")) for job in self.jobs}
        return self.asks and not states & BY_WORK

    def end_of(self, number: int) -> str:
        """Words for how a job ended, where SLURM said so.

        Args:
            number: of the job.
        """
        state = self.states.get(str(self.jobs[number].job_id))
        return f" (SLURM says {printable(state)})" if state else ""

    def last_words(self) -> str:
        """The last line that a job printed, with the states that SLURM gave."""
        lines = [line.strip() for job in self.jobs for line in _said(job).splitlines() if line.strip()]
        states = sorted({printable(state) for state in self.states.values()})
        said = [f"SLURM says {', '.join(states)}"] if states else []
        said += [self.silent or "SLURM knows nothing of them"] if self.asks and not states else []
        return ": ".join([*said, *([shortened(lines[-1], 200)] if lines else [])]) or "no word"

    @staticmethod
    def _plain(state: str) -> str:
        """``CANCELLED by 1000`` and ``CANCELLED+`` are cancelled."""
        return state.upper().split(" ")[0].rstrip("+")


def _said(job: Any) -> str:
    with suppress(OSError):
        return str(job.stderr() or "")
    return ""
