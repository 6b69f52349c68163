"""The stages of pixels: ``difference`` subtracts and controls pairs, ``triplets`` labels and cuts."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from astrid_ml.executors.local import Serial
from astrid_ml.fingerprint import file_hash
from astrid_ml.pipeline.parts import PARTS, in_short
from astrid_ml.preprocessing.acquisition.control.pair import control_pair
from astrid_ml.preprocessing.acquisition.stages.campaign import Campaign
from astrid_ml.preprocessing.acquisition.stages.kept import changed, digest, sizes_of
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.targets.file_names import plain
from astrid_ml.preprocessing.acquisition.triplets.known import KnownSources, read_known
from astrid_ml.preprocessing.acquisition.triplets.label import label_supernova
from astrid_ml.preprocessing.acquisition.triplets.subtracted import SubtractedPairs
from astrid_ml.preprocessing.acquisition.triplets.write import FOLDERS, write_extras, write_labelled
from astrid_ml.preprocessing.differencing.commands.difference import DifferenceCommand
from astrid_ml.preprocessing.differencing.commands.difference_many import subtract_each
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.frame.manifest import pair_of
from astrid_ml.progress import Progress

DIFFERENCES = "difference_images"


def difference(campaign: Campaign, targets: Sequence[Target]) -> set[str]:
    """Subtract the pairs of targets, as ``astrid difference`` does, and control their quality.

    Args:
        campaign: of which they are.
        targets: whose pairs are laid out.

    Returns:
        Names of those of which every pair was subtracted: the others are tried again.
    """
    befores = {target.name: campaign.before("difference", target) for target in targets}
    known = {name: before for name, before in befores.items() if before is not None}
    rows = [row for before in known.values() for row in before["rows"]]
    results = dict(zip((str(row["name"]) for row in rows), _subtracted(campaign, rows), strict=True))
    kept = campaign.records("difference")
    with Progress("controlling", len(known), unit="target", wanted=len(known) > 1) as progress:
        for name, before in known.items():
            progress.step()
            said = {str(row["name"]): _said(results[str(row["name"])], campaign.folder) for row in before["rows"]}
            mark = digest(before["rows"], said, campaign.settings["difference"])
            there = kept.get(plain(name), mark)
            if there is None or changed(there, campaign.folder):
                control = [_controlled(campaign, row, said[str(row["name"])]) for row in before["rows"]]
                made = (
                    campaign.folder / DIFFERENCES / pair for pair, figures in said.items() if "failed" not in figures
                )
                sizes = sizes_of((path for folder in made for path in folder.iterdir()), campaign.folder)
                kept.keep(plain(name), mark, {"pairs": said, "control": control, "sizes": sizes})
    failed = {name for name, result in results.items() if isinstance(result, Exception)}
    return {
        name for name, before in known.items() if not failed.intersection(str(row["name"]) for row in before["rows"])
    }


def _subtracted(campaign: Campaign, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any] | Exception]:
    """The figures of each pair, or why it could not be subtracted."""
    if not rows:
        return []
    frame = Frame(path=None)
    command = DifferenceCommand(
        frame,
        frame,
        str(campaign.folder / DIFFERENCES),
        campaign.pipeline,
        intermediates=True,
        executor=campaign.executor or Serial(),
    )
    pairs = [pair_of(row, campaign.folder) for row in rows]
    done = subtract_each(command, pairs, [str(row["name"]) for row in rows], [campaign.folder], forget=False)
    assert done is not None  # no share of the work was asked for
    return done


def _said(result: dict[str, Any] | Exception, folder: Path) -> dict[str, Any]:
    """The figures of a pair, or why there are none: the same wherever the folder lies."""
    if isinstance(result, Exception):
        return {"failed": in_short(result).replace(f"{folder}/", "")}
    return {name: value for name, value in result.items() if name != "output_dir"}


def _controlled(campaign: Campaign, row: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    quality = None if "failed" in said else _quality(campaign.folder, str(row["name"]))
    rules = campaign.data_set.control
    return control_pair(row, campaign.folder, quality, rules, campaign.pipeline.loader())


def _quality(folder: Path, name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((folder / DIFFERENCES / name / "quality.json").read_text(encoding="utf-8"))
    return said


def triplets(campaign: Campaign, targets: Sequence[Target]) -> set[str]:
    """Label and cut the triplets of targets, of pairs that passed the control.

    Args:
        campaign: of which they are.
        targets: whose pairs are subtracted.

    Returns:
        Names of those that are done.
    """
    kept, done = campaign.records("triplets"), set[str]()
    groups = campaign.groups()
    with Progress("labelling", len(targets), unit="target", wanted=len(targets) > 1) as progress:
        for target in targets:
            progress.step()
            before = campaign.before("triplets", target)
            if before is None:
                continue
            of_target = [asdict(target), campaign.settings["triplets"], campaign.surroundings(target)]
            mark, name = digest(before, *of_target), plain(target.name)
            said = kept.get(name, mark)
            if said is None or changed(said, campaign.folder):
                kept.keep(name, mark, _labelled(campaign, target, groups[target.name], before["control"]))
            done.add(target.name)
    return done


def _labelled(campaign: Campaign, target: Target, group: str, control: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Write the triplets of a target; returns what is kept of them."""
    rules, folder = campaign.data_set.labels, campaign.folder
    passed = [str(record["pair"]) for record in control if record["verdict"] == "pass"]
    pairs = SubtractedPairs(
        tuple((folder / DIFFERENCES / name, float(_quality(folder, name)["fwhm_science"])) for name in passed)
    )
    made = label_supernova(target, group, pairs, rules, _known(campaign), campaign.pipeline.cutout.size)
    made.counts["pairs that failed the control"] += len(control) - len(passed)
    remove_files(campaign, plain(target.name))  # not before others are made
    files = write_labelled(made, plain(target.name), folder) + write_extras(
        made, pairs, rules, plain(target.name), folder
    )
    counts = {name: number for name, number in sorted(made.counts.items()) if number}
    missions = Counter(made.rows["mission"].astype(str)) if len(made.rows) else Counter[str]()
    return {
        "files": [path.relative_to(folder).as_posix() for path in files],
        "sizes": sizes_of(files, folder),
        "counts": counts,
        "missions": dict(sorted(missions.items())),
    }


