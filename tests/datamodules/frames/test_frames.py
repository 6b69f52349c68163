"""Frames as batches: features of the training fold, ambiguous rows left out, negatives kept, imbalance met."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.datamodules.augment import Dihedral
from astrid_ml.datamodules.channels import Channels
from astrid_ml.datamodules.frame_channels import FrameChannels
from astrid_ml.datamodules.frame_cutouts import FrameStore
from astrid_ml.datamodules.frames import FrameDataModule
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.models.losses.binary import WeightedBCE
from astrid_ml.models.tasks.binary import RealBogusTask
from astrid_ml.pipeline.writer import MemorySource
from astrid_ml.report.contact_sheet import stamp_png
from astrid_ml.run.prediction.extremes import Extremes
from astrid_ml.splits.options import SkySplit


def module(**other: Any) -> FrameDataModule:
    given: dict[str, Any] = {"features": ["mag", "sharpness"], "batch_size": 32, **other}
    return FrameDataModule(FrameChannels(size=32), **given)


def folds_of(frames: PreparedDataset) -> pd.DataFrame:
    return SkySplit(order=6).plan(frames.index).rounds[0]


def attached(frames: PreparedDataset, **other: Any) -> FrameDataModule:
    data = module(**other)
    data.attach(frames, folds_of(frames), seed=1)
    return data


def test_a_batch_holds_centred_sources_labels_and_features(frames: PreparedDataset) -> None:
    data = attached(frames)
    rows = np.array([200, 3, 96], dtype=np.int64)
    batch = data.make_batch(frames, rows, None, train=False)
    assert batch["x"].shape == (3, 4, 32, 32)
    assert batch["x"].dtype == torch.float32
    assert batch["x"].is_contiguous(memory_format=torch.channels_last)
    assert batch["y"].tolist() == frames.index["label"].iloc[rows].astype(float).tolist()
    assert batch["features"].shape == (3, 4)
    one_by_one = [data.make_batch(frames, rows[k : k + 1], None, train=False) for k in range(3)]
    for name, value in batch.items():
        assert torch.equal(value, torch.cat([one[name] for one in one_by_one])), name


def test_every_source_is_brightest_in_the_middle_of_its_difference(frames: PreparedDataset) -> None:
    rows = np.flatnonzero(frames.index["label"].eq(1)).astype(np.int64)
    difference = attached(frames).make_batch(frames, rows, None, train=False)["x"][:, 2]
    box = difference[:, 15:18, 15:18].amax(dim=(1, 2))
    assert (frames.index["sign"].iloc[rows] == -1).any()
    # A neighbour may be brighter, noise may not: in the middle nine pixels a source of 30 sigma stands.
    assert (box > difference.flatten(1).median(dim=1).values + 2).all()


def test_features_are_standardised_on_the_training_fold_only(frames: PreparedDataset) -> None:
    data = attached(frames)
    train = frames.index.iloc[data.rows["train"]]
    assert data.statistics["mean"] == pytest.approx([train["mag"].mean(), train["sharpness"].mean()])
    assert data.statistics["mean"] != pytest.approx([frames.index["mag"].mean(), frames.index["sharpness"].mean()])
    missing = np.flatnonzero(frames.index["mag"].isna()).astype(np.int64)
    table = data.make_batch(frames, missing, None, train=False)["features"]
    assert (table[:, 0] == 0).all()
    assert (table[:, 2] == 1).all()
    assert (table[:, 3] == 0).all()


def test_ambiguous_rows_neither_train_nor_count(frames: PreparedDataset) -> None:
    data = attached(frames)
    used = np.concatenate(list(data.rows.values()))
    assert not frames.index["ambiguous"].iloc[used].any()
    assert len(used) == len(frames.index) - int(frames.index["ambiguous"].sum())
    nullable = frames.index.assign(
        ambiguous=pd.array([None, True] + [False] * (len(frames.index) - 2), dtype="boolean")
    )
    assert data.usable(nullable).sum() == len(frames.index) - 1
    assert data.usable(frames.index.drop(columns="ambiguous")).all()


@pytest.mark.parametrize("balance", ["oversample", "undersample"])
def test_imbalance_is_met_in_training_and_no_test_bogus_is_dropped(frames: PreparedDataset, balance: str) -> None:
    plain, balanced = attached(frames), attached(frames, balance=balance, undersample_ratio=1.0)
    labels = frames.index["label"].to_numpy(dtype=int)
    assert np.bincount(labels[plain.rows["train"]])[0] > 2 * np.bincount(labels[plain.rows["train"]])[1]
    assert np.ptp(np.bincount(labels[balanced.rows["train"]])) == 0
    for fold in ("val", "test"):
        assert np.array_equal(plain.rows[fold], balanced.rows[fold])
        wanted = folds_of(frames).set_index("id")["fold"].eq(fold).reindex(frames.index["id"]).to_numpy()
        bogus = wanted & (labels == 0) & ~frames.index["ambiguous"].to_numpy()
        assert set(np.flatnonzero(bogus)) <= set(plain.rows[fold].tolist())


def test_the_loss_weighs_the_rare_class_by_the_training_fold(frames: PreparedDataset) -> None:
    data = attached(frames)
    loss = WeightedBCE("balanced")
    RealBogusTask(torch.nn.Identity(), loss).prepare_for(data)
    counts = np.bincount(frames.index["label"].to_numpy(dtype=int)[data.rows["train"]])
    assert float(loss.weight) == pytest.approx(counts[0] / counts[1])


def test_augmentation_turns_training_images_only(frames: PreparedDataset) -> None:
    data = attached(frames, augment=Dihedral())
    rows = data.rows["train"][:16]
    plain = data.make_batch(frames, rows, torch.Generator().manual_seed(1), train=False)["x"]
    turned = data.make_batch(frames, rows, torch.Generator().manual_seed(1), train=True)["x"]
    assert not torch.equal(plain, turned)
    torch.testing.assert_close(plain.sum(dim=(2, 3)), turned.sum(dim=(2, 3)), atol=1e-2, rtol=1e-4)


def test_what_the_scale_clips_is_in_the_statistics(frames: PreparedDataset) -> None:
    lost = attached(frames).statistics["clipped"]
    assert lost["scorr"] == {"pixels": 0.0, "centres": 0.0}
    zscaled = FrameDataModule(FrameChannels(size=32, scaling="zscale"), features=[])
    zscaled.attach(frames, folds_of(frames))
    lost = zscaled.statistics["clipped"]
    assert lost["scorr"]["pixels"] == pytest.approx(0.04, abs=0.02)  # the limits are the 2 and 98 % quantiles
    assert lost["scorr"]["centres"] > 0.95
    ((title, table),) = zscaled.report_tables().items()
    assert "zscale" in title
    assert table.set_index("channel").loc["scorr", "central pixels clipped"] == lost["scorr"]["centres"]
    assert "features" not in zscaled.make_batch(frames, np.array([0], dtype=np.int64), None, train=False)


def test_one_jobs_frame_in_memory_gives_the_same_batch(frames: PreparedDataset) -> None:
    data = attached(frames)
    job = frames.index[frames.index["jid"] == "jid3"]
    frame = np.load(frames.path / "images" / "jid3.npy")
    index = job.assign(array="memory-0", row=0).reset_index(drop=True)
    source = MemorySource(index.drop(columns="label"), {"memory-0": {"frame": frame[None]}}, {"description": {}})
    ((rows, batch),) = data.batches(source)
    expected = data.make_batch(frames, job.index.to_numpy(dtype=np.int64), None, train=False)
    assert torch.equal(batch["x"], expected["x"])
    assert torch.equal(batch["features"], expected["features"])
    assert batch["y"].isnan().all()
    assert len(rows) == len(job)


@pytest.mark.parametrize(("kept", "wanted"), [(48, 32), (32, 32), (16, 32), (33, 32)])
def test_where_only_stamps_were_kept_they_serve_alike(frames: PreparedDataset, kept: int, wanted: int) -> None:
    rows = np.arange(40, dtype=np.int64)
    stamps = FrameStore(frames).cutouts(rows, kept).transpose(0, 3, 1, 2)
    index = frames.index.iloc[rows].drop(columns="image").assign(array="s", row=rows)
    source = MemorySource(index, {"s": {"stamps": stamps}}, {})
    data = FrameDataModule(FrameChannels(size=wanted, scaling="none"), features=[])
    made = data.make_batch(source, rows[::-1].copy(), None, train=False)["x"]
    expected = data.make_batch(frames, rows[::-1].copy(), None, train=False)["x"]
    inner = min(kept, wanted) // 2
    part = slice(wanted // 2 - inner, wanted // 2 + inner)
    assert torch.equal(made[..., part, part], expected[..., part, part])
    assert made.shape == expected.shape


def test_pictures_are_drawn_from_the_raw_frame(frames: PreparedDataset) -> None:
    drawn = module().draw(frames, np.array([0, 5]))
    assert [png[:4] for png in drawn] == [b"\x89PNG"] * 2
    assert drawn[0] != drawn[1]
    scored = frames.index[["id"]].assign(score=np.linspace(0, 1, len(frames.index)))
    extremes = Extremes(keep=3)
    extremes.offer(scored, frames, module())
    kept = extremes.held["surely real"]
    assert [candidate.id for candidate in kept] == scored["id"].iloc[[-1, -2, -3]].tolist()
    last = frames.index.iloc[-1]
    frame = np.load(frames.path / last["image"])
    centre = frame[int(last["y"] + 0.5), int(last["x"] + 0.5)]
    raw = FrameStore(frames).cutouts(np.array([len(frames.index) - 1]), 32)[0]
    assert raw[16, 16].tolist() == centre.tolist()
    assert kept[0].png == stamp_png(raw.transpose(2, 0, 1))


def test_channels_of_stamps_are_refused() -> None:
    with pytest.raises(UserError, match="frames_asinh"):
        FrameDataModule(Channels())  # type: ignore[arg-type]
