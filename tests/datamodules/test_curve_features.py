"""Columns of epochs by hand, against a plain loop, and causal."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_ml.datamodules.curve_features import asinh, features, previous_in_band
from astrid_ml.models.lightcurves.encoding import COLUMNS, N_FEATURES
from astrid_ml.preprocessing.lightcurves.curves.hosts import distance_modulus

EPOCHS = torch.tensor([
    [-2.0, 10.0, 2.0, 0.0, 0.85], [3.0, -10.0, 5.0, 1.0, 0.65], [5.0, 30.0, 1.5, 1.0, 0.85], [7.0, 0.0, 1.0, 1.0, 0.85],
])  # fmt: skip
LENGTHS = torch.tensor([3, 1])


def column(made: torch.Tensor, name: str) -> list[float]:
    out: list[float] = made[:, COLUMNS.index(name)].tolist()
    return out


def test_columns_by_hand() -> None:
    made = features(EPOCHS, LENGTHS, 10.0)
    assert made.shape == (4, N_FEATURES)
    assert column(made, "time") == pytest.approx([-0.02, 0.03, 0.05, 0.07])
    assert column(made, "asinh_time") == pytest.approx((np.arcsinh([-2, 3, 5, 7]) / 4).tolist())
    assert column(made, "gap") == pytest.approx([0, np.log(6) / 3, np.log(3) / 3, 0])
    assert column(made, "flux") == pytest.approx((np.arcsinh([1, -1, 3, 0]) / 3).tolist())
    assert column(made, "snr") == pytest.approx((np.arcsinh([5, -2, 20, 0]) / 3).tolist())
    assert column(made, "log_wavelength") == pytest.approx(np.log([0.85, 0.65, 0.85, 0.85]).tolist(), abs=1e-6)
    # only the third epoch has one before it in its band; the fourth is another object's
    assert column(made, "has_previous") == [0, 0, 1, 0]
    assert column(made, "change_snr") == pytest.approx([0, 0, np.arcsinh(20 / 2.5) / 3, 0])
    assert column(made, "change") == pytest.approx([0, 0, (np.arcsinh(3) - np.arcsinh(1)) / 3, 0])
    assert column(made, "gap_in_band") == pytest.approx([0, 0, np.log(8) / 3, 0])
    assert column(made, "rate") == pytest.approx([0, 0, np.arcsinh(20 / 7 / 10) / 3, 0])


def test_the_rest_frame_of_a_known_redshift() -> None:
    """A source of absolute magnitude -19.5 has the same luminosity column wherever it is."""
    z = torch.tensor([0.1, 0.7, torch.nan], dtype=torch.float64)
    modulus = torch.from_numpy(distance_modulus(z.numpy()))
    flux = 10 ** (0.4 * (27.5 - (-19.5 + torch.nan_to_num(modulus, nan=40.0))))
    epochs = torch.stack(
        [10 * (1 + torch.nan_to_num(z)), flux, flux / 9, flux * 0 + 1, 0.5 * (1 + torch.nan_to_num(z))]
    )
    made = features(epochs.float().T, torch.ones(3, dtype=torch.int64), 10.0, z, modulus)
    assert column(made, "has_redshift") == [1, 1, 0]
    assert column(made, "luminosity") == pytest.approx([np.arcsinh(63.1) / 3] * 2 + [0], rel=1e-4)
    assert column(made, "rest_time") == pytest.approx([np.arcsinh(10) / 4] * 2 + [0], rel=1e-5)
    assert column(made, "log_rest_wavelength") == pytest.approx([np.log(0.5)] * 3, abs=1e-5)


def test_the_epoch_before_in_the_same_band_against_a_loop() -> None:
    random = np.random.default_rng(3)
    lengths = random.integers(1, 30, 40)
    owner = np.repeat(np.arange(40), lengths)
    bands = random.choice([0.367, 0.48, 0.62, 2.159], len(owner))
    expected: list[int] = []
    last: dict[tuple[int, float], int] = {}
    for row, key in enumerate(zip(owner.tolist(), bands.tolist(), strict=True)):
        expected.append(last.get(key, -1))
        last[key] = row
    found = previous_in_band(torch.from_numpy(bands).float(), torch.from_numpy(owner))
    assert found.tolist() == expected


def test_no_column_looks_ahead() -> None:
    random = np.random.default_rng(4)
    days = np.sort(random.uniform(-5, 100, 30))
    columns = (days, random.normal(0, 50, 30), random.uniform(1, 3, 30), days > 0, random.choice([0.48, 0.62], 30))
    curve = torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))
    z = torch.tensor([0.3], dtype=torch.float64)
    modulus = torch.from_numpy(distance_modulus(z.numpy()))
    whole = features(curve, torch.tensor([30]), 10.0, z, modulus)
    for seen in (1, 2, 17):
        assert torch.equal(features(curve[:seen], torch.tensor([seen]), 10.0, z, modulus), whole[:seen])


def test_the_fast_asinh_is_torchs() -> None:
    x = torch.cat([torch.linspace(-5, 5, 1001), torch.logspace(-6, 9, 200), -torch.logspace(-6, 9, 200)])
    assert torch.allclose(asinh(x), torch.asinh(x.double()).float(), rtol=2e-6, atol=1e-9)
    assert torch.isfinite(asinh(torch.tensor([3e18, -3e18]))).all()
