"""Training on against a classifier of kinds: reproducible, and small kinds are drawn again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from astrid_ml.models.braai.network import BraaiWide
from astrid_ml.run.comparison import dann
from astrid_ml.run.comparison.dann import train_alike


def made(with_features: bool) -> Any:
    """A fresh network and 90 stamps of two kinds, the second without labels."""
    torch.manual_seed(0)
    network = BraaiWide(1, 8, 2 if with_features else 0, (4,), 8, 0.2, True)
    x, y = torch.randn(90, 1, 8, 8), torch.full((90,), float("nan"))
    y[:60] = torch.arange(60) % 2
    asked: list[set[int]] = []

    def batches(source: Any, rows: Any) -> Any:
        asked.append(set(rows.tolist()))
        batch = {"x": x[rows], "y": y[rows]}
        yield rows, batch | ({"features": torch.zeros(len(rows), 2)} if with_features else {})

    task = torch.nn.Module()
    task.network = network
    return SimpleNamespace(task=task, datamodule=SimpleNamespace(batches=batches)), asked


@pytest.mark.parametrize("with_features", [False, True])
def test_the_same_seed_gives_the_same_weights(with_features: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dann, "STEPS", 6)
    monkeypatch.setattr(dann, "BATCH", 40)
    found = []
    for seed in (1, 1, 2):
        model, asked = made(with_features)
        train_alike(model, None, np.arange(60), np.arange(60, 90), seed)  # type: ignore[arg-type]
        found.append(torch.cat([value.flatten() for value in model.task.network.parameters()]))
        assert len(asked) == 12 and not model.task.network.training
        # The kinds take turns; 40 of the first at a time, and all 30 of the second.
        assert all(len(rows) == 40 and max(rows) < 60 for rows in asked[::2])
        assert all(rows == set(range(60, 90)) for rows in asked[1::2])
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
    assert torch.isfinite(found[0]).all()
