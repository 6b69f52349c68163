"""What a kind of file is, and how pipelines read one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Counts = dict[str, int]  # samples, dropped, failed
SAID: list[str] = []  # reasons that were given for the file that is read now


@dataclass(frozen=True)
class FileKind:
    """A kind of file.

    Args:
        name: in the table.
        make: writes a sound example into a folder that it may fill; returns the file that is changed.
        read: what a command does with that file; everything else in its folder is as it was made.
    """

    name: str
    make: Callable[[Path], Path]
    read: Callable[[Path], Counts]


def whole(samples: int) -> Counts:
    """What a reader of one thing says that has refused nothing."""
    return {"samples": samples, "dropped": 0, "failed": 0}


def through(pipeline: Any, place: Path) -> Counts:
    """What a pipeline makes of a file or folder: a unit fails, or samples are dropped, by name."""
    from astrid_ml.pipeline.contract import process
    from astrid_ml.pipeline.parts import in_short
    from astrid_ml.pipeline.writer import MemoryUnitWriter

    counts = {"samples": 0, "dropped": 0, "failed": 0}
    for unit in pipeline.plan([place]):
        if unit.missing:
            counts["failed"] += 1
            SAID.extend(unit.missing)
            continue
        writer = MemoryUnitWriter(pipeline.describe())
        try:
            process(pipeline, unit, writer, 0)
        except Exception as error:
            if not str(error):
                raise  # a unit that fails without a word
            counts["failed"] += 1
            SAID.append(in_short(error))
            continue
        SAID.extend(drop.reason for drop in writer.drops)
        counts["samples"] += len(writer.table())
        counts["dropped"] += sum(drop.count for drop in writer.drops)
    return counts
