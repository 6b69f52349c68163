"""From targets to pairs: all archives are asked, several targets at a time; a target that fails, fails alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from astrid_ml.preprocessing.acquisition.archives.archive import Archive, Observation, Product, Search
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.pairs.choose import ChoosePairs, TargetPlan
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.progress import Progress


@dataclass(frozen=True)
class Plan:
    """What is to be downloaded, and why the rest is not.

    Args:
        targets: plans of those that were asked for.
        failed: (name of a target, why an archive did not answer).
    """

    targets: tuple[TargetPlan, ...]
    failed: tuple[tuple[str, str], ...] = field(default=())

    def account(self) -> dict[str, Any]:
        """The funnel from targets to pairs, with reasons; images and their bytes, where archives say them.

        ``images_found`` of all that the archives have around the targets, ``images_wanted`` of kept pairs: without the
        choice before the download all would come.
        """
        found = {one.id: one for plan in self.targets for one in plan.observations.values()}
        wanted = {
            one: plan.observations[one]
            for plan in self.targets
            for pair in plan.kept
            for one in (pair.science, pair.reference)
        }
        none = Counter(plan.why_none for plan in self.targets if plan.why_none)
        return {
            "targets": len(self.targets),
            "targets_failed": dict(self.failed),
            "targets_with_images": sum(bool(plan.observations) for plan in self.targets),
            "targets_with_pairs": sum(bool(plan.kept) for plan in self.targets),
            "targets_without_by_reason": dict(sorted(none.items())),
            "pairs": sum(len(plan.pairs) for plan in self.targets),
            "pairs_by_reason": dict(sorted(Counter(p.reason for plan in self.targets for p in plan.pairs).items())),
            "pairs_by_mission": dict(sorted(Counter(p.mission for plan in self.targets for p in plan.kept).items())),
            "images_found": _amount(found.values()),
            "images_wanted": _amount(wanted.values()),
        }


def _amount(observations: Any) -> dict[str, Any]:
    sizes = [one.bytes for one in observations]
    return {"images": len(sizes), "bytes": None if None in sizes else sum(sizes)}


def plan_targets(
    targets: Sequence[Target], archives: Sequence[Archive], asked: Search, choose: ChoosePairs, at_once: int = 8
) -> Plan:
    """Ask archives for each target and choose its pairs; only tables come, no image.

    Args:
        targets: to be looked for.
        archives: that are asked, each for the same missions and filters.
        asked: radius, missions, filters.
        choose: the rules of pairs.
        at_once: targets at the same time; each host's own pace holds beside it.

    Raises:
        UserError: a host that is not allowed, or no astroquery.
    """

    plans: list[TargetPlan] = []
    failed: list[tuple[str, str]] = []
    for target, found in search_targets(targets, archives, asked, at_once):
        if isinstance(found, str):
            failed.append((target.name, found))
        else:
            plans.append(choose(target, found))
    return Plan(tuple(plans), tuple(failed))


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
                found += archive.search(target, asked)
        except ArchiveError as error:
            return f"{archive.name}: expected {error.expected}; got {error.got}"
        return found

    with Progress("asking archives", len(targets), unit="target") as progress, ThreadPoolExecutor(at_once) as threads:
        for target, found in zip(targets, threads.map(search, targets), strict=True):
            progress.step()
            yield target, found


def products_of(plan: Plan, archives: Sequence[Archive]) -> tuple[dict[str, Product], dict[str, str]]:
    """The best image file of each observation of the kept pairs; each observation is asked for once.

    Args:
        plan: of :func:`plan_targets`.
        archives: that were asked.

    Returns:
        id of an observation -> its file; id -> why it has none.
    """
    by_name = {archive.name: archive for archive in archives}
    found: dict[str, Product] = {}
    failed: dict[str, str] = {}
    for target in plan.targets:
        for name in dict.fromkeys(one for pair in target.kept for one in (pair.science, pair.reference)):
            if name in found or name in failed:
                continue
            one = target.observations[name]
            try:
                products = by_name[one.archive].products(one)
            except ArchiveError as error:
                failed[name] = f"expected {error.expected}; got {error.got}"
                continue
            if products:
                found[name] = products[0]
            else:
                failed[name] = "the archive has no image file of it"
    return found, failed
