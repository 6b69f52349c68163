"""A folder of anybody's stamps: copies between its sets, or anywhere, with a verdict, tables and pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from astrid_ml.audit.audit import Audit
from astrid_ml.audit.copies import copies_in
from astrid_ml.audit.duplicates import DuplicateSearch
from astrid_ml.audit.symmetries import OTHERWISE, lie
from astrid_ml.cli.main import run
from astrid_ml.commands.audit import AuditCommand
from astrid_ml.commands.audited_folder import draw
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.stamp_folders.reader import StampFolder
from astrid_ml.splits.options import GroupSplit
from astrid_ml.types import Array


def field(n: int, seed: int) -> Array:
    """Stamps (n, 3, 31, 31) of noise and a source, whose channels differ."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:31, :31] - 15.0
    peak = 60 * np.exp(-(x**2 + y**2) / 8)
    stamps = random.normal(size=(n, 3, 31, 31)) + random.uniform(0.1, 1, (n, 1, 1, 1)) * peak
    out: Array = stamps.astype(np.float32)
    return out


def command(folder: Path, out: Path | None = None, mode: str = "fail") -> AuditCommand:
    audit = Audit(mode)  # type: ignore[arg-type]
    return AuditCommand(None, GroupSplit(), audit, None if out is None else str(out), str(folder), StampFolder())


def test_copies_made_before_a_random_split_are_called_that(tmp_path: Path) -> None:
    copies = [
        np.rot90(stamp, turn, (1, 2))[..., ::step] for stamp in field(60, 1) for turn in range(4) for step in (1, -1)
    ]
    shuffled = np.array(copies)[np.random.default_rng(2).permutation(len(copies))]
    folder = tmp_path / "theirs"
    folder.mkdir()
    np.save(folder / "x_train.npy", shuffled[:384])
    np.save(folder / "x_test.npy", shuffled[384:])
    said = command(folder, tmp_path / "out").run()
    assert said["verdict"].startswith("Leak: 96 of 96 test stamps are copies of training stamps (pairs: ")
    assert "mirrored" in said["verdict"] and "turned by quarters" in said["verdict"]
    assert "the copies were made before the split" in said["verdict"] and "altered" not in said["verdict"]
    assert said["stamps"] == "480 (384 train, 96 test)" and said["failed"] == 1
    assert command(folder, mode="warn").run()["failed"] == 0
    assert json.loads((tmp_path / "out" / "audit.json").read_text())["verdict"] == said["verdict"]
    pairs = pd.read_csv(tmp_path / "out" / "copies.csv")
    assert set(pairs["second"].str.partition("#")[0]) == {"x_test"} and pairs["correlation"].min() > 0.9
    assert (tmp_path / "out" / "copies.png").stat().st_size > 10_000


def test_without_sets_families_are_counted_and_what_a_random_split_would_do(tmp_path: Path) -> None:
    stamps = field(80, 3)
    copies = [np.roll(stamps[n], 2, axis=2) for n in range(20)] + [stamps[n][:, ::-1] for n in range(10)]
    np.savez(tmp_path / "images.npz", images=np.concatenate([stamps, copies]), labels=np.zeros(110))
    said = command(tmp_path, tmp_path / "out").run()
    assert said["verdict"].startswith("Copies: 50 of 110 stamps, in 20 families of up to 3 (pairs: ")
    crossing = (20 * 0.8 + 30 * 0.96) / 110  # of pairs, of families of three
    assert f"a copy of {crossing:.0%} of its test stamps" in said["verdict"]
    families = pd.read_csv(tmp_path / "out" / "families.csv")
    assert families["family"].nunique() == 80 and families["set"].isna().all()
    assert families["family"][0] == families["family"][80] == families["family"][100]


def test_clean_folders_are_called_clean(tmp_path: Path) -> None:
    for name, seed in (("train", 5), ("test", 6)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", field(80, seed))
    np.save(tmp_path / "test" / "blank.npy", np.ones((7, 3, 31, 31)))
    said = command(tmp_path, tmp_path / "out").run()
    assert said["verdict"].startswith("Clean: none of 87 test stamps is a copy of one of 80 stamps of training")
    assert "7 stamps say nothing" in said["verdict"] and said["failed"] == 0
    assert not (tmp_path / "out" / "copies.png").exists()


def test_one_channel_that_is_shared_and_groups_that_cross_are_told_apart(tmp_path: Path) -> None:
    train, test = field(70, 7), field(30, 8)
    test[:8, 1] = train[:8, 1]
    np.savez(tmp_path / "a.npz", images=np.concatenate([train, test]))
    rows = {"id": range(100), "group_id": [f"g{n % 95}" for n in range(100)], "set": ["train"] * 70 + ["test"] * 30}
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    said = command(tmp_path).run()
    assert "Leak: 8 of 30" in said["verdict"] and "8 the same pixels, in reference alone" in said["verdict"]
    assert said["shared group"].startswith("5 groups stand in training and test") and said["failed"] == 2


def test_stamps_of_two_sizes_and_of_one_channel_are_compared_and_drawn(tmp_path: Path) -> None:
    large = field(60, 10)[:, :1]
    np.save(tmp_path / "a_train.npy", large[:40])
    np.save(tmp_path / "b_test.npy", np.concatenate([large[:5], large[40:]])[:, :, 1:-1, 1:-1])
    source = StampFolder()([tmp_path])
    sides = [np.flatnonzero(source.index["set"] == name) for name in ("train", "test")]
    found = copies_in(source, DuplicateSearch(), *sides)
    assert sorted((pair.first, pair.second) for pair in found.pairs) == [(n, 40 + n) for n in range(5)]
    assert set(found.kinds) == {OTHERWISE}  # a crop
    draw(source, found, tmp_path / "pairs.png")
    assert (tmp_path / "pairs.png").stat().st_size > 5_000


def test_what_cannot_be_audited_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="got neither"):
        AuditCommand(None, GroupSplit(), Audit()).run()
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(UserError, match=f"write dataset={tmp_path}"):
        command(tmp_path).run()
    assert run(["audit", f"input={tmp_path / 'nothing'}"]) == 2
    assert "nothing at" in capsys.readouterr().err


def test_another_angle_is_no_symmetry() -> None:
    stamp = field(1, 9)[0]
    assert lie(stamp, ndimage.rotate(stamp, 37, (1, 2), reshape=False), [0, 1, 2]) == OTHERWISE
    assert lie(stamp, np.full_like(stamp, 3.0), [0]) == OTHERWISE
    assert lie(stamp, np.rot90(stamp, 1, (1, 2))[..., ::-1], [0, 1, 2]).startswith("mirrored and turned by")


def test_a_container_that_cannot_be_read_stands_in_the_record_and_is_no_clean_bill(tmp_path: Path) -> None:
    for name, seed in (("train", 5), ("test", 6)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", field(40, seed))
    (tmp_path / "test" / "b.npz").write_bytes(b"PK\x03\x04 cut short")
    said = command(tmp_path, tmp_path / "out").run()
    assert said["left_out"] == 1 == said["failed"]
    record = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert [file["source"] for file in record["left_out_files"]] == ["test/b.npz"] and record["left_out"] == 1
    assert record["left_out_files"][0]["reason"]
    assert command(tmp_path, mode="warn").run()["failed"] == 0
