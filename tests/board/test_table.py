"""Rows of the board: tasks apart, ranks within one set of samples, groups of seeds, what was varied, cost, progress."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from made.runs import small_run

from astrid_ml.board.find import Run, RunFolders, look, read_run
from astrid_ml.board.table import board_of, called, cost_of, group_of, last_epoch, progress, shown, varied
from astrid_ml.board.tasks import JudgedTask, base, by_mission, columns, number, task_of
from astrid_ml.report.names import letter


def runs_of(folder: Path, *given: dict[str, Any]) -> list[Run]:
    return [read_run(small_run(folder / str(k), **values)) for k, values in enumerate(given)]


def with_config(run: Run, **values: Any) -> Run:
    config = {**run.config, **{key.replace("__", "."): value for key, value in values.items()}}
    return dataclasses.replace(run, config=config)


def test_runs_are_ranked_by_validation_within_their_samples(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, {"lr": 0.001}, {"lr": 0.003}, {"lr": 0.002, "split": {"name": "group", "hash": "other"}})
    board = board_of(RunFolders(), runs, None)
    rows = {Path(row["path"]).name: row for row in board["runs"]}
    assert [(rows[n]["set"], rows[n]["rank"], rows[n]["of"]) for n in "012"] == [("A", 2, 2), ("A", 1, 2), ("B", 1, 1)]
    assert rows["1"]["v"] == pytest.approx([0.81, 0.71, 0.91]) and rows["1"]["t"][0] == pytest.approx(0.76)
    assert board["tasks"][0]["headline"] == "aucpr" and not board["tasks"][0]["lower"]


def test_equal_scores_share_a_rank_and_a_run_without_validation_has_none(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, {"lr": 0.001}, {"lr": 0.001}, {"lr": 0.0005}, {"lr": 0.002})
    runs[3] = dataclasses.replace(runs[3], metrics={k: v for k, v in runs[3].metrics.items() if k.startswith("test")})
    rows = board_of(RunFolders(), runs, None)["runs"]
    assert [row["rank"] for row in rows] == [1, 1, 3, None]


def test_tasks_are_never_in_one_ranking(tmp_path: Path) -> None:
    run = runs_of(tmp_path, {})[0]
    tree = with_config(run, evaluation___target_="a.HierarchicalJudge", evaluation__headline="leaf/macro_aucpr/64d")
    rare = with_config(run, evaluation__evaluation__positive=0)
    own = with_config(run, evaluation___target_="mine.Judge")
    titles = {task_of(one) for one in (run, tree, rare, own)}
    assert len(titles) == 4 and JudgedTask("real or bogus", "aucpr") in titles
    assert task_of(own) == JudgedTask("Judge", "aucpr") and task_of(tree).headline == "leaf/macro_aucpr/64d"
    nothing = dataclasses.replace(run, config={}, metrics={}, record={})
    assert task_of(nothing) == JudgedTask("not known", "")
    ramps = dataclasses.replace(nothing, metrics={"test/aucpr_mean": 0.5})
    assert task_of(ramps) == JudgedTask("anomalies by voxel", "aucpr_mean")
    assert JudgedTask("", "loss").lower and JudgedTask("", "leaf/nll/64d").lower and not JudgedTask("", "aucpr").lower
    board = board_of(RunFolders(), [run, tree, rare], None)
    assert len(board["tasks"]) == 3 and sorted(row["task"] for row in board["runs"]) == [0, 1, 2]


def test_runs_that_differ_in_seeds_alone_are_one_group(tmp_path: Path) -> None:
    one, two, other = runs_of(tmp_path, {"seed": 1}, {"seed": 2}, {"lr": 0.003})
    assert group_of(one) == group_of(two) != group_of(other)
    assert group_of(with_config(one, split__seed=4)) == group_of(one) == group_of(with_config(one, paths__run_dir="x"))
    assert (
        group_of(with_config(one, dataset="other")) != group_of(one) != group_of(with_config(one, paths__raw="other"))
    )
    assert group_of(dataclasses.replace(one, config={})) == ""


def test_what_was_varied_is_found_once_with_seeds_last(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, {"seed": 1, "lr": 0.001}, {"seed": 2, "lr": 0.001}, {"seed": 1, "lr": 0.003})
    # A configuration is written with its references resolved: the copy varies together with the key.
    runs = [with_config(run, model__task__optimizer__lr=run.config["optimizer.lr"]) for run in runs]
    runs[1] = with_config(runs[1], model__width=3)
    assert varied(runs) == ["optimizer.lr", "model.width", "seed"]
    assert varied(runs[:1]) == [] == varied([])


def test_values_of_cells() -> None:
    values: dict[Any, Any] = {1: 1, None: None, 0.123456789: 0.12346, "x": "x", '[1, "a"]': '[1, "a"]'}
    assert [shown(value) for value in values] == list(values.values())
    assert shown([1, "a"]) == '[1, "a"]' and shown({}) == "{}" and shown(True) == "true"
    assert shown("a.b.Zogy", "subtract._target_") == "Zogy" and shown(2**60) == str(2**60)
    assert len(shown("x" * 1000)) == 120 and shown(float("nan")) is None
    assert [number(v) for v in (1, 0.5, True, "1", None, float("inf"))] == [1.0, 0.5, None, None, None, None]
    assert [letter(k) for k in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


def test_energy_is_an_estimate_where_it_is_asked_for(tmp_path: Path) -> None:
    run = runs_of(tmp_path, {})[0]
    assert cost_of(run, None)["energy_wh"] is None
    assert cost_of(run, 15.0)["energy_wh"] == pytest.approx(12.0 * 15 / 3600)
    measured = dataclasses.replace(run, record={**run.record, "cost": {"energy_wh": 2.5, "cpu_seconds": "many"}})
    assert cost_of(measured, 15.0) == {**dict.fromkeys(cost_of(run, None)), "energy_wh": 2.5}


def test_progress_is_the_last_epoch_of_the_log(tmp_path: Path) -> None:
    run = runs_of(tmp_path, {})[0]
    assert progress(run) == ("", 4, 4)
    running = dataclasses.replace(run, status="running", record={"stages": [{"name": "fit"}]})
    assert progress(running) == ("fit", None, 4)
    (run.path / "csv").mkdir()
    log = run.path / "csv" / "metrics.csv"
    log.write_text("epoch,step,val/loss\n0,8,\n0,8,0.5\n1,16,\n2,")
    assert progress(running) == ("fit", 2, 4)
    log.write_text("epoch,step\n" + "".join(f"{k},{k}\n" for k in range(20_000)))
    assert last_epoch(log) == 20_000
    for content in ("", "step\n1\n", "epoch\nx\n", "\x00"):
        log.write_text(content)
        assert last_epoch(log) is None
    assert last_epoch(tmp_path) is None


def test_a_folder_is_called_by_what_tells_it_apart() -> None:
    names = ("a/honest", "sweep/trials/7/run", "a/lrs/3", "3")
    assert [called(Path(name)) for name in names] == ["honest", "7/run", "lrs/3", "3"]


def test_missions_are_broken_down_and_a_held_out_one_is_its_own(tmp_path: Path) -> None:
    run = runs_of(tmp_path, {})[0]
    assert sorted(by_mission(run)) == ["ps1", "ztf"] and by_mission(run)["ztf"][0] == pytest.approx(0.57, abs=0.06)
    held = dataclasses.replace(with_config(run, split__held_out="swift"), metrics={"test/aucpr": 0.5})
    assert by_mission(held) == {"swift": [0.5, None, None]}


def test_columns_are_known_metrics_first_and_none_of_one_class_or_mission() -> None:
    names = ("test/f1", "val/odd", "test/odd", "val/aucpr", "val/aucpr/ztf", "val/recall_low", "val/recall", "val/none")
    run = Run(Path(), "run", "done", metrics={**dict.fromkeys(names, 0.5), "val/none": None})
    assert columns([run], JudgedTask("t", "aucpr")) == ["recall", "f1", "odd"]
    tree = ("val/leaf/nll/64d", "val/leaf/nll/8d", "val/leaf/aucpr_SN/64d", "val/leaf/macro_f1/64d", "val/n")
    run = dataclasses.replace(run, metrics=dict.fromkeys(tree, 0.5))
    assert columns([run], JudgedTask("t", "leaf/macro_f1/64d")) == ["leaf/nll/64d"]
    assert base("val/a/b") == "a/b" and base("cost") == "cost"


ODD = [None, 1, "x", [], {}, {"x": 1}, [1], True]


@pytest.mark.parametrize(
    "key", ["dataset", "split", "stages", "cost", "versions", "environment", "seeds", "name", "epochs"]
)
def test_a_record_may_hold_anything_in_any_place(key: str, tmp_path: Path) -> None:
    for k, value in enumerate(ODD):
        small_run(tmp_path / str(k), **{key: value})
    runs = [read_run(path) for path in look([tmp_path]).runs]
    board = board_of(RunFolders(), runs, 15.0)
    assert len(board["runs"]) == len(ODD)


def test_a_run_says_of_which_sweep_it_is(tmp_path: Path) -> None:
    small_run(tmp_path / "tuned" / "trials" / "0" / "run")
    (tmp_path / "tuned" / "leaderboard.parquet").write_bytes(b"")
    found = look([tmp_path])
    [row] = board_of(found, [read_run(path) for path in found.runs], None)["runs"]
    assert row["sweep"] == "sweep tuned"


def test_numbers_that_are_none_are_none() -> None:
    assert [number(value) for value in (10**400, -(10**400), float("inf"), True, "7", [1])] == [None] * 6
