"""A sweep from its first trial to its page: killed, resumed, ended early, with failures; trainings are played."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from astrid_ml.build import build, conf_folder, plain
from astrid_ml.cli.outputs import changes, settings_of
from astrid_ml.cli.overrides import rewrite
from astrid_ml.cli.sweep import options_of, words_of_training
from astrid_ml.cli.verbs.keys import keys_of
from astrid_ml.commands.sweep import SweepWanted, run_sweep
from astrid_ml.config import compose, option_names
from astrid_ml.errors import UserError
from astrid_ml.executors.local import Serial
from astrid_ml.experiments import loop
from astrid_ml.experiments.leaderboard import experiment_of
from astrid_ml.experiments.samples import deciding, validated_on
from astrid_ml.experiments.settings import Objective, Sweep
from astrid_ml.experiments.space import Space
from astrid_ml.experiments.study import STORAGE
from astrid_ml.experiments.trial import INTERRUPTED, LOG, PRUNED, STOP, Wanted, epochs_of, last_words, outcome

SPACE = {"optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True}, "preprocessing/subtract": ["zogy", "kernel"]}


class Trainings:
    """Plays trainings: the score is a function of the words; each is noted."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.lock = threading.Lock()
        self.kill_at: set[int] = set()
        self.fail: dict[int, tuple[int, str]] = {}
        self.epochs = 0

    def __call__(self, wanted: Wanted) -> int:
        folder = Path(wanted.folder)
        (folder / "run").mkdir(parents=True, exist_ok=True)
        if wanted.number in self.kill_at:
            self.kill_at.discard(wanted.number)
            raise KeyboardInterrupt
        if wanted.number in self.fail:
            code, words = self.fail[wanted.number]
            (folder / LOG).write_text(words)
            return code
        values = dict(word.split("=", 1) for word in wanted.words)
        score = 0.5 + 0.1 * (values["preprocessing/subtract"] == "kernel") - abs(float(values["optimizer.lr"]) - 0.01)
        for epoch in range(self.epochs):
            with (folder / LOG).open("a") as log:
                log.write(f"epoch {epoch:>3}  train/loss 0.5000  val/aucpr {score:.4f}\n")
            until = time.monotonic() + 5
            while time.monotonic() < until and epoch == self.epochs - 1:
                if (folder / PRUNED).is_file() or wanted.number == 0:
                    break
                time.sleep(0.02)
            if (folder / PRUNED).is_file():
                return INTERRUPTED
        ends = {"val/aucpr_low": score - 0.05, "val/aucpr_high": score + 0.05}
        metrics = {"val/aucpr": score, **ends, "test/aucpr": 1 - score, "test/aucpr_low": 0.1, "test/aucpr_high": 0.9}
        (folder / "run" / "metrics.json").write_text(json.dumps(metrics))
        (folder / "run" / "report.html").write_text("report")
        record = {"status": "done", "cost": {"fit_seconds": 10.0 + wanted.number}}
        (folder / "run" / "run.json").write_text(json.dumps(record))
        with self.lock:
            self.done.append(wanted.number)
        return 0


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    played = Trainings()
    monkeypatch.setattr(loop, "do_trial", played)
    return played


def swept(folder: Path, workers: int = 1, training: Sequence[str] = ("experiment=E",), **given: Any) -> dict[str, Any]:
    sweep = Sweep(SPACE, **{"trials": 6, **given})

    def rewritten(words: Sequence[str]) -> list[str]:
        slot = "preprocessing/differencing/subtract@preprocessing.subtract="
        return [word.replace("preprocessing/subtract=", slot) for word in words]

    return run_sweep(SweepWanted(training, folder, sweep, Serial(), workers, rewritten, ["logger"]))


def board(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "leaderboard.parquet")


