"""Objects from candidates whose objects are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.epochs.associate import (
    OBJECT_COLUMNS,
    Associate,
    friends,
    position_name,
    summarise,
)


def sky(n: int = 300, epochs: int = 5, scatter: float = 0.15, seed: int = 0) -> pd.DataFrame:
    """Candidates of n objects over the sphere, its poles and the line ra = 0 too; ``scatter`` in arcsec."""
    random = np.random.default_rng(seed)
    ra = np.concatenate([random.uniform(0, 360, n - 40), np.full(20, 0.0), np.arange(20) * 18.0])
    dec = np.degrees(np.arcsin(random.uniform(-1, 1, n)))
    dec[-20:] = 89.99
    truth = np.repeat(np.arange(n), epochs)
    offsets = random.normal(0, scatter / 3600, (2, len(truth)))
    at = dec[truth] + offsets[1]
    table = pd.DataFrame(
        {
            "ra": (ra[truth] + offsets[0] / np.cos(np.radians(at))) % 360,
            "dec": at,
            "mjd": np.tile(60000.0 + np.arange(epochs), n),
            "snr": random.uniform(5, 30, len(truth)) * random.choice([-1, 1], len(truth)),
            "mission": np.where(random.random(len(truth)) < 0.5, "ztf", "ps1"),
            "filter": random.choice(["g", "r"], len(truth)),
            "truth": truth,
        }
    )
    table["id"] = [f"c{i:05d}" for i in range(len(table))]
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


def test_objects_are_the_true_ones_all_over_the_sphere() -> None:
    table = sky()
    out, objects = Associate(radius=1.5)(table)
    assert tuple(objects.columns) == OBJECT_COLUMNS and len(out) == len(table)
    assert (out["id"] == table["id"]).all() and (out["group_id"] == out["object_id"]).all()
    assert out.groupby("truth")["object_id"].nunique().max() == 1
    assert out.groupby("object_id")["truth"].nunique().max() == 1
    assert out["object_id"].nunique() == len(objects) == out["truth"].nunique() == 300
    assert (objects["n_epochs"] == 5).all() and (objects["extent"] < 1.0).all()


def test_names_do_not_depend_on_the_order_nor_on_later_epochs() -> None:
    table = sky(n=60)
    step = Associate(radius=1.5)
    first = step(table)[0].set_index("id")["object_id"]
    shuffled = step(table.sample(frac=1, random_state=9))[0].set_index("id")["object_id"]
    assert (first.sort_index() == shuffled.sort_index()).all()
    early = table[table["mjd"] < 60003]
    assert (step(early)[0].set_index("id")["object_id"] == first[early["id"]]).all()


def test_known_objects_keep_their_names() -> None:
    table = sky(n=60)
    known = pd.DataFrame({"object_id": ["SN1", "SN2"], "ra": [10.0, 200.0], "dec": [5.0, -5.0]})
    extra = pd.DataFrame(
        {"id": ["x", "y"], "ra": [10.0, 10.0], "dec": [5.0 + 0.4 / 3600, 5.1], "mjd": [59000.0, 59000.0], "snr": 9.0}
    )
    out, objects = Associate(radius=1.0)(pd.concat([table, extra], ignore_index=True), known)
    named = out.set_index("id")["object_id"]
    assert named["x"] == "SN1" and named["y"].startswith("AST J")
    assert "SN2" not in set(objects["object_id"])


def test_a_mission_with_poor_positions_has_its_own_radius() -> None:
    table = pd.DataFrame(
        {
            "id": ["a", "b", "c", "d"],
            "ra": [30.0, 30.0, 30.0, 30.0],
            "dec": [0.0, 3 / 3600, 10 / 3600, 13 / 3600],
            "mission": ["ztf", "GALEX", "ztf", "ztf"],
        }
    )
    out, objects = Associate(radius=1.0, mission_radius={"galex": 4.0})(table)
    assert out["object_id"].nunique() == 3 and out["object_id"][0] == out["object_id"][1]
    assert objects["missions"].tolist().count("GALEX+ztf") == 1
    assert len(Associate(radius=1.0)(table)[1]) == 4
    # a chain joins what no pair of its ends would
    assert len(Associate(radius=7.5)(table)[1]) == 1


def test_positions_are_weighted_by_significance_and_cross_the_meridian() -> None:
    table = pd.DataFrame(
        {"object_id": ["o", "o"], "ra": [359.9999, 0.0002], "dec": [0.0, 0.0], "snr": [10.0, -20.0], "mjd": [1.0, 2.0]}
    )
    row = summarise(table).iloc[0]
    assert row["ra"] == pytest.approx(0.00014, abs=1e-7) and row["best_snr"] == 20
    assert row["extent"] == pytest.approx(0.00024 * 3600, rel=1e-3)
    assert (row["n_candidates"], row["first_mjd"], row["last_mjd"]) == (2, 1.0, 2.0)


def test_names_are_cut_as_the_union_asks() -> None:
    # M87's and Sgr A*'s positions
    assert position_name(187.70593, 12.39112) == "AST J123049.42+122328.0"
    assert position_name(266.41684, -29.00781, "X") == "X J174540.04-290028.1"
    assert position_name(359.999999, -0.00001) == "AST J235959.99-000000.0"


def test_unknown_positions_stand_alone_and_nothing_is_nothing() -> None:
    table = pd.DataFrame({"id": ["a", "b", "c"], "ra": [1.0, np.nan, np.nan], "dec": [1.0, 1.0, np.nan]})
    out, objects = Associate()(table)
    assert out["object_id"].tolist()[1:] == ["b", "c"] and len(objects) == 3
    assert friends(np.array([np.nan]), np.array([0.0]), np.array([1.0])).tolist() == [0]
    out, objects = Associate()(table.head(0))
    assert len(out) == 0 and {"object_id", "group_id"} <= set(out.columns)
    assert tuple(objects.columns) == OBJECT_COLUMNS and len(objects) == 0


@pytest.mark.parametrize(
    ("change", "step", "message"),
    [
        ({"id": ["a", "a"]}, Associate(), "twice"),
        ({"ra": None}, Associate(), "no ra"),
        ({}, Associate(radius=0.0), "radius"),
        ({}, Associate(mission_radius={"ztf": -1.0}), "radius"),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], step: Associate, message: str) -> None:
    table = pd.DataFrame({"id": ["a", "b"], "ra": [1.0, 2.0], "dec": [0.0, 0.0]}).assign(**change)
    table = table.drop(columns=[name for name, value in change.items() if value is None])
    with pytest.raises(UserError, match=message):
        step(table)
