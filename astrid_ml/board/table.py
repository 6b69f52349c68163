"""The table of the board: one row a run, with what was varied, its rank among equals, its group of seeds, its cost."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from astrid_ml.board.find import ROWS, Run, RunFolders
from astrid_ml.board.tasks import JudgedTask, by_mission, columns, measured, number, task_of
from astrid_ml.report.names import letter
from astrid_ml.tracking.lineage import began

# Where things stand and how they are shown says nothing of what a run computes.
FREE = (
    "paths", "logger", "dry_run", "executor", "hydra", "trust", "name", "dataset", "trainer.enable",
    "trainer.log_every",
)  # fmt: skip
MANY = 4  # values: more of them are no more worth
DATA = ("dataset", "paths.raw")  # which say what was computed on
KEYS = 40  # varied keys that are shown
LONGEST = 120  # characters of a value
COST = ("wall_seconds", "fit_seconds", "forward_seconds", "cpu_seconds", "peak_anonymous_mb")
EXACT = 2**53  # above it a browser rounds whole numbers
TAIL = 20_000  # bytes of a log that are looked at for the last epoch
JOULES_A_WATT_HOUR = 3600.0


def board_of(found: RunFolders, runs: Sequence[Run], watts: float | None) -> dict[str, Any]:
    """All that the page of the board shows of the runs but curves and pairs.

    Args:
        found: what was found.
        runs: as read.
        watts: of one busy core, for the estimate of energy; None for no estimate.
    """
    parts: dict[JudgedTask, list[Run]] = {}
    for run in runs:
        if run.status != "broken":
            parts.setdefault(task_of(run), []).append(run)
    tasks, rows = [], []
    for task, some in sorted(parts.items(), key=lambda item: (-len(item[1]), item[0].title)):
        metrics, keys = columns(some, task), varied(some)
        tasks.append(
            {"title": task.title, "headline": task.headline, "lower": task.lower, "metrics": metrics, "keys": keys}
        )
        mine = [row(run, task, metrics, keys, watts) | {"task": len(tasks) - 1} for run in some]
        rank(mine, task)
        rows += mine
    broken = [
        {"id": run.key, "name": run.path.name, "path": str(run.path), "reason": run.reason}
        for run in runs
        if run.status == "broken"
    ]
    broken += [
        {"id": "", "name": path.name, "path": str(path), "reason": f"it cannot be looked into: {why}"}
        for path, why in found.unread
    ]
    sweeps = {path: kind for path, kind, _ in found.folders}
    by_key = {run.key: run for run in runs}
    for entry in rows:
        home = next((parent for parent in by_key[entry["id"]].path.parents if parent in sweeps), None)
        entry["sweep"] = f"{sweeps[home]} {home.name}" if home is not None else ""
    return {"tasks": tasks, "runs": rows, "broken": broken}


def row(run: Run, task: JudgedTask, metrics: Sequence[str], keys: Sequence[str], watts: float | None) -> dict[str, Any]:
    """One run as the page takes it.

    Args:
        run: as read.
        task: its task.
        metrics: names of the columns of metrics.
        keys: varied keys.
        watts: of one busy core.
    """
    data = run.text("dataset", "path")
    split = " ".join(part for part in (run.text("split", "name"), run.text("split", "hash")[:6]) if part)
    network = run.config.get("model.network._target_") or run.config.get("model.task._target_") or ""
    fingerprint = run.text("dataset", "fingerprint")
    stage, epoch, epochs = progress(run)
    return {
        "id": run.key,
        "name": run.text("name") or run.path.name,
        "folder": called(run.path),
        "path": str(run.path),
        "kind": run.kind,
        "status": run.status,
        "reason": run.reason,
        "data": Path(data).name if data else str(run.config.get("name") or ""),
        "print": fingerprint[:12],
        "split": split,
        "set": "|".join((fingerprint, run.text("split", "hash"))) if run.metrics else "",
        "model": str(network).rpartition(".")[2],
        "seed": run.config.get("seed") if isinstance(run.config.get("seed"), int) else None,
        "group": group_of(run),
        "missions": sorted(by_mission(run)),
        "by": by_mission(run),
        "started": began(run.at("stages")),
        "stage": stage,
        "epoch": epoch,
        "epochs": epochs,
        "v": measured(run.metrics, f"val/{task.headline}"),
        "t": measured(run.metrics, f"test/{task.headline}"),
        "m": [[number(run.metrics.get(f"{fold}/{name}")) for fold in ("val", "test")] for name in metrics],
        "k": [shown(run.config.get(key), key) for key in keys],
        "cost": cost_of(run, watts),
    }


def called(path: Path) -> str:
    """A run's folder by the name that tells it apart: ``7/run`` of a sweep's trials, ``lrs/3`` of a multirun's jobs.

    Args:
        path: of the folder.
    """
    plain = path.name == "run" or path.name.isdigit()
    return f"{path.parent.name}/{path.name}" if plain and path.parent.name else path.name


def rank(rows: list[dict[str, Any]], task: JudgedTask) -> None:
    """Put a letter of the samples that each run was validated on, and its rank by validation among those of the letter.

    Args:
        rows: of one task.
        task: it.
    """
    sets: dict[str, list[dict[str, Any]]] = {}
    for entry in rows:
        if entry["set"]:
            sets.setdefault(entry["set"], []).append(entry)
    for place, (_, some) in enumerate(sorted(sets.items(), key=lambda item: -len(item[1]))):
        known = [entry for entry in some if entry["v"][0] is not None and entry["status"] == "done"]
        known.sort(key=lambda entry: entry["v"][0] if task.lower else -entry["v"][0])
        for entry in some:
            entry |= {"set": letter(place), "place": place, "rank": None, "of": len(known)}
        for number_, entry in enumerate(known):
            same = number_ and known[number_ - 1]["v"][0] == entry["v"][0]
            entry["rank"] = known[number_ - 1]["rank"] if same else number_ + 1


def varied(runs: Sequence[Run]) -> list[str]:
    """Keys whose values differ between runs that have a configuration; of keys that always vary together one.

    Keys of all runs come first, then those of many values, then those near the root; classes and seeds last.

    Args:
        runs: of one task.
    """
    known = [run.config for run in runs if run.config]
    count: dict[str, int] = {}
    for config in known:
        for key in config:
            count[key] = count.get(key, 0) + 1
    together: dict[tuple[str, ...], str] = {}
    for key in sorted((key for key in count if not key.startswith(FREE)), key=lambda key: (key.count("."), key)):
        first = known[0].get(key, known)
        if count[key] == len(known) and all(config[key] == first for config in known):
            continue
        values = tuple(repr(config.get(key)) for config in known)
        if len(set(values)) > 1:
            together.setdefault(values, key)

    distinct = {key: len(set(values)) for values, key in together.items()}

    def order(key: str) -> tuple[bool, bool, int, int, int, str]:
        ends = key.rpartition(".")[2]
        return ends == "seed", ends == "_target_", -count[key], -min(distinct[key], MANY), key.count("."), key

    return sorted(together.values(), key=order)[:KEYS]


def group_of(run: Run) -> str:
    """The same for runs that differ in seeds alone; empty without a configuration."""
    kept = {
        key: value
        for key, value in run.config.items()
        if key in DATA or (not key.startswith(FREE) and key.rpartition(".")[2] != "seed")
    }
    text = json.dumps(kept, sort_keys=True, default=str)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10] if kept else ""


def shown(value: Any, key: str = "") -> Any:
    """A value of a configuration for a cell and for an axis: a number stays one, a class is its last name.

    Args:
        value: as it is written.
        key: its name.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return number(value)
    if value is None or (isinstance(value, int) and abs(value) < EXACT):
        return value
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return (text.rpartition(".")[2] if key.endswith("_target_") else text)[:LONGEST]


