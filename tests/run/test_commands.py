"""The commands from end to end on tiny data, in processes of their own: what they leave, say, and end with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

TINY = [
    "experiment=realbogus_triplets",
    "simulate.n=240",
    "simulate.part=60",
    "simulate.prevalence=0.3",
    "channels.size=31",
    "trainer.max_epochs=2",
    "trainer.precision=32-true",
    "evaluation.evaluation.bootstrap.replicates=50",
    "logger=csv",
    "calibration=temperature",  # the default leaves folds as small as these alone
]


def astrid(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "astrid_ml", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=600,
        check=False,
    )


def paths(folder: Path, run: str) -> list[str]:
    return [f"paths.data={folder / 'store'}", f"paths.run_dir={folder / run}"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run, ``run``."""
    folder = tmp_path_factory.mktemp("finished (1) é")
    done = astrid("train", *TINY, *paths(folder, "run"), cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "held-out AUCPR" in done.stdout
    assert "prevalence" in done.stdout
    assert "boosted trees" in done.stdout
    return folder


def test_a_run_leaves_what_people_rely_on(finished: Path) -> None:
    run = finished / "run"
    for name in (
        "run.json",
        "metrics.json",
        "config.yaml",
        "report.html",
        "model_card.md",
        "checkpoints/best.ckpt",
        "predictions/test.parquet",
    ):
        assert (run / name).is_file(), name
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test/aucpr_low"] <= metrics["test/aucpr"] <= metrics["test/aucpr_high"]
    assert {"test/prevalence", "test/baseline_column_aucpr", "test/baseline_trees_aucpr", "val/aucpr"} <= metrics.keys()
    table = pd.read_parquet(run / "predictions" / "test.parquet")
    assert {"id", "label", "score", "probability", "threshold", "threshold_on", "decision"} <= set(table.columns)
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert content["astrid"]["schema"] == 4
    assert content["astrid"]["calibration"]["kind"] == "temperature"


def test_predict_scores_raw_files_as_the_run_did(finished: Path) -> None:
    [raw] = (finished / "store" / "raw").glob("triplets-*")
    done = astrid(
        "predict",
        f"ckpt_path={finished / 'run/checkpoints/best.ckpt'}",
        f"input={raw}",
        f"output_dir={finished / 'out'}",
        cwd=finished,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    scored = pd.read_parquet(finished / "out" / "predictions.parquet").set_index("id")
    tested = pd.read_parquet(finished / "run" / "predictions" / "test.parquet").set_index("id")
    assert len(scored) == 240
    assert np.abs(scored.loc[tested.index, "score"] - tested["score"]).max() < 1e-6
    assert (finished / "out" / "contact_sheet.png").is_file()
    report = json.loads((finished / "out" / "report.json").read_text())
    assert report["scored"] == 240
    assert report["calibrated"] is True
    words = ["prevalence=1/300", f"ckpt_path={finished / 'run/checkpoints/best.ckpt'}", f"input={raw}"]
    done = astrid("predict", *words, f"output_dir={finished / 'rare'}", cwd=finished)
    assert done.returncode == 0, done.stderr[-3000:]
    rare = pd.read_parquet(finished / "rare" / "predictions.parquet").set_index("id").loc[scored.index]
    assert (rare["assumed_prevalence"] == 1 / 300).all() and rare["score"].equals(scored["score"])
    odds = [np.log(table["probability"] / (1 - table["probability"])) for table in (scored, rare)]
    known = scored["probability"].between(1e-5, 1 - 1e-5)
    assert np.ptp((odds[0] - odds[1])[known]) < 1e-6 and (odds[0] - odds[1])[known].mean() > 3
    assert json.loads((finished / "rare" / "report.json").read_text())["prevalence"] == pytest.approx(1 / 300)


def test_evaluate_judges_the_test_fold_only_and_agrees_with_the_run(finished: Path) -> None:
    found = (finished / "store").glob("realbogus_triplets-*")
    [dataset] = [path for path in found if not path.name.endswith("-splits")]
    done = astrid(
        "evaluate",
        f"ckpt_path={finished / 'run/checkpoints/best.ckpt'}",
        f"dataset={dataset}",
        f"output_dir={finished / 'eval'}",
        cwd=finished,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ours = json.loads((finished / "eval" / "metrics.json").read_text())
    theirs = json.loads((finished / "run" / "metrics.json").read_text())
    assert ours["test/aucpr"] == pytest.approx(theirs["test/aucpr"], abs=1e-9)
    assert ours["test/n"] == theirs["test/n"]
    assert "Drift" in (finished / "eval" / "report.html").read_text()
    words = ["prevalence=1/300", f"ckpt_path={finished / 'run/checkpoints/best.ckpt'}", f"dataset={dataset}"]
    done = astrid("evaluate", *words, f"output_dir={finished / 'rare_eval'}", cwd=finished)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "where 1 in 300 is real" in done.stdout
    rare = json.loads((finished / "rare_eval" / "metrics.json").read_text())
    assert rare["test/aucpr"] == ours["test/aucpr"]
    assert "not measurable" in rare["test/aucpr_at_prevalence/why"]
    assert "prevalence=1/300" in (finished / "rare_eval" / "report.html").read_text()


def test_prepare_again_finds_the_dataset_and_plans_without_doing(finished: Path) -> None:
    done = astrid("prepare", *TINY, *paths(finished, "run"), cwd=finished)
    assert done.returncode == 0
    assert "0 done" in done.stdout
    done = astrid("prepare", *TINY, *paths(finished, "run"), "dry_run=true", cwd=finished)
    assert done.returncode == 0
    plan = json.loads((finished / "store" / "plan.json").read_text())
    assert {unit["status"] for unit in plan["units"]} == {"ready"}
    assert plan["bytes_free"] > 0


def test_the_audit_and_the_croissant_of_the_dataset_are_clean(finished: Path) -> None:
    found = (finished / "store").glob("realbogus_triplets-*")
    [dataset] = [path for path in found if not path.name.endswith("-splits")]
    done = astrid("audit", f"dataset={dataset}", "split=sky", cwd=finished)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed: 0" in done.stdout
    done = astrid("croissant", f"path={dataset}", cwd=finished)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"table-split"' in (dataset / "croissant.json").read_text()


def test_a_run_compared_with_itself_does_not_differ(finished: Path) -> None:
    other = finished / "twin"
    done = astrid("train", *TINY, "seed=2", *paths(finished, "twin"), cwd=finished)
    assert done.returncode == 0, done.stderr[-3000:]
    done = astrid("compare", f"runs=[{finished / 'run'},{other}]", f"output_dir={finished / 'compare'}", cwd=finished)
    assert done.returncode == 0, done.stderr[-3000:]
    table = pd.read_parquet(finished / "compare" / "compare.parquet")
    assert len(table) == 2
    assert table["low"].iloc[1] <= table["difference"].iloc[1] <= table["high"].iloc[1]
    assert (finished / "compare" / "compare.png").is_file()


MISTAKES = [
    (["train", "experiment=realbogus_alerts", "paths.raw=nowhere"], "nowhere"),
    (["train", "experiment=realbogus_alerts", "paths.raw=empty"], "alert packets"),
    (["train", "experiment=realbogus_alerts"], "paths.raw"),
    (["predict", "ckpt_path=text.ckpt", "input=empty", "output_dir=out"], "checkpoint"),
    (["predict", "ckpt_path=foreign.ckpt", "input=empty", "output_dir=out"], "Python's own"),
    (["train", TINY[0], "dataset=empty"], "dataset.json"),
    (["train", *TINY, "split=missions", "split.test=[HUBBLE]"], "got hst"),
]


@pytest.mark.slow  # tests/words types many more, each in less time
@pytest.mark.parametrize(
    ("arguments", "words"), MISTAKES, ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else value
)
def test_a_mistake_ends_with_2_and_one_clear_message(arguments: list[str], words: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    config = {
        "model": {"task": {"_target_": "os.system", "command": "true"}},
        **{name: {"_target_": "os.system"} for name in ("datamodule", "preprocessing", "evaluation")},
    }
    torch.save(
        {"state_dict": {}, "astrid": {"schema": 1, "domain": "alerts", "config": config}}, tmp_path / "foreign.ckpt"
    )
    done = astrid(
        *arguments, f"paths.data={tmp_path / 'store'}" if arguments[0] == "train" else "reader=auto", cwd=tmp_path
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_training_that_is_killed_carries_on_to_its_end(finished: Path) -> None:
    tiny = [word for word in TINY if not word.startswith("trainer.max_epochs=")]
    arguments = ["train", *tiny, "trainer.max_epochs=40", "callbacks=none", *paths(finished, "killed")]
    last = finished / "killed" / "checkpoints" / "last.ckpt"
    for signum, expected in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130), (signal.SIGTERM, 130)):
        before = last.stat().st_mtime_ns if last.is_file() else 0
        with subprocess.Popen(
            [sys.executable, "-m", "astrid_ml", *arguments],
            cwd=finished,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            deadline = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < deadline:
                if last.is_file() and last.stat().st_mtime_ns > before:
                    break
                time.sleep(0.02)
            assert process.poll() is None, "the run ended before it could be stopped"
            os.kill(process.pid, signum)
            assert process.wait(timeout=60) == expected
        for path in (finished / "killed").rglob("*.ckpt"):
            torch.load(path, weights_only=True)  # whole, or not there
    done = astrid(*arguments, cwd=finished)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (finished / "killed" / "report.html").is_file()
    record = json.loads((finished / "killed" / "run.json").read_text())
    assert record["epochs"] == [40]


@pytest.mark.slow
def test_two_processes_train_together(finished: Path) -> None:
    done = astrid("train", *TINY, "trainer=ddp_cpu", *paths(finished, "ddp"), cwd=finished)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("held-out AUCPR") == 1
    assert json.loads((finished / "ddp" / "metrics.json").read_text())["test/n"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_sweep_gives_each_job_its_folder_and_prepares_once(finished: Path, launcher: str) -> None:
    sweep = finished / f"sweep_{launcher}"
    extra = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
    done = astrid("train", "-m", "split=leave_one_mission_out", "split.held_out=none,ZTF", *TINY, *extra,
                  f"paths.data={finished / 'store'}", f"paths.sweep_dir={sweep}", cwd=finished)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    table = pd.read_parquet(sweep / "sweep.parquet")
    assert table["status"].tolist() == ["done", "done"]
    assert table["split.held_out"].tolist() == ["none", "ZTF"]
    assert table["run_dir"].nunique() == 2
    assert table["test/aucpr/ztf"].notna().tolist() == [True, True]
    assert "Across missions" in (sweep / "sweep.html").read_text()
    datasets = [path for path in (finished / "store").glob("realbogus_triplets-*") if not path.name.endswith("-splits")]
    assert len(datasets) == 1
