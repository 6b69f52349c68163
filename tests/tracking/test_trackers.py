"""Each tracker for real and offline: what it holds is read back with its own reader and compared with the others."""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from astrid_ml.errors import UserError
from astrid_ml.tracking.loggers import SafeLogger, build_loggers
from astrid_ml.tracking.mirror import flatten, mirror, table_of

Run = Callable[..., list[SafeLogger]]
CONFIG = {"name": "toy", "optimizer": {"lr": 0.1}, "model": {"layers": [1, 2]}, "label": None, "seed": 3}
FINAL = {"test/aucpr": 0.75, "test/aucpr_low": 0.5, "test/aucpr_high": 0.875, "test/aucpr/ZTF": 0.625}
TITLE = "test precision-recall"
LINEAGE = {"fingerprint of the dataset": "f00d" * 16, "split": "group beef", "code": "astrid-ml 0.1.0, torch 2.13.0"}


def csv_holds(folder: Path) -> dict[str, Any]:
    rows = pd.read_csv(folder / "metrics.csv")
    table = pd.read_csv(folder / "metrics_table.csv").set_index("metric")
    return {
        "loss": rows["train/loss"].dropna().tolist(),
        "final": {name: rows[name].dropna().tolist()[-1] for name in FINAL},
        "config": {k: str(v) for k, v in yaml.safe_load((folder / "hparams.yaml").read_text()).items()},
        "undefined": str(table["why undefined"].to_dict()["test/mcc"]),
        "figures": [path.stem for path in (folder / "figures").iterdir()],
        "lineage": json.loads((folder / "lineage.json").read_text()),
    }


def tensorboard_holds(folder: Path) -> dict[str, Any]:
    reader = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    plugin = importlib.import_module("tensorboard.plugins.hparams.plugin_data_pb2")
    events = reader.EventAccumulator(str(folder))
    events.Reload()
    started: Any = plugin.HParamsPluginData.FromString(
        events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    )
    assert len(started.session_start_info.hparams) == len(flatten(CONFIG))
    text = events.Tensors("metrics_table/text_summary")[0].tensor_proto.string_val[0].decode()
    lineage = events.Tensors("lineage/text_summary")[0].tensor_proto.string_val[0].decode()
    return {
        "loss": [event.value for event in events.Scalars("train/loss")],
        "final": {name: events.Scalars(name)[-1].value for name in FINAL},
        "config": {k: str(v) for k, v in yaml.safe_load((folder / "hparams.yaml").read_text()).items()},
        "undefined": next(line for line in text.splitlines() if "test/mcc" in line).split(" | ")[2],
        "figures": [tag.removeprefix("figures/") for tag in events.Tags()["images"]],
        "lineage": dict(line.split(" | ") for line in lineage.splitlines()[2:]),
    }


