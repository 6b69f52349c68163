"""Planted leaks of each kind are found; clean data raise no alarm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from astrid_ml.audit.audit import Audit, out_of_order, overlapping, same_position
from astrid_ml.audit.confounding import Confounding
from astrid_ml.audit.duplicates import DuplicateSearch
from astrid_ml.errors import UserError
from astrid_ml.splits.options import GroupSplit, KFold, TimeSplit
from astrid_ml.splits.plan import SplitPlan
from astrid_ml.types import Array

Rows = np.ndarray
SIZE = 31
SCATTER = np.array([1.0, 30.0, 0.01]).reshape(3, 1, 1)  # of the channels


class Samples:
    """An index with stamps in memory."""

    def __init__(self, index: pd.DataFrame, stamps: Array | None = None) -> None:
        self.index, self.stamps, self.channels = index, stamps, ("science", "reference", "difference")

    def groups(self, kind: str, rows: Rows) -> list[tuple[Rows, Array]]:
        if self.stamps is None:
            raise KeyError(kind)
        return [(np.arange(len(rows)), self.stamps[rows])]


def clean(n: int = 300, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    name = np.arange(n).astype(str)
    index = pd.DataFrame({"id": name, "group_id": np.char.add("g", name), "label": (random.random(n) < 0.3) * 1.0})
    index["ra"], index["dec"] = random.uniform(0, 360, n), np.degrees(np.arcsin(random.uniform(-1, 1, n)))
    index["mjd"], index["mission"] = random.uniform(59000, 60000, n), random.choice(["PS1", "ZTF"], n)
    return index


def plan_of(index: pd.DataFrame, ordered: bool = False) -> SplitPlan:
    """The first two thirds train, the rest is tested."""
    fold = np.where(np.arange(len(index)) < len(index) * 2 // 3, "train", "test")
    return SplitPlan("by hand", [pd.DataFrame({"id": index["id"], "fold": fold})], time_ordered=ordered)


def kinds(index: pd.DataFrame, stamps: Array | None = None, ordered: bool = False) -> set[str]:
    result = Audit(mode="warn").run(Samples(index, stamps), plan_of(index, ordered))  # type: ignore[arg-type]
    return {finding.kind for finding in result.findings}


def test_clean_data_raise_no_alarm() -> None:
    index = clean().sort_values("mjd", ignore_index=True)
    index["frame"], index["x"], index["y"], index["stamp_h"] = None, np.nan, np.nan, 31
    assert kinds(index, ordered=True) == set()


def test_shared_group_and_id() -> None:
    index = clean()
    index.loc[299, "group_id"] = "g0"
    assert kinds(index) == {"shared group"}
    twice = plan_of(index)
    twice.rounds[0] = pd.concat([twice.rounds[0], pd.DataFrame({"id": ["7"], "fold": ["test"]})])
    found = Audit(mode="warn").run(Samples(index), twice).findings  # type: ignore[arg-type]
    assert {f.kind for f in found} == {"shared id", "shared group"}


def test_same_position_within_the_radius_only() -> None:
    index = clean()
    index.loc[299, ["ra", "dec"]] = index.loc[0, ["ra", "dec"]] + [0.0, 0.9 / 3600]
    assert kinds(index) == {"same position"}
    index.loc[299, ["dec"]] = float(index["dec"].iloc[299]) + 0.2 / 3600
    assert kinds(index) == set()


@pytest.mark.parametrize(("step", "found"), [(30.0, {"overlapping cutouts"}), (31.0, set())])
def test_overlapping_cutouts_of_one_frame(step: float, found: set[str]) -> None:
    index = clean()
    index["frame"], index["stamp_h"] = np.arange(300).astype(str), 31
    index["x"], index["y"] = 500.0, 500.0
    index.loc[299, "frame"], index.loc[299, "x"] = "0", 500.0 + step
    assert kinds(index) == found


def test_overlaps_are_those_of_the_rectangles_themselves() -> None:
    """Cutouts of several sizes, set as pixels of the frame: they overlap where both hold one pixel."""
    random = np.random.default_rng(3)
    n, frame = 60, np.zeros((60, 120, 120), dtype=bool)
    index = pd.DataFrame({"id": np.arange(n).astype(str), "frame": random.choice(["a", "b"], n)})
    index["stamp_h"], index["stamp_w"] = random.choice([3, 7, 11], n), random.choice([3, 9, 15], n)
    index["x"], index["y"] = random.integers(10, 110, (2, n))
    for k, row in enumerate(index.itertuples()):
        y, x, h, w = (int(value) for value in (row.y, row.x, row.stamp_h // 2, row.stamp_w // 2))  # type: ignore[arg-type, operator]
        frame[k, y - h : y + h + 1, x - w : x + w + 1] = True
    train, test = np.arange(40), np.arange(40, n)
    shared = np.einsum("ayx,byx->ab", frame[:40].astype(int), frame[40:].astype(int)) > 0
    expected = {
        (str(a), str(40 + b)) for a, b in np.argwhere(shared) if index["frame"].iloc[a] == index["frame"].iloc[40 + b]
    }
    found = overlapping(index, train, test)
    assert found is not None
    assert {(row.train, row.test) for row in found.pairs.itertuples()} == expected
    assert found.message.startswith(f"{len(expected)} pairs")


def test_a_position_across_the_first_meridian_is_measured_on_the_sky() -> None:
    index = pd.DataFrame({"id": ["a", "b", "c"], "ra": [359.9999, 0.0001, np.nan], "dec": [60.0, 60.0, 60.0]})
    found = same_position(index, np.array([0]), np.array([1, 2]), radius=1.0)
    assert found is not None
    assert found.pairs["measure"].tolist() == pytest.approx([0.0002 * 3600 * 0.5], rel=1e-4)  # cos(60 degrees)
    assert same_position(index, np.array([0]), np.array([2]), radius=1.0) is None


def test_training_up_to_the_first_tested_object_is_in_order() -> None:
    index = pd.DataFrame({"id": list("abc"), "group_id": list("abc"), "mjd": [1.0, 3.0, 2.0]})
    assert out_of_order(index, np.array([0]), np.array([1, 2]), "mjd", 1.0) is None
    late = out_of_order(index, np.array([0, 1]), np.array([2]), "mjd", 1.0)
    assert late is not None
    assert late.pairs.to_dict("list") == {"train": ["b"], "test": ["c"]}


def test_time_order_is_checked_where_claimed() -> None:
    index = clean().sort_values("mjd", ignore_index=True)
    index["id"] = np.arange(300).astype(str)
    index.loc[0, "mjd"] = 61000.0
    assert kinds(index, ordered=True) == {"time order"}
    assert kinds(index, ordered=False) == set()


def test_one_object_under_two_names_keeps_its_first_detection() -> None:
    index = clean()
    late, early = int(index["mjd"].argmax()), int(index["mjd"].argmin())
    index.loc[late, ["ra", "dec"]] = index.loc[early, ["ra", "dec"]].to_numpy()
    result = Audit().run(Samples(index), TimeSplit().plan(index))  # type: ignore[arg-type]
    assert result.ok
    assert "time order" in result.checked


MAPS: dict[str, Callable[[Array], Array]] = {
    "copy": lambda x: x[:, 1:-1, 1:-1],
    "mirrored": lambda x: x[:, 1:-1, 1:-1][..., ::-1],
    "turned": lambda x: np.rot90(x[:, 1:-1, 1:-1], 1, axes=(-2, -1)),
    "shifted": lambda x: x[:, 2:, :-2],
    "shifted, turned, mirrored": lambda x: np.rot90(x[:, :-2, 2:], 3, axes=(-2, -1))[..., ::-1],
    "a little noise": lambda x: (x + 0.15 * SCATTER * np.random.default_rng(9).normal(size=x.shape))[:, 1:-1, 1:-1],
}


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("n", [12, 300])
def test_duplicates_turned_mirrored_and_shifted(name: str, n: int) -> None:
    random = np.random.default_rng(4)
    index, stamps = clean(n), random.normal(size=(n, 3, SIZE, SIZE)).astype(np.float32)
    whole = random.normal(size=(3, SIZE + 2, SIZE + 2)) * SCATTER
    whole[:, 16, 16] += 500
    stamps[3], stamps[n - 1] = whole[:, 1:-1, 1:-1], MAPS[name](whole)
    found = DuplicateSearch().find(Samples(index, stamps), np.arange(n - 4), np.arange(n - 4, n))  # type: ignore[arg-type]
    assert [(pair.first, pair.second, pair.all_channels) for pair in found] == [(3, n - 1, True)]
    assert kinds(index, stamps) == {"duplicate stamps"}


def sources(n: int, seed: int) -> Array:
    """Stars of one PSF over four orders of brightness, real and subtracted alike: similar, yet no duplicates."""
    random = np.random.default_rng(seed)
    yy, xx = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    dy, dx = random.uniform(-0.5, 0.5, (2, n, 1, 1))
    star = np.exp(-((yy - dy) ** 2 + (xx - dx) ** 2) / 4) * 10 ** random.uniform(0, 4, (n, 1, 1))
    stamps = random.normal(size=(n, 3, SIZE, SIZE)) + star[:, None] * np.array([1.0, 0.9, 0.1]).reshape(1, 3, 1, 1)
    return np.asarray(stamps, dtype=np.float32)


def test_stars_of_one_psf_are_no_duplicates() -> None:
    index = clean(600)
    assert kinds(index, sources(600, 5)) == set()


@pytest.mark.slow
def test_ten_thousand_clean_stamps_raise_no_alarm() -> None:
    index = clean(10_000, seed=8).drop(columns=["ra", "dec"])
    noise = np.random.default_rng(6).normal(size=(5000, 3, SIZE, SIZE)).astype(np.float32)
    assert (
        kinds(index, np.concatenate([noise, sources(5000, 7)])[np.random.default_rng(1).permutation(10_000)]) == set()
    )


def test_blank_and_nan_stamps_are_no_duplicates() -> None:
    index, stamps = clean(60), sources(60, 9)
    stamps[[0, 59]] = 0.0
    stamps[[1, 58]] = np.nan
    stamps[2, 1] = 0.0
    assert kinds(index, stamps) == set()


def test_a_leak_stops_the_run_with_names_and_warn_lets_it_go_on() -> None:
    index = clean()
    index.loc[299, "group_id"] = "g0"
    with pytest.raises(UserError, match="1 groups stand in training and test \\(g0\\)"):
        Audit().run(Samples(index), plan_of(index))  # type: ignore[arg-type]
    result = Audit(mode="warn").run(Samples(index), plan_of(index))  # type: ignore[arg-type]
    assert not result.ok
    assert result.to_plain()["mode"] == "warn"
    assert Audit(mode="off").run(Samples(index), plan_of(index)).checked == []  # type: ignore[arg-type]


@pytest.mark.parametrize("split", [GroupSplit(), KFold(k=3)])
def test_the_splits_own_rounds_are_clean(split: GroupSplit) -> None:
    index = clean()
    index["group_id"] = "g" + (np.arange(300) // 3).astype(str).astype(object)
    result = Audit().run(Samples(index, sources(300, 2)), split.plan(index))  # type: ignore[arg-type]
    assert result.ok
    assert "duplicate stamps" in result.checked


def test_confounding_is_measured_against_the_prevalence() -> None:
    index = clean(1000)
    fair = Confounding().measure(index)
    assert not fair["alarm"]
    assert abs(fair["roc_auc"] - 0.5) < 0.08
    assert fair["aucpr"] == pytest.approx(fair["prevalence"], abs=0.07)
    index["mission"] = np.where(index["label"] == 1, "PS1", "ZTF")
    told = Confounding().measure(index)
    assert told["alarm"]
    assert told["aucpr"] > 0.99
    assert "why" in Confounding().measure(index.assign(label=1.0))
    assert "why" in Confounding().measure(index[["id", "group_id", "label"]])
    with pytest.raises(UserError, match="did you mean mission"):
        Confounding(columns=["mission", "missions"]).measure(index)
    with pytest.raises(UserError, match="label itself"):
        Confounding(columns=["label"]).measure(index)
