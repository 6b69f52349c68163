"""Windows, augmentation and static features of light-curve batches, against plain loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.datamodules.curve_features import ask
from astrid_ml.datamodules.curves import CurveDataModule
from astrid_ml.datamodules.draws import each
from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.curves.hosts import distance_modulus
from astrid_ml.preprocessing.lightcurves.features.periodogram import Periodogram
from astrid_ml.preprocessing.lightcurves.features.table import CurveFeatures
from astrid_ml.preprocessing.lightcurves.select.augment import Augmentation, augment

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
    # New files: one row an object with all its epochs, as old as the last one.
    assert torch.equal(batch["days"], batch["elapsed"]) and torch.equal(batch["seen_days"], batch["elapsed"])


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
    data = attached(extra_queries=4, augmentation=Augmentation(noise=1.0, dimming=1.0))
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
    whole = data.batch_at(data.source, rows, [np.inf], torch.Generator().manual_seed(3))
    own = [np.random.default_rng(seed) for seed in each(len(rows), torch.Generator().manual_seed(3))]
    flat, offsets = data.source.ragged("epochs", rows)
    made = augment(flat, offsets, own, data.augmentation)
    epochs, lengths = torch.from_numpy(made.values), torch.from_numpy(np.diff(made.offsets))
    assert torch.equal(whole["lengths"], ask(epochs, lengths, torch.tensor([torch.inf]))[0][:, 0])
    errors = [epochs[start : start + n, 2] for start, n in zip(made.offsets, whole["lengths"].tolist(), strict=False)]
    assert torch.allclose(whole["values"][:, 4], torch.log10(torch.cat(errors)) - 1)


def test_what_is_known_of_a_moved_objects_host_is_masked_and_its_redshift_follows() -> None:
    made = source()
    made.index["HOSTGAL_PHOTOZ"] = np.where(np.arange(60) % 3 > 0, 0.2, np.nan)
    made.index["HOSTGAL_MAG_r"] = 20.0
    data = CurveDataModule(
        static=["HOSTGAL_PHOTOZ", "HOSTGAL_MAG_r"],
        redshift=["HOSTGAL_PHOTOZ"],
        augmentation=Augmentation(redshift=0.5, detect_snr=0.0, wavelengths=(0.1, 3.0)),
    )
    data.attach(made, pd.DataFrame({"id": made.index["id"], "fold": "train"}))
    rows = data.rows["train"]
    batch = data.batch_at(made, rows, [np.inf], torch.Generator().manual_seed(0))
    known = np.arange(60)[rows] % 3 > 0
    assert (batch["static"][:, 3] == torch.from_numpy(known).float()).all()  # the host's magnitude is missing
    owner = torch.repeat_interleave(torch.arange(len(rows)), batch["lengths"])
    stretch = torch.exp(batch["values"][:, 7] - batch["values"][:, 16])  # observed over rest wavelength
    moved = stretch[torch.from_numpy(known)[owner]]
    assert (moved >= 1.2 - 1e-5).all() and (moved <= 1.8 + 1e-5).all() and float(moved.std()) > 0.1
    # micrometres at rest: whoever moves an object takes its wavelengths along
    rest = torch.exp(batch["values"][:, 16])[torch.from_numpy(known)[owner]]
    assert rest == pytest.approx(torch.full_like(rest, 0.62 / 1.2), rel=1e-4)


def test_the_first_known_redshift_counts() -> None:
    data = CurveDataModule(redshift=["a", "b"])
    index = pd.DataFrame({"a": [0.1, np.nan, -9.0, np.nan], "b": [0.5, 0.4, 7.0, 999.0]})
    z = data.best_redshift(index)
    assert z[:3].tolist() == [0.1, 0.4, 7.0] and np.isnan(z[3])
    assert np.isfinite(distance_modulus(z[:3])).all()
    with pytest.raises(UserError, match="redshfit"):
        CurveDataModule(redshift=["a", "redshfit"]).best_redshift(index)


def test_missing_static_values_are_flagged() -> None:
    data = attached(log_static=["MWEBV"])
    batch = data.make_batch(data.source, np.arange(4), None, False)  # type: ignore[arg-type]
    assert batch["static"][:, 1].tolist() == [0, 1, 0, 1]
    assert (batch["static"][1::2, 0] == 0).all()
    with pytest.raises(UserError, match="windows"):
        CurveDataModule(windows=[0, 4])


def test_features_of_a_batch_are_those_of_what_each_question_sees() -> None:
    made = CurveFeatures(periodogram=Periodogram())
    data = attached(windows=[4, 64, 1024], curve_features=made)
    rows = data.rows["test"]
    (_, batch), *_ = data.batches(data.source, rows)  # type: ignore[arg-type]
    assert batch["features"].shape == (len(rows), 3, 2 * len(made.names))
    plain = data.features_at(data.source, rows)  # type: ignore[arg-type]
    known = np.isfinite(plain)
    half = len(made.names)
    assert np.array_equal(batch["features"][..., half:].numpy() == 0, known)
    scale = data.statistics["curve_features"]
    expected = np.clip((plain - np.array(scale["mean"])) / np.array(scale["std"]), -10, 10)
    np.testing.assert_allclose(batch["features"][..., :half].numpy()[known], expected[known], atol=1e-4)
    train = data.features_at(data.source, data.rows["train"])[..., made.names.index("mean@r")]  # type: ignore[arg-type]
    assert scale["mean"][made.names.index("mean@r")] == pytest.approx(float(np.nanmean(train)), rel=1e-5)
