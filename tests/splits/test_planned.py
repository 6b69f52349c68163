"""A split of a stranger that does not say for each sample, once, where it goes."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from astrid_ml.contracts.check import ContractError
from astrid_ml.errors import UserError
from astrid_ml.splits.plan import SplitPlan, planned, planned_for_training

INDEX = pd.DataFrame({"id": list("abcdef"), "group_id": list("aabbcc"), "label": [0, 1] * 3})
GOOD = pd.DataFrame({"id": list("abcdef"), "fold": ["train", "train", "val", "val", "test", "unused"]})


class Says:
    """Gives what its test says."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def plan(self, index: pd.DataFrame) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "None from .*Says"),
        (GOOD, r"a DataFrame of shape \(6, 2\)"),
        (SplitPlan("x", []), "a list of 0"),
        (SplitPlan("x", GOOD), "a DataFrame"),  # type: ignore[arg-type]
        (SplitPlan("x", [GOOD.rename(columns={"fold": "set"})]), "with id, set"),
        (SplitPlan("x", [GOOD.replace({"val": "validation"})]), "'validation'"),
        (SplitPlan("x", [GOOD.assign(fold=None)]), "got (nan|'None')"),
        (SplitPlan("x", [pd.concat([GOOD, GOOD.head(1)])]), r"1 more than once \(a\)"),
        (SplitPlan("x", [GOOD.replace({"a": "z"})]), r"1 others \(z\)"),
        (SplitPlan("x", [GOOD.tail(5)]), r"1 without a fold \(a\).*unused"),
        (SplitPlan("x", [GOOD, GOOD.tail(5)]), "in round 1"),
    ],
)
def test_a_plan_that_is_none_is_told_with_its_class(answer: Any, told: str) -> None:
    with pytest.raises(ContractError, match=told):
        planned(Says(answer), INDEX)


@pytest.mark.parametrize("fold", ["train", "val"])
def test_nothing_to_train_on_or_to_choose_by(fold: str) -> None:
    with pytest.raises(UserError, match=f"nothing in {fold} of 6 samples"):
        planned_for_training(Says(SplitPlan("x", [GOOD.replace({fold: "test"})])), INDEX)
    planned(Says(SplitPlan("x", [GOOD.replace({fold: "test"})])), INDEX)  # as an audit asks


def test_a_plan_in_any_order_without_a_test_and_with_a_group_on_both_sides_passes() -> None:
    plan = SplitPlan("x", [GOOD.replace({"test": "train"}).iloc[::-1]])  # the group is the audit's question
    assert planned_for_training(Says(plan), INDEX) is plan
