"""Windows, augmentation and features of light-curve batches, against plain loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from datamodules.curves import CurveDataModule, ask, features
from models.lightcurves.network import N_FEATURES

LABELS = ["SNIa-SALT3", "RRL", "unheard of", None, "KN_K17", "EB"]


def source(n: int = 60) -> MemorySource:
    random = np.random.default_rng(0)
    curves = []
    for _ in range(n):
        days = np.sort(random.uniform(-30, 400, random.integers(1, 40)))
        columns = (days, random.normal(0, 50, len(days)), random.uniform(1, 3, len(days)), days > 0, 0 * days + 0.62)
        curves.append(np.stack(columns, axis=1).astype(np.float32))
    names = [f"o{i}" for i in range(n)]
    table = pd.DataFrame({"id": names, "group_id": names, "label": [LABELS[i % 6] for i in range(n)]})
    table["MWEBV"] = np.where(np.arange(n) % 2, np.nan, random.uniform(0, 1, n))
    writer = MemoryUnitWriter()
    writer.add_ragged(table, {"epochs": curves})
    return writer.source()


def attached(**options: object) -> CurveDataModule:
    data = CurveDataModule(static=["MWEBV"], **options)  # type: ignore[arg-type]
    made = source()
    folds = pd.DataFrame({"id": made.index["id"], "fold": np.where(np.arange(60) < 40, "train", "test")})
    data.attach(made, folds)
    return data


def test_unknown_labels_are_left_out_and_windows_repeat_the_same_objects() -> None:
    data = attached(windows=[4, 64, 1024], eval_batch_size=7)
    assert set(data.source.index["label"].iloc[data.rows["train"]]) == {"SNIa-SALT3", "RRL", "KN_K17", "EB"}  # type: ignore[union-attr]
    seen = [(row, day) for rows, b in data.batches(data.source, data.rows["test"])  # type: ignore[arg-type]
            for row, day in zip(rows.tolist(), b["days"].flatten().tolist(), strict=True)]  # fmt: skip
    assert sorted(seen) == sorted((row, day) for row in data.rows["test"].tolist() for day in (4.0, 64.0, 1024.0))
    (rows, batch), *_ = data.batches(source())
    assert len(rows) == 7
    assert torch.isinf(batch["days"]).all()  # new files: one row an object with all its epochs
    assert torch.isfinite(batch["elapsed"]).all()


def test_a_question_sees_the_epochs_up_to_the_last_detection_by_its_day() -> None:
    made = source()
    rows = np.arange(60)
    flat, offsets = made.ragged("epochs", rows)
    days = torch.tensor([1.0, 30.0, 250.0, torch.inf])
    queries, elapsed = ask(torch.from_numpy(flat), torch.from_numpy(np.diff(offsets)), days)
    for i in rows:
        whole = flat[offsets[i] : offsets[i + 1]]
        for column, day in enumerate(days.tolist()):
            found = np.flatnonzero((whole[:, 0] <= np.float32(day)) & (whole[:, 3] > 0))
            expected = int(found[-1]) + 1 if len(found) else 1
            assert int(queries[i, column]) == expected
            passed = max(float(whole[expected - 1, 0]), 0.0) if np.isinf(day) else day
            assert float(elapsed[i, column]) == pytest.approx(passed)


def test_a_later_detection_never_changes_an_earlier_question() -> None:
    """The selection keeps non-detections because a detection follows; a question before it must not see them."""
    curve = torch.tensor([[0.0, 9, 1, 1, 0.6], [5.0, 1, 1, 0, 0.6], [9.0, 0, 1, 0, 0.6], [20.0, 9, 1, 1, 0.6]])
    queries, _ = ask(curve, torch.tensor([4]), torch.tensor([1.0, 8.0, 16.0, 32.0]))
    assert queries.tolist() == [[1, 1, 1, 4]]
    alone, _ = ask(curve[:1], torch.tensor([1]), torch.tensor([1.0, 8.0, 16.0]))
    assert alone.tolist() == [[1, 1, 1]]


def test_augmentation_is_seeded_and_changes_what_it_says() -> None:
    data = attached(extra_queries=4, noise=1.0, dimming=1.0)
    rows = data.rows["train"]
    assert data.source is not None
    first, again, other = (
        data.make_batch(data.source, rows, torch.Generator().manual_seed(seed), True) for seed in (1, 1, 2)
    )
    assert torch.equal(first["values"], again["values"])
    assert first["queries"].shape == (len(rows), 11 + 4)
    assert not torch.equal(first["queries"], other["queries"])
    assert ((first["queries"] >= 1) & (first["queries"] <= first["lengths"][:, None])).all()
    assert int(first["lengths"].sum()) == len(first["values"])
    plain = data.batch_at(data.source, rows, [np.inf], None)
    noisy = CurveDataModule(noise=1.0, extra_queries=1)
    noisy.rows, noisy.source = data.rows, data.source
    more = noisy.batch_at(data.source, rows, [np.inf], torch.Generator().manual_seed(0))
    whole = plain["lengths"] == more["lengths"]
    assert whole.any()
    if bool(whole.all()):
        assert (more["values"][:, 4] >= plain["values"][:, 4]).all()  # errors grow with the noise
        assert torch.equal(more["values"][:, 0], plain["values"][:, 0])


def test_features_by_hand_and_missing_static_values_are_flagged() -> None:
    epochs = torch.tensor([[-2.0, 10.0, 2.0, 0.0, 0.85], [3.0, -10.0, 5.0, 1.0, 0.65], [7.0, 0.0, 1.0, 1.0, 0.45]])
    made = features(epochs, torch.tensor([2, 1]), 10.0)
    assert made[:, 0].tolist() == pytest.approx([-0.02, 0.03, 0.07])
    assert made[:, 1].tolist() == pytest.approx((np.arcsinh([-2, 3, 7]) / 4).tolist())
    assert made[:, 2].tolist() == pytest.approx([0, np.log(6) / 3, 0])
    assert made[:, 3].tolist() == pytest.approx([np.arcsinh(1) / 3, -np.arcsinh(1) / 3, 0])
    assert made[:, 7].tolist() == pytest.approx(np.log([0.85, 0.65, 0.45]).tolist(), abs=1e-6)
    assert made.shape[1] == N_FEATURES
    data = attached(log_static=["MWEBV"])
    batch = data.make_batch(data.source, np.arange(4), None, False)  # type: ignore[arg-type]
    assert batch["static"][:, 1].tolist() == [0, 1, 0, 1]
    assert (batch["static"][1::2, 0] == 0).all()
    with pytest.raises(UserError, match="windows"):
        CurveDataModule(windows=[0, 4])
