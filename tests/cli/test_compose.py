"""A verb through Hydra: its exit code, its sweeps, and what is said of a mistake."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from astrid_ml.build import conf_folder
from astrid_ml.cli.compose import relaunch_arguments, run_verb
from astrid_ml.cli.verbs.catalogue import Verb, all_verbs
from astrid_ml.cli.verbs.keys import Keys
from astrid_ml.config import compose
from astrid_ml.errors import UserError
from astrid_ml.tracking.mirror import flatten
from astrid_ml.walk import walk

CONF = conf_folder()
VERBS = all_verbs(CONF)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("/somewhere/train.py", ["/somewhere/train.py", "a=1"]),
        ("/bin/astrid", ["/bin/astrid", "train", "a=1"]),
        ("/p/astrid_ml/__main__.py", ["/p/astrid_ml/__main__.py", "train", "a=1"]),
    ],
)
def test_further_processes_get_the_verb_once(program: str, expected: list[str]) -> None:
    assert relaunch_arguments([program, "whatever"], "train", ["a=1"]) == expected


def test_every_composed_key_outside_the_pipeline_is_known() -> None:
    tree = OmegaConf.to_container(compose("train", ["experiment=realbogus_triplets"]))
    written = {name for name, _ in flatten(tree) if "_target_" not in name and "_partial_" not in name}
    assert len(written) > 50
    absent = written - set(Keys("train", CONF).names)
    assert absent == set()


def test_the_exit_code_is_the_commands_and_the_arguments_come_back(tmp_path: Path) -> None:
    before = list(sys.argv)
    words = ["what=triplets", "simulate.n=4", "simulate.missions=[ZTF]", f"output_dir={tmp_path / 'out (1)'}"]
    assert run_verb(VERBS["simulate"], words, CONF) == 0
    assert sorted(path.suffix for path in walk(tmp_path / "out (1)")) == [".npy", ".parquet"]
    with pytest.raises(UserError, match="what=KIND"):
        run_verb(VERBS["simulate"], [f"output_dir={tmp_path}"], CONF)
    assert sys.argv == before


def test_a_sweep_of_any_verb_in_which_a_job_failed_ends_with_one(tmp_path: Path) -> None:
    words = ["-m", "what=triplets", "simulate.n=4", "simulate.missions=[NO],[ZTF]", f"output_dir={tmp_path / 'o'}"]
    assert run_verb(VERBS["simulate"], [*words, f"hydra.sweep.dir={tmp_path / 'jobs'}"], CONF) == 1


def test_jobs_of_a_sweep_fail_one_by_one_with_their_reason(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "notes.txt").write_text("no data")
    words = ["-m", "seed=1,2", f"paths.sweep_dir={tmp_path / 'sweep'}", f"paths.data={tmp_path / 'store'}"]
    words.append(f"paths.raw={tmp_path / 'raw'}")
    assert run_verb(VERBS["train"], words, CONF) == 1
    for number, seed in (("0", "seed=1"), ("1", "seed=2")):
        record = json.loads((tmp_path / "sweep" / number / "run.json").read_text())
        assert record["status"] == "failed"
        assert record["reason"].startswith("UserError: expected stamps in npy")
        assert seed in record["overrides"]
        assert record["run_dir"] == str(tmp_path / "sweep" / number)
    assert pd.read_parquet(tmp_path / "sweep" / "sweep.parquet")["status"].tolist() == ["failed", "failed"]


def test_a_sweep_in_which_no_job_has_anything_to_read_is_refused_before_the_first(tmp_path: Path) -> None:
    words = ["-m", "seed=1,2", f"paths.sweep_dir={tmp_path / 'sweep'}", f"paths.data={tmp_path / 'store'}"]
    with pytest.raises(UserError, match=r"paths\.raw=FOLDER with raw files"):
        run_verb(VERBS["train"], words, CONF)
    assert not (tmp_path / "sweep").exists()


def test_an_unknown_module_of_a_verb_is_no_users_mistake() -> None:
    with pytest.raises(ModuleNotFoundError, match="nosuch"):
        run_verb(Verb("train", "nosuch", "train", ""), [], CONF)
