"""From targets to pairs: all archives are asked, several targets at a time; a target that fails, fails alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from astrid_ml.preprocessing.acquisition.archives.archive import Archive, Observation, Product, Search
from astrid_ml.preprocessing.acquisition.archives.rows import reading_answer
from astrid_ml.preprocessing.acquisition.client.errors import AbsentError, ArchiveError
from astrid_ml.preprocessing.acquisition.client.stop import asking_threads
from astrid_ml.preprocessing.acquisition.pairs.choose import TargetPlan
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.progress import Progress


def account_of_plans(plans: Iterable[TargetPlan], failed: Mapping[str, str]) -> dict[str, Any]:
    """The funnel from targets to pairs, with reasons; images and their bytes, where archives say them.

    ``images_found`` of what was asked for around the targets, ``images_wanted`` of kept pairs.

    Args:
        plans: of the targets that were asked for, one after the other: none is held.
        failed: name of a target -> why an archive did not answer.
    """
    found, wanted = dict[str, int | None](), dict[str, int | None]()
    counts, none, reasons, missions = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for plan in plans:
        found |= {one.id: one.bytes for one in plan.observations.values()}
        kept = plan.kept
        ids = (one for pair in kept for one in (pair.science, pair.reference))
        wanted |= {one: plan.observations[one].bytes for one in ids}
        if plan.why_none:
            none[plan.why_none] += 1
        counts.update(targets=1, images=bool(plan.observations), chosen=bool(kept), unlisted=plan.unlisted)
        reasons.update(pair.reason for pair in plan.pairs)
        missions.update(pair.mission for pair in kept)
    return {
        "targets": counts["targets"],
        "targets_failed": dict(failed),
        "targets_with_images": counts["images"],
        "targets_with_pairs": counts["chosen"],
        "targets_without_by_reason": dict(sorted(none.items())),
        "pairs": reasons.total(),
        "pairs_not_listed": counts["unlisted"],
        "pairs_by_reason": dict(sorted(reasons.items())),
        "pairs_by_mission": dict(sorted(missions.items())),
        "images_found": amount([{"bytes": size} for size in found.values()]),
        "images_wanted": amount([{"bytes": size} for size in wanted.values()]),
    }


def amount(observations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many images, and their bytes; None where an archive does not say those of one.

    >>> amount([{"bytes": 2}, {"bytes": 3}]), amount([{"bytes": None}])
    ({'images': 2, 'bytes': 5}, {'images': 1, 'bytes': None})
    """
    sizes = [one["bytes"] for one in observations]
    return {"images": len(sizes), "bytes": None if None in sizes else sum(sizes)}


def search_targets(
    targets: Sequence[Target], archives: Sequence[Archive], asked: Search, at_once: int = 8
) -> Iterator[tuple[Target, list[Observation] | str]]:
    """Ask archives for each target, several at a time; yields in the order of the targets.

    Args:
        targets: to be looked for.
        archives: that are asked.
        asked: radius, missions, filters.
        at_once: targets at the same time.

    Yields:
        A target, and what the archives have around it, or why one of them did not answer.

    Raises:
        UserError: a host that is not allowed, or no astroquery.
    """

    def search(target: Target) -> list[Observation] | str:
        found: list[Observation] = []
        try:
            for archive in archives:
                with reading_answer(archive.name):
                    found += archive.search(target, asked)
        except ArchiveError as error:
            return f"{archive.name}: expected {error.expected}; got {error.got}"
        return found

    with Progress("asking archives", len(targets), unit="target") as progress, asking_threads(at_once) as threads:
        for target, found in zip(targets, threads.map(search, targets), strict=True):
            progress.step()
            yield target, found


@dataclass(frozen=True)
class Named:
    """The files of the images of chosen pairs.

    Args:
        files: id of an observation -> its file.
        failed: id -> why it has none.
        absent: of those that failed, the ones of which the archive has no image file: asking again does not help.
    """

    files: dict[str, Product] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)


def products_of(plan: TargetPlan, archives: Sequence[Archive]) -> Named:
    """The best image file of each observation of the kept pairs; each observation is asked for once.

    Args:
        plan: of a target.
        archives: that were asked.
    """
    by_name = {archive.name: archive for archive in archives}
    named = Named()
    for name in dict.fromkeys(one for pair in plan.kept for one in (pair.science, pair.reference)):
        one = plan.observations[name]
        try:
            with reading_answer(one.archive):
                products = by_name[one.archive].products(one)
        except ArchiveError as error:
            named.failed[name] = f"expected {error.expected}; got {error.got}"
            named.absent.update({name} if isinstance(error, AbsentError) else ())
            continue
        if products:
            named.files[name] = products[0]
        else:
            named.failed[name] = "the archive has no image file of it"
            named.absent.add(name)
    return named
