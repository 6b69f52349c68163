"""Events as charge deposits: how much, where and when, against the records that go with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY, SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.preprocessing.ramps.simulate.events import Scene, cosmic_ray, deposits, snowball, telegraph, with_ipc

SCENE = Scene(n_groups=30, n_rows=80, n_cols=60, border=4, full_well=1e5, ipc=0.01)
SEEDS = range(40)


def test_events_fall_on_every_pixel_inside_the_border_and_on_none_outside() -> None:
    y, x = SCENE.place(np.random.default_rng(0), 100_000)
    assert (y.min(), y.max(), x.min(), x.max()) == (4, 75, 4, 55)
    assert len(np.unique(y * 60 + x)) == 72 * 52


@pytest.mark.parametrize("seed", SEEDS)
def test_a_ray_is_one_track_in_one_group_with_the_charge_of_its_record(seed: int) -> None:
    record, table = cosmic_ray(SCENE, np.random.default_rng(seed), 3, (100.0, 5000.0))
    assert table.charge.sum() == pytest.approx(record["charge"])
    assert 100.0 <= record["charge"] <= 5000.0
    assert set(table.group) == {record["group"]}
    assert 1 <= record["group"] < SCENE.n_groups
    assert (set(table.event), set(table.type)) == ({3}, {COSMIC_RAY})
    steps = np.hypot(np.diff(table.y), np.diff(table.x))
    assert steps.max(initial=0.0) <= np.sqrt(2)  # no pixel is leapt over
    ends = np.hypot(table.y.iloc[-1] - record["y"], table.x.iloc[-1] - record["x"])
    assert ends == pytest.approx(record["length"], abs=1.0)
    assert record["length"] <= 15.0


def test_charges_of_rays_are_skewed_to_the_faint_end() -> None:
    random = np.random.default_rng(1)
    charge = np.array([cosmic_ray(SCENE, random, 0, (100.0, 5000.0))[0]["charge"] for _ in range(400)])
    assert charge.mean() > np.median(charge) * 1.1


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("seed", range(15))
def test_a_telegraph_pixel_stands_on_one_of_two_levels(seed: int, square: bool) -> None:
    ranges = ((50.0, 80.0), (8.0, 12.0), (0.3, 0.5))
    record, table = telegraph(SCENE, np.random.default_rng(seed), 1, *ranges, square)
    gain = np.zeros(SCENE.n_groups)
    np.add.at(gain, table.group.to_numpy(), table.charge.to_numpy())
    level = np.cumsum(gain)
    assert set(np.round(level / record["charge"], 9).tolist()) == {0.0, 1.0}
    assert record["transitions"] == np.count_nonzero(np.diff(level))
    assert record["group"] == np.flatnonzero(np.diff(level))[0] + 1
    assert table[["y", "x"]].drop_duplicates().to_numpy().tolist() == [[record["y"], record["x"]]]
    assert set(table.type) == {TELEGRAPH_NOISE}
    period = record["dwell_high"] + record["dwell_low"]
    assert 8.0 <= period <= 12.0


def test_a_pixel_that_never_changes_says_so() -> None:
    slow = (1e9, 1e9)
    record, table = telegraph(SCENE, np.random.default_rng(2), 1, (50.0, 50.0), slow, (0.5, 0.5), False)
    assert (record["transitions"], record["group"]) == (0, -1)
    assert table.charge.tolist() in ([], [50.0])  # low, or high from the first read on


def test_a_snowball_is_a_saturated_disc_in_a_halo_that_falls_exponentially() -> None:
    one = Scene(40, 201, 201, 60, 1e5, 0.0)  # far from every edge
    record, table = snowball(one, np.random.default_rng(3), 2, (6.0, 6.0), (0.1, 0.1), (3.0, 3.0), 0.0)
    now = table[table.group == record["group"]]
    r = np.hypot(now.y - record["y"], now.x - record["x"]).to_numpy()
    core = r <= 6.0
    assert (now.charge[core] == 1.5e5).all()
    assert core.sum() == 113  # the whole pixels within 6 of a pixel
    assert record["charge"] == pytest.approx(1.5e5 * 113)
    slope = np.polyfit(r[~core], np.log(now.charge.to_numpy()[~core]), 1)
    assert slope == pytest.approx([-1 / 3, np.log(1e4) + 2], rel=1e-6)
    assert now.charge.min() < 1.2  # followed until no edge can be seen: an electron
    assert set(table.type) == {SNOWBALL}


def test_a_growing_core_saturates_ring_by_ring_for_five_groups() -> None:
    one = Scene(40, 201, 201, 60, 1e5, 0.0)
    record, table = snowball(one, np.random.default_rng(4), 2, (6.0, 6.0), (0.1, 0.1), (3.0, 3.0), 1.0)
    full = table[table.charge == 1.5e5]
    r = np.hypot(full.y - record["y"], full.x - record["x"])
    widest = r.groupby(full.group).max()
    last = min(record["group"] + 5, 39)
    assert widest.index.tolist() == list(range(record["group"], last + 1))
    grown = 6.0 + np.arange(len(widest))
    assert ((widest <= grown) & (widest > grown - 1.0)).all()
    assert not full.duplicated(["y", "x"]).any()  # no pixel is filled twice


def test_neighbours_share_the_charge_and_none_is_lost() -> None:
    table = with_ipc(deposits(1, COSMIC_RAY, 5, [20], [30], [1000.0]), SCENE)
    found = {(row.y, row.x): row.charge for row in table.itertuples()}
    side = {(19, 30), (21, 30), (20, 29), (20, 31)}
    assert found == pytest.approx({(20, 30): 960.0} | dict.fromkeys(side, 10.0))
    plain = with_ipc(deposits(1, COSMIC_RAY, 5, [20], [30], [1000.0]), Scene(30, 80, 60, 4, 1e5, 0.0))
    assert plain[["y", "x", "charge"]].to_numpy().tolist() == [[20, 30, 1000.0]]


def test_charge_on_reference_pixels_is_not_seen() -> None:
    corner = with_ipc(deposits(1, COSMIC_RAY, 5, [4], [55], [1000.0]), SCENE)
    assert corner[["y", "x"]].to_numpy().tolist() == [[4, 54], [4, 55], [5, 55]]
    assert len(with_ipc(deposits(1, COSMIC_RAY, 5, [2, -2], [30, 30], [1000.0, 1000.0]), SCENE)) == 0


def test_where_events_meet_the_larger_charge_gives_the_name_and_both_are_added() -> None:
    flat = Scene(30, 80, 60, 4, 1e5, 0.0)
    both = pd.concat(
        [deposits(1, COSMIC_RAY, 5, [20], [30], [300.0]), deposits(2, TELEGRAPH_NOISE, 5, [20], [30], [-400.0])]
    )
    (row,) = with_ipc(both, flat).to_dict("records")
    assert (row["type"], row["event"], row["charge"]) == (TELEGRAPH_NOISE, 2, -100.0)
    later = pd.concat([both.iloc[:1], deposits(1, COSMIC_RAY, 6, [20], [30], [300.0])])
    assert with_ipc(later, flat).group.tolist() == [5, 6]  # another group is another step
