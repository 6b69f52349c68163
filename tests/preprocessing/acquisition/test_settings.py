"""What a change of settings, of the catalogue or of an archive's mind makes again, and what it leaves."""

from __future__ import annotations

import platform
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made.archive_server import Clients, PlayedArchive
from made.own_archive import OwnArchive, campaign, targets

from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Product, Search
from astrid_ml.preprocessing.acquisition.control.pair import ControlPair
from astrid_ml.preprocessing.acquisition.pairs.choose import ChoosePairs
from astrid_ml.preprocessing.acquisition.report.account import account_of
from astrid_ml.preprocessing.acquisition.report.page import acquisition_page
from astrid_ml.preprocessing.acquisition.stages.asking import query
from astrid_ml.preprocessing.acquisition.stages.bringing import download
from astrid_ml.preprocessing.acquisition.stages.making import remove_stale
from astrid_ml.preprocessing.acquisition.stages.memory import forget_images, return_large_blocks
from astrid_ml.preprocessing.acquisition.stages.run import run_stages
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target


class Changing(OwnArchive):  # type: ignore[misc]  # helpers of tests have no types here
    """Counts its questions; some of its files it does not have, or does not give."""

    def __init__(self, server: str = "") -> None:
        super().__init__(server)
        self.asked = 0

    def search(self, target: Target, asked: Search) -> Sequence[Observation]:
        self.asked += 1
        found: Sequence[Observation] = super().search(target, asked)
        return found


def records(folder: Path, stage: str) -> dict[str, str]:
    return {path.stem: path.read_text() for path in (folder / "records" / stage).glob("*.json")}


def test_a_changed_setting_remakes_what_depends_on_it(tmp_path: Path) -> None:
    archive = Changing()
    first = campaign(tmp_path, archive)
    run_stages(first, ["query", "filter"], "per_stage")
    assert archive.asked == 2
    rules = replace(first.data_set, pairs=ChoosePairs(least_separation=1000.0))
    other = replace(first, asked=replace(first.asked, data_set=rules), plans={}, found_groups={})
    run_stages(other, ["query", "filter"], "per_stage")
    assert archive.asked == 2  # the archive has nothing new to say
    assert pd.read_csv(tmp_path / "pairs.csv")["reason"].tolist() == ["too close in time"] * 2
    wider = replace(first.data_set, search=Search(radius=0.2))
    again = replace(first, asked=replace(first.asked, data_set=wider), plans={}, found_groups={})
    before = records(tmp_path, "filter")
    run_stages(again, ["query"], "per_object")
    assert archive.asked == 4
    run_stages(again, ["query", "filter"], "per_stage")
    assert archive.asked == 4 and records(tmp_path, "filter").keys() == before.keys()
    marks = [first.mark(stage, first.targets.targets()[0]) for stage in ("query", "filter", "difference")]
    control = replace(first.data_set, control=ControlPair(noise=0.1))
    third = replace(first, asked=replace(first.asked, data_set=control), plans={}, found_groups={})
    assert [
        mark == third.mark(stage, first.targets.targets()[0])
        for stage, mark in zip(("query", "filter", "difference"), marks, strict=True)
    ] == [True, True, False]


@pytest.mark.parametrize("status", [404, 403, 503])
def test_absent_files_are_told_and_asked_for_on_demand(
    tmp_path: Path, played: PlayedArchive, client_of: Clients, image: bytes, status: int
) -> None:
    played.files = {"/SN0-early.fits": image, "/SN0-seen.fits": image}
    played.faults = {"/SN0-seen.fits": [status] * 2}
    run = campaign(tmp_path, OwnArchive(played.url), targets([(10.0, 0.0)]), client_of(tries=1))
    stages = ["query", "filter", "download", "organize"]
    for _ in range(2):
        run_stages(run, stages, "per_stage")
    account = account_of(run, run.targets.targets())
    again = status == 503
    assert (account.failed, account.report["download"]["files_absent"]) == ((1, 0) if again else (0, 1))
    assert played.asked["/SN0-seen.fits"] == (2 if again else 1)
    played.faults.clear()
    run_stages(replace(run, retry_absent=True, plans={}), stages, "per_stage")
    assert account_of(run, run.targets.targets()).report["organize"]["pairs_complete"] == 1


class Passing(OwnArchive):  # type: ignore[misc]  # helpers of tests have no types here
    """Its addresses do not last: each question names others."""

    def __init__(self, server: str) -> None:
        super().__init__(server)
        self.asked = 0

    def products(self, observation: Observation) -> Sequence[Product]:
        self.asked += 1
        url = f"{self.server}/{observation.id}.{self.asked}"
        return [Product(observation.id, "a.fits", url, lasts=False)]


def test_addresses_that_do_not_last_are_asked_for_anew(
    tmp_path: Path, played: PlayedArchive, client_of: Clients, image: bytes
) -> None:
    archive = Passing(played.url)
    run = campaign(tmp_path, archive, targets([(10.0, 0.0)]), client_of())
    run_stages(run, ["query", "filter"], "per_stage")
    played.files = {f"/SN0-{name}.{n}": image for name in ("early", "seen") for n in (3, 4)}
    run_stages(run, ["download"], "per_stage")
    assert account_of(run, run.targets.targets()).report["download"]["files"] == 2 and archive.asked == 4
    (tmp_path / "records" / "download" / "SN0.json").unlink()
    assert download(run, run.targets.targets()) == {"SN0"} and archive.asked == 4  # they are there


def test_triplets_of_targets_that_are_not_chosen_any_more_go(tmp_path: Path) -> None:
    run = campaign(tmp_path, OwnArchive())
    for name in ("SN1", "gone"):
        files = [f"training_triplets/{name}_triplets.npy", f"pictures/{name}.png", "../outside", "manifest.csv"]
        for file in files:
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).touch()
        run.records("triplets").keep(name, "mark", {"files": files, "counts": {}, "missions": {}})
    remove_stale(run, run.targets.targets())
    left = sorted(path.name for path in (tmp_path / "training_triplets").iterdir())
    assert left == ["SN1_triplets.npy"] and not (tmp_path / "pictures" / "gone.png").exists()
    assert (tmp_path / "manifest.csv").exists() and (tmp_path.parent / "outside").exists()


def test_what_the_filters_spare_is_counted_where_it_is_known(tmp_path: Path) -> None:
    """The arm without filters is one of all missions and filters, or it is not given."""
    narrow = Search(filters=("r",))
    for counted, images in ((False, None), (True, 4)):
        run = campaign(tmp_path / str(counted), OwnArchive())
        asked = replace(run.asked, data_set=replace(run.data_set, search=narrow, count_all=counted))
        run = replace(run, asked=asked)
        query(run, run.targets.targets())
        said = account_of(run, run.targets.targets()).report["filtering"]["download_then_filter"]
        assert (said["images"], said["bytes"]) == (images, None)
        assert "not counted" in acquisition_page(account_of(run, run.targets.targets()), "own") or counted


class Circle:
    """Holds itself, as a plane that a closure of its own keeps."""

    def __init__(self) -> None:
        self.own = self


def test_memory_of_an_object_that_is_done_goes_back() -> None:
    assert return_large_blocks() is (platform.libc_ver()[0] == "glibc")
    held = weakref.ref(Circle())
    forget_images()
    assert held() is None
