"""Alerts of brokers around targets: they need no subtraction, and lie apart as packets that ``prepare`` reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import fastavro

from astrid_ml.files import whole
from astrid_ml.preprocessing.acquisition.archives.alerce import NUMBERS, Broker
from astrid_ml.preprocessing.acquisition.archives.rows import reading_answer
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.client.stop import asking_threads
from astrid_ml.preprocessing.acquisition.stages.campaign import Campaign
from astrid_ml.preprocessing.acquisition.stages.kept import digest
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.targets.file_names import plain
from astrid_ml.preprocessing.acquisition.targets.moving import MovingTarget
from astrid_ml.progress import Progress

PACKETS, STAMPS = "broker_packets", "broker_stamps"


def _schema() -> Any:
    """Of ZTF's packets, as much of it as brokers hand on."""
    numbers = [{"name": name, "type": ["null", "double"]} for name in NUMBERS]
    measured = [{"name": name, "type": kind} for name, kind in (("jd", "double"), ("fid", "int"))]
    measured += [{"name": name, "type": "double"} for name in ("ra", "dec")]
    sign = {"name": "isdiffpos", "type": ["null", "string"]}
    parts = [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}]
    cutout = {"type": "record", "name": "cutout", "fields": parts}
    candidate = {"type": "record", "name": "candidate", "fields": [*measured, sign, *numbers]}
    fields = [
        {"name": "objectId", "type": "string"},
        {"name": "candid", "type": "long"},
        {"name": "candidate", "type": candidate},
        {"name": "cutoutScience", "type": cutout},
        {"name": "cutoutTemplate", "type": "cutout"},
        {"name": "cutoutDifference", "type": "cutout"},
    ]
    return fastavro.parse_schema({"type": "record", "name": "alert", "namespace": "ztf", "fields": fields})


def bring_alerts(campaign: Campaign, targets: Sequence[Target]) -> None:
    """Bring the packets of all targets that are transients; an Avro file for each target that has any.

    Args:
        campaign: of which they are, with its brokers.
        targets: all.
    """
    asked, brokers = transients(targets), campaign.asked.brokers
    with (
        Progress("asking brokers", len(asked), unit="target", wanted=len(asked) > 1) as progress,
        asking_threads(campaign.data_set.at_once) as threads,
    ):
        for _ in threads.map(lambda one: _bring(campaign, brokers, one), asked):
            progress.step()
    _remove_stale(campaign, asked)


def transients(targets: Sequence[Target]) -> list[Target]:
    """Targets whose alerts are their own: a field has none, and a moving object's place has those of others.

    Args:
        targets: all.
    """
    return [one for one in targets if one.discovered is not None and not isinstance(one, MovingTarget)]


def alerts_account(campaign: Campaign, targets: Sequence[Target]) -> dict[str, Any]:
    """What became of targets and detections, by the records; ``failed`` are to be tried again.

    Args:
        campaign: of which they are.
        targets: all.
    """
    asked, kept = transients(targets), campaign.records("alerts")
    said = {one.name: record for one in asked if (record := kept.get(plain(one.name))) is not None}
    counts = sum((Counter(one["counts"]) for one in said.values()), Counter[str]())
    failed = {name: one["failed"] for name, one in said.items() if one["failed"]}
    return {"targets": len(said), "failed": failed, "counts": dict(sorted(counts.items()))}


def _bring(campaign: Campaign, brokers: Mapping[str, Broker], target: Target) -> None:
    name, kept = plain(target.name), campaign.records("alerts")
    path = campaign.folder / PACKETS / f"{name}.avro"
    mark = digest(asdict(target), campaign.settings["alerts"])
    said = kept.get(name, mark)
    if said is not None and not said["failed"] and path.is_file() == said["file"]:
        return
    packets: list[dict[str, Any]] = []
    counts, why = Counter[str](), ""
    for broker, one in brokers.items():
        try:
            with reading_answer(broker):
                found, seen = one.packets(target, campaign.folder / STAMPS)
        except ArchiveError as error:
            why = f"{broker}: expected {error.expected}; got {error.got}"
            break
        packets += found
        counts.update(seen)
    path.unlink(missing_ok=True)
    if why:
        kept.keep(name, mark, {"failed": why, "file": False, "counts": {}})
        return
    counts["targets with packets" if packets else "targets without packets"] += 1
    if packets:
        _write(packets, path)
    kept.keep(name, mark, {"failed": "", "file": bool(packets), "counts": {k: n for k, n in counts.items() if n}})


def _write(packets: Sequence[dict[str, Any]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part, part.open("wb") as stream:
        # the mark between blocks is by chance else: the same packets are the same bytes
        fastavro.writer(stream, _schema(), packets, codec="deflate", sync_marker=bytes(16))


def _remove_stale(campaign: Campaign, asked: Sequence[Target]) -> None:
    """Packets of targets that are not chosen any more go: training reads whatever lies there."""
    chosen = {plain(one.name) for one in asked}
    for path in sorted((campaign.folder / PACKETS).glob("*.avro")):
        if path.stem not in chosen:
            path.unlink()
            campaign.records("alerts").forget(path.stem)
