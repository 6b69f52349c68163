"""A run of folds some of which could not be calibrated: never lost, and not calibrated as a whole."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.run.training.join import note_of
from astrid_ml.run.training.train import pooled, uncalibrated


def of_round(number: int, calibrated: bool) -> Any:
    table = pd.DataFrame({"id": [f"{number}-{i}" for i in range(4)], "score": [0.1, 0.4, 0.6, 0.9]})
    table["probability"] = table["score"] if calibrated else np.nan
    return SimpleNamespace(validation=table, test=table.assign(id="t" + table["id"]))


@pytest.mark.parametrize("sure", [(True, False), (False, True, True), (False, False, True)])
def test_some_folds_without_probabilities_leave_the_whole_without(sure: tuple[bool, ...]) -> None:
    """Case: four of five folds had 9 validation groups; the run was lost on NaN after all were trained."""
    for table in pooled([of_round(number, flag) for number, flag in enumerate(sure)]):
        assert len(table) == 4 * len(sure) and table["probability"].isna().all() and table["score"].notna().all()
    text = note_of({"calibrated": False, "chosen_on": "validation", "members": [{"calibrated": flag} for flag in sure]})
    assert f"because of {sure.count(False)} of {len(sure)} members" in text


@pytest.mark.parametrize("flag", [True, False])
def test_folds_of_one_kind_stay_as_they_are(flag: bool) -> None:
    for table in pooled([of_round(number, flag) for number in range(3)]):
        assert (table["probability"].notna() == flag).all() and uncalibrated(table) == set()
    assert "because of" not in note_of(
        {"calibrated": False, "chosen_on": "validation", "members": [{"calibrated": flag}] * 3}
    )
