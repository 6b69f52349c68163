"""A network of one mission on another: abstention before, and measured probabilities and sets after recalibration."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made.untrained import WORDS, Untrained, untrained
from scipy.special import expit

from astrid_ml.build import plain
from astrid_ml.checkpoint.load import load_model, save_model
from astrid_ml.cli.main import run as astrid
from astrid_ml.commands.recalibrate import refuse_joined
from astrid_ml.config import compose
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.calibration import Temperature
from astrid_ml.evaluation.judge import BinaryJudge
from astrid_ml.evaluation.thresholds import MaxF1
from astrid_ml.run.prediction.recalibrate import (
    difference_of_losses,
    origins,
    out_of_part,
    parts_by_group,
)
from astrid_ml.run.prepare import prepare


def scores(objects: int, each: int = 2, odds: float = 3.0, shift: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Scores whose log-odds are ``odds`` times the true ones of two unit Gaussians 2 apart, and shifted."""
    random = np.random.default_rng(seed)
    label = (random.random(objects) < 0.5).astype(float)
    place = np.repeat(label * 2 - 1 + random.normal(size=objects), each)
    table = pd.DataFrame({"label": np.repeat(label, each), "score": expit(odds * 2 * place + shift)})
    table["group_id"] = np.repeat(np.arange(objects).astype(str), each)
    return table.assign(id=np.arange(len(table)).astype(str), mission="galex")


JUDGE = BinaryJudge(Temperature(), MaxF1(), BinaryEvaluation(bootstrap=Bootstrap(50)))


def test_parts_keep_groups_whole_and_share_the_rarer_class() -> None:
    table = scores(300)
    table.loc[table.index[40:], "label"] = 0.0
    part = parts_by_group(table)
    assert pd.Series(part).groupby(table["group_id"]).nunique().eq(1).all()
    rare = np.bincount(part[table["label"] == 1], minlength=5)
    assert rare.min() >= rare.max() - 2 > 0


def test_held_out_parts_have_the_log_loss_of_the_closed_form() -> None:
    """Overconfident scores: recalibrated they lose what the true odds lose, up to what 2,000 objects tell."""
    table = scores(2000)
    after = out_of_part(JUDGE, table, parts_by_group(table))
    assert after["id"].tolist() == table["id"].tolist()
    before = JUDGE.apply(table, {"kind": "temperature", "parameters": {"temperature": 1.0, "offset": 0.0}})
    told = difference_of_losses(before, after)
    odds = np.log(table["score"] / (1 - table["score"])) / 3
    truth = float(np.mean(np.where(table["label"] == 1, np.log1p(np.exp(-odds)), np.log1p(np.exp(odds)))))
    assert told is not None and told["low"] > 0
    assert told["before"] - told["gain"] == pytest.approx(truth, abs=0.01)
    held = {1.0: ["real", "real or bogus"], 0.0: ["bogus", "real or bogus"]}
    for label, words in held.items():
        here = after[after["label"] == label]
        assert here["prediction_set"].isin(words).groupby(here["group_id"]).mean().mean() == pytest.approx(
            0.9, abs=0.03
        )


def test_no_difference_is_told_where_a_probability_is_null() -> None:
    table = scores(40)
    sure = table.assign(probability=0.5)
    assert difference_of_losses(sure, table.assign(probability=np.nan)) is None
    assert difference_of_losses(sure.assign(label="SN Ia"), sure) is None


def test_the_origin_is_what_the_samples_name() -> None:
    assert origins(pd.DataFrame({"mission": ["ps1", None, "galex"]})) == ["galex", "ps1"]
    assert origins(pd.DataFrame({"mission": [None], "detector": ["sca1"]})) == ["sca1"]
    assert origins(pd.DataFrame({"id": ["a"]})) == []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("trained"))


def dataset_of(folder: Path, n: int, missions: str = "[galex]") -> PreparedDataset:
    words = [*WORDS[3:], "experiment=realbogus_triplets", f"simulate.n={n}", f"simulate.part={n}", "data.seed=7"]
    config = compose("train", [*words, f"simulate.missions={missions}", f'paths.data="{folder}"', "paths.run_dir=none"])
    return prepare(plain(config), progress=False)[0]


def test_another_mission_from_end_to_end(made: Untrained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = dataset_of(tmp_path / "target", 240)
    out = tmp_path / "out"
    assert astrid(["recalibrate", f"ckpt_path={made.checkpoint}", f"dataset={target.path}", f"output_dir={out}"]) == 0
    said = capsys.readouterr().out
    assert "sets hold their class, measured: real 0." in said and "of 5 parts" in said
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["test/set_given"] == 1.0
    model = load_model(out / "recalibrated.ckpt")
    assert model.record.validity is not None and model.record.validity["values"]["mission"] == ["galex"]
    assert "240 samples" in model.record.note and model.record.stages[-1]["name"] == "recalibrate"
    trained, now = load_model(made.checkpoint).task.state_dict(), model.task.state_dict()
    assert all((trained[name] == now[name]).all() for name in trained)
    assert json.loads((out / "run.json").read_text())["domain_of_validity"]["share_inside"] is None
    assert "As trained, and recalibrated" in (out / "report.html").read_text()
    words = [f"ckpt_path={out / 'recalibrated.ckpt'}", f"dataset={target.path}", f"output_dir={tmp_path / 'judged'}"]
    assert astrid(["evaluate", *words]) == 2
    assert "seen in training" in capsys.readouterr().err


def test_too_few_independent_samples_abstain(made: Untrained, tmp_path: Path) -> None:
    command = ["recalibrate", f"ckpt_path={made.checkpoint}", f"output_dir={tmp_path / 'out'}"]
    few = dataset_of(tmp_path / "few", 60)
    assert astrid([*command, f"dataset={few.path}"]) == 2
    assert not (tmp_path / "out").exists()


def test_refusals_say_what_to_do(made: Untrained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["recalibrate", f"ckpt_path={made.checkpoint}", f"output_dir={tmp_path / 'out'}"]
    assert astrid([*command, f"dataset={made.dataset.path}"]) == 2
    assert "trained on" in capsys.readouterr().err
    model = load_model(made.checkpoint)
    with pytest.raises(UserError, match="one network"):
        refuse_joined(replace(model, record=replace(model.record, members=[{}, {}])))


def test_the_checkpoint_of_imported_weights_gets_a_domain(made: Untrained, tmp_path: Path) -> None:
    """Without a digest of training: the samples of the calibration are remembered all the same."""
    model = load_model(made.checkpoint)
    save_model(tmp_path / "imported.ckpt", model.task.state_dict(), replace(model.record, digest=None))
    target = dataset_of(tmp_path / "target", 260, "[ztf,galex]")
    words = [f"ckpt_path={tmp_path / 'imported.ckpt'}", f"dataset={target.path}", f"output_dir={tmp_path / 'out'}"]
    assert astrid(["recalibrate", *words]) == 0
    record = load_model(tmp_path / "out" / "recalibrated.ckpt").record
    assert record.digest is not None and record.digest.seen(target.index).all() and record.validity is not None
