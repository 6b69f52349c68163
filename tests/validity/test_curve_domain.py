"""Which curves are like those of training: kind of flux, bands, cadence, hosts; and brief tables of predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.checkpoint.predictions import brief_columns, read_predictions, write_predictions
from astrid_ml.contracts.told import HasBrief, TellsFacts
from astrid_ml.datamodules.curves import CurveDataModule
from astrid_ml.evaluation.judge import BinaryJudge
from astrid_ml.evaluation.tree.hierarchical import HierarchicalJudge
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.select.presence import Presence
from astrid_ml.run.prediction.domain import facts_of
from astrid_ml.taxonomy import load_taxonomy
from astrid_ml.validity.domain import Facts, fit_domain, in_words, judged

LSST, ZTF, ATLAS = (0.4827, 0.6223, 0.7546), (0.4746, 0.6366), (0.5182, 0.663)


def curves(bands: tuple[float, ...], gap: float, kind: str | None = "difference", host: bool = True) -> MemorySource:
    """Twenty curves of ten nights; the host is known of all or of none."""
    parts = []
    for shift in range(20):
        days = np.arange(10) * (gap + 0.02 * shift)
        one = np.ones(10)
        waves = np.array(bands)[np.arange(10) % len(bands)]
        parts.append(np.stack([days, 90 * one, one, one, waves], axis=1).astype(np.float32))
    names = [f"o{k}" for k in range(20)]
    table = pd.DataFrame({"id": names, "group_id": names, "label": "RRL", "flux_kind": kind})
    table["HOSTGAL_MAG_r"] = 20.0 if host else np.nan
    writer = MemoryUnitWriter()
    writer.add_ragged(table, {"epochs": parts})
    return writer.source()


def module(**options: object) -> CurveDataModule:
    return CurveDataModule(static=["HOSTGAL_MAG_r"], **options)  # type: ignore[arg-type]


ROWS = np.arange(20)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (curves(LSST, 3.1), None),
        (curves((0.48, 0.62), 3.1), None),  # other filters of these wavelengths
        (curves(ZTF, 3.1), None),
        (curves(ATLAS, 3.1), "band of 518, 663 nm was not trained on"),
        (curves(LSST, 60.0), "median days between nights outside"),
        (curves(LSST, 3.1, "total"), "total flux was not trained on"),
        (curves(LSST, 3.1, None), None),
        (curves(LSST, 3.1, host=False), "no host is known"),
    ],
)
def test_what_training_did_not_have_is_outside_and_said(other: MemorySource, said: str | None) -> None:
    data = module()
    assert isinstance(data, TellsFacts)
    known = Facts(facts_of(curves(LSST, 3.0), ROWS, data, training=True))
    domain = fit_domain(known, None, None)
    found = judged(domain, Facts(facts_of(other, ROWS, data)))
    outside = found.loc[~found["in_domain"].astype(bool), "outside_because"]
    if said is None:
        assert outside.empty
    else:
        assert len(outside) == 20 and outside.str.contains(said, regex=False).all()
    assert in_words(domain)["bands (nm)"] == "483, 622, 755"


def test_numbers_of_a_curve_are_those_of_its_points() -> None:
    found = facts_of(curves(LSST, 3.0), ROWS, module()).iloc[0]
    assert (found["per_night"], found["before"], found["detected_share"], found["median_snr"]) == (1, 0, 1, 90)
    assert found["depth"] == pytest.approx(27.5 - 2.5 * np.log10(5)) and found["brightest"] == pytest.approx(22.6144)


def test_hosts_that_training_left_out_at_random_may_be_missing() -> None:
    for presence, inside in ((Presence(), True), (Presence(host=0.0), False), (None, False)):
        data = module(presence=presence)
        domain = fit_domain(Facts(facts_of(curves(LSST, 3.0), ROWS, data, training=True)), None, None)
        found = judged(domain, Facts(facts_of(curves(LSST, 3.0, host=False), ROWS, data)))
        assert found["in_domain"].all() == inside


def told(n: int) -> pd.DataFrame:
    tree = load_taxonomy("supernnova")
    random = np.random.default_rng(0)
    conditional = np.ones((n, len(tree.nodes)))
    for group in tree.sibling_groups:
        conditional[:, list(group)] = random.dirichlet(np.ones(len(group)), n)
    p = tree.probabilities(conditional)
    table = pd.DataFrame({f"score_{name}": p[:, k] for k, name in enumerate(tree.nodes)})
    names = [f"o{k}" for k in range(n)]
    table = table.assign(id=names, group_id=names, label="Ia", days=16.0, in_domain=True, novelty_p=0.5)
    judge = HierarchicalJudge("supernnova", calibrate=False, sets=None)
    return judge.apply(table, judge.fit(table))


def test_brief_columns_are_those_of_the_judge_that_hold_something(tmp_path: Path) -> None:
    assert isinstance(HierarchicalJudge("supernnova"), HasBrief) and isinstance(BinaryJudge.brief, tuple)
    write_predictions(told(30), tmp_path / "a.parquet")
    write_predictions(told(30).assign(novelty_p=np.nan), tmp_path / "b.parquet")
    both = brief_columns(HierarchicalJudge.brief, [tmp_path / "b.parquet", tmp_path / "a.parquet"])
    assert both == ["id", "top_class", "probability_top", "runner_up", "probability_runner_up", "certain_class",
                    "novelty_p", "entropy", "days", "in_domain"]  # fmt: skip
    assert "novelty_p" not in brief_columns(HierarchicalJudge.brief, [tmp_path / "b.parquet"])


def test_the_former_name_of_entropy_is_read(tmp_path: Path) -> None:
    write_predictions(told(5).rename(columns={"entropy": "anomaly"}), tmp_path / "old.parquet")
    found = read_predictions(tmp_path / "old.parquet")
    assert "anomaly" not in found and found["entropy"].between(0, 1).all()


def test_the_certain_class_is_the_deepest_that_reaches_nine_in_ten() -> None:
    table, tree = told(400), load_taxonomy("supernnova")
    for row in table.to_dict("records"):
        assert row["certain_class"] == tree.root or row[f"p_{row['certain_class']}"] >= 0.9
        leaves = sorted(((row[f"p_{name}"], name) for name in tree.leaves), reverse=True)
        assert (row["top_class"], row["runner_up"]) == (leaves[0][1], leaves[1][1])
        assert row["probability_top"] == leaves[0][0]
