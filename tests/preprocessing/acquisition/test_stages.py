"""Stages alone: records that are damaged, archives that do not answer, budgets, groups, named fields, accounts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made.archive_server import Clients, PlayedArchive
from made.own_archive import OwnArchive, campaign, targets

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Search
from astrid_ml.preprocessing.acquisition.data_set import Acquisition
from astrid_ml.preprocessing.acquisition.report.account import account_of
from astrid_ml.preprocessing.acquisition.report.page import acquisition_page
from astrid_ml.preprocessing.acquisition.stages.asking import choose, query, write_pairs
from astrid_ml.preprocessing.acquisition.stages.bringing import download, organize
from astrid_ml.preprocessing.acquisition.stages.groups import groups_of
from astrid_ml.preprocessing.acquisition.stages.kept import KeptRecords, digest
from astrid_ml.preprocessing.acquisition.stages.making import difference, forget_pixels
from astrid_ml.preprocessing.acquisition.stages.run import PipelineProgress
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target, read_targets
from astrid_ml.preprocessing.acquisition.targets.fields import FIELDS, targets_of_fields
from astrid_ml.preprocessing.acquisition.targets.selection import SelectTargets


@pytest.mark.parametrize(
    "damage", ["", "{", '{"made_from": "a"}', "[]", '{"made_from": "a", "digest": "b", "content": {}}']
)
def test_a_damaged_record_is_none(tmp_path: Path, damage: str) -> None:
    kept = KeptRecords(tmp_path)
    kept.keep("one", "mark", {"n": 1})
    (tmp_path / "one.json").write_text(damage)
    assert kept.get("one") is None
    assert kept.keep("one", "mark", {"n": 2}) == kept.get("one", "mark") == {"n": 2}


def test_a_record_whose_numbers_were_changed_is_none(tmp_path: Path) -> None:
    kept = KeptRecords(tmp_path)
    kept.keep("one", digest(1), {"n": 1})
    path = tmp_path / "one.json"
    path.write_text(path.read_text().replace('"n": 1', '"n": 7'))
    assert kept.get("one", digest(1)) is None


def test_an_archive_that_does_not_answer_costs_one_target_and_is_asked_again(tmp_path: Path) -> None:
    run = campaign(tmp_path, OwnArchive(silent=1), at_once=1)
    both = run.targets.targets()
    assert query(run, both) == {"SN1"}
    account = account_of(run, both)
    assert account.failed == 1
    assert "silence" in account.report["query"]["targets_failed"]["SN0"]
    assert query(run, both) == {"SN0", "SN1"}
    assert account_of(run, both).failed == 0


def test_files_within_the_budget_alone(tmp_path: Path, played: PlayedArchive, client_of: Clients, image: bytes) -> None:
    played.files = {f"/SN{n}-{name}.fits": image for n in (0, 1) for name in ("early", "seen")}
    small = campaign(tmp_path, OwnArchive(played.url), client=client_of(), budget=len(image) + 10)
    both = small.targets.targets()
    assert query(small, both) == choose(small, both) == {"SN0", "SN1"}
    with pytest.raises(UserError, match="within its budget"):
        download(small, both)
    whole = campaign(tmp_path, OwnArchive(played.url), client=client_of(), budget=4 * len(image))
    assert download(whole, both) == {"SN0", "SN1"}
    spent = campaign(tmp_path, OwnArchive(played.url), targets(((10, 0), (50, 20), (80, 0))), client_of(), budget=0)
    played.files |= {"/SN2-early.fits": image, "/SN2-seen.fits": image}
    three = spent.targets.targets()
    assert query(spent, three) == choose(spent, three) == {"SN0", "SN1", "SN2"}
    with pytest.raises(UserError, match="within its budget"):
        download(spent, three)


def test_pairs_that_cannot_be_subtracted_are_told_and_tried_again(
    tmp_path: Path, played: PlayedArchive, client_of: Clients, image: bytes
) -> None:
    """Images without coordinates come whole and are laid out; the subtraction refuses them, and the control says so."""
    played.files = {f"/SN{n}-{name}.fits": image for n in (0, 1) for name in ("early", "seen")}
    run = campaign(tmp_path, OwnArchive(played.url), client=client_of())
    both = run.targets.targets()
    for stage in (query, choose, download, organize):
        assert stage(run, both) == {"SN0", "SN1"}
    assert difference(run, both) == set()  # neither is done: the next run tries both again
    account = account_of(run, both)
    assert account.report["difference"]["pairs_failed"] == account.failed == 2
    assert account.why_failed.total() == 2
    assert all("WCS" in why or "coordinates" in why for why in account.why_failed), account.why_failed
    assert account.report["control"]["failed"] == 2
    reasons = [" ".join(record["reasons"]) for record in account.control]
    assert all("world coordinates" in said or "WCS" in said for said in reasons), reasons
    page = acquisition_page(account, "own")
    assert "it could not be subtracted" in page
    forget_pixels(run, both, ["triplets"])
    assert len(list((tmp_path / "records" / "difference").glob("*.json"))) == 2
    forget_pixels(run, both, ["difference", "triplets"])
    assert not list((tmp_path / "records" / "difference").glob("*.json"))


def test_pairs_of_a_dry_run_are_written_with_their_reasons(tmp_path: Path) -> None:
    run = campaign(tmp_path, OwnArchive())
    query(run, run.targets.targets())
    write_pairs(run, run.targets.targets())
    table = pd.read_csv(tmp_path / "pairs.csv")
    assert table["reason"].tolist() == ["kept", "kept"]
    assert pd.read_parquet(tmp_path / "pairs.parquet")["science"].tolist() == ["SN0-seen", "SN1-seen"]


@pytest.mark.parametrize(
    ("places", "groups"),
    [
        ([(10.0, 0.0), (10.3, 0.0), (50.0, 0.0)], ["SN0", "SN0", "SN2"]),
        ([(359.9, 0.0), (0.1, 0.0)], ["SN0", "SN0"]),
        ([(10.0, 0.0), (10.8, 0.0), (10.4, 0.0)], ["SN0", "SN0", "SN0"]),
        ([(10.0, 0.0), (10.8, 0.0)], ["SN0", "SN1"]),
        ([(10.0, 89.9), (190.0, 89.9)], ["SN0", "SN0"]),
    ],
    ids=["near", "meridian", "chain", "apart", "pole"],
)
def test_targets_that_share_images_are_one_group(
    tmp_path: Path, places: list[tuple[float, float]], groups: list[str]
) -> None:
    assert list(campaign(tmp_path, OwnArchive(), targets(places)).groups().values()) == groups


class WideArchive(OwnArchive):  # type: ignore[misc]  # helpers of tests have no types here
    """One frame for all targets, or frames of one's own that hold the other."""

    def __init__(self, shared: bool, width: float = 1.0) -> None:
        super().__init__()
        self.shared, self.width = shared, width

    def search(self, target: Target, asked: Search) -> Sequence[Observation]:
        edge = f"CIRCLE ICRS 10.8 0.0 {self.width}" if self.shared else f"CIRCLE ICRS {target.ra} 0.0 {self.width}"
        lead = "all" if self.shared else target.name
        return [
            Observation("own", "ztf", "g", f"{lead}-{name}", 10.8, 0.0, t, t, 30.0, footprint=edge)
            for name, t in {"early": 55700.0, "seen": 56010.0}.items()
        ]


