"""What a tracker holds of a run already: a training that carries on repeats no row."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger

from astrid_ml.files import read_note, write_json

Points = set[tuple[str, int]]  # (name of a metric, step)
NAMES, ROWS = "trackers.json", "metrics.csv"


class Ids:
    """The names that trackers gave the run, in ``trackers.json`` of its folder.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAMES

    def __getitem__(self, kind: str) -> str | None:
        """The run's name in a tracker; None where there is none yet."""
        return self._known().get(kind)

    def __setitem__(self, kind: str, name: str) -> None:
        write_json(self.path, {**self._known(), kind: name})

    def _known(self) -> dict[str, str]:
        try:
            content = read_note(self.path)
        except (OSError, ValueError):
            return {}
        return {str(kind): str(name) for kind, name in content.items()} if isinstance(content, dict) else {}


def continued_csv(logger: CSVLogger) -> Points:
    """Let a logger of Lightning go on in its file, which it would delete, and say what stands there.

    A last row that a kill has cut is left out.
    """
    path = Path(logger.log_dir) / ROWS
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    rows = list(csv.DictReader(lines))
    path.unlink(missing_ok=True)  # Lightning would warn that it deletes it
    experiment: Any = logger.experiment
    if rows:
        experiment.metrics_keys = list(rows[0])
        path.write_text("".join(lines), encoding="utf-8")
    return {(name, int(row["step"])) for row in rows for name, value in row.items() if value and name != "step"}


def tensorboard_points(logger: TensorBoardLogger) -> Points:
    """What the event files of a folder hold."""
    folder = Path(logger.log_dir)
    if not any(folder.glob("events.*")):
        return set()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 1, "histograms": 1})
    events.Reload()
    return {(tag, event.step) for tag in events.Tags()["scalars"] for event in events.Scalars(tag)}


def mlflow_points(logger: MLFlowLogger) -> Points:
    """What the store holds of the run."""
    client: Any = logger.experiment
    names = client.get_run(logger.run_id).data.metrics
    return {(name, point.step) for name in names for point in client.get_metric_history(logger.run_id, name)}


class Journal:
    """What was given to a tracker that cannot be asked, one line a point, beside the run.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def points(self) -> Points:
        """All whole lines."""
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True) if self.path.is_file() else []
        parts = [line.rstrip("\n").split("\t") for line in lines if line.endswith("\n")]
        return {(part[1], int(part[0])) for part in parts if len(part) == 2 and part[0].isdigit()}

    def add(self, names: list[str], step: int) -> None:
        """The metrics of one step."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write("".join(f"{step}\t{name}\n" for name in names))


def held(logger: Logger, journal: Journal | None) -> Points:
    """What a tracker holds; of W&B, whose offline files are its own matter, what it was given."""
    readers: list[tuple[type, Callable[[Any], Points]]] = [
        (CSVLogger, continued_csv),
        (TensorBoardLogger, tensorboard_points),
        (MLFlowLogger, mlflow_points),
    ]
    return next(
        (read(logger) for kind, read in readers if isinstance(logger, kind)), journal.points() if journal else set()
    )
