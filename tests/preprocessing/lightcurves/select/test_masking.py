"""Hidden epochs: none is seen and asked at once, time zero stays, whole nights and bands go where they are to."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.preprocessing.lightcurves.select.augment import DAYS, DETECTED, WAVELENGTH
from astrid_ml.preprocessing.lightcurves.select.masking import ASKED, DRAWS, Masking, fixed_draws
from astrid_ml.types import Floats, Floats32, Ints

WAVES = np.array([0.3671, 0.4827, 0.6223, 0.7546], dtype=np.float32)
SINGLE, NIGHTS, BANDS = 0.1, 0.5, 0.9  # the first number that an object draws


def curves(n: int, length: int = 60) -> tuple[Floats32, Ints]:
    """Four bands a night, every second day; each flux is another one, so that an epoch is known by it."""
    nights = np.repeat(np.arange(length // 4) * 2.0, 4)
    one = np.stack([nights, nights, np.ones(length), np.ones(length), np.tile(WAVES, length // 4)], axis=1)
    values = np.tile(one, (n, 1)).astype(np.float32)
    values[:, 1] = np.arange(len(values))
    return values, np.arange(n + 1) * length


def numbers(n: int, kind: float | None = None, seed: int = 0) -> Floats:
    drawn = np.random.default_rng(seed).random((n, DRAWS))
    if kind is not None:
        drawn[:, 0] = kind
    return drawn


@pytest.mark.parametrize("kind", [SINGLE, NIGHTS, BANDS])
@pytest.mark.parametrize("share", [0.2, 0.6])
def test_an_epoch_is_seen_or_asked_after_and_time_zero_is_seen(kind: float, share: float) -> None:
    values, offsets = curves(40)
    left, ends, asked = Masking(share, asked=60).split(values, offsets, numbers(40, kind))
    hidden = asked[..., ASKED.index("known")] > 0
    fluxes = np.concatenate([left[:, 1], asked[..., 1][hidden]])
    assert sorted(fluxes.tolist()) == values[:, 1].tolist()  # each once
    assert left[ends[:-1], DAYS].tolist() == [0.0] * 40 and left[ends[:-1], DETECTED].all()
    assert np.diff(ends).sum() + hidden.sum() == len(values)
    whole = values[asked[..., 1][hidden].astype(int)]
    assert np.array_equal(asked[hidden][:, :4], whole[:, [0, 1, 2, 4]])


def test_the_share_is_that_of_epochs_nights_and_bands() -> None:
    values, offsets = curves(300)
    for kind in (SINGLE, NIGHTS, BANDS):
        left, _, _ = Masking(0.3).split(values, offsets, numbers(300, kind))
        assert 1 - len(left) / len(values) == pytest.approx(0.29, abs=0.03)  # the first night stays


@pytest.mark.parametrize(("kind", "column"), [(NIGHTS, DAYS), (BANDS, WAVELENGTH)])
def test_nights_and_bands_are_hidden_as_wholes(kind: float, column: int) -> None:
    values, offsets = curves(20)
    left, ends, _ = Masking(0.4).split(values, offsets, numbers(20, kind))
    for number in range(20):
        own = left[ends[number] : ends[number + 1]]
        own = own[own[:, DAYS] > 0]
        kept, counts = np.unique(own[:, column], return_counts=True)
        assert set(counts.tolist()) <= {4 if kind == NIGHTS else 14}, kept


def test_of_many_hidden_epochs_some_are_asked_and_of_few_the_rest_is_empty() -> None:
    values, offsets = curves(30)
    _, _, asked = Masking(0.5, asked=5).split(values, offsets, numbers(30, SINGLE))
    assert asked.shape == (30, 5, len(ASKED)) and (asked[..., 4] == 1).all()
    times = asked[..., 0].ravel()
    assert len(np.unique(times)) > 10  # of the whole curve, not its beginning
    short, ends = curves(3, length=4)
    left, _, none = Masking(0.5, asked=5).split(short, ends, numbers(3))
    assert len(left) == len(short) and (none[..., 4] == 0).all() and (none[..., 2:4] == 1).all()


def test_a_curve_is_masked_alike_in_any_batch_and_at_every_validation() -> None:
    values, offsets = curves(9)
    values[:, 1] %= 60
    rows = np.array([3, 8, 4, 100, 7, 0, 1, 2, 12])
    drawn = fixed_draws(rows)
    assert drawn.shape == (9, DRAWS) and (drawn >= 0).all() and (drawn < 1).all()
    assert len(np.unique(np.floor(drawn[:, 0] * 3))) == 3  # all three kinds
    left, ends, asked = Masking().split(values, offsets, drawn)
    alone = Masking().split(values[:60], offsets[:2], fixed_draws(rows[4:5]))
    assert np.array_equal(alone[0], left[ends[4] : ends[5]])
    assert sorted(alone[2][0, :, 1].tolist()) == sorted(asked[4, :, 1].tolist())
