"""The jobs of a sweep are found by what they compute: extended, reordered, killed, another sweep in the folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from astrid_ml.build import conf_folder
from astrid_ml.cli.compose import run_verb
from astrid_ml.cli.given import configuration_of
from astrid_ml.cli.jobs import check_jobs, jobs_to_look_at, record_failed_job
from astrid_ml.cli.main import run
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.errors import UserError
from astrid_ml.run.environment import run_identity
from astrid_ml.run.jobs import job_folder

CONF = conf_folder()
WORDS = [
    "-m",
    "experiment=realbogus_triplets",
    "simulate.n=240",
    "simulate.prevalence=0.3",
    "channels.size=31",
    "trainer.fast_dev_run=true",
    "trainer.precision=32-true",
    "trainer.enable_progress_bar=false",
    "logger=none",
    "audit=warn",
    "evaluation.evaluation.bootstrap.replicates=20",
]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")


def begun(place: Path, config: dict[str, Any]) -> Path:
    """A folder as a run that was killed leaves it."""
    place.mkdir(parents=True)
    (place / "config.yaml").write_text(yaml.safe_dump(config))
    (place / "run.json").write_text(json.dumps({"status": "running", "identity": run_identity(config)}))
    return place


def test_a_job_is_found_whatever_its_number(tmp_path: Path) -> None:
    first, second, third = ({"seed": seed, "paths": {"raw": None, "run_dir": "r"}} for seed in (1, 2, 3))
    for number, config in enumerate((first, second)):
        begun(tmp_path / str(number), config)
    assert job_folder(first, tmp_path / "0") == tmp_path / "0"
    (tmp_path / "2").mkdir()
    assert job_folder(second, tmp_path / "2") == tmp_path / "1"  # its number is another one now
    assert not (tmp_path / "2").exists()  # what Hydra made and nobody needs is no job
    (tmp_path / "2").mkdir()
    assert job_folder(third, tmp_path / "2") == tmp_path / "2"  # free
    beside = job_folder(third, tmp_path / "0")
    assert beside.parent == tmp_path and not beside.exists() and beside == job_folder(third, tmp_path / "1")


def test_jobs_that_differ_in_their_raw_files_are_two(tmp_path: Path) -> None:
    one, other = ({"seed": 1, "paths": {"raw": raw, "run_dir": "r"}} for raw in ("a", "b"))
    begun(tmp_path / "0", one)
    assert job_folder(one, tmp_path / "0") == tmp_path / "0"
    assert job_folder(other, tmp_path / "0") != tmp_path / "0"


def sweep(folder: Path, *words: str) -> tuple[int, pd.DataFrame]:
    places = [f"paths.data={folder / 'store'}", f"paths.sweep_dir={folder / 'sweep'}"]
    code = run_verb(all_verbs(CONF)["train"], [*WORDS, *places, *words], CONF)
    return code, pd.read_parquet(folder / "sweep" / "sweep.parquet")


def finished(folder: Path) -> dict[str, int]:
    return {str(path.parent): path.stat().st_mtime_ns for path in folder.glob("sweep/*/metrics.json")}


def seeds(jobs: pd.DataFrame) -> dict[int, str]:
    """Seed -> status, each seed by the configuration in the job's own folder."""
    for job in jobs.to_dict("records"):
        kept = yaml.safe_load((Path(job["run_dir"]) / "config.yaml").read_text())
        assert kept["seed"] == job["seed"]
    return {int(job["seed"]): str(job["status"]) for job in jobs.to_dict("records")}


