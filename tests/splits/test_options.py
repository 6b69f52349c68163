"""What the splits have in common."""

import pandas as pd

from astrid_ml.splits.common import strata_of


def test_rows_without_a_mission_are_stratified_by_their_label() -> None:
    index = pd.DataFrame({"label": ["a", "b", "a"], "mission": pd.array([None, None, None], dtype="string")})
    assert strata_of(index).texts().tolist() == ["a|", "b|", "a|"]
    assert strata_of(index.drop(columns="mission").head(1)).texts().tolist() == ["a|"]
