"""A trained network on samples of another kind, fitted to them by samples of that kind without their labels.

``per_mission_norm``: moments of each input channel. ``coral``: mean and covariance of what the last layer sees (Sun,
Feng and Saenko 2016, AAAI 30, 2058; here the target is moved onto the source, so that no layer is trained anew), with
the covariances of Ledoit and Wolf 2004, J. Multivar. Anal. 88, 365. ``test_time_bn``: running moments of batch
normalisation (Li et al. 2018, Pattern Recognition 80, 109). ``dann``: :mod:`astrid_ml.run.comparison.dann`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from astrid_ml.build import build
from astrid_ml.checkpoint.load import LoadedModel
from astrid_ml.contracts.columns import columns_of
from astrid_ml.contracts.scoring import AnswersEmbedded
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.run.comparison.dann import train_alike
from astrid_ml.run.prediction.domain import embedded
from astrid_ml.types import Floats, Ints

WAYS = ("none", "per_mission_norm", "coral", "dann", "test_time_bn")
LEAST = 20  # samples without labels, below which nothing is fitted to them


def refuse_adaptation(config: dict[str, Any], ways: list[str]) -> None:
    """Refuse what the configured network does not take, before anything is trained.

    Raises:
        UserError: says which network would.
    """
    asked = [way for way in ways if way != "none"]
    if not asked:
        return
    task = build(config["model"]["task"], config.get("trust", []))
    network: Any = getattr(task, "network", None)
    if getattr(task, "purpose", None) != "binary" or not isinstance(network, AnswersEmbedded):
        got = f"{type(network).__name__} with {type(task).__name__}"
        fix = "choose model=braai_wide, braai_wide_bn or braai_vgg6, or adapt=[none]"
        raise UserError(f"adapt={asked[0]} with a network of real and bogus stamps", got, fix)
    if "test_time_bn" in asked and not normalised(network):
        got = f"{type(network).__name__} without"
        raise UserError("adapt=test_time_bn with batch normalisation", got, "choose model=braai_wide_bn")


def normalised(network: Any) -> list[nn.Module]:
    """The layers of batch normalisation."""
    return [part for part in network.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)]


def adapted_scores(
    model: LoadedModel,
    dataset: PreparedDataset,
    tested: pd.DataFrame,
    folds: tuple[pd.DataFrame, pd.DataFrame],
    way: str,
    seed: int = 0,
) -> pd.DataFrame:
    """The tested samples with the scores of the adapted network.

    Args:
        model: trained on the source; it is changed.
        dataset: the samples.
        tested: predictions of the network as it is, with ``id``.
        folds: of source and target: their training folds are what is compared. No label of the target is read.
        way: one of ``WAYS``.
        seed: where the network is trained on.

    Raises:
        UserError: too few samples of the target.
    """
    ids = pd.Index(columns_of(dataset)["id"].astype(str))
    source, target = (ids.get_indexer(table["id"][table["fold"] == "train"]).astype(np.int64) for table in folds)
    if len(target) < LEAST:
        raise UserError(f"{LEAST} samples or more to adapt to", f"{len(target)}", "give more data, or adapt=[none]")
    rows = ids.get_indexer(tested["id"].astype(str)).astype(np.int64)
    task: Any = model.task
    if way == "coral":
        moments = [embedded(task, model.datamodule, dataset, part) for part in (source, target)]
        known = embedded(task, model.datamodule, dataset, rows)
        assert moments[0] is not None and moments[1] is not None and known is not None
        moved = torch.from_numpy(aligned(known, moments[1], moments[0])).float()
        with torch.inference_mode():
            logits = task.network.answer(moved).double().numpy()
        return tested.assign(score=1 / (1 + np.exp(-logits)))
    if way == "per_mission_norm":
        task.network = Rescaled(task.network, *(channel_moments(model, dataset, part) for part in (target, source)))
    elif way == "dann":
        train_alike(model, dataset, source, target, seed)
    else:
        renormalise(task, model, dataset, target)
    table = model.score(dataset, rows)
    score = pd.Series(table["score"].to_numpy(dtype=float), index=table["row"]).reindex(rows)
    return tested.assign(score=score.to_numpy())


def aligned(values: Floats, target: Floats, source: Floats) -> Floats:
    """Points of the target with the mean and covariance of the source.

    Args:
        values: (n, D), of the target.
        target: (m, D), where its moments are taken.
        source: (k, D).

    Example:
        >>> random = np.random.default_rng(0)
        >>> target, source = 3 * random.normal(size=(500, 2)) + 5, random.normal(size=(500, 2))
        >>> moved = aligned(target, target, source)
        >>> bool(np.allclose(moved.mean(0), source.mean(0)))
        True
        >>> bool(np.allclose(np.cov(moved.T), np.cov(source.T), atol=0.1))
        True
    """
    whiten, colour = _root(target, -0.5), _root(source, 0.5)
    out: Floats = (values - target.mean(0)) @ whiten @ colour + source.mean(0)
    return out


def _root(values: Floats, power: float) -> Floats:
    """A power of the covariance."""
    from sklearn.covariance import ledoit_wolf

    sizes, axes = np.linalg.eigh(ledoit_wolf(values)[0])
    out: Floats = (axes * np.maximum(sizes, 1e-9 * sizes.max()) ** power) @ axes.T
    return out


def channel_moments(model: LoadedModel, dataset: PreparedDataset, rows: Ints) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over samples and pixels, (1, C, 1, 1) each."""
    total, square, count = torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64), 0
    for _, batch in model.datamodule.batches(dataset, rows):
        x = batch["x"].double()
        total, square = total + x.sum((0, 2, 3)), square + (x**2).sum((0, 2, 3))
        count += x.shape[0] * x.shape[2] * x.shape[3]
    mean = total / count
    sigma = (square / count - mean**2).clamp_min(1e-12).sqrt()
    return mean.float().view(1, -1, 1, 1), sigma.float().view(1, -1, 1, 1)


class Rescaled(nn.Module):
    """A network whose input channels are brought from the moments of one kind of samples to those of another.

    Args:
        network: that was trained on the other kind.
        found: mean and standard deviation of each channel of what it is asked.
        wanted: those of what it was trained on.
    """

    def __init__(self, network: nn.Module, found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> None:
        super().__init__()
        self.network, self.found, self.wanted = network, found, wanted

    def forward(self, images: Tensor, features: Tensor | None = None) -> Tensor:
        """Logits, (B,)."""
        scaled = (images - self.found[0]) / self.found[1] * self.wanted[1] + self.wanted[0]
        out: Tensor = self.network(scaled) if features is None else self.network(scaled, features)
        return out


def renormalise(task: Any, model: LoadedModel, dataset: PreparedDataset, rows: Ints) -> None:
    """Put the moments of these samples into the layers of batch normalisation; no weight is changed."""
    layers: list[Any] = normalised(task.network)
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all batches
        layer.train()
    with torch.no_grad():
        for _, batch in model.datamodule.batches(dataset, rows):
            task.logits(batch)
    task.eval()
