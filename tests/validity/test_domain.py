"""Which samples lie where a model is valid, and the words that say why others do not."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.validity.checked import checked_domain
from astrid_ml.validity.density import KEPT, checked_density, distances_of, fit_density
from astrid_ml.validity.domain import (
    Facts,
    fit_domain,
    in_words,
    is_measured,
    joined_domain,
    judged,
)


def trained(n: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(0)
    table = pd.DataFrame({"mission": np.where(np.arange(n) % 2, "ztf", "ps1"), "stamp_size": 63, "pixel_scale": 1.012})
    table["filter"] = np.where(table["mission"] == "ztf", "g", "z")
    return table.assign(snr=random.uniform(-40, 40, n), detector=np.arange(n).astype(str))


def features(n: int, away: float = 0.0, seed: int = 0) -> Any:
    """Three numbers of a network that spread, and one that never changes."""
    return np.column_stack([np.random.default_rng(seed).normal(away, 1.0, (n, 3)), np.ones(n)])


DENSITY = fit_density(features(500), features(300, seed=1))
DOMAIN = fit_domain(Facts(trained(), simulated=False), DENSITY, "included")


def reasons(domain: dict[str, Any] | None = DOMAIN, **other: Any) -> tuple[Any, Any]:
    """``in_domain`` and the words of one sample as training's, with some facts changed."""
    simulated, sky = other.pop("simulated", False), other.pop("other_sky", None)
    distance = other.pop("distance", None)
    row = trained().iloc[[1]].assign(**other).reset_index(drop=True)
    found = judged(domain, Facts(row, simulated, None if sky is None else np.array([sky]), distance))
    return found["in_domain"].iloc[0], found["outside_because"].iloc[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"mission": "rubin"}, "mission rubin was not trained on"),
        ({"filter": "i"}, "filter i of ztf was not trained on"),
        ({"filter": "z"}, "filter z of ztf was not trained on"),  # of another mission it was
        ({"stamp_size": 30}, "stamp size (px) outside 63"),
        ({"pixel_scale": 0.2}, "pixel scale (arcsec) of ztf outside 1.012"),
        ({"pixel_scale": 2.024}, "pixel scale (arcsec) of ztf outside 1.012"),  # rebinned
        ({"pixel_scale": 1.02}, None),  # another detector of the camera
        ({"snr": -90.0}, "|S/N| outside"),
        ({"snr": -12.0}, None),
        ({"detector": "other"}, None),  # of a camera one is as another
        ({"mission": None, "filter": None, "snr": np.nan}, None),  # what is not known says nothing
        ({"other_sky": True}, "another sky than training's (included)"),
        ({"simulated": True}, None),
    ],
)
def test_one_reason(change: dict[str, Any], words: str | None) -> None:
    inside, because = reasons(**change)
    assert bool(inside) == (words is None)
    assert (words is None and because is pd.NA) or words in because


def test_a_scale_of_one_mission_is_no_scale_of_another() -> None:
    table = trained()
    table.loc[table["mission"] == "ps1", "pixel_scale"] = 0.25
    domain = fit_domain(Facts(table, False), None, "included")
    assert domain["scales"] == {"ps1": [0.25, 0.25], "ztf": [1.012, 1.012]}
    inside, because = reasons(domain, pixel_scale=0.25)
    assert not inside and because == "pixel scale (arcsec) of ztf outside 1.012"
    assert reasons(domain, mission="ps1", filter="z", pixel_scale=0.25)[0]
    inside, because = reasons(domain, mission=None, filter=None, pixel_scale=2.0)  # nobody knows whose: that of all
    assert not inside and because == "pixel scale (arcsec) outside 0.25 to 1.012"
    assert in_words(domain)["pixel scale (arcsec) of ps1"] == "0.25"
    joined = joined_domain([domain, fit_domain(Facts(table.assign(pixel_scale=0.5), False), None, "included")])
    assert joined is not None and joined["scales"] == {"ps1": [0.25, 0.5], "ztf": [0.5, 1.012]}
    earlier = {name: value for name, value in domain.items() if name != "scales"}
    assert not checked_domain(earlier) and reasons(earlier, pixel_scale=0.25)[0]


