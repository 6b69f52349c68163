"""Stamps of one exposure that share pixels stay on one side of a split."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.audit.audit import Audit
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.splits.options import GroupSplit, KFold, LeaveOneMissionOut, SkySplit
from astrid_ml.splits.stamps import overlapping_stamps
from astrid_ml.types import Array, Ints

SCALE = 1.01  # arcsec a pixel


def night(n: int = 240, seed: int = 1, near: float = 9.0) -> pd.DataFrame:
    """Pairs of alerts of one exposure under two names, ``near`` pixels apart; a pair every arcmin and more."""
    random = np.random.default_rng(seed)
    pair = np.arange(n) // 2
    ra, dec = 30 + 0.1 * (pair % 12), 5 + 0.1 * (pair // 12)
    angle = random.uniform(0, 2 * np.pi, n)
    step = np.where(np.arange(n) % 2, near * SCALE / 3600, 0.0)
    return pd.DataFrame(
        {
            "id": [f"a{k}" for k in range(n)],
            "group_id": [f"ZTF{k}" for k in range(n)],
            "label": random.integers(0, 2, n),
            "mission": "ztf",
            "mjd": 59000.0 + pair // 40 / 1440,
            "detector": "3",
            "filter": "r",
            "ra": ra + step * np.cos(angle) / np.cos(np.radians(dec)),
            "dec": dec + step * np.sin(angle),
            "pixel_scale": SCALE,
            "stamp_h": 63,
            "stamp_w": 63,
        }
    )


class Index:
    """A source without arrays."""

    channels: tuple[str, ...] = ()

    def __init__(self, index: pd.DataFrame) -> None:
        self.index = index

    @property
    def by_column(self) -> pd.DataFrame:
        return self.index

    def groups(self, kind: str, rows: Ints) -> list[tuple[Ints, Array]]:
        raise KeyError(kind)


def source(index: pd.DataFrame) -> SampleSource:
    return Index(index)  # type: ignore[return-value]


def crossing(index: pd.DataFrame, folds: pd.DataFrame) -> int:
    """Pairs that train on one side and test on the other."""
    fold = folds.set_index("id")["fold"].loc[index["id"]].to_numpy()
    pairs = fold.reshape(-1, 2)
    return int(((pairs == "test").sum(axis=1) == 1).sum())


@pytest.mark.parametrize("near", [6.0, 12.0, 40.0, 62.0])
def test_neighbours_of_an_exposure_are_found_and_kept_together(near: float) -> None:
    index = night(near=near)
    found = overlapping_stamps(index)
    assert sorted(zip(found.one.tolist(), found.other.tolist(), strict=True)) == [(k, k + 1) for k in range(0, 240, 2)]
    for split in (GroupSplit(), KFold(k=3), SkySplit(order=12), LeaveOneMissionOut()):
        for folds in split.plan(index).rounds:
            assert crossing(index, folds) == 0
    apart = GroupSplit(link_stamps=False).plan(index)
    assert crossing(index, apart.rounds[0]) > 10
    result = Audit(mode="warn", confounding=None).run(source(index), apart)
    [finding] = result.findings
    assert finding.kind == "overlapping cutouts" and len(finding.pairs) == crossing(index, apart.rounds[0])
    assert Audit(confounding=None).run(source(index), GroupSplit().plan(index)).ok


def test_the_share_is_that_of_the_pixels() -> None:
    index = night(2)
    index["ra"], index["dec"] = [30.0, 30.0], [0.0, 12 * SCALE / 3600]
    assert overlapping_stamps(index).share.tolist() == pytest.approx([51 / 63], abs=1e-6)
    index["dec"], index["stamp_h"] = [0.0, 0.0], [63, 31]
    index["ra"] = [359.999, (359.999 + 40 * SCALE / 3600) % 360]
    index["stamp_w"] = [63, 31]
    assert overlapping_stamps(index).share.tolist() == pytest.approx([7 / 31], abs=1e-6)


@pytest.mark.parametrize(
    ("column", "value"), [("mjd", 59000.001), ("detector", "4"), ("mission", "ps1"), ("filter", "g")]
)
def test_other_exposures_share_no_pixels(column: str, value: float | str) -> None:
    index = night(2)
    assert len(overlapping_stamps(index).one) == 1
    index.loc[1, column] = value
    assert len(overlapping_stamps(index).one) == 0


@pytest.mark.parametrize("column", ["mjd", "ra", "pixel_scale", "stamp_h"])
def test_unknown_places_are_counted_not_guessed(column: str) -> None:
    index = night(4).astype({"stamp_h": float})
    index.loc[1, column] = np.nan
    found = overlapping_stamps(index)
    assert (len(found.one), found.unplaced) == (1, 1)
    assert overlapping_stamps(index.drop(columns=column)).unplaced == 4


def test_blocks_of_exposures_give_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    index = night(400)
    whole = overlapping_stamps(index)
    monkeypatch.setattr("astrid_ml.splits.stamps.BLOCK", 50)
    parts = overlapping_stamps(index)
    assert set(zip(parts.one, parts.other, strict=True)) == set(zip(whole.one, whole.other, strict=True))
    assert len(whole.one) == 200