def test_trials_are_ordered_by_validation_and_the_best_is_an_experiment(trainings: Trainings, tmp_path: Path) -> None:
    told = swept(tmp_path, training=("experiment=E", "logger=none", "trainer.max_epochs=3"))
    table = board(tmp_path)
    assert sorted(trainings.done) == list(range(6)) and table["val/aucpr"].is_monotonic_decreasing
    assert not table["test/aucpr"].is_monotonic_decreasing  # the worst on test is the best on validation here
    assert f"Best by val/aucpr: {table['val/aucpr'][0]:.3f}, trial {table['trial'][0]}" in told["result"]
    best = yaml.safe_load((tmp_path / "best" / "experiment" / "best.yaml").read_text())
    slot = "override /preprocessing/differencing/subtract@preprocessing.subtract"
    assert best["defaults"] == [
        "/experiment/E@_global_", {"override /logger": "none"}, {slot: table["preprocessing/subtract"][0]}, "_self_",
    ]  # fmt: skip
    assert best["optimizer"] == {"lr": table["optimizer.lr"][0]} and best["trainer"] == {"max_epochs": 3}
    page = (tmp_path / "sweep.html").read_text()
    assert "stands beside it and ordered nothing" in page and "optimizer.lr" in page and "data:image/png" in page
    assert np.allclose(table["val/aucpr_high"] - table["val/aucpr_low"], 0.1)
    first = table.iloc[0]
    assert f"{first['val/aucpr_low']:.3f} to {first['val/aucpr_high']:.3f}" in page
    assert f'<a href="./trials/{first["trial"]}/run/report.html">{first["trial"]}</a>' in page
    assert "table.sortable" in page and "script-src 'unsafe-inline'" in page  # its headings sort


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_a_sweep_that_was_ended_five_times_ends_as_if_nothing_had_been(
    sampler: str, trainings: Trainings, tmp_path: Path
) -> None:
    swept(tmp_path / "whole", sampler=sampler, trials=8)
    trainings.done.clear()
    for kill in (0, 2, 3, 3, 6):
        trainings.kill_at = {kill}
        with suppress(KeyboardInterrupt):  # the other worker may have done it already
            swept(tmp_path / "ended", sampler=sampler, trials=kill + 2, workers=2)
    swept(tmp_path / "ended", sampler=sampler, trials=8, workers=2)
    assert sorted(trainings.done) == list(range(8))  # none twice, none lost
    pd.testing.assert_frame_equal(board(tmp_path / "whole"), board(tmp_path / "ended"))
    trainings.done.clear()
    swept(tmp_path / "ended", sampler=sampler, trials=10)
    assert trainings.done == [8, 9]  # a larger budget adds what is missing


def test_trials_of_tpe_are_neither_lost_nor_done_twice(trainings: Trainings, tmp_path: Path) -> None:
    for kill in (1, 4):
        trainings.kill_at = {kill}
        with pytest.raises(KeyboardInterrupt):
            swept(tmp_path, sampler="tpe", trials=12)
        assert (tmp_path / "trials" / STOP).is_file()  # trainings elsewhere end by it
    swept(tmp_path, sampler="tpe", trials=12)
    assert sorted(trainings.done) == list(range(12)) and len(board(tmp_path)) == 12


