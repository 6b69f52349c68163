"""A source is on the central pixel of its cutout wherever it lies; only pixels of the frame are copied."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from astrid_ml.datamodules.frame_cutouts import FrameStore, cut_frame, nearest_pixel
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemorySource

HEIGHT, WIDTH = 90, 110


def numbered(height: int = HEIGHT, width: int = WIDTH) -> Any:
    """Each pixel holds its own row and column, so a cutout tells where it comes from."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, rows * width + columns, rows - columns], axis=2).astype(np.float32)


def by_padding(frame: Any, x: int, y: int, size: int) -> Any:
    """The same by numpy's own padding of the whole frame."""
    padded = np.pad(frame, ((size, size), (size, size), (0, 0)), constant_values=np.nan)
    top, left = y + size - size // 2, x + size - size // 2
    return padded[top : top + size, left : left + size]


@pytest.mark.parametrize("size", [64, 63, 1, 7])
@pytest.mark.parametrize("x", [0, 1, 31, 55, WIDTH - 32, WIDTH - 1])
@pytest.mark.parametrize("y", [0, 45, HEIGHT - 33, HEIGHT - 1])
def test_a_source_in_each_corner_and_on_each_edge_is_centred(size: int, x: int, y: int) -> None:
    frame = numbered()
    out = np.empty((1, size, size, 4), dtype=np.float32)
    cut_frame(frame, np.array([x]), np.array([y]), out)
    assert out[0, size // 2, size // 2].tolist() == frame[y, x].tolist()
    np.testing.assert_array_equal(out[0], by_padding(frame, x, y, size))


def test_a_frame_smaller_than_the_cutout_is_padded_on_all_sides() -> None:
    frame = numbered(20, 30)
    out = np.empty((1, 64, 64, 4), dtype=np.float32)
    cut_frame(frame, np.array([29]), np.array([0]), out)
    np.testing.assert_array_equal(out[0], by_padding(frame, 29, 0, 64))
    assert np.isfinite(out).sum() == 20 * 30 * 4


def test_a_position_far_outside_has_no_data() -> None:
    out = np.empty((2, 8, 8, 4), dtype=np.float32)
    cut_frame(numbered(), np.array([-500, 40]), np.array([40, 9000]), out)
    assert np.isnan(out).all()


def test_half_pixels_go_up() -> None:
    assert nearest_pixel(np.array([0.49, 0.5, 1.5, -0.5, -0.51])).tolist() == [0, 1, 2, 0, -1]


def test_a_mixed_batch_keeps_its_order(frames: PreparedDataset) -> None:
    store = FrameStore(frames)
    rows = np.random.default_rng(0).permutation(len(frames.index))[:100].astype(np.int64)
    made = store.cutouts(rows, 15)
    for place, row in enumerate(rows):
        record = frames.index.iloc[row]
        frame = np.load(frames.path / record["image"])
        expected = by_padding(frame, int(np.floor(record["x"] + 0.5)), int(np.floor(record["y"] + 0.5)), 15)
        np.testing.assert_array_equal(made[place], expected)
    np.testing.assert_array_equal(store.cutouts(np.sort(rows), 15), made[np.argsort(rows)])


def test_frames_in_memory_give_the_same_cutouts(frames: PreparedDataset) -> None:
    first = frames.index[frames.index["jid"] == "jid0"].reset_index(drop=True)
    frame = np.load(frames.path / "images" / "jid0.npy")
    memory = MemorySource(first.assign(array="memory-0", row=0), {"memory-0": {"frame": frame[None]}}, {})
    rows = np.arange(len(first), dtype=np.int64)
    np.testing.assert_array_equal(FrameStore(memory).cutouts(rows, 33), FrameStore(frames).cutouts(rows, 33))


def test_frames_are_mapped_not_read(frames: PreparedDataset) -> None:
    store = FrameStore(frames)
    store.cutouts(np.array([0, 1, 2], dtype=np.int64), 9)
    assert isinstance(store.frame(0), np.memmap)
    assert len(store._open) == 1


def test_what_is_missing_is_named(frames: PreparedDataset, tmp_path: Path) -> None:
    source = copy.copy(frames)
    source.path = tmp_path
    rows = np.array([0], dtype=np.int64)
    with pytest.raises(UserError, match="jid0"):
        FrameStore(source).cutouts(rows, 9)
    source.index = frames.index.drop(columns="x")
    with pytest.raises(UserError, match="no x"):
        FrameStore(source)
    source.index = frames.index.assign(y=lambda table: table["y"].where(table.index != 5))
    with pytest.raises(UserError, match="jid0_5"):
        FrameStore(source)
    (tmp_path / "images").mkdir()
    np.save(tmp_path / "images" / "jid0.npy", np.zeros((5, 5)))
    source.index = frames.index
    with pytest.raises(UserError, match=r"\(5, 5\)"):
        FrameStore(source).cutouts(rows, 9)
    np.save(tmp_path / "images" / "jid0.npy", np.zeros((50, 50, 3)))
    np.save(tmp_path / "images" / "jid1.npy", np.zeros((50, 50, 4)))
    with pytest.raises(UserError, match="number of channels"):
        FrameStore(source).cutouts(np.array([0, 24], dtype=np.int64), 9)


def test_the_index_may_be_a_part_of_the_dataset(frames: PreparedDataset) -> None:
    source = copy.copy(frames)
    source.index = frames.index.iloc[30:60].reset_index(drop=True)
    part = FrameStore(source).cutouts(np.arange(30, dtype=np.int64), 11)
    np.testing.assert_array_equal(part, FrameStore(frames).cutouts(np.arange(30, 60, dtype=np.int64), 11))
