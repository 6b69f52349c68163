"""The stages of files: ``download`` brings those of the chosen pairs, ``organize`` lays out complete pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from astrid_ml.preprocessing.acquisition.archives.archive import Product
from astrid_ml.preprocessing.acquisition.files.bring import BringFiles, Brought, place_of
from astrid_ml.preprocessing.acquisition.files.organise import SIDES, lay_out, write_manifest
from astrid_ml.preprocessing.acquisition.plan import products_of
from astrid_ml.preprocessing.acquisition.stages.asking import again
from astrid_ml.preprocessing.acquisition.stages.campaign import Campaign
from astrid_ml.preprocessing.acquisition.stages.kept import changed, digest, sizes_of
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.targets.file_names import plain

DOWNLOADS = "fits_downloads"


def download(campaign: Campaign, targets: Sequence[Target]) -> set[str]:
    """Bring the images of the chosen pairs.

    Args:
        campaign: of which they are.
        targets: whose pairs are chosen.

    Returns:
        Names of those of which nothing is left to be brought.

    Raises:
        UserError: no room, or a host that is not allowed.
    """
    kept, done = campaign.records("download"), set[str]()
    todo: list[tuple[Target, str, dict[str, Product]]] = []
    for target in targets:
        before = campaign.before("download", target)
        if before is None:
            continue
        mark, name = digest(before["products"], before["failed"]), plain(target.name)
        said = kept.get(name, mark)
        damaged = [] if said is None else changed(said, campaign.folder)
        if said is not None and not again(said["failed"], said["absent"], campaign) and not damaged:
            done.add(target.name)
            continue
        for path in damaged:
            path.unlink(missing_ok=True)
        todo.append((target, mark, _products(campaign, target, before["products"])))
    products = [product for _, _, some in todo for product in some.values()]
    brought = _bring(campaign, products) if products else Brought()
    for target, mark, some in todo:
        files = {one: brought.files[p].relative_to(campaign.folder) for one, p in some.items() if p in brought.files}
        failed = {one: brought.failed[p] for one, p in some.items() if p in brought.failed}
        absent = sorted(one for one, p in some.items() if p in brought.absent)
        content = {"files": {one: path.as_posix() for one, path in files.items()}, "failed": failed, "absent": absent}
        content["sizes"] = sizes_of({campaign.folder / path for path in files.values()}, campaign.folder)
        kept.keep(plain(target.name), mark, content)
        done |= set() if set(failed) - set(absent) else {target.name}
    return done


def _products(campaign: Campaign, target: Target, said: Mapping[str, Any]) -> dict[str, Product]:
    """The files of a target; addresses that do not last are asked for anew where the file is not there."""
    products = {one: campaign.asked.product(row) for one, row in said.items()}
    gone = {one for one, product in products.items() if not product.lasts}
    gone -= {one for one in gone if place_of(products[one], campaign.folder / DOWNLOADS).is_file()}
    plan = campaign.plan(target) if gone else None
    if plan is not None:
        named = products_of(plan, [*campaign.asked.archives.values()])
        products |= {one: product for one, product in named.files.items() if one in gone}
    return products


def _bring(campaign: Campaign, products: Sequence[Product]) -> Brought:
    """Bring files within what is left of the budget."""
    folder, budget = campaign.folder / DOWNLOADS, campaign.data_set.budget
    if budget is not None:
        there = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".json", ".lock"))
        budget = max(0, budget - sum(path.stat().st_size for path in there))
    data_set = campaign.data_set
    bring = BringFiles(campaign.asked.client, data_set.at_once, budget, data_set.keep_free)
    return bring(products, folder)


def organize(campaign: Campaign, targets: Sequence[Target]) -> set[str]:
    """Lay out the complete pairs of each target.

    Args:
        campaign: of which they are.
        targets: whose files are there.

    Returns:
        Names of those that are laid out.
    """
    kept, done = campaign.records("organize"), set[str]()
    for target in targets:
        before, plan = campaign.before("organize", target), campaign.plan(target)
        if before is None or plan is None:
            continue
        chosen = [asdict(pair) for pair in plan.kept]
        mark, name, folder = digest(before, chosen), plain(target.name), campaign.folder
        said = kept.get(name, mark)
        if said is None or changed(said, folder):
            files = {one: Path(folder, path) for one, path in before["files"].items()}
            # A record is gone where a killed run left links: the files are the same.
            made = lay_out(plan, files, before["failed"], folder)
            lost = [{"science": pair.science, "reference": pair.reference, "why": why} for pair, why in made.incomplete]
            sizes = sizes_of({folder / row[side] for row in made.rows for side in SIDES}, folder)
            kept.keep(name, mark, {"rows": [*made.rows], "incomplete": lost, "sizes": sizes})
        done.add(target.name)
    return done


def join_manifest(campaign: Campaign, targets: Sequence[Target]) -> None:
    """``manifest.csv`` and ``.parquet`` of all complete pairs.

    Args:
        campaign: of which they are.
        targets: all.
    """
    said = [campaign.records("organize").get(plain(target.name)) for target in targets]
    write_manifest([row for one in said if one is not None for row in one["rows"]], campaign.folder)