def test_a_hopeless_trial_is_ended_early(trainings: Trainings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LOOK", 0.05)
    trainings.epochs = 4
    points = [{"optimizer.lr": lr, "preprocessing/subtract": "zogy"} for lr in (0.01, 0.1)]
    swept(tmp_path, pruner="median", warmup=1, trials=2, enqueue=points)
    table = board(tmp_path).set_index("trial")
    assert table["state"].to_dict() == {0: "complete", 1: "pruned"} and trainings.done == [0]


def test_known_points_come_first_and_cost_may_be_an_objective(trainings: Trainings, tmp_path: Path) -> None:
    point = {"optimizer.lr": 0.01, "preprocessing/subtract": "kernel"}
    objectives = (Objective("val/aucpr"), Objective("cost/fit_seconds", "minimize"))
    swept(tmp_path, enqueue=[point], objectives=objectives, trials=5)
    table = board(tmp_path)
    assert table["trial"][0] == 0 and table["optimizer.lr"][0] == 0.01  # nothing is better than it
    assert table.sort_values("trial")["cost/fit_seconds"].tolist() == [10.0, 11.0, 12.0, 13.0, 14.0]


def test_a_trial_that_fails_is_told_and_the_others_go_on(trainings: Trainings, tmp_path: Path) -> None:
    mistake = "reading\nastrid: expected more memory\n        got 1 GB\n        buy some\n"
    trainings.fail = {2: (2, mistake), 4: (1, "Traceback\nValueError: odd\n")}
    told = swept(tmp_path)
    table = board(tmp_path).set_index("trial")
    assert told["failed"] == 2 and "4 finished, 2 failed" in told["result"]
    assert table["reason"][2] == "astrid: expected more memory; got 1 GB; buy some"
    assert table["reason"][4] == "ValueError: odd"


def test_trainings_that_cannot_begin_end_the_sweep(trainings: Trainings, tmp_path: Path) -> None:
    trainings.fail = {0: (2, "astrid: expected raw files\n        got none\n        give paths.raw=\n")}
    with pytest.raises(UserError, match=r"a training that can begin \(trial 0\).*expected raw files; got none"):
        swept(tmp_path)
    trainings.fail = {}
    swept(tmp_path)  # what was wrong is mended: the same trial begins
    assert sorted(trainings.done) == list(range(6))


def test_another_sweep_in_the_folder_is_refused_with_what_differs(trainings: Trainings, tmp_path: Path) -> None:
    swept(tmp_path, trials=1)
    with pytest.raises(UserError, match=r"another one \(sweep\.seed differ\)"):
        swept(tmp_path, seed=2)
    with pytest.raises(UserError, match=r"another one \(train differ\)"):
        swept(tmp_path, training=("experiment=F",))
    (tmp_path / STORAGE).write_text("{]\n{]\n")
    with pytest.raises(UserError, match="a journal of trials that can be read"):
        swept(tmp_path)


def test_words_that_are_not_a_trainings_own_are_refused(tmp_path: Path) -> None:
    for words, got in (
        (["paths.run_dir=x"], r"paths\.run_dir"),
        (["optimizer.lr=1"], r"optimizer\.lr, which is both"),
        (["~scheduler"], "~scheduler"),
    ):
        with pytest.raises(UserError, match=got):
            swept(tmp_path, training=words)
    with pytest.raises(UserError, match="workers of 1 or more"):
        swept(tmp_path, workers=0)


def test_options_of_the_users_own_stand_beside_the_best(trainings: Trainings, tmp_path: Path) -> None:
    (tmp_path / "mine" / "loss").mkdir(parents=True)
    (tmp_path / "mine" / "loss" / "own.yaml").write_text("_target_: x\n")
    swept(tmp_path / "out", training=("experiment=E", f"--config-dir={tmp_path / 'mine'}"), trials=1)
    best = tmp_path / "out" / "best"
    assert (best / "loss" / "own.yaml").read_text() == "_target_: x\n"
    assert sorted(yaml.safe_load((best / "experiment" / "best.yaml").read_text())) == ["defaults", "optimizer"]


def test_what_a_trial_left_is_read_whatever_it_is(tmp_path: Path) -> None:
    assert outcome(tmp_path) is None and epochs_of(tmp_path) == {} and last_words(tmp_path) == "it left no word"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.json").write_text("[1")
    (tmp_path / "run" / "run.json").write_text('{"status": "done"}')
    (tmp_path / LOG).write_bytes(b"\xff\nepoch   1  a nan  val/x 1.5e-3\nepoch 2  \n")
    assert outcome(tmp_path) is None
    assert epochs_of(tmp_path)[1]["val/x"] == 1.5e-3 and epochs_of(tmp_path)[2] == {}


@pytest.mark.parametrize("name", option_names(Path(__file__).resolve().parents[2] / "conf" / "sweep"))
def test_each_packaged_sweep_is_one(name: str) -> None:
    sweep = build(plain(compose("sweep", [f"sweep={name}", "output_dir=out", "paths.sweep_dir=s"]))["sweep"])
    assert isinstance(sweep, Sweep) and sweep.read_space().parameters


def test_a_training_gets_what_is_not_the_sweeps_own() -> None:
    typed = ["sweep", "experiment=E", "output_dir=O", "sweep.trials=3", "+trainer.x=1", "workers=2"]
    words = words_of_training([*typed, "executor@trials_on=dask", "executor=serial", "sweep=mine"])
    assert words == ["experiment=E", "+trainer.x=1", "executor=serial"]


def test_an_experiment_of_no_experiment_has_its_words_alone() -> None:
    text = experiment_of("train", ["split=time", "+new.key='a b'"], ["split"], "about")
    tree = {"defaults": [{"override /split": "time"}, "_self_"], "new": {"key": "a b"}}
    assert text.startswith("# @package _global_\n# about\n") and yaml.safe_load(text) == tree


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("preprocessing/subtract", ["zogy", "none"], "got none"),
        ("preprocessing/differencing/subtract", ["zogy", "kernle"], "got kernle"),
        ("loss", ["bce", "focale"], "got focale"),
        ("loss", {"low": 0.1, "high": 1.0}, "got a range"),
    ],
)
def test_options_that_a_group_does_not_have_are_refused_before_any_training(
    name: str, values: Any, said: str, tmp_path: Path
) -> None:
    sweep, conf = Sweep(space={name: values}), conf_folder()
    with pytest.raises(UserError, match=said):
        SweepWanted([], tmp_path, sweep, Serial(), 1, list, [], lambda group: options_of(group, conf))


