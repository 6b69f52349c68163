"""Pairs are chosen before anything is downloaded, each with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Observation
from astrid_ml.preprocessing.acquisition.archives.footprints import overlap
from astrid_ml.preprocessing.acquisition.pairs.choose import KEPT, ChoosePairs, pairs_table
from astrid_ml.preprocessing.acquisition.pairs.windows import LightWindows
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target

SN = Target("2014J", 150.0, 2.0, 56678.0)
FRAME = "POLYGON ICRS 149.9 1.9 150.1 1.9 150.1 2.1 149.9 2.1"


def seen(id: str, days: float, mission: str = "swift", filter: str = "UUU", **more: Any) -> Observation:
    """An exposure so many days after the discovery."""
    usual: dict[str, Any] = {"exposure": 100.0, "footprint": FRAME} | more
    return Observation("mast", mission, filter, id, 150.0, 2.0, 56678.0 + days, 56678.0 + days, **usual)


@pytest.mark.parametrize(
    ("start", "end", "role"),
    [
        (-400, -31, "reference"), (-31, -29, None), (-20, -20, None), (0, 10, "science"), (150, 200, "science"),
        (201, 300, None), (366, 400, "reference"), (-400, 400, None), (-5, 5, None),
    ],
)  # fmt: skip
def test_what_an_epoch_is_good_for(start: float, end: float, role: str | None) -> None:
    one = replace(seen("a", 0), start=56678.0 + start, end=56678.0 + end)
    found, why = LightWindows().role(one, SN.discovered)
    assert found == role and why


def test_only_one_mission_and_filter_make_a_pair() -> None:
    plan = ChoosePairs()(SN, [seen("s", 10), seen("g", -100, "galex", "NUV"), seen("b", -100, filter="UVW1")])
    assert plan.pairs == () and plan.why_none == "science and reference images of different missions or filters"
    mixed = ChoosePairs(allow_mixed=True)(SN, [seen("s", 10), seen("g", -100, "galex", "NUV")])
    assert len(mixed.kept) == 1


def test_the_best_pairs_come_first_and_each_says_why() -> None:
    observations = [
        seen("s1", 10), seen("s2", 20, exposure=400.0), seen("s3", 30, exposure=50.0),
        seen("deep", -100, exposure=1000.0), seen("shallow", -500, exposure=10.0),
        seen("off", 500, footprint=FRAME.replace("2.1", "2.0")), seen("dark", -10),
    ]  # fmt: skip
    plan = ChoosePairs(each_filter=2)(SN, observations)
    assert [(pair.science, pair.reference) for pair in plan.kept] == [("s2", "deep"), ("s1", "deep")]
    reasons = {(pair.science, pair.reference): pair.reason for pair in plan.pairs}
    assert reasons["s3", "deep"] == "beyond the best 2 of this mission and filter"
    assert reasons["s2", "shallow"] == "a better reference for this science image"
    assert reasons["s1", "off"] == "the surroundings of the target are not held"
    assert [pair.rank for pair in plan.pairs if pair.rank] == list(range(1, 7)) and plan.why_none == ""
    assert plan.kept[0].noise == pytest.approx((1 / 400 + 1 / 1000) ** 0.5)
    table = pairs_table([plan])
    assert len(table) == 9 and (table["reason"] == KEPT).sum() == table["kept"].sum() == 2


@pytest.mark.parametrize(
    ("observations", "why"),
    [
        ([], "no archive has an image"),
        ([seen("s", 10)], "no image without its light"),
        ([seen("r", -100)], "no image within its light curve"),
        (
            [seen("r", -100), seen("s", 10, footprint="CIRCLE ICRS 151 2 0.1")],
            "the surroundings of the target are not held",
        ),
        ([replace(seen("r", -100), start=None, end=None), seen("s", 1)], "no image without its light"),
    ],
)
def test_a_target_without_a_pair_says_why(observations: list[Observation], why: str) -> None:
    assert ChoosePairs()(SN, observations).why_none == why


def test_turned_frames_hold_the_target_but_overlap_less() -> None:
    turned = "POLYGON ICRS 150.0 1.86 150.14 2.0 150.0 2.14 149.86 2.0"
    observations = [seen("s", 10), seen("r", -100, footprint=turned)]
    (pair,) = ChoosePairs()(SN, observations).kept
    assert pair.overlap == pytest.approx(0.82, abs=0.03)
    assert ChoosePairs(least_overlap=0.85)(SN, observations).why_none == "the frames overlap too little"
    assert ChoosePairs(least_separation=111.0)(SN, observations).why_none == "too close in time"
    assert ChoosePairs(least_exposure=200.0)(SN, observations).why_none == "too short an exposure"
    assert overlap(FRAME, "", 150.0, 2.0) is None
    assert overlap("CIRCLE ICRS 150 2 0.1", FRAME, 150.0, 2.0) == 1.0


def test_a_field_without_a_discovery_pairs_any_epochs() -> None:
    field = Target("COSMOS", 150.0, 2.0)
    plan = ChoosePairs()(field, [seen("a", 0, exposure=900.0), seen("b", 5), seen("c", 9)])
    assert [(pair.science, pair.reference) for pair in plan.kept] == [("c", "a"), ("b", "a")]


def test_depths_and_exposures_are_not_mixed() -> None:
    both = [seen("s", 10, depth=20.0), seen("r", -100, depth=20.0)]
    assert ChoosePairs()(SN, both).kept[0].noise == pytest.approx(2**0.5)
    one = [seen("s", 10, depth=20.0), seen("r", -100)]
    assert ChoosePairs()(SN, one).kept[0].noise == pytest.approx(0.02**0.5)
    none = [seen("s", 10, depth=20.0), seen("r", -100, exposure=None)]
    assert ChoosePairs()(SN, none).kept[0].noise is None


@pytest.mark.parametrize(
    "rules",
    [{"each_filter": 0}, {"least_coverage": 1.5}, {"least_overlap": -0.1}, {"surroundings": 0.0}],
)
def test_rules_that_cannot_be(rules: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        ChoosePairs(**rules)
    for windows in ({"fade": 400.0}, {"rise": -1.0}):
        with pytest.raises(UserError):
            LightWindows(**windows)


@pytest.mark.parametrize("discovered", [56678.0, None])
def test_of_very_many_images_each_meets_the_best_references(discovered: float | None) -> None:
    """20,000 epochs are 10^8 pairs: each science image stands in the table, and the best pairs are the same."""
    some = [seen(f"s{n:05d}", 10 + n / 500, exposure=100.0 + n % 7) for n in range(10_000)]
    some += [seen(f"r{n:05d}", -100 - n / 100, exposure=200.0 + n) for n in range(10_000)]
    target = Target("2014J", SN.ra, SN.dec, discovered)
    plan = ChoosePairs(each_filter=3)(target, some)
    assert len(plan.pairs) < 2e4 and len(plan.pairs) + plan.unlisted == (1e8 if discovered else 20_000 * 19_999 / 2)
    assert {pair.reference for pair in plan.kept} == {"r09999"} and len(plan.kept) == 3
    if discovered:
        assert len({pair.science for pair in plan.pairs}) == 10_000
