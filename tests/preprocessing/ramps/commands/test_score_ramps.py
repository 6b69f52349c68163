"""Exposures with truth are scored one by one, wherever; what was scored is not scored again."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.preprocessing.ramps.commands import score_exposure
from astrid_ml.preprocessing.ramps.commands.score_exposure import Scored, claims_of, scores_of
from astrid_ml.preprocessing.ramps.commands.score_ramps import ScoreRampsCommand
from astrid_ml.preprocessing.ramps.judge import methods
from astrid_ml.preprocessing.ramps.judge.truth import Truth
from astrid_ml.preprocessing.ramps.pipeline import RampsPipeline
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY, SNOWBALL
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps

SIMULATION = SimulateRamps(
    gain_library={"a": 1.5},
    n=3,
    num_baseline_exposures=0,
    image_shape=(40, 40),
    num_frames=12,
    exp_time=1200.0,
    cosmic_ray_per_exp_range=(20, 20),
    cosmic_ray_charge_range=(60.0, 3000.0),
    rtn_per_exp_range=(5, 5),
    snowballs_per_exp_range=(0, 0),
)
PRODUCTS = ("score.json", "completeness.png", "precision_recall.png")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ramps")
    SIMULATION.run(folder, 3)
    return folder


def score(raw: Path, out: Path, **settings: Any) -> dict[str, Any]:
    return ScoreRampsCommand(str(raw), str(out), replicates=5, **settings).run()


def products(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in PRODUCTS}


def test_processes_and_shards_score_what_one_process_does(raw: Path, tmp_path: Path) -> None:
    assert score(raw, tmp_path / "plain")["exposures"] == 3
    score(raw, tmp_path / "many", executor=Processes(2))
    score(raw, tmp_path / "shards", shard="2/2")
    with pytest.raises(UserError, match=r"2 of 3 .*run shard=1/2 again"):
        score(raw, tmp_path / "shards", shard="join")
    score(raw, tmp_path / "shards", shard="1/2")
    assert score(raw, tmp_path / "shards", shard="join")["failed"] == 0
    assert products(tmp_path / "plain") == products(tmp_path / "many") == products(tmp_path / "shards")


def test_a_second_scoring_does_what_is_missing(raw: Path, tmp_path: Path) -> None:
    score(raw, tmp_path)
    before = products(tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*.npz")}
    gone, damaged, sound = kept
    gone.unlink()
    damaged.write_bytes(bytes(damaged.stat().st_size))
    score(raw, tmp_path)
    assert products(tmp_path) == before
    assert sound.stat().st_mtime_ns == kept[sound] and damaged.stat().st_mtime_ns != kept[damaged]
    assert set((tmp_path / "parts").glob("*.npz")) == set(kept)


def test_what_is_kept_of_an_exposure_is_what_was_found(raw: Path, tmp_path: Path, monkeypatch: Any) -> None:
    found: list[Any] = []

    def watched(*given: Any) -> Any:
        found.append(methods.score_exposure(*given))
        return found[-1]

    monkeypatch.setattr("astrid_ml.preprocessing.ramps.commands.score_exposure.score_exposure", watched)
    score(sorted(raw.glob("*0.fits"))[0], tmp_path)
    [note] = (tmp_path / "parts").glob("*.json")
    said = json.loads(note.read_text())["result"]
    with np.load(claims_of(tmp_path, note.stem)) as arrays:
        again, (once, _) = scores_of(7, said, arrays), found[0]
    assert again.rays.equals(once.rays) and again.totals == once.totals and again.area == once.area
    for method, claim in once.claims.items():
        for name in ("scores", "label", "quiet"):
            ours, theirs = getattr(again.claims[method], name), getattr(claim, name)
            assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
        assert (again.claims[method].exposure == 7).all()
    joined = Scored()
    joined.add(said, claims_of(tmp_path, note.stem))
    assert len(joined.scores) == 1 and len(joined.slopes.clean) == 1 and joined.lists["likelihood"].summary()


def with_a_bad_one(raw: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in raw.iterdir():
        (folder / path.name).symlink_to(path)
    stem = sorted(raw.glob("*1.fits"))[0].stem
    (folder / f"{stem}.fits").unlink()
    (folder / f"{stem}.fits").write_bytes(b"SIMPLE  =                    T" + b" " * 3000)
    return folder


def test_an_exposure_that_cannot_be_read_is_named(raw: Path, tmp_path: Path) -> None:
    said = score(with_a_bad_one(raw, tmp_path / "raw"), tmp_path / "out")
    assert (said["exposures"], said["failed"]) == (2, 1)
    [failure] = json.loads((tmp_path / "out" / "score.json").read_text())["failed"]
    assert failure["file"].endswith("1.fits") and failure["reason"]
    with pytest.raises(UserError):
        score(Path(failure["file"]), tmp_path / "alone")


def truths(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Truths that are not those of their exposure, by what is said of them."""
    n = len(content["y"])
    return {
        "a map of 30 x 40 px beside an exposure of 40 x 40 px": {"mask": np.zeros((30, 40), np.uint8)},
        "steps whose y is outside the exposure's 40": {"y": np.where(np.arange(n) == 3, 40, content["y"])},
        "steps whose x is outside the exposure's 40": {"x": np.where(np.arange(n) == 3, -1, content["x"])},
        "steps whose group is outside the exposure's 12": {"group": content["group"] + 12},
        "charge that is not a number everywhere": {"charge": np.full(n, np.nan)},
        "y that is no whole number everywhere": {"y": content["y"] + 0.5},
        "columns of different lengths": {"type": content["type"][1:]},
        "a read_noise that is no number above 0": {"read_noise": np.float32(0)},
    }


