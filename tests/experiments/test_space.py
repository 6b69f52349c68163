"""What a sweep varies: every value lies inside, equal shares are equal parts, mistakes are told in words."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from astrid_ml.errors import UserError
from astrid_ml.experiments.sampling import share
from astrid_ml.experiments.space import Parameter, Space

SHARES = np.linspace(0, 1, 2001)[:-1]


@pytest.mark.parametrize(
    "said",
    [
        {"low": 1e-4, "high": 1e-2, "log": True},
        {"low": -2.5, "high": 7},
        {"low": 1, "high": 9},
        {"low": 1, "high": 100, "log": True},
        {"low": 16, "high": 64, "step": 8},
        {"low": 0.1, "high": 0.5, "step": 0.2},
        ["a", "b", None, True, 3],
    ],
)
def test_each_value_lies_inside_and_optuna_takes_it(said: Any) -> None:
    [parameter] = Space.read({"key": said}).parameters
    distribution = parameter.distribution()
    for at in SHARES[::50]:
        value = parameter.at(float(at))
        assert parameter.holds(value)
        assert distribution._contains(distribution.to_internal_repr(value))


def test_equal_shares_are_equal_parts() -> None:
    assert Counter(Parameter("k", ("a", "b", "c", "d")).at(x) for x in SHARES) == dict.fromkeys("abcd", 500)
    assert Counter(Parameter("k", low=1, high=4).at(x) for x in SHARES) == dict.fromkeys((1, 2, 3, 4), 500)
    values: list[Any] = [Parameter("k", low=1e-4, high=1.0, log=True).at(x) for x in SHARES]
    logs = np.log10(values)
    np.testing.assert_allclose(np.histogram(logs, 4, (-4, 0))[0], 500, atol=1)
    ends = {Parameter("k", low=1, high=50, log=True).at(x) for x in (0.0, 0.9999999)}
    assert ends == {1, 50}


@pytest.mark.parametrize("kind", ["random", "sobol"])
def test_a_trial_is_drawn_by_its_number_alone(kind: str) -> None:
    points = np.array([share(kind, 3, number, 2) for number in range(64)])
    np.testing.assert_array_equal(share(kind, 3, 40, 2), points[40])
    assert not np.array_equal(share(kind, 4, 40, 2), points[40])
    assert len(np.unique(points, axis=0)) == 64 and points.min() >= 0 and points.max() < 1
    if kind == "sobol":  # each half of each axis holds half of the points
        assert ((points < 0.5).sum(0) == 32).all()


def test_words_are_what_is_typed() -> None:
    space = Space.read({"b.c": [None, True, "two words"], "a/b": ["kernel"], "lr": {"low": 1e-5, "high": 1}})
    words = space.words({"a/b": "kernel", "b.c": "two words", "lr": 1.5e-05})
    assert words == ["a/b=kernel", 'b.c="two words"', "lr=1.5e-05"]
    assert Parameter("k").word(None) == "k=null" and Parameter("k").word(True) == "k=true"


@pytest.mark.parametrize(
    ("tree", "got"),
    [
        ({}, "an empty one"),
        (["lr"], "list"),
        ({"lr": []}, "an empty list"),
        ({"lr": 0.1}, "0.1"),
        ({"lr": {"low": 1}}, "high=None"),
        ({"lr": {"low": 1, "hihg": 2}}, "hihg"),
        ({"lr": {"low": 2, "high": 1}}, "low=2 high=1"),
        ({"lr": {"low": 0, "high": 1, "log": True}}, "low=0"),
        ({"lr": {"low": 0.1, "high": float("nan")}}, "high=nan"),
        ({"lr": {"low": 1, "high": 9, "log": True, "step": 2}}, "both"),
        ({"lr": {"low": 1, "high": 9, "step": 0}}, "0"),
        ({"lr": [1, 1]}, r"\[1, 1\]"),
        ({"lr": [{"a": 1}]}, "'a': 1"),
        ({"l r": [1]}, "'l r'"),
    ],
)
def test_a_space_that_cannot_be_is_refused(tree: Any, got: str) -> None:
    with pytest.raises(UserError, match=rf"sweep\.space.*; got .*{got}"):
        Space.read(tree)


def test_points_that_are_known_are_whole_and_inside() -> None:
    space = Space.read({"lr": {"low": 0.1, "high": 1.0}, "width": [16, 32]})
    assert space.point({"width": 16, "lr": 0.5}) == {"lr": 0.5, "width": 16}
    for point, got in (
        ({"lr": 0.5, "widht": 16}, "widht.*did you mean width"),
        ({"lr": 0.5}, "one without width"),
        ({"lr": 2.0, "width": 16}, "lr: 2.0"),
        ({"lr": 0.5, "width": True}, "width: True"),
    ):
        with pytest.raises(UserError, match=got):
            space.point(point)
