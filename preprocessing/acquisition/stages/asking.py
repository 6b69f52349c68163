"""The stages that ask archives: ``query`` for observations, ``filter`` for the pairs worth downloading."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import Any

from astrid_ml.csv_text import marked
from astrid_ml.files import whole
from astrid_ml.preprocessing.acquisition.client.stop import asking_threads
from astrid_ml.preprocessing.acquisition.pairs.choose import TargetPlan, pairs_table
from astrid_ml.preprocessing.acquisition.pairs.timeline import draw_timeline
from astrid_ml.preprocessing.acquisition.plan import amount, products_of, search_targets
from astrid_ml.preprocessing.acquisition.stages.campaign import Campaign
from astrid_ml.preprocessing.acquisition.stages.kept import digest
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.targets.file_names import plain
from astrid_ml.progress import Progress
from astrid_ml.table_files import TableWriter


def query(campaign: Campaign, targets: Sequence[Target]) -> set[str]:
    """Ask what the archives have around each target.

    Args:
        campaign: of which they are.
        targets: to be asked for.

    Returns:
        Names of those of which the archives have answered.
    """
    kept, done, todo = campaign.records("query"), set[str](), list[Target]()
    for target in targets:
        said = kept.get(plain(target.name), campaign.mark("query", target))
        if said is None or said["failed"]:
            todo.append(target)
        else:
            done.add(target.name)
    archives, asked = [*campaign.asked.archives.values()], campaign.data_set.search
    sums = _counted(campaign, todo)
    for target, found in search_targets(todo, archives, asked, campaign.data_set.at_once) if todo else ():
        failed = isinstance(found, str)
        rows = [] if isinstance(found, str) else [asdict(one) for one in found]
        content: dict[str, Any] = {"target": asdict(target), "failed": found if failed else "", "observations": rows}
        content["all"] = sums.get(target.name) if asked.missions or asked.filters else amount(rows)
        kept.keep(plain(target.name), campaign.mark("query", target), content)
        campaign.forget_plan(target)
        done |= set() if failed else {target.name}
    return done


def _counted(campaign: Campaign, targets: Sequence[Target]) -> dict[str, dict[str, Any]]:
    """How many images, and bytes, archives have of all missions and filters; where that is asked for."""
    asked = campaign.data_set.search
    if not targets or not campaign.data_set.count_all or not (asked.missions or asked.filters):
        return {}
    archives, every = [*campaign.asked.archives.values()], replace(asked, missions=(), filters=())
    answers = search_targets(targets, archives, every, campaign.data_set.at_once)
    return {
        target.name: amount([asdict(one) for one in found]) for target, found in answers if not isinstance(found, str)
    }


def choose(campaign: Campaign, targets: Sequence[Target]) -> set[str]:
    """Choose the pairs of each target, and ask for the files of their images.

    Args:
        campaign: of which they are.
        targets: that were asked for.

    Returns:
        Names of those of whose images all files are known.
    """
    kept, done = campaign.records("filter"), set[str]()
    campaign.found_groups.clear()
    todo: list[tuple[Target, TargetPlan, str]] = []
    for target in targets:
        before, plan = campaign.before("filter", target), campaign.plan(target)
        if before is None or plan is None:
            continue
        mark = digest(before, campaign.settings["filter"])
        said = kept.get(plain(target.name), mark)
        if said is None or again(said["failed"], said["absent"], campaign):
            todo.append((target, plan, mark))
        else:
            done.add(target.name)

    def found(item: tuple[Target, TargetPlan, str]) -> dict[str, Any]:
        named = products_of(item[1], [*campaign.asked.archives.values()])
        products = {name: campaign.asked.kept(product) for name, product in named.files.items()}
        return {"products": products, "failed": named.failed, "absent": sorted(named.absent)}

    with (
        Progress("choosing pairs", len(todo), unit="target", wanted=len(todo) > 1) as progress,
        asking_threads(campaign.data_set.at_once) as threads,
    ):
        for (target, plan, mark), named in zip(todo, threads.map(found, todo), strict=True):
            progress.step()
            if plan.kept:
                path = campaign.folder / "timelines" / f"{plain(target.name)}.png"
                path.parent.mkdir(exist_ok=True)
                draw_timeline(plan, path)
            kept.keep(plain(target.name), mark, named | {"why_none": plan.why_none, "frames": _frames(plan)})
            done |= set() if set(named["failed"]) - set(named["absent"]) else {target.name}
    return done


def again(failed: Collection[str], absent: Collection[str], campaign: Campaign) -> bool:
    """Whether what failed is asked for again: always, but for what the archive does not have or give."""
    return bool(set(failed) - set(absent)) or (campaign.retry_absent and bool(absent))


def _frames(plan: TargetPlan) -> dict[str, str]:
    """Archive and id -> footprint, of the images of the chosen pairs."""
    names = dict.fromkeys(one for pair in plan.kept for one in (pair.science, pair.reference))
    return {f"{plan.observations[name].archive}/{name}": plan.observations[name].footprint for name in names}


def write_pairs(campaign: Campaign, targets: Sequence[Target]) -> None:
    """``pairs.parquet`` and ``pairs.csv``: all pairs, each with why it was kept or dropped.

    Args:
        campaign: of which they are.
        targets: all.
    """
    with whole(campaign.folder / "pairs.csv") as part, TableWriter(campaign.folder / "pairs.parquet") as writer:
        first = pairs_table([])
        marked(first).to_csv(part, index=False)
        writer.write(first)
        for plan in campaign.each_plan(targets):
            table = pairs_table([plan])
            marked(table).to_csv(part, index=False, header=False, mode="a")
            writer.write(table)