def wandb_holds(folder: Path) -> dict[str, Any]:
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal import datastore

    [run] = folder.glob("offline-run-*")
    [path] = run.glob("*.wandb")
    messages: Any = wandb_internal_pb2
    store: Any = vars(datastore)["DataStore"]()
    store.open_for_scan(str(path))
    history: dict[str, list[Any]] = {}
    config: dict[str, Any] = {}
    while (data := store.scan_data()) is not None:
        record = messages.Record()
        record.ParseFromString(data)
        for item in record.history.item:
            history.setdefault(item.key or "/".join(item.nested_key), []).append(json.loads(item.value_json))
        for item in [*record.config.update, *record.run.config.update]:
            config[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
    store.close()
    [table] = (run / "files" / "media" / "table").glob("metrics_table*.json")
    rows = {row[0]: row[2] for row in json.loads(table.read_text())["data"]}
    return {
        "loss": history["train/loss"],
        "final": {name: history[name][-1] for name in FINAL},
        "config": {name: str(value) for name, value in config.items() if not name.startswith(("_wandb", "lineage"))},
        "undefined": rows["test/mcc"],
        "figures": sorted({name.split("/")[1] for name in history if name.startswith("figures/")}),
        "lineage": config["lineage"],
    }


def mlflow_holds(store: Path) -> dict[str, Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    experiment: Any = client.get_experiment_by_name("astrid_ml")
    [run] = client.search_runs([experiment.experiment_id])
    assert experiment.artifact_location == (store / "artifacts").as_uri()
    assert run.info.status == "FINISHED"
    folder = store / "artifacts" / run.info.run_id / "artifacts"
    content = json.loads((folder / "metrics_table.json").read_text())
    rows = {row[0]: row[2] for row in content["data"]}
    return {
        "loss": [point.value for point in client.get_metric_history(run.info.run_id, "train/loss")],
        "final": {name: run.data.metrics[name] for name in FINAL},
        "config": dict(run.data.params),
        "undefined": rows["test/mcc"],
        "figures": [Path(item.path).stem for item in client.list_artifacts(run.info.run_id, "figures")],
        "lineage": {k.removeprefix("lineage."): v for k, v in run.data.tags.items() if k.startswith("lineage.")},
    }


def test_all_trackers_hold_the_same(tmp_path: Path, tracked: Run) -> None:
    run = tmp_path / "run (1)"
    loggers = tracked(run, ["csv", "tensorboard", "wandb", "mlflow"])
    assert [logger.broken for logger in loggers] == ["", "", "", ""]
    held = {
        "csv": csv_holds(run / "csv"),
        "tensorboard": tensorboard_holds(run / "tensorboard"),
        "wandb": wandb_holds(run / "wandb"),
        "mlflow": mlflow_holds(run / "mlflow"),
    }
    for kind, content in held.items():
        assert len(content["loss"]) == 3, kind
        assert content["loss"] == pytest.approx(held["csv"]["loss"], rel=1e-6), kind
        assert content["final"] == pytest.approx(FINAL, rel=1e-6), kind
        assert content["config"]["optimizer.lr"] == "0.1", kind
        assert content["config"] == held["csv"]["config"], kind
        assert content["undefined"] == "its denominator is zero", kind
        assert content["figures"] == [TITLE], kind
        assert content["lineage"] == LINEAGE, kind


def test_two_jobs_of_a_sweep_share_no_run(tmp_path: Path, tracked: Run) -> None:
    from mlflow.tracking import MlflowClient

    store = tmp_path / "store"
    for name in ("0", "1"):
        tracked(tmp_path / name, ["wandb", "mlflow"], mlflow_store=str(store))
    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    experiment: Any = client.get_experiment_by_name("astrid_ml")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["toy-0", "toy-1"]
    assert all(len(client.get_metric_history(run.info.run_id, "train/loss")) == 3 for run in runs)
    folders = [path.name for name in ("0", "1") for path in (tmp_path / name / "wandb").glob("offline-run-*")]
    assert len({name.rsplit("-", 1)[-1] for name in folders}) == 2


def test_a_tracker_that_breaks_is_dropped_once_and_the_run_goes_on(
    tmp_path: Path, tracked: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pytorch_lightning.loggers import TensorBoardLogger

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TensorBoardLogger, "log_metrics", full)
    csv, broken = tracked(tmp_path, ["csv", "tensorboard"])
    assert "No space left" in broken.broken
    said = capsys.readouterr().err
    assert said.count("the tracker tensorboard is dropped") == 1
    assert csv.broken == ""
    assert csv_holds(tmp_path / "csv")["final"] == FINAL


def test_a_tracker_that_cannot_start_is_dropped(tmp_path: Path, tracked: Run) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    _, mlflow = tracked(tmp_path / "run", ["csv", "mlflow"], mlflow_store=str(tmp_path / "store"))
    assert "FileExistsError" in mlflow.broken
    assert csv_holds(tmp_path / "run" / "csv")["final"] == FINAL


def test_a_figure_that_cannot_be_drawn_costs_only_itself(
    tmp_path: Path, tracked: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    def bad() -> Any:
        raise ValueError("nothing to draw")

    loggers = tracked(tmp_path, ["csv"])
    mirror(loggers, {}, {"test/aucpr": 0.5}, {"bad": bad}, {})
    assert loggers[0].broken == ""
    assert "no figure 'bad'" in capsys.readouterr().err


def test_offline_this_process_connects_to_nothing_beyond_this_machine(
    tmp_path: Path, tracked: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    connect = socket.socket.connect

    def watched(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            asked.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    tracked(tmp_path, ["wandb", "mlflow"])
    assert asked == []
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def chosen(*trackers: str, **choice: Any) -> dict[str, Any]:
    return {"trackers": list(trackers), "project": "p", "wandb_mode": "offline", "mlflow_store": None} | choice


def test_no_tracker_needs_no_folder(tmp_path: Path) -> None:
    assert build_loggers(chosen(), tmp_path / "none", "toy") == []
    assert not (tmp_path / "none").exists()


def test_mistakes_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="neptune"):
        build_loggers(chosen("neptune"), tmp_path, "toy")
    with pytest.raises(UserError, match="online or offline"):
        build_loggers(chosen("wandb", wandb_mode="cloud"), tmp_path, "toy")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'astrid-ml\[mlflow\]'"):
        build_loggers(chosen("mlflow"), tmp_path, "toy")


def test_wandb_online_never_asks_for_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(UserError, match="wandb login"):
        build_loggers(chosen("wandb", wandb_mode="online"), tmp_path, "toy")


def test_undefined_metrics_stand_in_the_table_with_their_reason() -> None:
    assert table_of({"a": None, "a/why": "few", "b": 1}) == [("a", None, "few"), ("b", 1.0, "")]


def test_trackers_are_imported_only_when_chosen(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys, pathlib; from astrid_ml.tracking.loggers import build_loggers; "
        f"build_loggers({chosen('csv')!r}, pathlib.Path({str(tmp_path)!r}), 'toy'); "
        "print([name for name in ('wandb', 'mlflow', 'tensorboard') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "wandb" not in done.stdout
    assert "mlflow" not in done.stdout
