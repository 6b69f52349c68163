"""Candidates, their truth and context, and the weights of the fusion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.preprocessing.ramps.fusion.context import neighbours, others
from astrid_ml.preprocessing.ramps.fusion.evidence import found_by, near
from astrid_ml.preprocessing.ramps.fusion.fusion import (
    FUSIONS,
    Fusion,
    FusionFit,
    fused_probabilities,
    level_exceeded_by,
    likelihood_scores,
    log_odds,
)
from astrid_ml.preprocessing.ramps.fusion.network import kinds
from astrid_ml.preprocessing.ramps.fusion.truth import PACKED, labelled, unpacked
from astrid_ml.preprocessing.ramps.judge.curves import Ranked, interval
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY, SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.types import Floats, Mask


def candidates(n: int, seed: int) -> pd.DataFrame:
    """Steps of noise and cosmic rays; likelihood and network see them with independent unit errors."""
    random = np.random.default_rng(seed)
    true = random.random(n) < 0.3
    snr = np.where(true, 5.0, 3.2) + random.normal(size=n)
    network = np.where(true, 1.5, -1.5) + 1.7 * random.normal(size=n)
    table = pd.DataFrame(dict.fromkeys(PACKED, np.zeros(n)))
    return table.assign(
        snr=snr,
        size=snr,
        amplitude=20 * snr,
        listed=snr > 4.5,
        rules=False,
        type=np.where(snr > 4.5, COSMIC_RAY, 0),
        network_cosmic_ray=network,
        network_telegraph_noise=-8.0,
        network_snowball=-8.0,
        edge=10.0,
        label=np.where(true, COSMIC_RAY, 0),
        quiet=~true,
    )


@pytest.fixture(scope="module")
def fusions() -> dict[str, Fusion]:
    table = candidates(6000, 0)
    return {name: FusionFit()(table, 100.0, use) for name, use in FUSIONS.items()}


def test_fusion_uses_both_and_is_calibrated(fusions: dict[str, Fusion]) -> None:
    table = candidates(20000, 1)
    table = table[fusions["fusion"].proposed(table, 3.5)]
    true = table.label.to_numpy() == COSMIC_RAY
    area = {}
    for name, fusion in fusions.items():
        probability = fused_probabilities(fusion, table, 3.5)
        np.testing.assert_allclose(probability.sum(1), 1.0)
        area[name] = average_precision_score(true, probability[:, COSMIC_RAY])
    area["network"] = average_precision_score(true, table.network_cosmic_ray)
    assert area["fusion"] > max(area["network"], area["fusion_without_network"]) + 0.02
    claimed = 1 - fused_probabilities(fusions["fusion"], table, 3.5)[:, 0]
    for low in np.arange(0, 1, 0.2):
        inside = (claimed >= low) & (claimed < low + 0.2)
        assert abs(true[inside].mean() - claimed[inside].mean()) < 0.06


def test_the_threshold_keeps_the_false_positives_of_the_likelihood(fusions: dict[str, Fusion]) -> None:
    table = candidates(6000, 0)
    wanted = int((table.listed & table.quiet).sum())
    for fusion in fusions.values():
        passed = log_odds(fused_probabilities(fusion, table, 3.5)) >= fusion.threshold
        assert abs(int((passed & table.quiet).sum()) - wanted) <= 1


def test_without_the_network_its_numbers_change_nothing(fusions: dict[str, Fusion]) -> None:
    table = candidates(500, 2)
    plain = fusions["fusion_without_network"]
    other = table.assign(network_cosmic_ray=9.0, network_snowball=9.0)
    np.testing.assert_array_equal(fused_probabilities(plain, table, 3.5), fused_probabilities(plain, other, 3.5))
    assert not plain.proposed(table[table.snr.abs() < 3.5], 3.5).any()


def test_weights_survive_plain_containers(fusions: dict[str, Fusion]) -> None:
    table = candidates(300, 3)
    for fusion in fusions.values():
        again = Fusion.from_plain(fusion.to_plain())
        np.testing.assert_array_equal(fusion.probabilities(table), again.probabilities(table))
        assert again.threshold == fusion.threshold


def test_nothing_to_learn_from_is_said() -> None:
    table = candidates(50, 4).assign(label=0)
    with pytest.raises(UserError, match="events and with noise"):
        FusionFit()(table, 1.0, True)


def steps(*rows: tuple[int, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["group", "y", "x"])


def test_a_true_step_belongs_to_one_candidate() -> None:
    table = steps((3, 1, 1), (5, 1, 1), (4, 2, 2), (9, 2, 2), (7, 4, 4), (8, 5, 5))
    truth = steps((4, 1, 1), (4, 2, 2), (7, 4, 4), (7, 5, 5)).assign(type=[1, 2, 255, 3])
    out = labelled(table, truth, (12, 8, 8))
    assert sorted(out.label[:2]) == [1, 255]
    assert out.label[2:].tolist() == [2, 0, 255, 3]
    assert out.quiet.tolist() == [False] * 6
    assert labelled(steps((1, 7, 7)), truth, (12, 8, 8)).quiet.tolist() == [True]


def test_neighbours_against_a_search_of_all_pairs() -> None:
    random = np.random.default_rng(5)
    table = pd.DataFrame({name: random.integers(0, 12, 300) for name in ("group", "y", "x")}).drop_duplicates()
    table = table.assign(snr=random.normal(3, 3, len(table))).reset_index(drop=True)
    strongest, number = neighbours(table, 12)
    for i in range(0, len(table), 17):
        row = table.iloc[i]
        dy, dx = (table.y - row.y).abs(), (table.x - row.x).abs()
        beside = table[(dy <= 1) & (dx <= 1) & (dy + dx > 0) & ((table.group - row.group).abs() <= 1)]
        rising = beside[beside.snr > 0]
        assert strongest[i] == pytest.approx(rising.snr.max() if len(rising) else 0.0)
        assert number[i] == rising.groupby(["y", "x"]).ngroups
    rises, falls = others(table.assign(snr=np.where(table.index % 2, 6.0, -6.0)))
    pixel = (table.y == table.y[0]) & (table.x == table.x[0])
    assert rises[0] == (pixel & (table.index % 2 == 1)).sum()
    assert falls[0] == (pixel & (table.index % 2 == 0)).sum() - 1


def test_nearness_stops_at_the_pixel() -> None:
    known = steps((0, 0, 3), (7, 0, 4))
    assert near(steps((1, 0, 3), (2, 0, 3), (7, 0, 3), (0, 0, 4)), known, (8, 4, 8)).tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_who_found_it() -> None:
    table = candidates(4, 0).assign(
        listed=[True, True, True, False],
        type=[COSMIC_RAY, COSMIC_RAY, SNOWBALL, 0],
        rules=[False, True, False, False],
        network_cosmic_ray=[-5.0, 5.0, -5.0, 5.0],
    )
    assert found_by(table, 1.0).tolist() == ["likelihood", "likelihood+rules+network", "rules", "network"]
    assert found_by(table.assign(listed=False, rules=False), None).tolist() == ["likelihood"] * 4


def test_steps_of_a_pixel_are_judged_together_but_for_snowballs() -> None:
    table = pd.DataFrame({"integration": 0, "group": [1, 4, 7, 2], "y": [1, 1, 1, 2], "x": [1, 1, 1, 2]})
    table = table.assign(amplitude=[50.0, -50.0, 60.0, 40.0], telegraph=0.0)
    probability = np.array([[0, 0.6, 0.4, 0], [0, 0.01, 0.99, 0], [0, 0.1, 0, 0.9], [0, 0.9, 0.1, 0]])
    assert kinds(table, probability).tolist() == [TELEGRAPH_NOISE, TELEGRAPH_NOISE, SNOWBALL, COSMIC_RAY]


def test_the_likelihood_claims_what_it_lists() -> None:
    table = candidates(4, 0).assign(
        snr=[6.0, -6.0, 4.0, -6.0], listed=[True, True, False, False], type=[COSMIC_RAY, TELEGRAPH_NOISE, 0, 0]
    )
    scores = likelihood_scores(table, 3.5)
    assert scores[:, 0].tolist() == [6.0, 6.0, 4.0, -np.inf]
    assert scores[:, TELEGRAPH_NOISE].tolist() == [-np.inf, 6.0, -np.inf, -np.inf]
    assert scores[:, COSMIC_RAY].tolist() == [6.0, -np.inf, 4.0, -np.inf]


def ranked(random: np.random.Generator, n: int) -> tuple[Floats, Mask]:
    true = random.random(n) < 0.2
    return np.round(true + random.normal(size=n), 1), true


def test_areas_against_sklearn_and_what_was_missed() -> None:
    score, true = ranked(np.random.default_rng(6), 2000)
    exposure = np.arange(2000) % 5
    totals = np.bincount(exposure[true], minlength=5).astype(float)
    whole = Ranked.of(score, true, exposure, totals)
    value = whole.area()
    assert value is not None
    assert value == pytest.approx(average_precision_score(true, score))
    assert Ranked.of(score, true, exposure, 2 * totals).area() == pytest.approx(value / 2)
    weight = np.array([2.0, 0.0, 1.0, 1.0, 1.0])
    again = np.concatenate([np.flatnonzero(exposure == e) for e in (0, 0, 2, 3, 4)])
    assert whole.area(weight) == pytest.approx(average_precision_score(true[again], score[again]))
    bounds = interval(whole.areas, 5, Bootstrap(100))
    assert bounds is not None
    assert bounds[0] <= value <= bounds[1]
    assert Ranked.of(score, true, exposure, np.zeros(5)).area() is None


def test_many_distinct_scores_are_joined_without_moving_the_area() -> None:
    random = np.random.default_rng(9)
    true = random.random(60_000) < 0.1
    score = true + 0.7 * random.normal(size=60_000)
    whole = Ranked.of(score, true, np.zeros(60_000, np.int64), np.array([true.sum()], float))
    assert whole.steps[0].shape == (1, 8192)
    assert whole.area() == pytest.approx(average_precision_score(true, score), abs=5e-4)


def test_a_level_is_exceeded_by_so_many() -> None:
    values = np.array([5.0, 1.0, 3.0, -np.inf, 2.0])
    for allowed in range(5):
        assert (values > level_exceeded_by(values, allowed)).sum() == allowed
    assert level_exceeded_by(np.zeros(0), 3) == 0.0


def test_evidence_survives_packing() -> None:
    table = candidates(7, 8)
    rows = table[list(PACKED)].to_numpy(np.float32)
    packed = pd.DataFrame({"evidence": [rows[:3].ravel(), rows[:0].ravel(), rows[3:].ravel()]})
    out = unpacked(packed)
    assert out.tile.tolist() == [0, 0, 0, 2, 2, 2, 2]
    np.testing.assert_allclose(out.snr, table.snr, rtol=1e-6)
    assert out.listed.tolist() == table.listed.tolist()