def test_all_reasons_are_named() -> None:
    inside, because = reasons(mission="rubin", pixel_scale=0.2, stamp_size=30, filter="g")
    assert not inside
    assert because.count(";") == 2


def test_a_model_of_simulated_samples_alone_is_not_one_of_the_sky() -> None:
    domain = fit_domain(Facts(trained(), simulated=True), None, None)
    assert reasons(domain, simulated=False) == (False, "trained on simulated samples alone")
    assert reasons(domain, simulated=None) == (False, "trained on simulated samples alone")
    assert reasons(domain, simulated=True)[0]


def test_detectors_of_exposures_are_judged() -> None:
    table = trained().assign(group_time=10.6, n_groups=20, detector="nrs1")
    domain = fit_domain(Facts(table), None, None)
    found = judged(
        domain, Facts(table.iloc[:3].assign(detector=["nrs1", "nrs2", "nrs1"], group_time=[10.6, 10.6, 3.0]))
    )
    assert found["in_domain"].tolist() == [True, False, False]
    assert "detector nrs2" in found["outside_because"][1] and "group time (s)" in found["outside_because"][2]


def test_of_an_earlier_version_or_of_nobody_nothing_is_known() -> None:
    for domain in (None, {"mission": ["ztf"]}):
        assert not is_measured(domain)
        inside, because = reasons(domain)
        assert (inside is pd.NA, because is pd.NA) == (True, True)
        assert "nobody knows" in in_words(domain)["domain"]


def test_no_rows_are_no_error() -> None:
    assert judged(DOMAIN, Facts(trained().iloc[:0])).empty


def test_the_density_keeps_its_own_and_refuses_what_lies_elsewhere() -> None:
    assert DENSITY is not None
    own = distances_of(DENSITY, features(4000, seed=2)) <= DENSITY["threshold"]
    assert 0.95 < own.mean() < 0.99
    far = distances_of(DENSITY, features(200, away=6.0)) <= DENSITY["threshold"]
    assert far.mean() < 0.01
    distance = distances_of(DENSITY, features(1, away=9.0))
    assert reasons(distance=distance) == (False, "unlike the training samples in what the network sees")
    again = fit_density(features(500), features(300, seed=1))
    assert again is not None and torch.equal(again["reference"], DENSITY["reference"])


def test_a_density_needs_samples_that_differ() -> None:
    assert fit_density(features(500), features(10)) is None
    assert fit_density(np.ones((100, 4)), np.ones((100, 4))) is None
    many = fit_density(features(3 * KEPT), features(300, seed=1))
    assert many is not None and len(many["reference"]) == KEPT


def test_members_are_joined_to_what_any_of_them_saw() -> None:
    other = fit_domain(Facts(trained().assign(mission="atlas", snr=70.0)), None, "included")
    joined = joined_domain([DOMAIN, other])
    assert joined is not None
    assert joined["values"]["mission"] == ["atlas", "ps1", "ztf"]
    assert joined["ranges"]["snr"][1] == 70.0 and joined["density"] is DENSITY
    assert not checked_domain(joined)
    assert joined_domain([]) is None


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_domain_is_named_or_works(seed: int) -> None:
    random = np.random.default_rng(seed)
    assert not checked_domain(DOMAIN)
    broken = copy.deepcopy(DOMAIN)
    place: Any = broken if random.random() < 0.6 else broken["density"]
    name = random.choice(sorted(place))
    place[name] = [None, 3, "x", [], {}, torch.full((2,), torch.nan), {"a": 3}, {"a": [1, "b"]}][random.integers(8)]
    if checked_domain(broken):
        return
    row = trained().iloc[:2]
    distance = None if broken["density"] is None else distances_of(broken["density"], features(2))
    judged(broken, Facts(row, False, None, distance))
    in_words(broken)


def test_words_for_a_card() -> None:
    words = in_words(DOMAIN)
    assert words["missions"] == "ps1, ztf" and words["filters of ztf"] == "g"
    assert words["stamp size (px)"] == "63" and words["simulated"] == "no"
    assert "98% of validation" in words["density"]
    assert checked_density({"mean": 3}) == "a density that is none"
