"""Complete pairs laid out for the subtraction: links, a manifest, and what is known of each observation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.files import link, whole, write_json
from astrid_ml.preprocessing.acquisition.archives.archive import Observation
from astrid_ml.preprocessing.acquisition.pairs.choose import PlannedPair, TargetPlan
from astrid_ml.preprocessing.differencing.frame.hdus import open_fits
from astrid_ml.table_files import write_table

SIDES = ("science", "reference")
ENDINGS = (".fits.gz", ".img.gz", ".fits.fz", ".fits", ".img", ".fit")


@dataclass(frozen=True)
class Organised:
    """What was laid out.

    Args:
        manifest: of the complete pairs, in the folder; None where there is none.
        pairs: complete ones.
        incomplete: (pair, why): one half is not there.
    """

    manifest: Path | None
    pairs: tuple[PlannedPair, ...] = ()
    incomplete: tuple[tuple[PlannedPair, str], ...] = field(default=())

    def account(self) -> dict[str, Any]:
        """Counts for a report: complete pairs by mission, incomplete ones by reason."""
        return {
            "pairs_complete": len(self.pairs),
            "pairs_by_mission": dict(sorted(Counter(pair.mission for pair in self.pairs).items())),
            "targets_with_a_pair": len({pair.target for pair in self.pairs}),
            "pairs_incomplete": len(self.incomplete),
            "pairs_incomplete_by_reason": dict(Counter(why for _, why in self.incomplete)),
        }


def organise(
    plans: Sequence[TargetPlan], files: Mapping[str, Path], failed: Mapping[str, str], folder: Path
) -> Organised:
    """Lay out the pairs whose two files are there.

    ``source_fits/{science,reference}/<target>/`` holds hard links; ``manifest.csv`` and ``.parquet`` name them, as
    ``astrid difference input=FOLDER`` reads them; ``metadata/`` says of each observation what its archive said.

    Args:
        plans: of the targets.
        files: id of an observation -> its file.
        failed: id of an observation -> why it has none.
        folder: made.
    """
    laid = [lay_out(plan, files, failed, folder) for plan in plans]
    complete = tuple(pair for one in laid for pair in one.pairs)
    incomplete = tuple(lost for one in laid for lost in one.incomplete)
    manifest = write_manifest([row for one in laid for row in one.rows], folder)
    return Organised(manifest, complete, incomplete)


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
    """Link the pairs of one target, and say what is known of their observations.

    Args:
        plan: of the target.
        files: id of an observation -> its file.
        failed: id of an observation -> why it has none.
        folder: made.
    """
    complete: list[PlannedPair] = []
    incomplete: list[tuple[PlannedPair, str]] = []
    rows = []
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
                placed[side] = _laid(one, files[one.id], folder, side, pair.target)
                _describe(one, placed[side], plan, folder)
        except UserError as error:
            incomplete.append((pair, f"{side} image: expected {error.expected}; got {error.got}"))
            continue
        complete.append(pair)
        rows.append(_row(pair, placed, folder))
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
        table.to_csv(part, index=False)
    return folder / "manifest.csv"


def _laid(one: Observation, file: Path, folder: Path, side: str, target: str) -> Path:
    ending = next((end for end in ENDINGS if file.name.lower().endswith(end)), ".fits")
    name = f"{one.mission}_{one.filter}_{one.id.removesuffix(ending)}"
    path = folder / "source_fits" / side / plain(target) / f"{plain(name)}{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        link(file, path)
    return path


def plain(name: str) -> str:
    """A name that is one of a file on every system.

    >>> plain("HST/ACS F814W"), plain("../x")
    ('HST_ACS_F814W', '_x')
    """
    return re.sub(r"[^\w.+-]", "_", name).lstrip(".")[:150] or "_"


def _row(pair: PlannedPair, placed: Mapping[str, Path], folder: Path) -> dict[str, Any]:
    """A line of the manifest: the pair's name is unique by its two observations."""
    return {
        "name": plain(f"{pair.target}_{pair.mission}_{pair.filter}_{pair.science}_{pair.reference}"),
        **{side: placed[side].relative_to(folder).as_posix() for side in SIDES},
        "mission": pair.mission,
        "filter": pair.filter,
        "object": pair.target,
        "object_ra": pair.ra,
        "object_dec": pair.dec,
        "discovered_mjd": pair.discovered,
        "science_observation": pair.science,
        "reference_observation": pair.reference,
        "separation_days": pair.separation,
        "coverage": pair.coverage,
        "overlap": pair.overlap,
    }


def _describe(one: Observation, path: Path, plan: TargetPlan, folder: Path) -> None:
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
    where = folder / "metadata" / plain(plan.target.name) / f"{plain(one.id)}.json"
    where.parent.mkdir(parents=True, exist_ok=True)
    write_json(where, said)
