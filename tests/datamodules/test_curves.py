"""Windows, augmentation and features of light-curve batches, against plain loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from datamodules.curves import CurveDataModule, cut, features

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
            for row, day in zip(rows.tolist(), b["days"].tolist(), strict=True)]  # fmt: skip
    assert sorted(seen) == sorted((row, day) for row in data.rows["test"].tolist() for day in (4.0, 64.0, 1024.0))
    (rows, batch), *_ = data.batches(source())
    assert len(rows) == 7
    assert torch.isinf(batch["days"]).all()  # new files: one row an object with all its epochs


def test_windows_equal_a_loop_over_objects() -> None:
    made = source()
    rows = np.arange(60)
    flat, offsets = made.ragged("epochs", rows)
    days = np.random.default_rng(1).uniform(-40, 300, 60)
    epochs, lengths = cut(torch.from_numpy(flat), offsets, days)
    start = 0
    for i in rows:
        whole = flat[offsets[i] : offsets[i + 1]]
        expected = whole[whole[:, 0] <= np.float32(days[i])]
        expected = expected if len(expected) else whole[:1]
        assert epochs[start : start + int(lengths[i])].numpy().tolist() == expected.tolist()
        start += int(lengths[i])
    assert start == len(epochs)


def test_augmentation_is_seeded_and_changes_what_it_says() -> None:
    data = attached(truncate=0.5, noise=1.0, dimming=1.0)
    rows = data.rows["train"]
    assert data.source is not None
    first, again, other = (
        data.make_batch(data.source, rows, torch.Generator().manual_seed(seed), True) for seed in (1, 1, 2)
    )
    assert torch.equal(first["values"], again["values"])
    assert first["values"].shape != other["values"].shape
    assert (first["lengths"] >= 1).all()
    assert int(first["lengths"].sum()) == len(first["values"])
    days = np.full(len(rows), np.inf)
    plain = data.batch_at(data.source, rows, days, None)
    noisy = CurveDataModule(truncate=0, noise=1.0)
    noisy.rows, noisy.source = data.rows, data.source
    more = noisy.batch_at(data.source, rows, days, torch.Generator().manual_seed(0))
    assert (more["values"][:, 3] >= plain["values"][:, 3]).all()  # errors grow with the noise
    assert torch.equal(more["values"][:, 0], plain["values"][:, 0])


def test_features_by_hand_and_missing_static_values_are_flagged() -> None:
    epochs = torch.tensor([[-2.0, 10.0, 2.0, 0.0, 0.85], [3.0, -10.0, 5.0, 1.0, 0.65], [7.0, 0.0, 1.0, 1.0, 0.45]])
    made = features(epochs, torch.tensor([2, 1]), 10.0)
    assert made[:, 0].tolist() == pytest.approx([-0.02, 0.03, 0.07])
    assert made[:, 1].tolist() == pytest.approx([0, np.log(6) / 3, 0])
    assert made[:, 2].tolist() == pytest.approx([np.arcsinh(1) / 3, -np.arcsinh(1) / 3, 0])
    assert made[:, 6].tolist() == pytest.approx([1, 0, -1], abs=1e-6)
    data = attached()
    batch = data.make_batch(data.source, np.arange(4), None, False)  # type: ignore[arg-type]
    assert batch["static"][:, 1].tolist() == [0, 1, 0, 1]
    assert (batch["static"][1::2, 0] == 0).all()
    with pytest.raises(UserError, match="windows"):
        CurveDataModule(windows=[0, 4])