def cost_of(run: Run, watts: float | None) -> dict[str, float | None]:
    """Seconds, megabytes and, as an estimate, watt hours: processor time times the watts of a busy core."""
    out = {name: number(run.at("cost", name)) for name in COST}
    energy = number(run.at("cost", "energy_wh"))
    if energy is None and watts is not None and out["cpu_seconds"] is not None:
        energy = number(out["cpu_seconds"] * watts / JOULES_A_WATT_HOUR)
    return out | {"energy_wh": energy}


def progress(run: Run) -> tuple[str, int | None, int | None]:
    """Stage, last epoch that was logged, and how many were asked for, of a run that is on its way or was stopped."""
    wanted = run.config.get("trainer.max_epochs")
    wanted = wanted if isinstance(wanted, int) and wanted > 0 else None
    stages = run.at("stages")
    last = stages[-1] if isinstance(stages, list) and stages else None
    stage = last.get("name") if isinstance(last, Mapping) else None
    stage = stage if isinstance(stage, str) else ""
    if run.status == "done":
        epochs = run.at("epochs")
        known = [n for n in epochs if isinstance(n, int)] if isinstance(epochs, list) else []
        return "", max(known, default=None), wanted
    return stage, last_epoch(run.path / ROWS), wanted


def last_epoch(path: Path) -> int | None:
    """The last epoch in a log of rows, counted from 1; None without one."""
    try:
        with path.open("rb") as stream:
            head = next(csv.reader([stream.readline().decode("utf-8", "replace")]), [])
            stream.seek(0, 2)
            stream.seek(max(stream.tell() - TAIL, len(",".join(head))))
            rows = csv.reader(stream.read().decode("utf-8", "replace").splitlines())
            place = head.index("epoch")
            found = [entry[place] for entry in rows if len(entry) == len(head)]
    except (OSError, ValueError, csv.Error):
        return None
    known = [int(text) for text in found if text.isdigit()]
    return max(known) + 1 if known else None
