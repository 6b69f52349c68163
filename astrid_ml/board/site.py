"""Writes the site: one page, its data as scripts that load where a browser may fetch nothing, the library once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.board.curves import detail_of
from astrid_ml.board.find import PAGE, SITE, Run, look, read_run, signature, without_copies
from astrid_ml.board.library import library, named
from astrid_ml.board.pairs import ComparedRuns, best_of, compare
from astrid_ml.board.table import board_of
from astrid_ml.board.tasks import number
from astrid_ml.files import finite, link, read_note, write_json, write_text
from astrid_ml.places import check_place
from astrid_ml.report.pages import address, board_page

SCRIPTS = ("board.js", "plots.js", "chosen.js")
DATA, REPORTS = "data", "reports"
SETS = 12  # sets of samples, the largest, whose best runs are compared
DRAWN = 4  # sets of samples of which those that runs disagree on are drawn: a picture takes up to half a second


@dataclass
class Known:
    """What was read at the last look, so that a look at a thousand runs of which one has changed reads that one.

    Args:
        runs: folder -> (its signature, the run).
        details: name of a run -> (its signature, its script).
        pairs: names of runs with their signatures -> their comparison.
        written: file of the site -> digest of what was written.
    """

    runs: dict[Path, tuple[Any, Run]] = field(default_factory=dict)
    details: dict[str, tuple[Any, str]] = field(default_factory=dict)
    pairs: dict[str, ComparedRuns] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """What is built, and where.

    Args:
        places: folders with runs.
        folder: of the site.
        compared: runs of one set of samples that are compared with each other.
        watts: of one busy core; None for no estimate of energy.
        live: whether the page looks for news, as one that is served does.
    """

    places: Sequence[str]
    folder: Path
    compared: int = 6
    watts: float | None = None
    live: bool = False


def open_folder(folder: Path) -> None:
    """Make the folders of the site."""
    check_place(folder, "output_dir")
    for name in (DATA, f"{DATA}/runs", f"{DATA}/pairs", REPORTS):
        (folder / name).mkdir(parents=True, exist_ok=True)


def state(places: Sequence[str]) -> tuple[Any, ...]:
    """What changes when a run appears, goes or changes."""
    found = look(places)
    return tuple((path, signature(path)) for path in found.runs), tuple(found.folders), tuple(found.unread)


def write_site(site: Site, known: Known) -> dict[str, Any]:
    """Look, read what is new, write what has changed.

    Args:
        site: what to build.
        known: of the last look; filled.

    Returns:
        Counts by status, and the page.
    """
    found = look(site.places)
    runs = without_copies([_known_run(path, known) for path in found.runs])
    board = board_of(found, runs, site.watts)
    by_key = {run.key: run for run in runs}
    pairs = _pairs(board, by_key, site.compared, known)
    board["pairs"] = {name: _told(part) for name, part in pairs.items()}
    board["matrices"] = [part for path, kind, _ in found.folders if kind == "matrix" for part in matrix_of(path)]
    board["folders"] = [_folder(site.folder, *entry) for entry in found.folders]
    for row in board["runs"]:
        row["report"] = report_of(by_key[row["id"]], site.folder)
    wanted: dict[Path, str] = {}
    for run in runs:
        if run.status != "broken":
            wanted[site.folder / DATA / "runs" / f"{run.key}.js"] = _detail(run, known)
    for name, part in pairs.items():
        content = script(f"pairs/{name}", {"disagreed": part.disagreed, "words": part.words})
        wanted[site.folder / DATA / "pairs" / f"{name}.js"] = content
    _write(wanted, known)
    _sweep_out(site.folder, set(wanted) | {site.folder / REPORTS / f"{run.key}.html" for run in runs})
    body = finite(board)
    stamp = sha256(json.dumps(body, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    last = {
        site.folder / "vega.js": library(),
        site.folder / "board.js": own_script(),
        site.folder / "index.html": index(board, site),
        site.folder / DATA / "board.js": script("board", body | {"stamp": stamp}),
        site.folder / DATA / "stamp.js": script("stamp", stamp),
    }
    _write(last, known)
    counts = count(board)
    write_json(site.folder / SITE, {"schema": 1, "stamp": stamp, "runs": counts})
    return {
        "runs": ", ".join(f"{n} {name}" for name, n in counts.items()) or "none",
        "page": f"{site.folder}/index.html",
    }


def count(board: Mapping[str, Any]) -> dict[str, int]:
    """Runs by status, the commonest first."""
    statuses = pd.Series([row["status"] for row in board["runs"]] + ["broken"] * len(board["broken"]), dtype="str")
    return {str(name): int(n) for name, n in statuses.value_counts().items()}


def index(board: Mapping[str, Any], site: Site) -> str:
    """The page, without its data."""
    counts = count(board)
    said = ", ".join(f"{n:,} {name}" for name, n in counts.items())
    lede = f"{sum(counts.values()):,} runs: {said}." if counts else "No run was found yet."
    return board_page([str(place) for place in site.places], lede, named(), site.live)


def resource(name: str) -> str:
    """A file of the package."""
    return (resources.files("astrid_ml.board") / "static" / name).read_text(encoding="utf-8")


def own_script() -> str:
    """The scripts of the page as one."""
    return "\n".join(resource(name) for name in SCRIPTS)


def script(name: str, content: Any) -> str:
    """Data as a script that hands them over: a page that was opened as a file may load scripts, and nothing else."""
    text = json.dumps(finite(content), ensure_ascii=True, separators=(",", ":"), allow_nan=False, default=str)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f"astridBoard.put({json.dumps(name)},{text});\n"


def report_of(run: Run, folder: Path) -> str | None:
    """The address of a run's report: a hard link within the site, else the way to it; None where there is none.

    A report that is a link itself may lead anywhere, and is none. A site with links of its own may be copied elsewhere,
    and takes no room.
    """
    source, target = run.path / PAGE, folder / REPORTS / f"{run.key}.html"
    try:
        if source.is_symlink():
            target.unlink(missing_ok=True)
            return None
        there = source.stat()
        if there.st_dev != folder.stat().st_dev:
            return address(source, folder)
        if target.exists():
            if target.stat().st_ino == there.st_ino:
                return f"{REPORTS}/{target.name}"
            target.unlink()
        link(source, target)
    except OSError:  # there is none, or nobody may read it
        return None
    return f"{REPORTS}/{target.name}"


def matrix_of(path: Path) -> list[dict[str, Any]]:
    """A matrix of ``astrid matrix``, without adaptation: means over seeds; empty where it is damaged."""
    try:
        content = read_note(path / "matrix.json")
        cells = pd.DataFrame(content["cells"])
        plain = cells[cells["adapt"] == "none"].assign(value=lambda t: pd.to_numeric(t["value"], errors="coerce"))
        mean = plain.groupby(["trained", "tested"], sort=False)["value"].agg(["mean", "count"]).reset_index()
        rows = [
            {"y": f"trained on {row['trained']}", "x": str(row["tested"]), "v": number(row["mean"])}
            for row in mean.to_dict("records")
        ]
        seeds = int(mean["count"].max())
        title = f"{path.name}: {plain['name'].iloc[0]} by {content['column']}, {seeds} seed{'s' * (seeds != 1)}"
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return []
    return [{"title": title, "cells": rows}]


def _known_run(path: Path, known: Known) -> Run:
    mark = signature(path)
    if (kept := known.runs.get(path)) is None or kept[0] != mark:
        known.runs[path] = (mark, read_run(path))
    return known.runs[path][1]


def _pairs(board: Mapping[str, Any], by_key: Mapping[str, Run], most: int, known: Known) -> dict[str, ComparedRuns]:
    out, kept = {}, {}
    for place, ((task, letter), keys) in enumerate([*best_of(board["runs"], most).items()][:SETS]):
        runs = [by_key[key] for key in keys]
        mark = repr([(run.key, known.runs[run.path][0]) for run in runs])
        kept[mark] = known.pairs.get(mark) or compare(runs, draw=place < DRAWN)
        out[f"{task}-{letter}"] = kept[mark]
    known.pairs = kept
    return out


def _told(part: ComparedRuns) -> dict[str, Any]:
    return {"title": part.title, "samples": part.samples, "differences": part.differences, "why": part.why}


def _detail(run: Run, known: Known) -> str:
    """The script of one run, made again where its files have changed."""
    mark = known.runs[run.path][0]
    if (kept := known.details.get(run.key)) is None or kept[0] != mark:
        known.details[run.key] = (mark, script(f"run/{run.key}", detail_of(run)))
    return known.details[run.key][1]


def _folder(site: Path, path: Path, kind: str, page_name: str) -> dict[str, Any]:
    shown = path / page_name
    href = address(shown, site) if shown.is_file() else None
    return {"kind": kind, "name": path.name, "path": str(path), "page": href}


def _write(files: Mapping[Path, str], known: Known) -> None:
    """Write what is not as it was written at the last look."""
    for path, text in files.items():
        mark = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if known.written.get(path) != mark or not path.is_file():
            write_text(path, text)
            known.written[path] = mark


def _sweep_out(folder: Path, wanted: set[Path]) -> None:
    """Take away what belongs to runs that are gone."""
    for path in [*(folder / DATA).glob("*/*.js"), *(folder / REPORTS).glob("*.html")]:
        if path not in wanted:
            path.unlink()
