"""Blocks of what is known that training leaves out: whole, as often as asked, and with a time zero of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.datamodules.curves import CurveDataModule
from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.curves.missing import OTHER_FEATURES
from astrid_ml.preprocessing.lightcurves.select.augment import DAYS, DETECTED, WAVELENGTH
from astrid_ml.preprocessing.lightcurves.select.presence import DRAWS, PLACE, SPARSEST, Presence
from astrid_ml.types import Floats, Floats32, Ints

NEVER = dict.fromkeys(Presence.__dataclass_fields__, 0.0)
WAVES = np.array([0.3671, 0.4827, 0.6223, 0.7546, 0.8691, 0.9712], dtype=np.float32)


def only(**options: float) -> Presence:
    return Presence(**{**NEVER, **options})


def numbers(n: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).random((n, DRAWS))


def curves(n: int, tail: int = 0) -> tuple[Floats32, Ints]:
    """Forty epochs of six bands, two before time zero, ``tail`` without a detection at the end."""
    random = np.random.default_rng(1)
    parts = []
    for _ in range(n):
        days = np.sort(random.uniform(0, 120, 40))
        days[2] = 0.0
        days = np.sort(days) - np.sort(days)[2]
        found = np.arange(40) >= 2
        found[40 - tail :] = False
        parts.append(np.stack([days, random.normal(50, 9, 40), np.ones(40), found, random.choice(WAVES, 40)], axis=1))
    return np.concatenate(parts).astype(np.float32), np.arange(n + 1) * 40


def index(n: int) -> pd.DataFrame:
    return pd.DataFrame({name: np.arange(n) + 1.0 for name in (*OTHER_FEATURES, *PLACE, "my_z", "other")})


@pytest.mark.parametrize("block", ["host", "redshift", "survey"])
def test_a_block_of_columns_goes_as_a_whole_and_as_often_as_asked(block: str) -> None:
    out = only(**{block: 0.4}).columns(index(3000), numbers(3000), ["my_z"])
    lost = {name: out[name].isna().to_numpy() for name in out}
    whole = {
        "host": {n for n in OTHER_FEATURES if n.startswith("HOSTGAL")},
        "redshift": {"my_z", "REDSHIFT_HELIO", "REDSHIFT_HELIO_ERR", "HOSTGAL_PHOTOZ", "HOSTGAL_PHOTOZ_ERR",
                     "HOSTGAL_SPECZ", "HOSTGAL_SPECZ_ERR"},
        "survey": set(PLACE),
    }[block]  # fmt: skip
    assert {name for name, gone in lost.items() if gone.any()} == whole
    first = lost[next(iter(whole))]
    assert first.mean() == pytest.approx(0.4, abs=0.03)
    assert all((lost[name] == first).all() for name in whole)


def test_blocks_go_independently_of_each_other() -> None:
    out = only(host=0.5, redshift=0.5).columns(index(4000), numbers(4000))
    host, z = out["HOSTGAL_MAG_g"].isna(), out["REDSHIFT_HELIO"].isna()
    assert (host & z).mean() == pytest.approx(0.25, abs=0.03)
    assert out["HOSTGAL_PHOTOZ"].isna().mean() == pytest.approx(0.75, abs=0.03)  # of both blocks


def test_bands_go_as_a_whole_and_half_of_them() -> None:
    values, offsets = curves(400)
    out, ends = only(bands=1.0).epochs(values, offsets, numbers(400))
    shares = []
    for i in range(400):
        before, after = values[offsets[i] : offsets[i + 1]], out[ends[i] : ends[i + 1]]
        start = after[after[:, DETECTED] > 0, DAYS].min()
        assert start == 0
        kept = set(after[:, WAVELENGTH].tolist())
        shares.append(len(kept) / len(set(before[:, WAVELENGTH].tolist())))
        # Of a band that stays all detections stay.
        expected = sum(w in kept for w in before[before[:, DETECTED] > 0, WAVELENGTH].tolist())
        assert (after[:, DETECTED] > 0).sum() == expected
    assert np.mean(shares) == pytest.approx(0.5, abs=0.07)
    assert len({round(share, 2) for share in shares}) > 4


def test_a_sparser_cadence_keeps_whole_nights() -> None:
    values, offsets = curves(400)
    values[:, DAYS] = np.floor(values[:, DAYS] * 2) / 2 + 0.25
    out, ends = only(cadence=1.0).epochs(values, offsets, numbers(400))
    left = np.diff(ends) / np.diff(offsets)
    # One in two to one in six, each as likely.
    assert left.mean() == pytest.approx(np.mean([1 / k for k in range(2, SPARSEST + 1)]), abs=0.06)
    assert (np.diff(ends) >= 1).all()
    for i in range(400):
        after = out[ends[i] : ends[i + 1], DAYS]
        assert (np.diff(after) >= 0).all()


def test_who_would_lose_the_last_detection_keeps_everything() -> None:
    one = np.array([[0, 9, 1, 1, 0.6223], [5, 1, 1, 0, 0.4827]], dtype=np.float32)
    values, offsets = np.tile(one, (200, 1)), np.arange(201) * 2
    out, ends = only(bands=1.0, cadence=1.0).epochs(values, offsets, numbers(200))
    assert (np.diff(ends) >= 1).all()
    for i in range(200):
        after = out[ends[i] : ends[i + 1]]
        assert after[0, DETECTED] == 1 and after[0, DAYS] == 0


def test_what_follows_the_last_detection_stays_where_the_data_keep_it() -> None:
    values, offsets = curves(100, tail=10)
    for tail in (True, False):
        out, ends = only(bands=1.0).epochs(values, offsets, numbers(100), tail)
        changed = np.diff(ends) < 40
        last = out[ends[1:] - 1, DETECTED] > 0
        assert changed.sum() > 90
        assert last[changed].all() != tail


def test_an_object_loses_the_same_in_whatever_batch_it_stands() -> None:
    values, offsets = curves(50)
    drawn = numbers(50)
    out, ends = Presence().epochs(values, offsets, drawn)
    for i in range(50):
        own, _ = Presence().epochs(values[offsets[i] : offsets[i + 1]], np.array([0, 40]), drawn[i : i + 1])
        np.testing.assert_array_equal(own, out[ends[i] : ends[i + 1]])
    same, _ = only().epochs(values, offsets, drawn)
    assert same is values


def source(n: int, tail: int) -> MemorySource:
    values, offsets = curves(n, tail)
    names = [f"o{i}" for i in range(n)]
    table = index(n).assign(id=names, group_id=names, label=["RRL", "KN_K17"] * (n // 2))
    writer = MemoryUnitWriter()
    writer.add_ragged(table, {"epochs": np.split(values, offsets[1:-1])})
    return writer.source()


def attached(made: MemorySource, **options: object) -> CurveDataModule:
    data = CurveDataModule(static=["MWEBV", "HOSTGAL_MAG_g"], windows=[64], **options)  # type: ignore[arg-type]
    data.attach(made, pd.DataFrame({"id": made.index["id"], "fold": "train"}))
    return data


def test_blocks_are_left_out_in_training_alone() -> None:
    import torch

    made = source(400, 0)
    data = attached(made, presence=Presence(host=0.5))
    rows = np.arange(400)
    train = data.make_batch(made, rows, torch.Generator().manual_seed(1), True)
    whole = data.make_batch(made, rows, None, False)
    assert torch.equal(whole["values"], attached(made).make_batch(made, rows, None, False)["values"])
    assert train["static"][:, 3].mean() == pytest.approx(0.5, abs=0.08)
    assert whole["static"][:, 2:].sum() == 0
    seen = [int(data.batch_at(made, rows, [np.inf], g)["queries"][:, 0].sum())
            for g in (torch.Generator().manual_seed(1), None)]  # fmt: skip
    assert 0.7 < seen[0] / seen[1] < 0.95
    again = data.make_batch(made, rows, torch.Generator().manual_seed(1), True)
    assert torch.equal(train["values"], again["values"])


def test_forced_photometry_is_seen_by_questions_that_ask_for_it() -> None:
    made = source(40, 10)
    rows = np.arange(40)
    faded, blind = (attached(made, forced=forced).batch_at(made, rows, [np.inf], None) for forced in (True, False))
    assert faded["lengths"].tolist() == [40] * 40
    assert blind["lengths"].tolist() == [30] * 40
    assert (faded["elapsed"] > blind["elapsed"]).all()
    with pytest.raises(UserError, match="selection=forced"):
        attached(source(40, 0), forced=True)
