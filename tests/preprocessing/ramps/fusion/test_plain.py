"""The fusion that comes with the package."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import astrid_ml.shipped as shelf
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.fusion.fusion import fused_probabilities
from astrid_ml.preprocessing.ramps.fusion.plain import PlainFusion, plain_fusion
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.shipped import cards, shipped


def ramp(n_groups: int, reads: int = 1, seed: int = 0) -> Ramp:
    """Sky of 1 e-/s and read noise of 8 e-; a bright ray over three pixels, a faint one beside a bright one."""
    random = np.random.default_rng(seed)
    data = np.cumsum(random.poisson(10.0, (n_groups, 48, 48)), axis=0) + random.normal(0, 8.0, (n_groups, 48, 48))
    data[n_groups // 2 :, 20, 20:23] += 120.0
    data[n_groups // 2 :, 21, 23] += 40.0
    data[n_groups // 2 :, 40, 40] += 40.0
    times = np.arange(n_groups * reads).reshape(n_groups, reads) * 10.0 / reads + 10.0
    return Ramp(
        data=data[None].astype(np.float32),
        sampling=ReadTimes(tuple(tuple(map(float, group)) for group in times)),
        unit="e-",
        gain=1.0,
        read_noise=8.0,
    )


@pytest.fixture(scope="module")
def plain() -> PlainFusion:
    found = plain_fusion("shipped")
    assert found is not None
    return found


def test_rays_stay_and_the_faint_one_beside_a_bright_one_is_believed_more(plain: PlainFusion, tmp_path: Path) -> None:
    processed = process(Exposure(ramp(10)), tmp_path / "cube.npy")
    jumps = plain.refine(processed, np.load(tmp_path / "cube.npy")).jumps
    found = {
        (int(y), int(x)): (int(kind), float(probability))
        for y, x, kind, probability in zip(jumps.y, jumps.x, jumps.type, jumps.probability, strict=True)
    }
    for x in (20, 21, 22):
        kind, probability = found[20, x]
        assert kind == COSMIC_RAY
        assert probability > 0.99
    assert found[21, 23][1] > found.get((40, 40), (0, 0.0))[1]


def test_thresholds_follow_the_length(plain: PlainFusion) -> None:
    lengths = [3, 5, 11, 31, 141]
    levels = [plain.of(ramp(n)).threshold for n in lengths]
    known = dict(plain.thresholds)
    assert levels[0] == pytest.approx(known[3.0])
    assert min(known.values()) <= min(levels) and max(levels) <= max(known.values())


def test_ramps_unlike_all_that_were_fitted_are_named(plain: PlainFusion) -> None:
    assert plain.outside(ramp(10)) is None
    said = plain.outside(ramp(6, reads=20))
    assert said == f"20 reads in a group, fitted on {plain.reads[0]} to {plain.reads[1]}"


def test_the_file_is_the_one_of_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shipped("ramps_fusion").card["bytes"] < 10_000
    with pytest.raises(UserError, match="ramps_fusion"):
        shipped("ramps_fusoin")
    wrong = {name: card | {"sha256": "0" * 64} for name, card in cards().items()}
    read = shelf._bytes
    monkeypatch.setattr(shelf, "_bytes", lambda name: json.dumps(wrong).encode() if name == shelf.CARDS else read(name))
    with pytest.raises(UserError, match="digest of its card"):
        shipped("ramps_fusion")


def test_weights_of_a_file(plain: PlainFusion, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(replace(plain, groups=(3, 9)).to_plain()), encoding="utf-8")
    again = plain_fusion(str(path))
    assert again is not None
    assert again.outside(ramp(10)) == "10 groups, fitted on 3 to 9"
    table = process(Exposure(ramp(10)), tmp_path / "cube.npy")
    assert len(again.refine(table, np.load(tmp_path / "cube.npy")).jumps)
    assert plain_fusion("none") is None
    for wrong in ("nowhere.json", str(tmp_path)):
        with pytest.raises(UserError, match=r"preprocessing\.fusion"):
            plain_fusion(wrong)


def test_nothing_is_claimed_of_pixels_without_candidates(plain: PlainFusion, tmp_path: Path) -> None:
    quiet = ramp(20, seed=3)
    data = np.array(quiet.data)
    data[:] = np.cumsum(np.full(data.shape, 10.0), axis=1)
    processed = process(Exposure(replace(quiet, data=data)), tmp_path / "cube.npy")
    found = plain.refine(processed, np.load(tmp_path / "cube.npy"))
    assert found.jumps.empty
    assert fused_probabilities(plain.fusion, found.jumps.assign(listed=False), 3.5).shape == (0, 4)


def damaged(content: dict[str, Any], seed: int) -> Any:
    """A value somewhere within, replaced by another kind of thing, or gone."""
    random = np.random.default_rng(seed)
    inside: Any = content
    while True:
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        key = keys[int(random.integers(len(keys)))]
        if not isinstance(inside[key], dict | list) or not inside[key] or random.random() < 0.2:
            break
        inside = inside[key]
    wrong: list[Any] = [None, "x", [], {}, float("nan"), -1, [[1]], True, 1e400]
    if random.random() < 0.3:
        del inside[key]
    else:
        inside[key] = wrong[int(random.integers(len(wrong)))]
    return content


@pytest.mark.parametrize("seed", range(60))
def test_damaged_weights_are_refused_or_work(plain: PlainFusion, seed: int, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(damaged(plain.to_plain(), seed)), encoding="utf-8")
    try:
        found = plain_fusion(str(path))
    except UserError:
        return
    assert found is not None
    assert np.isfinite(found.fusion.weights).all() and np.isfinite(found.of(ramp(10)).threshold)


@pytest.mark.parametrize("text", ["", "[]", "3", '{"fusion": 3}', "[" * 9000, '{"a": 1, "a": 2}'])
def test_no_weights_at_all(text: str, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"preprocessing\.fusion"):
        plain_fusion(str(path))
