"""The reference's layout: every channel of a frame scaled by its own limits, a pixel without data as a flux of 0."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.roman.export import export_zscale
from astrid_ml.preprocessing.roman.job.frames import CHANNELS


def test_every_frame_is_scaled_by_its_own_limits_and_the_table_is_copied(
    prepared: PreparedDataset, tmp_path: Path
) -> None:
    assert export_zscale(prepared, tmp_path / "out") == {"output_dir": str(tmp_path / "out"), "images": 4}
    index, lost = prepared.index.drop_duplicates("image"), 0
    for row in index.to_dict("records"):
        raw, scaled = (np.load(folder / row["image"]) for folder in (prepared.path, tmp_path / "out"))
        assert (scaled.shape, scaled.dtype) == (raw.shape, np.float32)
        for i, name in enumerate(CHANNELS):
            low, high = row[f"zscale_low_{name}"], row[f"zscale_high_{name}"]
            known = np.isfinite(raw[..., i])
            expected = np.clip((raw[..., i].astype(float) - low) / (high - low), 0, 1)
            np.testing.assert_allclose(scaled[..., i][known], expected[known], atol=1e-5)
            # the grey of a flux of 0
            np.testing.assert_allclose(scaled[..., i][~known], np.clip(-low / (high - low), 0, 1), atol=1e-5)
            lost += int((~known).sum())
    assert lost > 0
    name = "master_index.csv"
    assert (tmp_path / "out" / name).read_bytes() == (prepared.path / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["images", name]


@pytest.fixture
def copied(prepared: PreparedDataset, tmp_path: Path) -> PreparedDataset:
    """A dataset that a test may change."""
    return PreparedDataset(Path(shutil.copytree(prepared.path, tmp_path / "dataset")))


def test_a_constant_channel_is_black_and_no_division_by_nothing(copied: PreparedDataset, tmp_path: Path) -> None:
    row = copied.index.iloc[0]
    frame = np.load(copied.path / row["image"])
    frame[..., 1] = row["zscale_low_reference"]
    np.save(copied.path / row["image"], frame)
    copied.index.loc[copied.index["image"] == row["image"], "zscale_high_reference"] = row["zscale_low_reference"]
    export_zscale(copied, tmp_path / "out")
    assert (np.load(tmp_path / "out" / row["image"])[..., 1] == 0).all()


def test_a_dataset_is_not_written_over_itself(prepared: PreparedDataset, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(prepared.path)
    with pytest.raises(UserError, match="give another folder"):
        export_zscale(prepared, tmp_path / "link")


def test_a_dataset_without_frames_is_refused(copied: PreparedDataset, tmp_path: Path) -> None:
    (copied.path / "master_index.csv").unlink()
    with pytest.raises(UserError, match=r"images\.keep=frames"):
        export_zscale(copied, tmp_path / "out")
    assert not (tmp_path / "out").exists()
