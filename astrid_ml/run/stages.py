"""The stages of a run, each with its status, its times, and digests of what went in and what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.progress import waiting
from astrid_ml.ranks import say

SILENT = ("split", "audit", "calibrate", "join", "evaluate", "report")  # those without a bar of their own
NAMES = ("prepare", "split", "audit", "fit", "calibrate", "predict", "join", "evaluate", "report")


@dataclass
class Stage:
    """One stage, of one round.

    Args:
        name: one of ``NAMES``.
        round: of a split that trains several models; 0 for the only one.
        inputs, outputs: what -> digest (or fingerprint).
        status: ``running``, ``done``, ``failed`` or ``stopped``.
        started: UTC, ISO 8601.
        seconds: wall time.
    """

    name: str
    round: int = 0
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    status: str = "running"
    started: str = ""
    seconds: float = 0.0

    def plain(self) -> dict[str, Any]:
        """The entry of ``run.json``."""
        return dict(vars(self))


class StageLog:
    """What has happened so far.

    Args:
        changed: called when a stage begins and when it ends.

    >>> log = StageLog()
    >>> with log.stage("split", dataset="f00d") as stage:
    ...     stage.outputs["plan"] = "beef"
    >>> [(entry["name"], entry["status"], entry["inputs"]) for entry in log.plain()]
    [('split', 'done', {'dataset': 'f00d'})]
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self.stages: list[Stage] = []
        self.changed = changed
        self._skipped: list[str] = []

    @contextmanager
    def stage(self, name: str, round: int = 0, **inputs: str) -> Iterator[Stage]:
        """Run a stage; an error marks it failed, Ctrl-C stopped, and both go on."""
        if name not in NAMES:
            raise ValueError(f"a stage is one of {', '.join(NAMES)}, not {name}")
        self.say_skipped()
        stage = Stage(name, round, inputs, started=datetime.now(UTC).isoformat(timespec="seconds"))
        self.stages.append(stage)
        self.changed()
        begun = time.perf_counter()
        try:
            with waiting(name, wanted=name in SILENT):
                yield stage
            stage.status = "done"
        except BaseException as error:
            stage.status = "failed" if isinstance(error, Exception) else "stopped"
            raise
        finally:
            stage.seconds = round_seconds(time.perf_counter() - begun)
            self.changed()

    def skip(self, stage: Stage) -> None:
        """Take over a stage that was done before."""
        self.stages.append(stage)
        self._skipped.append(f"{stage.name} of fold {stage.round}" if stage.round else stage.name)

    def say_skipped(self) -> None:
        """One line on what was taken over since the last one."""
        if self._skipped:
            say(f"done before and skipped: {', '.join(self._skipped)}")
            self._skipped.clear()

    def plain(self) -> list[dict[str, Any]]:
        """All stages as plain containers, in the order in which they began."""
        return [stage.plain() for stage in self.stages]

    def digest(self, name: str, what: str, round: int = 0) -> str:
        """The digest of an output of a stage that is done."""
        return next(s.outputs[what] for s in self.stages if (s.name, s.round) == (name, round))


def round_seconds(seconds: float) -> float:
    """To hundredths."""
    return round(seconds, 2)


def table_digest(table: Any) -> str:
    """Of a table's columns and values, in order."""
    import pandas as pd

    if table.empty:
        return digest_of([])
    plain = table.map(lambda value: value.tobytes().hex() if hasattr(value, "tobytes") else value)
    return digest_of([list(map(str, table.columns)), pd.util.hash_pandas_object(plain.astype(str)).tolist()])