def test_lists_of_events_are_looked_at_before_the_exposure(raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw, tmp_path / "raw")
    stem = sorted((tmp_path / "raw").glob("*1.fits"))[0].with_suffix("")
    listed = Path(f"{stem}_events.parquet")
    ball = {"type": SNOWBALL, "integration": 0, "group": 3, "y": 5.0, "x": 6.0, "radius": 4.0}
    ray = dict.fromkeys(ball, None) | {"type": COSMIC_RAY}
    for rows, words in (
        ([ball, ray], None),
        ([], None),
        ([{"type": COSMIC_RAY}], None),
        ([{name: ball[name] for name in ("type", "y", "x")}], "no column integration, group, radius"),
        ([ball | {"radius": None}], "radius that is not a number for each snowball"),
        ([ball | {"group": "late"}], "group that is not a number for each snowball"),
        ([ball | {"x": [1.0]}], "x that is not a number for each snowball"),
        ([ball | {"type": "ball"}], "type that is not a number for each event"),
    ):
        pd.DataFrame(rows).to_parquet(listed)
        if words is None:
            assert len(Truth.read(stem.with_suffix(".fits")).events) == len(rows)
            continue
        with pytest.raises(UserError, match=words):
            Truth.read(stem.with_suffix(".fits"))


def test_a_wrong_or_missing_truth_costs_its_own_exposure(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    shutil.copytree(raw, folder)
    stem = sorted(folder.glob("*1.fits"))[0].with_suffix("")
    truth = Path(f"{stem}_truth.npz")
    content = dict(np.load(truth))
    ramp = read_ramp(stem.with_suffix(".fits"), RampOptions())
    for words, change in truths(content).items():
        np.savez(truth, **(content | change))
        with pytest.raises(UserError, match=words):
            Truth.read(stem.with_suffix(".fits")).refuse_other_shape(ramp.shape)
        with pytest.raises(UserError, match=words):
            RampsPipeline(tile=32)._codes(truth, ramp, 0)
    truth.write_bytes(b"PK" + bytes(100))
    Path(f"{sorted(folder.glob('*0.fits'))[0].with_suffix('')}_truth.npz").unlink()
    said = score(folder, tmp_path / "out")
    assert (said["exposures"], said["failed"]) == (1, 2)
    missing, damaged = json.loads((tmp_path / "out" / "score.json").read_text())["failed"]
    assert "the truth of the exposure beside it" in missing["reason"] and missing["file"].endswith("0.fits")
    assert "damaged .npz" in damaged["reason"] and damaged["file"].endswith("1.fits")
    for path in folder.glob("*_truth.npz"):
        path.unlink()
    with pytest.raises(UserError, match="exposures with their truth beside them"):
        score(folder, tmp_path / "none")


def test_an_exposure_that_kills_its_process_is_refused_alone(raw: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("astrid_ml.preprocessing.ramps.commands.score_ramps.ScoreExposure", Fatal)
    said = score(raw, tmp_path, executor=Serial(Limits(retries=0)))
    assert (said["exposures"], said["failed"]) == (2, 1)
    [failure] = json.loads((tmp_path / "score.json").read_text())["failed"]
    assert "killed" in failure["reason"]


class Fatal(score_exposure.ScoreExposure):
    """Kills the process of one exposure."""

    def __call__(self, item: score_exposure.ExposureToScore) -> Any:
        if item.path.stem.endswith("1"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(item)
