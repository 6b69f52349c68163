"""A random split beside an honest one."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from astrid_ml.build import plain
from astrid_ml.cli.main import run
from astrid_ml.cli.verbs.benchmark_splits import first
from astrid_ml.commands.benchmark_splits import OWN, SAME, Row, benchmark_splits, check_asked, sentences, split_page
from astrid_ml.config import compose
from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import PairedDifference
from astrid_ml.evaluation.rankings import Ranking
from astrid_ml.run.comparison.trainings import Trainings

TINY = (
    *("experiment=realbogus_triplets", "simulate.n=240", "simulate.part=60", "simulate.prevalence=0.3"),
    *("channels.size=31", "trainer.max_epochs=1", "trainer.precision=32-true", "logger=none"),
    "evaluation.evaluation.bootstrap.replicates=50",
)


def rows(low: float) -> list[Row]:
    claim, fact = Ranking("AUCPR", 0.97, 0.95, 0.98, 100, 0.1), Ranking("AUCPR", 0.9, 0.88, 0.92, 100, 0.1)
    found = PairedDifference(0.07, low, 0.09)
    noisy = Row("group, 10 % of labels wrong", 1, SAME, 80, fact, "group", PairedDifference(-0.02, -0.03, -0.01), True)
    return [Row("random", 1, OWN, 80, claim, "unseen", found), Row("random", 1, SAME, 80, fact), noisy]


def test_the_sentence_says_what_was_flattered_or_that_it_is_not_shown() -> None:
    told = sentences(rows(0.04), "group")
    assert told[0] == (
        "A random split says AUCPR 0.970; the same network has 0.900 on the test fold of split=group: the random split "
        "flatters by 0.070, 95 % interval +0.040 to +0.090."
    )
    assert told[1] == "With 10 % of labels wrong: -0.020 (95 % interval -0.030 to -0.010)."
    assert "is not shown to flatter (+0.070)" in sentences(rows(-0.01), "group")[0]
    assert "mean of 2 seeds" in sentences([*rows(0.04), *rows(0.03)], "group")[0]
    undefined = [Row("random", 1, OWN, 80, Ranking("AUCPR", None))]
    assert "undefined" in sentences(undefined, "group")[0]
    assert "undefined" in split_page(undefined, ["Nothing."], "x <y>") and "x <y>" not in split_page(
        undefined, [], "x <y>"
    )


def test_the_page_speaks_of_shares_only_where_the_ranking_has_one() -> None:
    """Case: a page of ramps, whose mean AUCPR over classes is given for no share of positives."""
    plain = [Row("random", 1, OWN, 80, Ranking("mean AUCPR of voxels over classes", 0.5, 0.4, 0.6, 7))]
    assert "share of positives" in split_page(rows(0.04), ["Nothing."], "x")
    assert "share of positives" not in split_page(plain, ["Nothing."], "x")


@pytest.mark.parametrize(("seeds", "flip"), [([], []), ([1, 1], []), ([1], [0.0]), ([1], [0.1, 0.1]), ([1], [1.0])])
def test_lists_that_mean_nothing_are_refused(seeds: list[int], flip: list[float]) -> None:
    with pytest.raises(UserError):
        check_asked({}, seeds, flip)


def test_the_verb_reads_what_train_reads() -> None:
    with pytest.raises(UserError, match=r"paths\.raw"):
        first({**plain(compose("benchmark_splits", ["output_dir=o"])), "paths": {"raw": None}, "simulate": None})


def test_a_judge_that_compares_nothing_is_refused(tmp_path: Path) -> None:
    config = {"evaluation": {"_target_": "astrid_ml.evaluation.bootstrap.Bootstrap"}}
    with pytest.raises(UserError, match="compares networks"):
        Trainings.of(config, tmp_path)


def test_a_split_without_one_test_fold_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*TINY, "split=kfold", f"paths.data={tmp_path / 'store'}", f"output_dir={tmp_path / 'out'}"]
    assert run(["benchmark-splits", *words]) == 2
    assert "a split of one round with a test fold" in capsys.readouterr().err


@pytest.mark.slow
def test_from_end_to_end_and_again_without_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = plain(compose("train", [*TINY, f"paths.data={tmp_path / 'store'}", "paths.run_dir=none"]))
    told = benchmark_splits(config, tmp_path / "out", [1], [0.1])
    table = pd.read_csv(tmp_path / "out" / "benchmark_splits.csv")
    assert table["tested_on"].tolist() == [OWN, SAME, SAME, SAME]
    assert table["samples"].iloc[1] == table["samples"].iloc[2] == table["samples"].iloc[3]
    assert table["difference"].iloc[0] == pytest.approx(table["value"].iloc[0] - table["value"].iloc[1], abs=1e-9)
    assert table["difference"].iloc[1] == pytest.approx(table["value"].iloc[1] - table["value"].iloc[2], abs=1e-9)
    assert json.loads((tmp_path / "out" / "benchmark_splits.json").read_text())["sentences"][0] in told["result"]
    capsys.readouterr()
    assert benchmark_splits(config, tmp_path / "out", [1], [0.1]) == told
    assert "epoch" not in capsys.readouterr().err
