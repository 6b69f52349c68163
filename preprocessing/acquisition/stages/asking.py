"""The stages that ask archives: ``query`` for observations, ``filter`` for the pairs worth downloading."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from astrid_ml.files import whole
from astrid_ml.preprocessing.acquisition.files.organise import plain
from astrid_ml.preprocessing.acquisition.pairs.choose import TargetPlan, pairs_table
from astrid_ml.preprocessing.acquisition.pairs.timeline import draw_timeline
from astrid_ml.preprocessing.acquisition.plan import Plan, products_of, search_targets
from astrid_ml.preprocessing.acquisition.stages.campaign import Campaign
from astrid_ml.preprocessing.acquisition.stages.kept import digest
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.progress import Progress
from astrid_ml.table_files import write_table


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
        said = kept.get(plain(target.name), digest(asdict(target)))
        if said is None or said["failed"]:
            todo.append(target)
        else:
            done.add(target.name)
    archives, asked = [*campaign.asked.archives.values()], campaign.data_set.search
    for target, found in search_targets(todo, archives, asked, campaign.data_set.at_once) if todo else ():
        failed = isinstance(found, str)
        rows = [] if isinstance(found, str) else [asdict(one) for one in found]
        content = {"target": asdict(target), "failed": found if failed else "", "observations": rows}
        kept.keep(plain(target.name), digest(asdict(target)), content)
        campaign.plans.pop(target.name, None)
        done |= set() if failed else {target.name}
    return done


def choose(campaign: Campaign, targets: Sequence[Target]) -> set[str]:
    """Choose the pairs of each target, and ask for the files of their images.

    Args:
        campaign: of which they are.
        targets: that were asked for.

    Returns:
        Names of those of whose images all files are known.
    """
    kept, done = campaign.records("filter"), set[str]()
    todo: list[tuple[Target, TargetPlan, str]] = []
    for target in targets:
        before, plan = campaign.before("filter", target), campaign.plan(target)
        if before is None or plan is None:
            continue
        mark = digest(before)
        said = kept.get(plain(target.name), mark)
        if said is None or said["failed"]:
            todo.append((target, plan, mark))
        else:
            done.add(target.name)

    def found(item: tuple[Target, TargetPlan, str]) -> tuple[dict[str, Any], dict[str, str]]:
        products, failed = products_of(Plan((item[1],)), [*campaign.asked.archives.values()])
        return {name: campaign.asked.kept(product) for name, product in products.items()}, failed

    with (
        Progress("choosing pairs", len(todo), unit="target", wanted=len(todo) > 1) as progress,
        ThreadPoolExecutor(campaign.data_set.at_once) as threads,
    ):
        for (target, plan, mark), (products, failed) in zip(todo, threads.map(found, todo), strict=True):
            progress.step()
            if plan.kept:
                path = campaign.folder / "timelines" / f"{plain(target.name)}.png"
                path.parent.mkdir(exist_ok=True)
                draw_timeline(plan, path)
            kept.keep(plain(target.name), mark, {"products": products, "failed": failed, "why_none": plan.why_none})
            done |= set() if failed else {target.name}
    return done


def write_pairs(campaign: Campaign, targets: Sequence[Target]) -> None:
    """``pairs.parquet`` and ``pairs.csv``: all pairs, each with why it was kept or dropped.

    Args:
        campaign: of which they are.
        targets: all.
    """
    plans = [plan for target in targets if (plan := campaign.plan(target)) is not None]
    table = pairs_table(plans)
    write_table(table, campaign.folder / "pairs.parquet")
    with whole(campaign.folder / "pairs.csv") as part:
        table.to_csv(part, index=False)