@pytest.mark.slow
def test_a_sweep_extended_reordered_and_killed_keeps_each_job_beside_its_settings(tmp_path: Path) -> None:
    code, jobs = sweep(tmp_path, "seed=1,2")
    assert code == 0 and seeds(jobs) == {1: "done", 2: "done"}
    before, metric = finished(tmp_path), dict(zip(jobs["seed"], jobs["test/aucpr"], strict=True))
    code, jobs = sweep(tmp_path, "seed=3,2,1")
    assert code == 0 and seeds(jobs) == {1: "done", 2: "done", 3: "done"} and len(jobs) == 3
    assert {place: finished(tmp_path)[place] for place in before} == before
    after = dict(zip(jobs["seed"], jobs["test/aucpr"], strict=True))
    assert {seed: after[seed] for seed in metric} == metric
    killed = Path(str(jobs.set_index("seed").loc[3, "run_dir"]))
    for name in ("metrics.json", "run.json"):
        (killed / name).unlink()
    shutil.rmtree(killed / "predictions")
    code, jobs = sweep(tmp_path, "seed=3")
    assert code == 0 and seeds(jobs) == {1: "done", 2: "done", 3: "done"}
    again = dict(zip(jobs["seed"], jobs["test/aucpr"], strict=True))
    assert again == after


def test_another_sweep_in_the_folder_leaves_the_old_records(tmp_path: Path) -> None:
    sweep(tmp_path, "split.link_radius=1")
    record = (tmp_path / "sweep" / "0" / "run.json").read_bytes()
    code, jobs = sweep(tmp_path, "seed=5", "split.link_radius=1,360000")  # all in one group: only the data tell
    assert code == 1
    assert (tmp_path / "sweep" / "0" / "run.json").read_bytes() == record
    assert sorted(jobs["status"]) == ["done", "done", "failed"]
    refused = jobs[jobs["status"] == "failed"].iloc[0]
    assert "nothing in train" in refused["reason"] and float(refused["split.link_radius"]) == 360000
    again, jobs = sweep(tmp_path, "seed=5", "split.link_radius=1,360000")
    assert again == 1 and len(jobs) == 3  # the refused one stands where it stood


def test_the_record_of_a_run_is_not_replaced_by_that_of_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"seed": 1, "paths": {"raw": None, "run_dir": "r"}}
    other = begun(tmp_path / "0", config)
    record = (other / "run.json").read_bytes()
    here = OmegaConf.create({"runtime": {"output_dir": str(other)}, "overrides": {"task": ["seed=2"]}})
    monkeypatch.setattr(HydraConfig, "get", lambda: here)
    record_failed_job(OmegaConf.create({**config, "seed": 2}), UserError("a", "b", "c"))
    assert (other / "run.json").read_bytes() == record
    told = [json.loads(path.read_text()) for path in tmp_path.glob("*/run.json") if path.parent != other]
    assert [(entry["status"], entry["overrides"]) for entry in told] == [("failed", ["seed=2"])]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["optimizer.lr=0.001,-1"], "optimizer.lr: a number above 0"),
        (["split=group,nosuch"], "split: one of"),
        (["model=braai_wide,fusion", "model.network.dropout=7"], "model.network.dropout"),
        (["channels.size=31,200"], "channels"),
        (["model=braai_vgg6,lightcurve_gru"], "evaluation= for answers of the kind hierarchy"),
    ],
)
def test_a_sweep_with_a_wrong_value_is_refused_before_its_first_job(
    words: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["train", "-m", "experiment=realbogus_sim", "seed=1,2", *words]) == 2
    assert f"expected {expected}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_each_value_is_looked_at_once_and_other_sweepers_choose_theirs() -> None:
    jobs = list(jobs_to_look_at(["a=1,2,3", "b=x,y", "c=range(0,3)", "d=5"]))
    assert len(jobs) == 1 + 2 + 1 + 2 and all("d=5" in job for job in jobs)
    assert {word for job in jobs for word in job} >= {"a=3", "b=y", "c=2"}
    assert not list(jobs_to_look_at(["a=1,2", "hydra/sweeper=optuna"]))
    assert not list(jobs_to_look_at(["model=glob(*)"]))


def test_what_only_a_job_knows_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["-m", "what=pairs", "simulate.n=1,2", "output_dir=${hydra:runtime.cwd}/out"]
    verbs = all_verbs(conf := configuration_of([]))
    check_jobs([*words[:1], "simulate=pairs", *words[2:]], verbs["simulate"], conf)
