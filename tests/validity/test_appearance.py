"""Stamps that look like none of training: blank, flat, noise, patterns and the negative of a stamp."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.types import Array
from astrid_ml.validity.appearance import (
    appearance_of,
    blank,
    checked_appearance,
    fit_appearance,
    is_image,
    strangeness_of,
)
from astrid_ml.validity.checked import checked_domain
from astrid_ml.validity.domain import Facts, fit_domain, in_words, joined_domain, judged

SIZE = 41


def stamps(n: int, seed: int) -> Array:
    """Science, reference and difference: stars in the first two, a source or its residual in the third."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    out = random.normal(size=(n, 3, SIZE, SIZE))
    for stamp in out:
        for _ in range(random.integers(1, 4)):
            star = np.exp(-((y - random.uniform(0, SIZE)) ** 2 + (x - random.uniform(0, SIZE)) ** 2) / 6)
            stamp[:2] += random.uniform(10, 80) * star
        source = random.uniform(6, 40) * np.exp(-((y - SIZE // 2) ** 2 + (x - SIZE // 2) ** 2) / 6)
        stamp[[0, 2]] += source
        if random.random() < 0.5:  # a dipole
            stamp[2] -= 0.8 * np.roll(source, 3, axis=1)
    return out


OWN = stamps(120, 9)
RANDOM = np.random.default_rng(5)
STRANGERS = {
    "zeros": np.zeros_like(OWN),
    "flat": np.full_like(OWN, 1e6),
    "white noise": RANDOM.normal(size=OWN.shape),
    "faint noise": 1e-4 * RANDOM.normal(size=OWN.shape),
    "smooth noise": RANDOM.normal(size=(120, 3, 6, 6)).repeat(7, 2).repeat(7, 3)[:, :, :SIZE, :SIZE],
    "uniform noise": RANDOM.random(OWN.shape),
    "checkerboard": np.broadcast_to(np.indices((SIZE, SIZE)).sum(0) % 2 * 6e4, OWN.shape),
    "stripes": np.broadcast_to((np.arange(SIZE) % 4 < 2) * 1.0, OWN.shape),
    "gradient": np.broadcast_to(np.arange(SIZE) * 1.0, OWN.shape),
    "negated": -OWN,
    "shuffled": RANDOM.permuted(OWN.reshape(120, 3, -1), axis=2).reshape(OWN.shape),
    "one pixel": np.broadcast_to(np.eye(SIZE * SIZE)[5].reshape(SIZE, SIZE), OWN.shape),
}
FITTED = {n: fit_appearance(appearance_of(stamps(n, 1)), appearance_of(stamps(max(30, n // 4), 2))) for n in (60, 400)}


def inside(images: Array, n: int = 400) -> float:
    fitted = FITTED[n]
    assert fitted is not None
    near = strangeness_of(fitted, appearance_of(images)) <= fitted["threshold"]
    return float((near & ~blank(images)).mean())


@pytest.mark.parametrize("n", [60, 400])
@pytest.mark.parametrize("name", sorted(STRANGERS))
def test_what_is_no_stamp_lies_outside(name: str, n: int) -> None:
    """Case: of a trained network's features all of these were like training's."""
    assert inside(STRANGERS[name], n) <= 0.1


@pytest.mark.parametrize("n", [60, 400])
def test_own_stamps_lie_inside_whatever_their_unit_pedestal_and_turn(n: int) -> None:
    own = stamps(300, 3)
    for images in (own, 1e-3 * own, 1e9 * own, own + 5000, own[:, :, ::-1], np.rot90(own, axes=(2, 3))):
        assert inside(images, n) >= 0.95


def test_statistics_are_finite_whatever_comes() -> None:
    for images in (*STRANGERS.values(), 1e30 * OWN[:3], OWN[:3].astype(np.float32), OWN[:0]):
        found = appearance_of(images)
        assert found.shape == (len(images), 33) and np.isfinite(found).all()
    assert np.isfinite(appearance_of(OWN[:, :1, :8, :9])).all()


def test_blank_is_only_what_has_no_structure_in_any_channel() -> None:
    one = np.zeros((3, 2, 9, 9))
    one[1] = 7.0
    one[2, 1, 4, 4] = 1.0
    assert blank(one).tolist() == [True, True, False]


def test_images_are_told_from_other_inputs() -> None:
    assert is_image(torch.zeros(2, 3, 41, 41))
    assert not any(
        is_image(value) for value in (None, torch.zeros(2, 9), torch.zeros(2, 3, 4, 4), torch.zeros(2, 64, 5))
    )


def test_too_few_stamps_have_no_appearance() -> None:
    some = appearance_of(OWN)
    assert fit_appearance(some, some[:29]) is None and fit_appearance(some[:29], some) is None


def test_a_domain_names_it_and_one_of_an_earlier_version_knows_nothing() -> None:
    table = pd.DataFrame({"mission": ["ztf"] * 2})
    domain = fit_domain(Facts(table, False), None, "included", FITTED[400])
    assert not checked_domain(domain) and "98.5% of validation" in in_words(domain)["appearance"]
    joined = joined_domain([domain, domain])
    assert joined is not None and joined["appearance"] is FITTED[400]
    far = Facts(table, False, strangeness=np.array([0.0, 1e9]), blank=np.array([False, True]))
    found = judged(domain, far)
    assert found["in_domain"].tolist() == [True, False]
    assert "plain statistics" in found["outside_because"][1] and "blank" in found["outside_because"][1]
    earlier = {name: value for name, value in domain.items() if name != "appearance"}
    assert not checked_domain(earlier) and "appearance" not in in_words(earlier)
    assert judged(earlier, Facts(table, False, strangeness=np.array([0.0, 1e9])))["in_domain"].all()
    assert judged(earlier, far)["outside_because"][1] == "blank: all pixels of each channel are alike"


@pytest.mark.parametrize("name", ["mean", "scale", "axes", "threshold"])
@pytest.mark.parametrize("value", [None, True, [], float("nan"), torch.full((33,), torch.nan), torch.zeros(33), -1.0])
def test_a_damaged_appearance_is_named_or_works(name: str, value: Any) -> None:
    broken = copy.copy(FITTED[400])
    assert broken is not None and not checked_appearance(broken)
    broken[name] = value
    if not checked_appearance(broken):
        assert np.isfinite(strangeness_of(broken, appearance_of(OWN[:2]))).all()
    assert checked_appearance({"mean": 3}) and checked_appearance(3)


def test_statistics_of_other_channels_are_refused() -> None:
    fitted = FITTED[400]
    assert fitted is not None
    with pytest.raises(UserError, match="appearance of this network"):
        strangeness_of(fitted, appearance_of(OWN[:2, :1]))
