"""Finished units become one dataset: hard links, one index, labels, and ``dataset.json`` as the commit point."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.column_kinds import settled_types, with_types
from astrid_ml.contracts.by_part import counted, said_of
from astrid_ml.contracts.columns import Columns
from astrid_ml.contracts.pipeline import Completes, DomainPipeline, Drop, Labeller, Unit
from astrid_ml.dataset.croissant import write_croissant
from astrid_ml.dataset.digests import seal
from astrid_ml.dataset.index_file import count_different, different
from astrid_ml.dataset.pages import read_pages, write_pages
from astrid_ml.dataset.prepared import INDEX, SCHEMA
from astrid_ml.errors import UserError
from astrid_ml.files import json_text, link, whole_folder, write_json
from astrid_ml.pipeline.index import MadeIndex, write_index
from astrid_ml.pipeline.units import Job
from astrid_ml.pipeline.writer import FILES, TABLES
from astrid_ml.reasons import in_words

Finished = tuple[Job, dict[str, Any]]


def publish(
    pipeline: DomainPipeline,
    finished: Sequence[Finished],
    failed: Sequence[Drop],
    labeller: Labeller | None,
    target: Path,
    *,
    fingerprint: str,
    name: str,
    config: dict[str, Any],
    before: Callable[[], None] | None = None,
) -> None:
    """Write the dataset into a temporary folder beside ``target`` and rename it whole.

    Args:
        pipeline: the domain's pipeline.
        finished: units and their summaries.
        failed: units that are not in it.
        labeller: joins labels to the index.
        target: the dataset's folder.
        fingerprint: of the dataset.
        name: the experiment's name.
        config: stands in ``dataset.json``.
        before: called just before the rename; what it raises stops it.

    Raises:
        UserError: no sample is left, ids are not unique, or a labeller refuses.
    """
    known: dict[str, tuple[int, str]] = {}
    with whole_folder(target, "dataset.json", before) as work:
        (work / "arrays").mkdir()
        folders = [job.target for job, _ in finished]
        made = write_index(pipeline, folders, labeller, work / INDEX, [called(job.unit) for job, _ in finished])
        if made is None:
            drops = [drop["reason"] for _, summary in finished for drop in summary["drops"]]
            fix = "look at the raw files" if drops else "give more raw files, or simulate more of them"
            got = in_words(drops) if drops else "raw files that hold none"
            raise UserError("at least one usable sample", got, fix)
        index = made.index
        used = different(index, "array")
        for job, summary in finished:
            known |= _published_names(summary.get("files") or {})
            for path in sorted(job.target.glob("*.npy")):
                if path.name.split(".")[0] in used:
                    link(path, work / "arrays" / path.name)
        link_frames(folders, index, work)
        write_tables(folders, work)
        meta = describe(pipeline, finished, failed, made)
        if isinstance(pipeline, Completes):
            assert isinstance(index, pd.DataFrame)  # see works_by_part
            meta["account"] = pipeline.complete(index, work)
        meta = {"schema": SCHEMA, "name": name, "fingerprint": fingerprint, "config": config, **meta}
        sealed = seal(work, json.loads(json_text(meta)), known)
        write_json(work / "dataset.json", sealed, indent=1, sort_keys=True)
        write_croissant(work)


def called(unit: Unit) -> str:
    """What a message calls a unit: its file, with the table that lies beside it."""
    name, beside = re.sub(r"#\d+$", "", unit.id), unit.inputs[1:]
    return f"{name} with {beside[-1].name}" if len(beside) == 1 else name


def _published_names(files: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """Digests of a unit's arrays and frames under the paths that they have in the dataset."""
    out = {}
    for name, (size, digest) in files.items():
        if name.startswith(f"{FILES}/"):
            out[name.removeprefix(f"{FILES}/")] = (int(size), str(digest))
        elif name.endswith(".npy"):
            out[f"arrays/{name}"] = (int(size), str(digest))
    return out