@pytest.mark.parametrize(("shared", "width", "together"), [(True, 2.0, True), (False, 1.7, True), (False, 1.0, False)])
def test_two_supernovae_on_one_frame_are_one_group(tmp_path: Path, shared: bool, width: float, together: bool) -> None:
    """1.6 degrees apart: what counts is whether a frame of one holds the other."""
    run = campaign(tmp_path, WideArchive(shared, width), targets([(10.0, 0.0), (11.6, 0.0)]))
    both = run.targets.targets()
    assert query(run, both) == choose(run, both) == {"SN0", "SN1"}
    assert (len(set(run.groups().values())) == 1) is together


def test_links_go_over_any_number_of_steps() -> None:
    names, places = ["a", "b", "c", "d"], np.array([[10.0, 0.0], [12.0, 0.0], [14.0, 0.0], [16.0, 0.0]])
    frames = [{"x/1": ""}, {"x/1": "", "x/2": ""}, {"x/2": ""}, {"y/2": ""}]
    assert [*groups_of(names, places, frames, 0.1).values()] == ["a", "a", "a", "d"]
    assert [*groups_of(names[:1], places[:1], [{}], 0.0).values()] == ["a"]


def test_other_targets_are_all_of_the_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "sne.csv"
    path.write_text(
        "name,ra,dec,date\nA,10,1,2012-01-01\nB,10.01,1,2013-01-01\nC,14,1,2013-01-01\nD,200,1,2013-01-01\n"
    )
    chosen = SelectTargets(names=("A",))(read_targets(path))
    run = campaign(tmp_path, OwnArchive(), chosen.joined(targets_of_fields(["M101"])))
    assert run.others()["ra"].tolist() == [10.0, 10.01, 14.0, 200.0]  # the middle of a field is none
    assert len(run.surroundings(chosen.targets()[0])[1]) == 3


def test_named_fields_stand_beside_a_catalogue(tmp_path: Path) -> None:
    assert [one.name for one in targets_of_fields(list(FIELDS)).targets()] == [*FIELDS]
    data_set = Acquisition({"own": lambda _: OwnArchive()}, fields=("M101", "COSMOS"))
    (first, second) = data_set.targets(tmp_path).targets()
    assert (first.name, first.discovered, second.name) == ("M101", None, "COSMOS")
    path = tmp_path / "sne.csv"
    path.write_text("name,ra,dec,discoverydate\n2014J,09:55:42.15,+69 40 25.9,2014-01-21\n")
    both = Acquisition({"own": lambda _: OwnArchive()}, str(path), fields=("M101",)).targets(tmp_path)
    assert [one.name for one in both.targets()] == ["M101", "2014J"]
    assert both.account()["rows"] == 2


@pytest.mark.parametrize("damage", ["", "[]", '{"completed": 3}', '{"completed": {"a": {"stages": 1}}}'])
def test_a_damaged_progress_counts_nothing_as_done(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "pipeline_progress.json"
    path.write_text(damage)
    assert PipelineProgress.read(path).stages == {}


def test_a_stage_that_is_done_again_undoes_the_later_ones(tmp_path: Path) -> None:
    done = PipelineProgress(tmp_path / "p.json")
    for stage in ("query", "filter", "download"):
        done.add(stage, {"a": "mark"}, {"a"})
    done.add("filter", {"a": "mark"}, {"a"})
    done.write([Target("a", 1.0, 2.0, 56000.0)])
    assert json.loads((tmp_path / "p.json").read_text())["completed"]["a"]["stages"] == ["query", "filter"]
    assert PipelineProgress.read(tmp_path / "p.json") == done
    assert done.left("filter", {"a": "another"}) == {"a"}
    done.add("filter", {"a": "mark"}, set())
    assert done.left("filter", {"a": "mark"}) == {"a"}