def _known(campaign: Campaign) -> KnownSources:
    """Known sources of the whole data set, read once."""
    places = tuple(map(tuple, campaign.others().to_numpy(float).tolist()))
    path = campaign.data_set.labels.known
    content = None if path is None else file_hash(Path(path))
    return replace(_read_known(path, content, places), tracks=campaign.targets.tracks)


@lru_cache(maxsize=1)
def _read_known(path: str | None, content: str | None, others: tuple[tuple[float, float], ...]) -> KnownSources:
    import pandas as pd

    return read_known(path, pd.DataFrame(list(others), columns=["ra", "dec"]))


def remove_files(campaign: Campaign, name: str) -> None:
    """Remove the triplets of a target, its pictures and masks with them: training reads whatever lies there.

    Args:
        campaign: of which it is, or was.
        name: of the target's files.
    """
    said = campaign.records("triplets").get(name)
    for file in said["files"] if said is not None else ():
        if Path(file).parts[0] in FOLDERS and ".." not in Path(file).parts:
            (campaign.folder / file).unlink(missing_ok=True)
    campaign.records("triplets").forget(name)


def remove_stale(campaign: Campaign, targets: Sequence[Target]) -> None:
    """Remove the triplets of targets that are not chosen any more.

    Args:
        campaign: of which they were.
        targets: all that are.
    """
    chosen = {plain(target.name) for target in targets}
    for path in sorted(campaign.records("triplets").folder.glob("*.json")):
        if path.stem not in chosen:
            remove_files(campaign, path.stem)


def forget_pixels(campaign: Campaign, targets: Sequence[Target], stages: Sequence[str]) -> None:
    """Let stages of this run do their work again, whatever is there; downloaded files stay.

    Args:
        campaign: of which they are.
        targets: all.
        stages: of the run: labels alone are made again from what was subtracted.
    """
    for stage in {"difference", "triplets"}.intersection(stages):
        for target in targets:
            campaign.records(stage).forget(plain(target.name))
    if "difference" in stages:
        shutil.rmtree(campaign.folder / DIFFERENCES / PARTS, ignore_errors=True)
