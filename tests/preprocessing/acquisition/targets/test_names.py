"""Targets whose names are one name of a file each keep their own files, and none is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from made.own_archive import OwnArchive, campaign

from astrid_ml.preprocessing.acquisition.commands.acquire import AcquireCommand
from astrid_ml.preprocessing.acquisition.data_set import Acquisition
from astrid_ml.preprocessing.acquisition.report.account import account_of
from astrid_ml.preprocessing.acquisition.report.page import acquisition_page
from astrid_ml.preprocessing.acquisition.stages.run import run_stages
from astrid_ml.preprocessing.acquisition.targets.catalogue import TargetList
from astrid_ml.preprocessing.acquisition.targets.file_names import plain
from astrid_ml.preprocessing.acquisition.targets.moving import MovingTarget


def listed(names: list[str], ra: list[float] | None = None) -> TargetList:
    columns = {"discovered": 56000.0, "year": 2012.0, "type": "", "host": "", "mag": np.nan, "redshift": np.nan}
    places = [float(n) for n in range(len(names))] if ra is None else ra
    return TargetList(pd.DataFrame({"name": names, "ra": places, "dec": 0.0} | columns), len(names))


def files_of(targets: TargetList) -> list[str]:
    return [plain(one.name).casefold() for one in targets.targets()]


def test_the_later_of_two_names_that_are_one_file_gets_a_digest_of_its_row() -> None:
    read = listed(["SN 1", "SN/1", "sn 1", "SN 2"]).told_apart()
    names = read.rows["name"].tolist()
    assert (names[0], names[3]) == ("SN 1", "SN 2") and len(set(files_of(read))) == 4
    assert list(read.renamed.values()) == ["SN/1", "sn 1"] and read.account()["targets"] == 4
    assert read.account()["targets_renamed"] == {names[1]: "SN/1", names[2]: "sn 1"}
    alone = listed(["SN/1", "x", "SN 1"], [1.0, 7.0, 0.0]).told_apart()
    assert alone.rows["name"].tolist()[0] == "SN/1"  # of any two the first keeps its name
    later = listed(["new", "SN 1", "SN/1"], [9.0, 0.0, 1.0]).told_apart()
    assert later.rows["name"].tolist()[2] == names[1]  # rows before it change nothing


def test_any_names_become_names_of_their_own() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        size = int(rng.integers(2, 40))
        names = ["".join(rng.choice(list("aA /_.:"), int(rng.integers(1, 4)))) for _ in range(size)]
        names += [f"{'x' * 200}{'y' * n}" for n in (1, 1, 2)]
        read = listed(names, rng.integers(0, 2, len(names)).astype(float).tolist()).told_apart()
        own = read.rows["name"].tolist()
        assert len(set(files_of(read))) == len(own)
        assert [read.renamed.get(name, name) for name in own] == names
        assert read.told_apart().rows["name"].tolist() == own


def test_a_place_of_a_moving_object_and_a_row_of_its_name_stay_apart() -> None:
    moving = MovingTarget("Ceres 56000", 1.0, 0.0, 56000.0, object="Ceres", tolerance=0.01)
    second = listed(["Ceres 56000"], [1.0])
    both = listed(["Ceres 56000"], [5.0]).joined(TargetList(second.rows, 1, moving={moving.name: moving})).told_apart()
    first, other = both.targets()
    assert not isinstance(first, MovingTarget) and first.name == "Ceres 56000"
    assert isinstance(other, MovingTarget) and other.name in both.renamed and other.object == "Ceres"


def test_a_catalogue_of_such_names_is_asked_for_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "sne.csv"
    path.write_text("name,ra,dec,date\nSN 1,10,20,2012-01-01\nSN/1,50,20,2012-01-01\nM101,90,20,2012-01-01\n")
    data_set = Acquisition({"own": lambda _: OwnArchive()}, str(path), fields=("M101",), keep_free=0)
    run = campaign(tmp_path / "out", OwnArchive())
    run = type(run)(run.asked, tmp_path / "out", data_set.targets(tmp_path), run.pipeline)
    run_stages(run, ["query", "filter"], "per_stage")
    assert len(list((tmp_path / "out/records/query").glob("*.json"))) == 4
    page = acquisition_page(account_of(run, run.targets.targets()), "own")
    assert "SN/1" in page and "(2 of 2)" in page
    said = AcquireCommand(data_set, str(tmp_path / "seen"), dry_run=True).run()
    assert said["targets_renamed"].startswith("2, whose files would be those of an earlier one: SN/1 is SN/1-")
    fine = AcquireCommand(
        Acquisition({"own": lambda _: OwnArchive()}, fields=("M101",)), str(tmp_path / "one"), dry_run=True
    )
    assert "targets_renamed" not in fine.run()
