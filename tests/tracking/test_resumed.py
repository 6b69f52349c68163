"""A training that was stopped and carried on is one run in each tracker, without doubled rows, and its end is true."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from astrid_ml.tracking.logged import Ids, Journal, continued_csv, held, tensorboard_points
from astrid_ml.tracking.loggers import SafeLogger, build_loggers, ended_trackers

Run = Callable[..., list[SafeLogger]]


def opened(folder: Path, *trackers: str) -> list[SafeLogger]:
    config = {"trackers": list(trackers), "project": "p", "wandb_mode": "offline", "mlflow_store": None}
    return build_loggers(config, folder, "toy")


def steps(loggers: list[SafeLogger], first: int, last: int) -> None:
    for step in range(first, last):
        for logger in loggers:
            logger.log_metrics({"train/loss": 1.0 / (step + 1), "epoch": 0.0}, step)


def mlflow_run(folder: Path) -> tuple[str, list[int]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow' / 'mlflow.db'}")
    experiment: Any = client.get_experiment_by_name("p")
    [run] = client.search_runs([experiment.experiment_id])
    return run.info.status, [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")]


@pytest.mark.filterwarnings("ignore")
def test_rows_that_stand_there_are_not_repeated_and_the_run_is_one(tmp_path: Path) -> None:
    first = opened(tmp_path, "csv", "tensorboard", "mlflow")
    steps(first, 0, 6)
    for logger in first:
        logger.save()  # then it was killed: it never ended
    assert mlflow_run(tmp_path)[0] == "RUNNING"
    again = opened(tmp_path, "csv", "tensorboard", "mlflow")
    steps(again, 4, 9)
    for logger in again:
        logger.end("done")
    assert [logger.broken for logger in again] == ["", "", ""]
    rows = pd.read_csv(tmp_path / "csv" / "metrics.csv")
    assert rows["step"].tolist() == list(range(9)) and rows["train/loss"].notna().all()
    written = TensorBoardLogger(str(tmp_path), name="tensorboard", version="")
    points = tensorboard_points(written)
    assert {step for name, step in points if name == "train/loss"} == set(range(9))
    assert mlflow_run(tmp_path) == ("FINISHED", list(range(9)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("error", "status"), [(RuntimeError(), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_an_end_by_an_error_is_said_and_the_resumed_run_ends_well(
    error: BaseException, status: str, tmp_path: Path
) -> None:
    loggers = opened(tmp_path, "mlflow")
    with pytest.raises(type(error)), ended_trackers(loggers):
        raise error
    assert mlflow_run(tmp_path) == (status, [])
    again = opened(tmp_path, "mlflow")
    assert mlflow_run(tmp_path)[0] == "RUNNING"
    with ended_trackers(again):
        again[0].finalize("success")  # the fit's end is not the run's
        assert mlflow_run(tmp_path)[0] == "RUNNING"
        again[0].end("done")
    assert mlflow_run(tmp_path)[0] == "FINISHED"


@pytest.mark.filterwarnings("ignore")
def test_wandbs_run_keeps_its_name_and_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    names = []
    for first, last in ((0, 3), (1, 5)):
        [logger] = opened(tmp_path, "wandb")
        inner: Any = logger.inner
        given: list[int] = []
        monkeypatch.setattr(inner, "log_metrics", lambda metrics, step, given=given: given.append(step))
        steps([logger], first, last)
        names.append(inner.experiment.id)
        logger.end("stopped" if last == 3 else "done")
    assert names[0] == names[1] == Ids(tmp_path)["wandb"]
    assert given == [3, 4]
    assert {step for _, step in Journal(tmp_path / "wandb.logged").points()} == set(range(5))


def test_folds_have_names_of_their_own(tmp_path: Path) -> None:
    [logger] = opened(tmp_path, "csv")
    for fold in ("fold_0/", "fold_1/"):
        logger.prefix = fold
        steps([logger], 0, 2)
    logger.end("done")
    rows = pd.read_csv(tmp_path / "csv" / "metrics.csv")
    assert rows["fold_0/train/loss"].notna().sum() == rows["fold_1/train/loss"].notna().sum() == 2


def test_a_row_that_a_kill_has_cut_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "metrics.csv").write_text("a,step\n1.0,0\n2.0,1\n3.0,")
    logger = CSVLogger(str(tmp_path), name="csv", version="")
    assert continued_csv(logger) == {("a", 0), ("a", 1)}
    assert (tmp_path / "csv" / "metrics.csv").read_text() == "a,step\n1.0,0\n2.0,1\n"


def test_a_damaged_list_of_names_is_an_empty_one(tmp_path: Path) -> None:
    ids = Ids(tmp_path)
    (tmp_path / "trackers.json").write_text("{")
    assert ids["mlflow"] is None
    ids["mlflow"] = "a"
    assert Ids(tmp_path)["mlflow"] == "a"
    (tmp_path / "j").write_text("1\ta\nx\n2\tb")
    assert held(SafeLogger(CSVLogger(str(tmp_path)), "csv"), Journal(tmp_path / "j")) == {("a", 1)}