def test_options_of_a_group_and_of_a_key() -> None:
    assert options_of("preprocessing/subtract", conf_folder()) == ["auto", "direct", "gaussian", "kernel", "zogy"]
    assert options_of("optimizer.lr", conf_folder()) is None and options_of("no/such", conf_folder()) is None


@pytest.mark.parametrize(
    "damage", [lambda text: text[: len(text) // 2] + "\n", lambda text: "{\n" + text, lambda text: "7\n"]
)
def test_a_damaged_journal_is_told(damage: Any, trainings: Trainings, tmp_path: Path) -> None:
    swept(tmp_path, trials=3)
    path = tmp_path / STORAGE
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match="a journal of trials that can be read"):
        swept(tmp_path, trials=3)


def test_the_runs_of_trials_may_be_removed(trainings: Trainings, tmp_path: Path) -> None:
    told, before = swept(tmp_path, trials=3), board(tmp_path)
    for number in range(3):
        shutil.rmtree(tmp_path / "trials" / str(number))
    assert swept(tmp_path, trials=3)["result"] == told["result"]
    pd.testing.assert_series_equal(board(tmp_path)["val/aucpr"], before["val/aucpr"])


def test_an_objective_that_no_training_measures_ends_the_sweep_at_its_first(
    trainings: Trainings, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"got val/aucprr.*val/aucpr"):
        swept(tmp_path, objectives=(Objective("val/aucprr"),))
    assert trainings.done == [0]


def test_trials_of_other_samples_stand_apart(
    trainings: Trainings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(SPACE, "simulate.prevalence", [0.1, 0.6])
    told = swept(tmp_path, trials=6)
    table = board(tmp_path)
    parts = [table[table["samples"] == letter] for letter in ("A", "B")]
    assert [part["simulate.prevalence"].nunique() for part in parts] == [1, 1] and len(parts[0]) >= len(parts[1]) > 0
    assert table["samples"].tolist() == sorted(table["samples"]) and sum(map(len, parts)) == 6
    assert all(part["val/aucpr"].is_monotonic_decreasing for part in parts)
    assert "not comparable" in told["result"] and "on samples B" in told["result"]
    assert "simulate.prevalence decide on which samples" in capsys.readouterr().err
    page = (tmp_path / "sweep.html").read_text()
    assert "not comparable" in page and "Those of samples A" in page
    with pytest.raises(UserError, match="validated on other samples"):
        swept(tmp_path / "tpe", sampler="tpe")
    with pytest.raises(UserError, match="validated on other samples"):
        swept(tmp_path / "median", pruner="median")


def test_samples_are_those_that_the_records_say(tmp_path: Path) -> None:
    def name(number: int, record: Any, **params: Any) -> str:
        folder = tmp_path / str(number)
        (folder / "run").mkdir(parents=True)
        (folder / "run" / "run.json").write_text(json.dumps(record))
        return validated_on(folder, params, ["simulate.n"] if params else [])

    row = {"round": 0, "fold": "val", "labelled": 10, "positives": 3}
    splits = [
        {"split": {"hash": "a", "counts": [row]}}, {"split": {"hash": "b", "counts": [row]}},
        {"split": {"hash": "a", "counts": [row | {"positives": 4}]}}, {"split": 3}, [],
    ]  # fmt: skip
    names = [name(number, record) for number, record in enumerate(splits)]
    assert len(set(names[:4])) == 4 and names[3] == names[4]
    assert name(5, splits[0]) == names[0] != name(6, splits[0], **{"simulate.n": 3})
    space = Space.read({key: [1, 2] for key in ("split.seed", "data.seed", "label", "optimizer.lr", "datamodule.x")})
    assert deciding(space) == ["data.seed", "label", "split.seed"]


def test_a_pruner_that_begins_after_the_last_epoch_is_told(
    trainings: Trainings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainings.epochs = 2
    swept(tmp_path, pruner="median", warmup=2, trials=1)
    assert "sweep.warmup=2 epochs, and a trial has 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("metric", "direction"), [("val/aucpr", "minimize"), ("val/loss", "maximize"), ("cost/fit_seconds", "maximize")]
)
def test_a_direction_that_makes_the_worst_the_best_is_refused(metric: str, direction: Any) -> None:
    with pytest.raises(UserError, match="the worst trial would be the best"):
        Objective(metric, direction)
    Objective("val/of_my_own", direction)


@pytest.mark.parametrize("word", ["sweep.space={}", "sweep.space={loss:[bce]}", "+sweep.space.optimizer.lr=[0.1]"])
def test_a_space_is_written_into_a_file(word: str) -> None:
    with pytest.raises(UserError, match=r"sweep\.space in a file"):
        rewrite(["experiment=realbogus_triplets", word], "sweep", conf_folder())


def test_a_file_of_ones_own_may_leave_keys_out_that_are_typed(tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    text = "_target_: astrid_ml.experiments.settings.Sweep\nspace: {optimizer.lr: [0.1, 0.2]}\ntrials: 2\n"
    (tmp_path / "sweep" / "few.yaml").write_text(text)
    words = ["sweep=few", "sweep.minutes=5", "sweep.seed=9", "output_dir=x", f"hydra.searchpath=[{tmp_path}]"]
    tree = plain(compose("sweep", words))["sweep"]
    made = build(tree)
    assert (made.minutes, made.seed, made.trials, made.sampler) == (5, 9, 2, "random")


def test_a_sweep_that_was_moved_goes_on(tmp_path: Path) -> None:
    keys = keys_of("sweep", conf_folder())
    trees = [{"output_dir": str(tmp_path / name), "paths": {"run_dir": str(tmp_path / name)}} for name in ("a", "b")]
    one, other = (settings_of(tree, keys) for tree in trees)
    assert not changes(one, other) and "paths.run_dir" not in one
