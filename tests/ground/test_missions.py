"""One mission has one name, whatever a file, a person or an older dataset calls it."""

from __future__ import annotations

import pandas as pd
import pytest

from astrid_ml.missions import canonical, canonical_all, names_of_missions, with_canonical
from astrid_ml.preprocessing.surveys.registry import packaged
from astrid_ml.preprocessing.triplets.missions import MISSIONS
from astrid_ml.splits.options import LeaveOneMissionOut, MissionSplit

NAMES = names_of_missions()
# Before there were descriptions, these names were read so: tables that hold them keep their meaning.
BEFORE = {
    "ztf": "zwicky transient facility, p48, palomar 48", "swift": "uvot, swift/uvot", "jwst": "nircam, niriss",
    "ps1": "pan-starrs, panstarrs, pan-starrs1, panstarrs1, gpc1", "hst": "wfc3", "roman": "nancy grace roman, wfi",
    "rubin": "lsst, simonyi, lsstcam", "gattini": "gattini-ir, pgir", "galex": "galex", "tess": "tess",
    "decam": "decam", "winter": "winter",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_alias_means_one_mission_and_no_other(name: str) -> None:
    assert canonical_all([name, name.upper(), f" {name} ", *NAMES[name]]) == [name] * (3 + len(NAMES[name]))
    others = {alias for other, aliases in NAMES.items() if other != name for alias in (other, *aliases)}
    assert not others & {name, *NAMES[name]}


def test_names_of_before_mean_what_they_meant() -> None:
    for name, others in BEFORE.items():
        assert set(canonical_all([name, *others.split(", ")])) == {name}


def test_every_domain_uses_these_names() -> None:
    for found in [*(survey.name for survey in packaged().values()), *MISSIONS]:
        assert canonical(found) in NAMES


def test_a_table_keeps_what_is_missing_and_what_is_right() -> None:
    table = pd.DataFrame({"id": range(4), "mission": pd.array(["ZTF", None, "Pan-STARRS", "mine"], dtype="string")})
    found = with_canonical(table)
    assert found["mission"].tolist()[::2] == ["ztf", "ps1"] and found["mission"].isna().tolist()[1]
    assert found["mission"].dtype == table["mission"].dtype
    assert with_canonical(found) is found
    assert "mission" not in with_canonical(table[["id"]])


def test_splits_take_any_spelling() -> None:
    index = pd.DataFrame({"id": [f"s{i}" for i in range(90)], "group_id": [f"g{i}" for i in range(90)]})
    index = index.assign(label=[i % 2 for i in range(90)], mission=["ztf", "ps1", "GALEX"] * 30)
    one = LeaveOneMissionOut(held_out="Galex").plan(index)
    two = MissionSplit(test=["galex"]).plan(index.assign(mission=index["mission"].str.lower()))
    pd.testing.assert_frame_equal(one.rounds[0], two.rounds[0])
    assert one.account["held_out"] == "galex"
