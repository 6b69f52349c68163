"""Learning from hidden epochs: what is foreseen, in which units, and what begins with it."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from astrid_ml.checkpoint.begin import layers_of
from astrid_ml.datamodules.curves import CurveDataModule
from astrid_ml.errors import UserError
from astrid_ml.models.lightcurves.decoding import EpochDecoder
from astrid_ml.models.lightcurves.network import CurveGRU
from astrid_ml.models.tasks.hierarchy import HierarchyTask
from astrid_ml.models.tasks.masked import MaskedTask
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.features.table import CurveFeatures
from astrid_ml.preprocessing.lightcurves.select.masking import Masking


def source(n: int = 48, amplitude: float = 300.0) -> MemorySource:
    """Fading curves, each of its own brightness and colour; labels that no taxonomy knows."""
    random = np.random.default_rng(0)
    curves = []
    for _ in range(n):
        days = np.sort(np.append(random.uniform(0, 90, 39), 0.0))
        red = random.integers(0, 2, 40)
        flux = amplitude * random.uniform(0.3, 3) * np.exp(-days / 30) * np.where(red, random.uniform(0.5, 2), 1.0)
        error = np.full(40, 5.0)
        columns = (days, flux + random.normal(0, 5, 40), error, flux > 25, np.where(red, 0.75, 0.48))
        curves.append(np.stack(columns, axis=1).astype(np.float32))
    names = [f"o{i}" for i in range(n)]
    writer = MemoryUnitWriter()
    writer.add_ragged(pd.DataFrame({"id": names, "group_id": names, "label": None}), {"epochs": curves})
    return writer.source()


def attached(**options: Any) -> CurveDataModule:
    data = CurveDataModule(windows=[16, 1024], masking=Masking(), eval_batch_size=48, **options)
    made = source()
    data.attach(made, pd.DataFrame({"id": made.index["id"], "fold": "train"}))
    return data


def task(**options: Any) -> MaskedTask:
    torch.manual_seed(0)
    network = CurveGRU((), "bts", width=24, hidden=24, latent=24, dropout=0.0, **options)
    return MaskedTask(network, optimizer=partial(torch.optim.Adam, lr=1e-2))


@pytest.mark.parametrize("features", [None, CurveFeatures(periodogram=None)])
def test_it_learns_without_classes_and_its_last_layer_takes_no_part(features: CurveFeatures | None) -> None:
    data, made = attached(curve_features=features), task(features=features)
    assert len(data.rows["train"]) == data.count_classes(data._attached(), data.rows["train"]) == 48
    batch = next(data.batches(data._attached(), data.rows["train"], train=True))[1]
    optimizer = made.configure_optimizers()
    before = float(made.compute_loss(batch).detach())
    for _ in range(120):
        optimizer.zero_grad()
        loss = made.compute_loss(batch)
        torch.autograd.backward(loss)
        optimizer.step()
    assert float(made.compute_loss(batch).detach()) < before - 1
    with torch.no_grad():
        found = made.eval().residuals(batch)
    off, flux = (found[name][found["known"] > 0] for name in ("off", "flux"))
    assert float(1 - off.square().mean() / flux.var()) > 0.7
    assert all(not weight.any() for weight in layers_of(made.network)[-1][1].parameters())


def test_the_loss_is_half_a_unit_where_noise_alone_is_left_and_grows_by_the_log_of_its_error() -> None:
    """A decoder that knows the mean, with its error: (1 + 1) / 2 of chi-square, log 2 of the variance."""
    made, data = task(), attached()
    batch = next(data.batches(data._attached(), data.rows["train"]))[1]
    targets = torch.zeros(48, 4000, 5)
    noise = torch.randn(48, 4000, generator=torch.Generator().manual_seed(1))
    flux = 20000.0
    targets[..., 1], targets[..., 2], targets[..., 3], targets[..., 4] = flux + 50 * noise, 50.0, 0.6, 1.0

    class Known(nn.Module):
        def __init__(self, spread: float) -> None:
            super().__init__()
            self.spread = spread

        def forward(self, known: Any, elapsed: Any, asked: Any) -> tuple[torch.Tensor, torch.Tensor]:
            shape = (len(asked), elapsed.shape[1], asked.shape[1])
            mean = math.asinh(flux / math.hypot(10, 50))
            return torch.full(shape, mean), torch.full(shape, self.spread)

    unit = 50 / math.hypot(10, 50) / math.cosh(math.asinh(flux / math.hypot(10, 50)))
    for spread, expected in ((0.0, 0.5), (unit, 0.25 + 0.5 * math.log(2))):
        made.decoder = Known(spread)  # type: ignore[assignment]
        loss = made.compute_loss({**batch, "targets": targets})
        assert float(loss.detach()) == pytest.approx(expected, abs=0.01)


def test_the_decoder_never_looks_at_the_flux_that_it_is_asked_for() -> None:
    decoder = EpochDecoder(8)
    known, elapsed, targets = torch.randn(3, 2, 8), torch.rand(3, 2) * 50, torch.rand(3, 4, 5) + 0.3
    other = targets.clone()
    other[..., 1] += 100
    for mine, theirs in zip(decoder(known, elapsed, targets), decoder(known, elapsed, other), strict=True):
        assert mine.shape == (3, 2, 4) and torch.equal(mine, theirs)


def test_where_nothing_is_hidden_nothing_is_lost_and_nothing_is_said() -> None:
    made, data = task(), attached()
    batch = next(data.batches(data._attached(), data.rows["train"]))[1]
    empty = {**batch, "targets": batch["targets"] * torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0])}
    assert float(made.compute_loss(empty).detach()) == 0
    assert made.scores(empty)["hidden"].sum() == 0 and made.scores(empty)["nll"].isnan().all()


def test_classes_are_not_learned_of_hidden_epochs_nor_hidden_epochs_of_whole_curves() -> None:
    data = attached()
    batch = next(data.batches(data._attached(), data.rows["train"]))[1]
    with pytest.raises(UserError, match="datamodule=curves"):
        HierarchyTask(CurveGRU((), "bts"), "bts").compute_loss(batch)
    del batch["targets"]
    with pytest.raises(UserError, match="curves_masked"):
        task().compute_loss(batch)


def test_a_network_that_does_not_tell_what_it_knows_is_refused() -> None:
    with pytest.raises(UserError, match="lightcurve_masked"):
        MaskedTask(nn.Linear(3, 2))
