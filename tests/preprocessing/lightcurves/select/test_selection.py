"""Selection of epochs against a plain loop over objects."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable, concatenate
from astrid_ml.preprocessing.lightcurves.select.selection import Flags, Selection, window, window_lengths


def random_table(n: int, seed: int = 0) -> CurveTable:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 30, n)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    flags = random.choice([0, 1024, 4096], offsets[-1], p=[0.5, 0.1, 0.4]).astype(np.int32)
    mjd = np.concatenate([np.sort(random.uniform(0, 300, length)) for length in lengths])
    for start, stop in pairwise(offsets):
        found = np.flatnonzero(flags[start:stop] & 4096)
        if len(found):
            flags[start + found[0]] |= 2048
    return CurveTable(
        pd.DataFrame({"object_id": [f"o{i}" for i in range(n)]}),
        offsets,
        mjd,
        random.normal(size=offsets[-1]).astype(np.float32),
        np.ones(offsets[-1], dtype=np.float32),
        flags,
        np.zeros(offsets[-1], dtype=np.int16),
        ("r",),
        np.array([0.62], dtype=np.float32),
    )


def by_hand(mjd: np.ndarray, flags: np.ndarray) -> tuple[list[float], float]:
    """The epochs kept of one object and its time zero."""
    rows = [(t, f) for t, f in zip(mjd.tolist(), flags.tolist(), strict=True) if not f & 1024]
    trigger = next((i for i, (_, f) in enumerate(rows) if f & 2048), None)
    if trigger is None:
        return [t for t, _ in rows], float("nan")
    last = max(i for i, (_, f) in enumerate(rows) if f & 4096)
    before = [i for i in range(trigger) if not rows[i][1] & 4096][-1:]
    return [rows[i][0] for i in [*before, *range(trigger, last + 1)]], rows[trigger][0]


def test_selection_equals_a_loop_over_objects() -> None:
    table = random_table(200)
    kept, start, detected = Selection().apply(table)
    for i in range(len(table)):
        part = slice(table.offsets[i], table.offsets[i + 1])
        epochs, zero = by_hand(table.mjd[part], table.phot_flag[part])
        assert kept.mjd[kept.offsets[i] : kept.offsets[i + 1]].tolist() == epochs
        assert start[i] == zero or (np.isnan(zero) and np.isnan(start[i]))
    assert (detected == ((kept.phot_flag & 4096) != 0)).all()
    assert 0 < np.isnan(start).sum() < 200  # both kinds of object were there


def test_windows_are_prefixes() -> None:
    table = random_table(50, 1)
    kept, start, _ = Selection().apply(table)
    times = kept.mjd - start[kept.owner]
    asked = (0.0, 1.0, 16.0, 128.0, 1e6)
    lengths = window_lengths(times, kept.offsets, asked)
    for column, days in enumerate(asked):
        chosen = window(kept, start, days)
        assert (lengths[:, column] == chosen.lengths).all()
        assert chosen.mjd.tolist() == kept.mjd[times <= days].tolist()


def test_a_survey_without_flags_needs_a_rule() -> None:
    table = random_table(20, 2)
    bare = CurveTable(**{**table.__dict__, "phot_flag": np.zeros_like(table.phot_flag)})
    assert np.isnan(Selection().apply(bare)[1]).all()
    assert np.isfinite(Selection(rule="first_epoch").apply(bare)[1]).all()
    by_noise = Selection(rule="snr", snr=1.0)
    assert (by_noise.detections(bare) == (np.abs(bare.flux) >= 1)).all()
    assert Selection(flags=Flags(saturate=2)).without_saturation(table).mjd.size == table.mjd.size
    with pytest.raises(UserError, match="rule"):
        Selection(rule="guess")


def test_tables_are_joined_by_band_name() -> None:
    first, second = random_table(3, 3), random_table(4, 4)
    second = CurveTable(**{**second.__dict__, "bands": ("g",), "wavelengths": np.array([0.48], dtype=np.float32)})
    both = concatenate([first, second])
    assert both.bands == ("r", "g")
    assert (both.lengths == np.concatenate([first.lengths, second.lengths])).all()
    assert (both.band == np.repeat([0, 1], [len(first.mjd), len(second.mjd)])).all()
    taken = both.take(np.array([5, 0]))
    assert taken.mjd.tolist() == [*second.mjd[second.offsets[2] : second.offsets[3]], *first.mjd[: first.offsets[1]]]
