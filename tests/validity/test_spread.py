"""Sets that differ from training as a whole: told of them, and not of one class, nor of the own held-out samples."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ks_2samp

from astrid_ml.validity.spread import (
    APART,
    LEAST,
    added,
    apart,
    checked_spread,
    counts_of,
    fit_spread,
    nearest_mixture,
    said_of_set,
)


def samples(n: int, seed: int, classes: tuple[str, ...] = ("a", "b"), shift: float = 0.0) -> pd.DataFrame:
    """Class a is bright and rare in points, b faint and of many."""
    random = np.random.default_rng(seed)
    label = random.choice(np.array(classes), n)
    bright = np.where(label == "a", 17.0, 20.0) + random.normal(0, 0.5, n) + shift
    return pd.DataFrame({"mission": "ztf", "label": label, "brightest": bright, "n_epochs": random.integers(3, 60, n)})


def test_neither_held_out_samples_nor_one_class_alone_are_told_of() -> None:
    random = np.random.default_rng(1)
    plain = fit_spread([samples(1500, 0)])
    held_out, told = samples(4000, 2), 0
    for _ in range(200):
        told += bool(apart(plain, counts_of(plain, held_out.iloc[random.permutation(4000)[:400]])))
    assert told <= 10  # 5 %
    for label in ("a", "b"):
        assert apart(plain, counts_of(plain, samples(1000, 3, (label,)))) == []


def test_another_selection_is_told_of_with_its_number() -> None:
    plain = fit_spread([samples(1500, 0)])
    other = samples(500, 4, shift=1.5)
    (found,) = apart(plain, counts_of(plain, other))
    assert (found.name, found.mission, found.count) == ("brightest point (mag)", "ztf", 500) and found.distance > APART
    line = said_of_set(True, [found])
    assert f"{found.distance:.2f} of 500" in line and "simulated samples alone" in line
    assert "samples unlike these" in said_of_set(False, [replace(found, mission="")]) and not said_of_set(True, [])
    few = counts_of(plain, other.iloc[: LEAST - 1])
    assert apart(plain, few) == []
    assert apart(plain, counts_of(plain, other.assign(mission="sdss"))) == []  # each row says so itself
    assert apart(None, few) == [] and counts_of(None, other) == {}


def test_of_one_class_the_distance_is_that_of_two_samples() -> None:
    """Against scipy's, which looks between the values of the grid too."""
    one, other = samples(2000, 5, ("a",)), samples(700, 6, ("a",), shift=0.3)
    plain = fit_spread([one])
    assert plain is not None
    counts = counts_of(plain, other)["ztf"]["brightest"]
    distance, effective = nearest_mixture(plain["ztf"]["brightest"], np.array(counts[1:]) / counts[0])
    told = ks_2samp(one["brightest"], other["brightest"]).statistic
    assert effective == pytest.approx(2000) and told - 0.04 < distance <= told + 1e-9


def test_a_mixture_is_found_where_there_is_one() -> None:
    plain = fit_spread([samples(20_000, 7)])
    assert plain is not None
    mixed = pd.concat([samples(9000, 8, ("a",)), samples(1000, 9, ("b",))])
    counts = counts_of(plain, mixed)["ztf"]["brightest"]
    distance, _ = nearest_mixture(plain["ztf"]["brightest"], np.array(counts[1:]) / counts[0])
    assert distance < 0.02


def test_counts_of_parts_add_up_and_pass_through_json() -> None:
    plain = fit_spread([samples(300, 0)])
    whole = samples(90, 1)
    whole.loc[3, "brightest"] = np.nan
    parts = [json.loads(json.dumps(counts_of(plain, part))) for part in (whole.iloc[:40], whole.iloc[40:])]
    assert added(added({}, parts[0]), parts[1]) == counts_of(plain, whole)
    assert counts_of(plain, whole)["ztf"]["brightest"][0] == 89


def test_rare_classes_stand_together_and_samples_without_class_or_mission_are_one() -> None:
    table = samples(200, 0)
    table.loc[:4, "label"], table.loc[5:8, "label"] = "c", None
    plain = fit_spread([table, table.drop(columns=["mission", "label"])])
    assert plain is not None and list(plain) == ["ztf", ""]
    assert plain["ztf"]["brightest"]["counts"].sum() == 200 and len(plain["ztf"]["brightest"]["counts"]) == 3
    assert plain[""]["brightest"]["counts"].tolist() == [200.0]
    assert fit_spread([samples(LEAST - 1, 0)]) is None
    assert fit_spread([samples(50, 0).drop(columns="n_epochs").assign(brightest=3.0)]) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda each: each.pop("grid"), "other numbers"),
        (lambda each: each.update(grid=[1.0]), "without numbers"),
        (lambda each: each["grid"].fill_(float("nan")), "no number"),
        (lambda each: each.update(counts=torch.ones(1)), "other sizes"),
        (lambda each: each.update(counts=-each["counts"]), "other sizes"),
    ],
)
def test_a_damaged_record_is_told(change: Any, said: str) -> None:
    plain = fit_spread([samples(300, 0)])
    assert plain is not None and checked_spread(plain) == "" and checked_spread(None) == ""
    change(plain["ztf"]["brightest"])
    assert said in checked_spread(plain)
    assert checked_spread({"ztf": {"colour": {}}}) and checked_spread({"ztf": 1}) and checked_spread([])
