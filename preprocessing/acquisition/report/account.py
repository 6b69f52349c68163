"""The account of a run: from the rows of a catalogue to triplets, with reasons, and what the choice of pairs saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from astrid_ml.preprocessing.acquisition.plan import account_of_plans
from astrid_ml.preprocessing.acquisition.stages.campaign import STAGES, Campaign
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.targets.file_names import plain
from astrid_ml.reasons import shortened


@dataclass(frozen=True)
class AcquisitionAccount:
    """What the records of a run say.

    Args:
        report: content of ``pipeline_report.json``.
        summary: content of ``processing_summary.json``: the figures of each pair, by object.
        control: the record of each pair.
        objects: name, ra, dec and how far each target came.
        why_failed: reason -> how many of those that should be tried again failed by it.
    """

    report: dict[str, Any]
    summary: dict[str, Any]
    control: list[dict[str, Any]]
    objects: list[dict[str, Any]]
    why_failed: Counter[str]

    @property
    def failed(self) -> int:
        """What should be tried again: archives that did not answer, files that did not come, pairs that failed."""
        return self.why_failed.total()

    def add_alerts(self, said: dict[str, Any]) -> None:
        """Take in what became of the packets of brokers.

        Args:
            said: of :func:`alerts_account`.
        """
        self.report["alerts"] = said
        self.why_failed.update(_kind(why) for why in said["failed"].values())


def account_of(campaign: Campaign, targets: Sequence[Target]) -> AcquisitionAccount:
    """Read the records of all stages.

    Args:
        campaign: whose records.
        targets: all.
    """
    said = {stage: _records(campaign, stage, targets) for stage in STAGES[:-1]}
    lost = {name: record["failed"] for name, record in said["query"].items() if record["failed"]}
    planned = account_of_plans(campaign.each_plan(targets), lost)
    control = [record for one in said["difference"].values() for record in one["control"]]
    report = {
        "catalogue": campaign.targets.account(),
        "query": planned
        | {
            "files_not_named": sum(len(one["failed"]) - len(one["absent"]) for one in said["filter"].values()),
            "files_absent": sum(len(one["absent"]) for one in said["filter"].values()),
        },
        "download": _download(campaign, said["download"]),
        "organize": _organize(said["organize"]),
        "difference": _difference(said["difference"]),
        "control": _control(control),
        "triplets": _triplets(said["triplets"]),
        "filtering": _filtering(planned, said),
    }
    summary = {name: one["pairs"] for name, one in said["difference"].items()}
    objects = [_object(target, said) for target in targets]
    return AcquisitionAccount(report, summary, control, objects, _why_failed(said))


def _why_failed(said: Mapping[str, Mapping[str, dict[str, Any]]]) -> Counter[str]:
    """Reasons of all that should be tried again; of files each once, whichever targets need it."""
    files = {
        name: why
        for stage in ("filter", "download")
        for one in said[stage].values()
        for name, why in one["failed"].items()
        if name not in one["absent"]
    }
    pairs = [
        pair["failed"] for one in said["difference"].values() for pair in one["pairs"].values() if "failed" in pair
    ]
    silent = [one["failed"] for one in said["query"].values() if one["failed"]]
    return Counter(_kind(why) for why in (*silent, *files.values(), *pairs))


def _records(campaign: Campaign, stage: str, targets: Sequence[Target]) -> dict[str, dict[str, Any]]:
    found = {target.name: campaign.records(stage).get(plain(target.name)) for target in targets}
    return {name: record for name, record in found.items() if record is not None}


def _download(campaign: Campaign, said: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    files = {path for one in said.values() for path in one["files"].values()}
    there = [campaign.folder / path for path in files]
    reasons = {name: why for one in said.values() for name, why in one["failed"].items()}
    return {
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in there if path.is_file()),
        "files_failed": len(reasons),
        "files_to_be_tried_again": len({n for one in said.values() for n in set(one["failed"]) - set(one["absent"])}),
        "files_absent": len({name for one in said.values() for name in one["absent"]}),
        "files_failed_by_reason": dict(sorted(Counter(_kind(why) for why in reasons.values()).items())),
    }


def _kind(reason: str) -> str:
    """A reason without its address, so that the same kind is counted together."""
    return shortened(reason.partition(" of http")[0].partition(" (http")[0], 120)


def _organize(said: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    rows = [row for one in said.values() for row in one["rows"]]
    lost = [_kind(pair["why"]) for one in said.values() for pair in one["incomplete"]]
    return {
        "pairs_complete": len(rows),
        "pairs_by_mission": dict(sorted(Counter(row["mission"] for row in rows).items())),
        "targets_with_a_pair": sum(bool(one["rows"]) for one in said.values()),
        "pairs_incomplete": len(lost),
        "pairs_incomplete_by_reason": dict(sorted(Counter(lost).items())),
    }


def _difference(said: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    pairs = {name: pair for one in said.values() for name, pair in one["pairs"].items()}
    lost = {name: pair["failed"] for name, pair in pairs.items() if "failed" in pair}
    return {
        "pairs_subtracted": len(pairs) - len(lost),
        "pairs_failed": len(lost),
        "failed": lost,
        "candidates": sum(pair["candidates"] for pair in pairs.values() if "failed" not in pair),
    }


def _control(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    reasons = Counter(reason.partition(":")[0] for record in records for reason in record["reasons"])
    passed = sum(record["verdict"] == "pass" for record in records)
    return {"passed": passed, "failed": len(records) - passed, "by_reason": dict(sorted(reasons.items()))}


def _triplets(said: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    counts, missions = Counter[str](), Counter[str]()
    for one in said.values():
        counts.update(one["counts"])
        missions.update(one["missions"])
    return {
        "real": counts.pop("triplets real", 0),
        "bogus": counts.pop("triplets bogus", 0),
        "by_mission": dict(sorted(missions.items())),
        "objects": sum(bool(one["missions"]) for one in said.values()),
        "counts": dict(sorted(counts.items())),
    }


def _filtering(planned: Mapping[str, Any], said: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """What asking for missions and filters and choosing pairs spare, against downloading all and choosing then.

    All that the archives have is known where the search asks for no mission or filter, and with ``count_all=true``.
    """
    wanted, every = planned["images_wanted"], [one["all"] for one in said["query"].values() if not one["failed"]]
    known = None not in every
    counted: list[dict[str, Any]] = [one for one in every if one is not None]
    sizes: list[int | None] = [one["bytes"] for one in counted] if known else [None]
    said_sizes = [one for one in sizes if one is not None]
    images = sum(int(one["images"]) for one in counted) if known else None
    size = sum(said_sizes) if len(said_sizes) == len(sizes) else None
    with_pair = sum(bool(one["rows"]) for one in said["organize"].values())
    some = len([one for one in counted if one["images"]]) if known else None
    return {
        "download_then_filter": {
            "images": images,
            "bytes": size,
            "targets_downloaded": some,
            "share_with_a_complete_pair": None if some is None else _share(with_pair, some),
        },
        "all_of_the_search": planned["images_found"],
        "filter_in_the_query": {
            **wanted,
            "targets_downloaded": planned["targets_with_pairs"],
            "share_with_a_complete_pair": _share(with_pair, planned["targets_with_pairs"]),
        },
        "share_of_bytes_saved": 1 - wanted["bytes"] / size if size and wanted["bytes"] is not None else None,
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _object(target: Target, said: Mapping[str, Mapping[str, dict[str, Any]]]) -> dict[str, Any]:
    """How far a target came."""
    real = said["triplets"].get(target.name, {}).get("counts", {}).get("triplets real", 0)
    if real:
        state = "real triplets"
    elif said["difference"].get(target.name, {}).get("pairs"):
        state = "subtracted"
    elif said["organize"].get(target.name, {}).get("rows"):
        state = "complete pairs"
    elif said["query"].get(target.name, {}).get("observations"):
        state = "images"
    else:
        state = "nothing"
    return {"name": target.name, "ra": target.ra, "dec": target.dec, "state": state}
