"""The torchmetrics class: exact, over processes, and NaN with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from sklearn.metrics import average_precision_score

from astrid_ml.metrics import HistogramAveragePrecision
from astrid_ml.metrics.torch_metrics import AveragePrecision


def sample(seed: int = 0, n: int = 1001) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.random(n) < 0.2
    return np.round(random.normal(labels, 1), 1), labels


def test_batches_add_up_to_the_exact_value() -> None:
    scores, labels = sample()
    metric = AveragePrecision()
    for part in np.array_split(np.arange(len(scores)), 5):
        metric.update(torch.tensor(scores[part]), torch.tensor(labels[part]))
    assert float(metric.compute()) == pytest.approx(average_precision_score(labels, scores), abs=1e-9)
    metric.reset()
    with pytest.warns(UserWarning, match="before the ``update``"):
        value = metric.compute()
    assert bool(torch.isnan(value))
    assert metric.why == "there are no samples"


def test_an_absent_class_is_nan_with_its_reason() -> None:
    metric = AveragePrecision()
    metric.update(torch.tensor([0.1, 0.2]), torch.tensor([0, 0]))
    assert bool(torch.isnan(metric.compute()))
    assert metric.why == "there is no positive sample"


@pytest.mark.parametrize(("scores", "labels"), [((3,), (2,)), ((3, 1), (3, 1))])
def test_scores_and_labels_of_other_shapes_are_refused(scores: tuple[int, ...], labels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"one shape \(B,\), got"):
        AveragePrecision().update(torch.zeros(scores), torch.zeros(labels))


def one_process(rank: int, store: str, out: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    scores, labels = sample()
    mine = slice(0, 700) if rank == 0 else slice(700, None)
    values = []
    for metric in (AveragePrecision(), HistogramAveragePrecision(bins=4000, limit=10.0)):
        metric.update(torch.tensor(scores[mine]), torch.tensor(labels[mine]))
        values.append(float(metric.compute()))
    Path(f"{out}.{rank}").write_text(" ".join(map(repr, values)))
    torch.distributed.destroy_process_group()


def test_two_processes_see_the_whole(tmp_path: Path) -> None:
    mp.spawn(  # type: ignore[attr-defined, no-untyped-call]
        one_process, args=(str(tmp_path / "store"), str(tmp_path / "out")), nprocs=2
    )
    scores, labels = sample()
    exact = average_precision_score(labels, scores)
    for rank in (0, 1):
        values = [float(word) for word in (tmp_path / f"out.{rank}").read_text().split()]
        assert values == pytest.approx([exact, exact], abs=1e-9)
