"""Networks of several folds on ramps: the mean of their log-odds at each voxel and class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from astrid_ml.checkpoint.joined import JoinedTask
from astrid_ml.models.tasks.voxels import BINS, LIMIT, VoxelTask, class_logits
from astrid_ml.models.unet3d.network import UNet3D
from astrid_ml.pipeline.writer import MemorySource
from astrid_ml.preprocessing.ramps.fusion.windows import NEVER, Windows, mean_scorer
from astrid_ml.preprocessing.ramps.ramp.channels import CHANNELS
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES
from astrid_ml.types import Ints

SOURCE = MemorySource(pd.DataFrame({"id": list("abcdef"), "label": 1, "array": "s", "row": range(6)}), {"s": {}}, {})


class Tiles:
    """Tiles of noise, scaled by the statistics of whoever asks."""

    def __init__(self, per_batch: int) -> None:
        self.per_batch, self.statistics = per_batch, {"scale": 1.0}

    def load_statistics(self, statistics: dict[str, Any]) -> None:
        self.statistics = statistics

    def batches(self, source: MemorySource, rows: Ints | None = None) -> Iterator[tuple[Ints, dict[str, Tensor]]]:
        rows = np.arange(len(source.index)) if rows is None else rows
        for start in range(0, len(rows), self.per_batch):
            chosen = rows[start : start + self.per_batch]
            x, y = zip(*(self.tile(int(row)) for row in chosen), strict=True)
            yield chosen, {"x": torch.stack(x) * self.statistics["scale"], "y": torch.stack(y)}

    @staticmethod
    def tile(row: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(row)
        codes = torch.randint(0, 4, (8, 16, 16), generator=generator, dtype=torch.uint8)
        codes[:, :2] = 255
        return torch.randn(len(CHANNELS), 8, 16, 16, generator=generator), codes


@pytest.fixture(scope="module")
def members() -> list[VoxelTask]:
    out = []
    for number in range(3):
        torch.manual_seed(number)
        task = VoxelTask(UNet3D(widths=(4, 8))).eval()
        for weights in task.network.parameters():
            torch.nn.init.normal_(weights, std=0.3)
        out.append(task)
    return out


@pytest.mark.parametrize("per_batch", [1, 4, 6])
def test_tiles_are_counted_by_the_mean_of_the_log_odds(members: list[VoxelTask], per_batch: int) -> None:
    statistics = [{"scale": 0.5 + number} for number in range(3)]
    table = JoinedTask(members, statistics).predict_table(Tiles(per_batch), SOURCE)
    assert table["row"].tolist() == list(range(6))
    for row in range(6):
        x, codes = Tiles.tile(row)
        with torch.no_grad():
            logits = [task.network(x[None] * own["scale"]) for task, own in zip(members, statistics, strict=True)]
        odds = torch.stack([class_logits(part) for part in logits]).mean(0)[0]
        none = torch.stack([part.softmax(1)[:, 0].double().logit() for part in logits]).mean(0)
        assert table["score"][row] == pytest.approx(1 - float(none.sigmoid().min()), abs=1e-6)
        for number, name in enumerate(ANOMALIES):
            for suffix, chosen in (("true", codes == number + 1), ("false", (codes != number + 1) & (codes != 255))):
                found = table[f"{name}_{suffix}"][row]
                assert found.sum() == int(chosen.sum())
                by_hand = np.histogram(odds[number][chosen].numpy(), BINS, (-LIMIT, LIMIT))[0]
                assert np.abs(np.cumsum(found) - np.cumsum(by_hand)).max() <= 2  # a voxel at the edge of a bin


def test_windows_over_an_exposure_give_the_mean_of_the_members(members: list[VoxelTask]) -> None:
    random = np.random.default_rng(1)
    cube = random.normal(size=(8, 20, 24)).cumsum(0).astype(np.float32)
    cube[:, 3, 4] = np.nan
    noise, times = np.ones((20, 24), np.float32), torch.arange(8, dtype=torch.float32)
    windows = Windows(size=16, overlap=4)

    def over(score: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        return torch.cat([odds.clone() for _, odds in windows.bands(cube, noise, times, score)], dim=2)

    scorers = [task.voxel_scorer("fp32") for task in members]
    found = over(mean_scorer(scorers))
    np.testing.assert_allclose(found, torch.stack([over(score) for score in scorers]).mean(0), atol=1e-4)
    assert (found[:, :, 3, 4] == NEVER).all()
    assert mean_scorer(scorers[:1]) is scorers[0]


def test_members_look_one_after_the_other_and_one_sum_is_kept() -> None:
    alive: list[int] = []

    def scorer(number: int) -> Callable[[Tensor, Tensor], Tensor]:
        def score(cube: Tensor, times: Tensor) -> Tensor:
            alive.append(number)
            return torch.full((1, 3, *cube.shape[1:]), float(number))

        return score

    out = mean_scorer([scorer(number) for number in (1, 2, 6)])(torch.zeros(1, 4, 2, 2), torch.arange(4.0))
    assert alive == [1, 2, 6]
    assert (out == 3.0).all()
    assert out.shape == (1, 3, 4, 2, 2)
