"""A sweep looks at validation, and what it is decides whether a folder is its own."""

from __future__ import annotations

from typing import Any

import pytest

from astrid_ml.errors import UserError
from astrid_ml.experiments.settings import Objective, Sweep

SPACE = {"optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True}}


def test_a_test_metric_is_no_objective() -> None:
    with pytest.raises(UserError, match=r"looks at the test set fits it; got test/aucpr.*val/aucpr"):
        Objective("test/aucpr")
    with pytest.raises(UserError, match=r"val/\.\.\. or cost/\.\.\.; got aucpr"):
        Objective("aucpr")
    assert Objective("cost/fit_seconds", "minimize").better(3.0) == -3.0


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ({"objectives": ()}, "none"),
        ({"objectives": (Objective("cost/fit_seconds", "minimize"),), "pruner": "median"}, "cost/fit_seconds"),
        (
            {"objectives": (Objective("val/aucpr"), Objective("cost/fit_seconds", "minimize")), "pruner": "median"},
            "with 2",
        ),
        ({"enqueue": ({"optimizer.lr": 5.0},)}, r"optimizer\.lr: 5\.0"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given: dict[str, Any], got: str) -> None:
    with pytest.raises(UserError, match=got):
        Sweep(SPACE, **given)


def test_budgets_are_no_part_of_what_a_sweep_is() -> None:
    sweep = Sweep(SPACE)
    assert sweep.identity() == Sweep(SPACE, trials=50, minutes=3.0).identity()
    assert sweep.identity() != Sweep(SPACE, seed=2).identity()
    assert sweep.identity() != Sweep({"optimizer.lr": [0.1, 0.2]}).identity()
