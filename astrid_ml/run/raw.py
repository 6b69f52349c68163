"""Raw files of a run: the user's, or simulated once and kept in the store."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from astrid_ml.build import build
from astrid_ml.contracts.verbs import TellsSize
from astrid_ml.errors import UserError
from astrid_ml.files import whole_folder, write_json
from astrid_ml.fingerprint import fingerprint
from astrid_ml.found import SIMULATED, found, simulation_mark

SETS = 3  # train, val, test


def raw_paths(config: dict[str, Any]) -> list[Path]:
    """The raw files and folders of a configuration; simulates them first where the experiment says so.

    Raises:
        UserError: neither ``paths.raw`` nor a simulation, or a path that does not exist.
    """
    raw = config["paths"]["raw"]
    if raw is None:
        refuse_without_raw(config)
        return [simulated(config)]
    paths = [Path(raw)] if isinstance(raw, str) else [Path(path) for path in raw]
    absent = [found(path) for path in paths if not path.exists()]
    if absent:
        raise UserError("paths.raw that exists", ", ".join(absent[:3]), "check the path")
    return paths


def refuse_few(config: Mapping[str, Any]) -> None:
    """Refuse a simulation of fewer exposures, pairs or objects than there are sets to share them out to.

    Raises:
        UserError: says how many there must be.
    """
    simulated = config.get("simulate") if not config.get("dataset") and config["paths"]["raw"] is None else None
    n = simulated.get("n") if isinstance(simulated, Mapping) else None
    if isinstance(n, int) and n < SETS:
        got, fix = f"simulate.n={n}", "leave out simulate.n, or give more"
        raise UserError(f"simulate.n of at least {SETS}, for train and val and test", got, fix)


def refuse_without_raw(config: Mapping[str, Any]) -> None:
    """Refuse a run that has nothing to read.

    Raises:
        UserError: neither ``dataset`` nor ``paths.raw`` nor a simulation.
    """
    if config["paths"]["raw"] is None and config.get("dataset") is None and not config.get("simulate"):
        raise UserError(
            "paths.raw=FOLDER with raw files, or an experiment that simulates them",
            "none, and nothing to simulate",
            "add paths.raw=FOLDER, or an experiment of your data: astrid train --help lists them",
        )


def refuse_store_of_raw(config: dict[str, Any]) -> None:
    """Refuse to write prepared data between the raw files.

    Raises:
        UserError: the store is a folder of raw files.
    """
    raw, store = config["paths"]["raw"] or [], Path(os.path.realpath(config["paths"]["data"]))
    for place in [Path(raw)] if isinstance(raw, str) else map(Path, raw):
        whole = Path(os.path.realpath(place))
        if store == whole or (place.is_file() and store == whole.parent):
            got = f"paths.data={config['paths']['data']}, which holds the raw files of paths.raw"
            fix = "choose another paths.data, for instance paths.data=store"
            raise UserError("a store of prepared data in a folder of its own", got, fix)


def refuse_without_room(simulator: object, place: Path) -> None:
    """Refuse a simulation whose files cannot lie on the disk, before one of them is made.

    Args:
        simulator: that is to run.
        place: where its files will lie, perhaps not there yet.

    Raises:
        UserError: names both sizes.
    """
    if not isinstance(simulator, TellsSize):
        return
    there = next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.is_dir())
    needed, free = simulator.bytes_needed(), shutil.disk_usage(there).free
    if needed > free:
        got = f"{free / 1e9:,.1f} GB free there, and files of {needed / 1e9:,.1f} GB or more to simulate"
        raise UserError(f"room for the simulated files at {place}", got, "lower simulate.n, or choose another place")


def simulated(config: dict[str, Any]) -> Path:
    """Simulate into ``STORE/raw/<fingerprint>``, once: a training seed does not change it, ``data.seed`` does."""
    simulator = build(config["simulate"], config.get("trust", []))
    seed = int(config["data"]["seed"])
    kind = type(simulator).__name__.removeprefix("Simulate").lower()
    marks = [fingerprint(simulator, seed, complete=complete)[:12] for complete in (False, True)]
    places = [Path(config["paths"]["data"]) / "raw" / f"{kind}-{mark}" for mark in marks]
    for place in places:
        if (place / SIMULATED).is_file():
            return place
    target = places[0]
    refuse_without_room(simulator, target)
    with whole_folder(target, SIMULATED) as work:
        mark_simulated(work, seed, simulator.run(work, seed))
    return target


def mark_simulated(folder: Path, seed: int, summary: dict[str, Any]) -> None:
    """Leave beside raw files that a simulator made them: a model of them alone must not pass for one of the sky."""
    write_json(folder / SIMULATED, {"seed": seed, **summary})


def artefacts_of(paths: Sequence[Path]) -> list[float]:
    """By which factors simulators multiplied the artefacts of these files, each once; of others nothing is known."""
    marks = {mark for path in paths if (mark := simulation_mark(path)) is not None}
    said = [json.loads(mark.read_text() or "{}").get("artefacts") for mark in sorted(marks)]
    return sorted({float(factor) for factor in said if isinstance(factor, int | float)})
