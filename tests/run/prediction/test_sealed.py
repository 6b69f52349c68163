"""No evaluation judges sealed samples, but one that asks for them; that one is counted and its report says so."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made.untrained import Untrained, untrained

from astrid_ml.checkpoint.load import load_model, save_model
from astrid_ml.checkpoint.record import TrainingDigest
from astrid_ml.cli.main import run as astrid
from astrid_ml.errors import UserError
from astrid_ml.report.sections_head import said_of_sealed
from astrid_ml.run.prediction.evaluate import evaluate
from astrid_ml.run.prediction.sealed import Asked
from astrid_ml.splits.options import GroupSplit
from astrid_ml.splits.plan import planned
from astrid_ml.splits.sealed import Seal


@pytest.fixture
def made(tmp_path: Path) -> Untrained:
    """With a seal on a third of the samples, and a checkpoint that knows of it."""
    out = untrained(tmp_path)
    plan = planned(GroupSplit(val=0.2, test=0.3, sealed=0.35), out.dataset.index)
    plan.keep(out.dataset.path)
    [folds] = plan.rounds
    index = out.dataset.index.assign(fold=folds["fold"].to_numpy())
    digest = TrainingDigest.of(
        index[index["fold"].isin(["train", "val"])],
        index.loc[index["fold"] == "test", "id"],
        index[index["fold"] == "sealed"],
    )
    model = load_model(out.checkpoint)
    save_model(out.checkpoint, out.task.state_dict(), replace(model.record, digest=digest))
    return replace(out, folds=folds)


def judged(folder: Path) -> set[str]:
    return set(pd.read_parquet(folder / "predictions.parquet")["id"])


def test_sealed_samples_are_judged_once_and_only_when_asked(made: Untrained, tmp_path: Path) -> None:
    fold = made.folds.set_index("id")["fold"]
    sealed = set(fold.index[fold == "sealed"])
    assert sealed
    metrics = evaluate(made.checkpoint, made.dataset.path, tmp_path / "plain")
    assert judged(tmp_path / "plain") == set(fold.index[fold == "test"])
    assert f"left out as sealed: {len(sealed)}" in metrics["summary"]
    metrics = evaluate(made.checkpoint, made.dataset.path, tmp_path / "once", asked=Asked(sealed=True))
    assert judged(tmp_path / "once") == sealed
    assert any("judged for the first time" in line for line in metrics["summary"])
    record = json.loads((tmp_path / "once" / "run.json").read_text())
    assert record["sealed"]["opening"] == 1 and record["sealed"]["samples"] == len(sealed)
    with pytest.raises(UserError, match="opened 1 time"):
        evaluate(made.checkpoint, made.dataset.path, tmp_path / "twice", asked=Asked(sealed=True))
    assert not (tmp_path / "twice").exists()
    metrics = evaluate(made.checkpoint, made.dataset.path, tmp_path / "twice", asked=Asked(sealed=True, reopen=True))
    assert any("this is opening 2" in line for line in metrics["summary"])
    assert "sealed=true reopen=true" in (tmp_path / "twice" / "report.html").read_text()
    assert [entry["opening"] for entry in Seal(made.dataset.path).openings] == [1, 2]


def test_a_copy_of_the_dataset_is_no_unseen_one_to_the_same_checkpoint(made: Untrained, tmp_path: Path) -> None:
    evaluate(made.checkpoint, made.dataset.path, tmp_path / "once", asked=Asked(sealed=True))
    copy = tmp_path / "elsewhere" / "copied"
    shutil.copytree(made.dataset.path, copy)
    with pytest.raises(UserError, match="opened 1 time"):
        evaluate(made.checkpoint, copy, tmp_path / "twice", asked=Asked(sealed=True))
    metrics = evaluate(made.checkpoint, copy, tmp_path / "twice", asked=Asked(sealed=True, reopen=True))
    said = [line for line in metrics["summary"] if "this is opening 2" in line]
    assert len(said) == 1 and "1 of them of a copy of this dataset" in said[0] and "this checkpoint know of" in said[0]
    # What cannot be seen: the checkpoint copied too, without its notes.
    other = tmp_path / "other" / made.checkpoint.name
    other.parent.mkdir()
    shutil.copy(made.checkpoint, other)
    shutil.copytree(made.dataset.path, tmp_path / "third")
    metrics = evaluate(other, tmp_path / "third", tmp_path / "unknown", asked=Asked(sealed=True))
    assert any(
        "judged for the first time that this dataset and this checkpoint know of" in x for x in metrics["summary"]
    )


def test_a_part_of_the_samples_is_known_again_and_other_samples_are_not(tmp_path: Path) -> None:
    checkpoint, names = tmp_path / "best.ckpt", [f"s{number}" for number in range(3000)]
    assert Seal(tmp_path / "a", checkpoint, names).open({"samples": 3000}, again=False)["noted"] is True
    with pytest.raises(UserError, match="opened 1 time"):
        Seal(tmp_path / "b", checkpoint, names[::5]).refuse_second(again=False)
    other = Seal(tmp_path / "c", checkpoint, [f"other{number}" for number in range(3000)])
    assert other.openings == [] and other.open({"samples": 1}, again=False)["opening"] == 1
    assert len(Seal(tmp_path / "a", checkpoint, names).openings) == 1  # its own note is counted once


def test_a_checkpoint_whose_folder_takes_no_note_says_so(tmp_path: Path) -> None:
    opened = Seal(tmp_path / "a", tmp_path / "nowhere" / "best.ckpt", ["x"]).open({"samples": 1}, again=False)
    assert opened["noted"] is False and opened["opening"] == 1
    assert said_of_sealed(opened).endswith("for the first time that this dataset knows of.")


def test_a_checkpoint_knows_its_sealed_samples_in_another_dataset(made: Untrained) -> None:
    digest = load_model(made.checkpoint).record.digest
    assert digest is not None
    index = made.dataset.index
    sealed = (made.folds["fold"] == "sealed").to_numpy()
    assert (digest.kept(index) == sealed).all()
    renamed = index.assign(id=[f"other {name}" for name in index["id"]])  # the group is the same
    assert (digest.kept(renamed) == sealed).all()
    assert not TrainingDigest.of(index).kept(index).any()
    both = TrainingDigest.union([digest, TrainingDigest.of(index.head(2))])
    assert (both.kept(index) == sealed).all()


def test_nothing_sealed_or_a_word_alone_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = untrained(tmp_path)
    assert not np.any(made.folds["fold"] == "sealed")
    with pytest.raises(UserError, match=r"split\.sealed=0\.1"):
        evaluate(made.checkpoint, made.dataset.path, tmp_path / "out", asked=Asked(sealed=True))
    words = [f"ckpt_path={made.checkpoint}", f"dataset={made.dataset.path}", f"output_dir={tmp_path / 'o'}"]
    assert astrid(["evaluate", *words, "reopen=true"]) == 2
    assert "add sealed=true" in capsys.readouterr().err


def test_a_training_that_would_use_what_is_sealed_is_refused(
    made: Untrained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["experiment=realbogus_triplets", f"paths.run_dir={tmp_path / 'run2'}", f"paths.data={tmp_path / 'store'}"]
    words += ["simulate.n=40", "simulate.part=20", "simulate.prevalence=0.3", "channels.size=31", "logger=none"]
    assert astrid(["train", *words]) == 2
    assert "give split.sealed=0.35" in capsys.readouterr().err
