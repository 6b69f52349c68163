"""A part that does not do what its contract says is told with its class, the slot and what it should do."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.build import build
from astrid_ml.contracts.batches import check_batch, shapes_of
from astrid_ml.contracts.check import ContractError, called, check_part, given, given_columns, given_shape, is_a
from astrid_ml.contracts.pipeline import DomainPipeline, Labeller
from astrid_ml.contracts.verbs import Command, Simulator
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.splits.options import GroupSplit
from astrid_ml.splits.plan import Split


class Nothing:
    """Has nothing."""


class Older:
    """Its methods take less than they are given, and a constant is a text."""

    domain: ClassVar[str] = "older"
    version: ClassVar[str] = "1"

    def plan(self) -> list[Any]:
        return []


class Takes:
    """Takes all that comes, as a wrapper does."""

    def plan(self, *arguments: Any, **named: Any) -> Any:
        return arguments

    def map(self, work: Any, items: Any, chunk: int = 1) -> Any:
        return work, items, chunk


@pytest.mark.parametrize(
    ("part", "contract", "found"),
    [
        (Nothing(), Split, "without plan"),
        (Older(), Split, r"where it is plan\(\)"),
        (Older(), DomainPipeline, "where version is '1'"),
        (Nothing(), DomainPipeline, "without domain"),
        (Nothing(), Executor, "without map"),
        (Nothing(), Labeller, "without version"),
        (Nothing(), Command, "without run"),
        (Nothing(), Simulator, "without run"),
    ],
)
def test_what_a_part_lacks_is_named(part: object, contract: type, found: str) -> None:
    with pytest.raises(ContractError, match=found) as error:
        check_part(part, contract, "key=")
    assert called(part) in error.value.got
    assert contract.__name__ in error.value.expected
    assert error.value.expected.startswith("key= with ")


def test_what_holds_its_contract_passes_also_with_more_than_is_asked() -> None:
    for part, contract in ((GroupSplit(), Split), (Takes(), Split), (Takes(), Executor), (Serial(), Executor)):
        check_part(part, contract, "key=")
    check_part(Processes(), Executor, "executor=")


def test_the_error_is_the_users_and_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(ContractError("a", "b", "c")))
    assert isinstance(error, UserError)
    assert type(error) is ContractError
    assert (error.expected, error.got, error.fix) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("value", "hint", "fits"),
    [
        (1, float, True),
        (np.float32(1), float, True),
        (True, float, False),
        ([1.0], list[float], True),
        ([1.0, "a"], list[float], False),
        ({"a": 1.0}, dict[str, float], True),
        ({"a": "b"}, dict[str, float], False),
        ((1, 2), tuple[int, ...], True),
        ((1, 2), tuple[int, int, int], False),
        (None, int | None, True),
        ("x", Any, True),
        (torch.zeros(2), torch.Tensor, True),
        (np.zeros(2), torch.Tensor, False),
    ],
)
def test_an_object_is_compared_with_its_annotation(value: Any, hint: Any, fits: bool) -> None:
    assert is_a(value, hint) is fits


class Grows:
    """A step that gives a table and a number."""

    def __call__(self, table: pd.DataFrame) -> tuple[pd.DataFrame, float]:
        return table, 1.0


@dataclass(frozen=True)
class Owner:
    """Has two slots; one may be empty."""

    grow: Grows
    again: Grows | None = None


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "None from"),
        (pd.DataFrame({"a": [1]}), r"DataFrame of shape \(1, 1\)"),
        ((pd.DataFrame(), "a"), r"tuple \(DataFrame, str\)"),
    ],
)
@pytest.mark.parametrize("slot", ["grow", "again"])
def test_a_step_that_gives_something_else_is_told_with_its_slot(slot: str, value: Any, told: str) -> None:
    owner = Owner(Grows(), Grows())
    with pytest.raises(ContractError, match=told) as error:
        given(owner, slot, value)
    assert error.value.expected == f"the step {slot} to return (DataFrame, float)"
    assert "test_check.Grows" in error.value.got
    good = Grows()(pd.DataFrame())
    assert given(owner, slot, good) is good


def test_a_shape_and_columns_are_told_with_the_slot() -> None:
    owner = Owner(Grows())
    given_shape(owner, "grow", (3, 4), (3, 4))
    with pytest.raises(ContractError, match=r"the step grow .* \(3, 4\); got \(4, 3\) from .*Grows"):
        given_shape(owner, "grow", (4, 3), (3, 4))
    given_columns(owner, "grow", pd.DataFrame({"x": [], "y": []}), ["x"])
    with pytest.raises(ContractError, match=r"got x from .*add y"):
        given_columns(owner, "grow", pd.DataFrame({"x": []}), ["x", "y"])


def test_an_object_without_the_slots_methods_is_refused_where_it_is_built() -> None:
    names = [f"{__name__}.{name}" for name in ("Nothing", "UsesSplit")]
    node = {"_target_": names[1], "split": {"_target_": names[0]}}
    with pytest.raises(ContractError, match=r"split with plan\(index\)"):
        build(node, trust=names)


@dataclass(frozen=True)
class UsesSplit:
    """Has a slot for a split."""

    split: Split


X, Y = torch.zeros(2, 3), torch.zeros(2)


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        (None, "None from"),
        ((X, Y), r"a tuple \(Tensor, Tensor\)"),
        ({}, "a dict of 0"),
        ({"x": X.numpy(), "y": Y}, "x is a ndarray"),
        ({"x": X, "y": Y[:1]}, r"y of shape \(1,\)"),
        ({"x": X, "y": torch.tensor(1.0)}, r"y of shape \(\)"),
        ({0: X}, "a dict of 1"),
        ({"x": X[:1]}, r"x of shape \(1, 3\)"),
    ],
)
def test_what_is_no_batch_is_refused(batch: Any, told: str) -> None:
    with pytest.raises(ContractError, match=told):
        check_batch(batch, 2, Nothing())


def test_ragged_samples_may_lie_end_to_end_beside_their_labels() -> None:
    batch = {"values": torch.zeros(9, 5), "y": Y}
    check_batch(batch, 2, Nothing())
    assert shapes_of(batch) == "values (9, 5) float32, y (2,) float32"