def describe(
    pipeline: DomainPipeline,
    finished: Sequence[Finished],
    failed: Sequence[Drop],
    made: MadeIndex,
) -> dict[str, Any]:
    """The counts of ``dataset.json``; nothing that differs between machines or runs."""
    drops = [Drop(**drop) for _, summary in finished for drop in summary["drops"]] + made.dropped
    reasons = counted(drops)
    index = made.index
    counts: Counter[str] = Counter()
    for _, summary in finished:
        counts.update(summary["counts"])
    if made.told_apart:
        counts["ids_told_apart"] = made.told_apart
    labels = index["label"].value_counts(dropna=False)
    return {
        "domain": pipeline.domain,
        "description": with_units(pipeline.describe(), {**counts, "samples": len(index)}),
        "labels": made.account,
        "counts": {
            "units": len(finished),
            "units_failed": len(failed),
            "samples": len(index),
            "groups": count_different(index, "group_id"),
            "dropped": reasons.total(),
            "by_label": {
                str(label): int(number) for label, number in sorted(labels.items(), key=lambda item: str(item[0]))
            },
            **dict(sorted(counts.items())),
        },
        "units": [summary["id"] for _, summary in finished],
        "failed": [{"id": drop.id, "reason": drop.reason} for drop in failed],
        "drops_by_reason": dict(sorted(reasons.items())),
        "drops": [said_of(drop) for drop in drops],
    }


def with_units(description: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    """A description whose arrays have the units of what is there, not of all that the pipeline may read.

    Args:
        description: of the pipeline; ``unit_of`` in it says the unit of the array ``stamps`` by what is counted, and
            that of ``others``.
        counts: of the dataset.

    Example:
        >>> said = {"units": {"stamps": "DN; nJy"}, "unit_of": {"read_ztf": "DN", "read_rubin": "nJy"}}
        >>> with_units(said, {"read_ztf": 3, "samples": 3})
        {'units': {'stamps': 'DN'}, 'unit_of': {'read_ztf': 'DN'}}
    """
    out, known = dict(description), dict(description.get("unit_of", {}))
    if not known:
        return out
    others = known.pop("others", None)
    there = {name: str(unit) for name, unit in known.items() if counts.get(name)}
    if sum(counts[name] for name in there) < counts["samples"]:
        if others is None:
            return {**out, "unit_of": there}  # of some nobody says it
        there["others"] = str(others)
    out["unit_of"] = there
    units = list(dict.fromkeys(there.values()))
    each = (f"{unit} ({', '.join(_plain(name) for name in there if there[name] == unit)})" for unit in units)
    said = units[0] if len(units) == 1 else "; ".join(each)
    out["units"] = {**out.get("units", {}), "stamps": said}
    arrays = dict(out.get("arrays", {}))
    if "stamps" in arrays:
        out["arrays"] = {**arrays, "stamps": {**arrays["stamps"], "unit": said}}
    return out


def _plain(name: str) -> str:
    return name.removeprefix("read_").replace("_", " ")


def link_frames(folders: Sequence[Path], index: Columns, target: Path) -> None:
    """Frames that samples point to by the column ``image``, under that path.

    Raises:
        UserError: two units left a frame of one name.
    """
    wanted = different(index, "image") if "image" in index else set()
    for folder in folders:
        for path in sorted(file for file in (folder / FILES).rglob("*") if file.is_file()):
            name = path.relative_to(folder / FILES).as_posix()
            if name not in wanted:
                continue
            if (target / name).exists():
                raise UserError("each frame's name once", f"{name} twice", "give each raw folder once")
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            link(path, target / name)


def write_tables(folders: Sequence[Path], target: Path) -> None:
    """Side tables of all units, each as one parquet file."""
    parts: dict[str, list[Path]] = {}
    for folder in folders:
        for path in sorted((folder / TABLES).glob("*.parquet")):
            parts.setdefault(path.name, []).append(path)
    for name, paths in parts.items():
        tables = [read_pages(path) for path in paths]
        types = settled_types((path.parent.parent.name, path) for path in paths)
        write_pages(pd.concat([with_types(table, types) for table in tables], ignore_index=True), target / name)
