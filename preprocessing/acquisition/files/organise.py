"""Complete pairs laid out for the subtraction: links, a manifest, and what is known of each observation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.csv_text import marked
from astrid_ml.errors import UserError
from astrid_ml.files import link, whole, write_json
from astrid_ml.preprocessing.acquisition.archives.archive import Observation
from astrid_ml.preprocessing.acquisition.pairs.choose import PlannedPair, TargetPlan
from astrid_ml.preprocessing.acquisition.targets.file_names import plain, short_digest
from astrid_ml.preprocessing.differencing.frame.hdus import open_fits
from astrid_ml.table_files import write_table

SIDES = ("science", "reference")
ENDINGS = (".fits.gz", ".img.gz", ".fits.fz", ".fits", ".img", ".fit")


@dataclass(frozen=True)
class LaidOut:
    """The pairs of one target, linked.

    Args:
        rows: of the manifest.
        pairs: complete ones.
        incomplete: (pair, why): one half is not there.
    """

    rows: tuple[dict[str, Any], ...]
    pairs: tuple[PlannedPair, ...]
    incomplete: tuple[tuple[PlannedPair, str], ...]


def lay_out(plan: TargetPlan, files: Mapping[str, Path], failed: Mapping[str, str], folder: Path) -> LaidOut:
    """Link the pairs of one target whose two files are there, and say what is known of their observations.

    ``source_fits/{science,reference}/<target>/`` holds hard links, which the lines of the manifest name as
    ``astrid difference input=FOLDER`` reads them; ``metadata/`` says of each observation what its archive said.

    Args:
        plan: of the target.
        files: id of an observation -> its file.
        failed: id of an observation -> why it has none.
        folder: made.
    """
    complete: list[PlannedPair] = []
    incomplete: list[tuple[PlannedPair, str]] = []
    rows, names = [], _names(plan)
    for pair in plan.kept:
        lacking = [side for side in SIDES if getattr(pair, side) not in files]
        if lacking:
            why = "; ".join(f"no {side} image: {failed.get(getattr(pair, side), 'not asked for')}" for side in lacking)
            incomplete.append((pair, why))
            continue
        placed = {}
        try:
            for side in SIDES:
                one = plan.observations[getattr(pair, side)]
                placed[side] = _laid(names[one.id], files[one.id], folder / "source_fits" / side / plain(pair.target))
                _describe(one, placed[side], plan, folder, names[one.id])
        except UserError as error:
            incomplete.append((pair, f"{side} image: expected {error.expected}; got {error.got}"))
            continue
        complete.append(pair)
        rows.append({"name": _pair_name(pair, names), **_row(pair, plan, placed, folder)})
    return LaidOut(tuple(rows), tuple(complete), tuple(incomplete))


def write_manifest(rows: Sequence[Mapping[str, Any]], folder: Path) -> Path | None:
    """``manifest.csv`` and ``manifest.parquet``.

    Args:
        rows: of pairs; without any there is no manifest.
        folder: that holds the files.
    """
    if not rows:
        return None
    table = pd.DataFrame(rows)
    write_table(table, folder / "manifest.parquet")
    with whole(folder / "manifest.csv") as part:
        marked(table).to_csv(part, index=False)
    return folder / "manifest.csv"


def _names(plan: TargetPlan) -> dict[str, str]:
    """id of an observation -> what its files are called: two that are one name of a file are told apart."""
    wanted = dict.fromkeys(one for pair in plan.kept for one in (pair.science, pair.reference))
    made = {}
    for name in wanted:
        one = plan.observations[name]
        made[name] = plain(f"{one.mission}_{one.filter}_{_stem(name)}")
    often = Counter(text.casefold() for text in made.values())
    return {
        name: text if often[text.casefold()] == 1 else f"{text}-{short_digest(name)}" for name, text in made.items()
    }


def _stem(name: str) -> str:
    return name.removesuffix(next((end for end in ENDINGS if name.lower().endswith(end)), ""))


def _laid(name: str, file: Path, folder: Path) -> Path:
    ending = next((end for end in ENDINGS if file.name.lower().endswith(end)), ".fits")
    path = folder / f"{name}{ending}"
    folder.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.samefile(file):
        path.unlink()  # of a file that came again
    if not path.exists():
        link(file, path)
    return path


def _pair_name(pair: PlannedPair, names: Mapping[str, str]) -> str:
    """Unique by its two observations, whose mission and filter it says once where they are alike."""
    lead = plain(f"{pair.mission}_{pair.filter}_")
    return plain(f"{pair.target}_{names[pair.science]}_{names[pair.reference].removeprefix(lead)}")


def _row(pair: PlannedPair, plan: TargetPlan, placed: Mapping[str, Path], folder: Path) -> dict[str, Any]:
    """A line of the manifest."""
    other = plan.observations[pair.reference]
    mixed = (other.mission, other.filter) != (pair.mission, pair.filter)
    sides = {"science": plan.observations[pair.science], "reference": other}
    said = {"mission": other.mission, "filter": other.filter, "mjd": pair.reference_mjd} if mixed else {}
    return {
        **{side: placed[side].relative_to(folder).as_posix() for side in SIDES},
        "mission": pair.mission,
        "filter": pair.filter,
        "object": pair.target,
        "object_ra": pair.ra,
        "object_dec": pair.dec,
        "discovered_mjd": pair.discovered,
        "science_observation": pair.science,
        "reference_observation": pair.reference,
        **{f"{side}_first_mjd": one.start for side, one in sides.items()},
        **{f"{side}_last_mjd": one.end for side, one in sides.items()},
        "separation_days": pair.separation,
        "coverage": pair.coverage,
        "overlap": pair.overlap,
        **{f"reference_{name}": value for name, value in said.items()},
    }


def _describe(one: Observation, path: Path, plan: TargetPlan, folder: Path, name: str) -> None:
    """What is known of an observation: what its archive said, where its file is, of which image."""
    with open_fits(str(path)) as hdus:
        shapes = [list(hdu.shape) for hdu in hdus if getattr(hdu, "is_image", False) and len(hdu.shape) == 2]
    said = asdict(one) | {
        "target": plan.target.name,
        "role": plan.roles[one.id][0],
        "why": plan.roles[one.id][1],
        "file": path.relative_to(folder).as_posix(),
        "bytes": path.stat().st_size,
        "images": shapes,
    }
    where = folder / "metadata" / plain(plan.target.name) / f"{name}.json"
    where.parent.mkdir(parents=True, exist_ok=True)
    write_json(where, said)
