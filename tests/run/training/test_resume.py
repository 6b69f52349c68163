"""A training that was stopped anywhere and carried on is, to the bit, the training that was never stopped."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from made.small import BATCH, SAMPLES, Small, StopHereError, fluxes, trained

from astrid_ml.run.training.fit import FitOutcome

EPOCHS, STEPS = 3, 5
PLACES = [
    *[("batch start", n) for n in range(1, EPOCHS * STEPS + 1)],
    *[("batch end", n) for n in range(1, EPOCHS * STEPS + 1)],
    *[(hook, n) for hook in ("validation", "epoch start", "epoch end") for n in range(1, EPOCHS + 1)],
    ("end", 1),
]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "averaged, accumulated": {"weight_averaging": 0.9, "accumulate_grad_batches": 2},
    "written every third batch, accumulated": {"checkpoint_steps": 3, "accumulate_grad_batches": 2},
    "written at the ends of epochs": {"checkpoint_steps": 0},
    "stops early": {"early_stopping": True, "patience": 1, "max_epochs": 9, "checkpoint_steps": 2},
}


def same(a: FitOutcome, b: FitOutcome) -> None:
    pd.testing.assert_frame_equal(a.history, b.history, check_exact=True)
    assert a.best_score == b.best_score
    assert a.state_dict.keys() == b.state_dict.keys()
    for name, value in a.state_dict.items():
        assert torch.equal(value, b.state_dict[name]), name


def last(folder: Path) -> dict[str, Any]:
    kept: dict[str, Any] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return kept


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Small, FitOutcome, Path]]:
    out = {}
    for kind, options in KINDS.items():
        folder, task = tmp_path_factory.mktemp("unbroken"), Small()
        out[kind] = (task, trained(folder, task, **options), folder)
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_stopped_anywhere_it_ends_the_same(
    kind: str, unbroken: dict[str, tuple[Small, FitOutcome, Path]], tmp_path: Path
) -> None:
    whole, expected, folder = unbroken[kind]
    for number, place in enumerate(PLACES[::2] if kind == "plain" else PLACES[1::6]):
        here = tmp_path / str(number)
        stopped = Small(place)
        with pytest.raises(StopHereError):
            trained(here, stopped, **KINDS[kind])
        resumed = Small()
        same(trained(here, resumed, **KINDS[kind]), expected)
        seen = dict.fromkeys(stopped.batches) | dict.fromkeys(resumed.batches)
        assert sorted(seen) == sorted(whole.batches), place
        if KINDS[kind].get("checkpoint_steps", 1) == 1 and place[0] == "batch end":
            # What was written is not trained again (with accumulation, whole steps of it).
            assert len(resumed.batches) <= len(whole.batches) - place[1] + KINDS[kind].get("accumulate_grad_batches", 1)
        a, b = last(here), last(folder)
        assert a["global_step"] == b["global_step"]
        for one, other in zip(
            a["optimizer_states"][0]["state"].values(), b["optimizer_states"][0]["state"].values(), strict=True
        ):
            assert torch.equal(one["exp_avg_sq"], other["exp_avg_sq"])
        assert a["lr_schedulers"] == b["lr_schedulers"]


def test_it_is_stopped_again_and_again(unbroken: dict[str, tuple[Small, FitOutcome, Path]], tmp_path: Path) -> None:
    options = KINDS["averaged, accumulated"]
    for _ in range(30):
        try:
            outcome = trained(tmp_path, Small(("batch start", 4)), **options)
            break
        except StopHereError:
            continue
    same(outcome, unbroken["averaged, accumulated"][1])


def test_workers_change_nothing(unbroken: dict[str, tuple[Small, FitOutcome, Path]], tmp_path: Path) -> None:
    same(trained(tmp_path / "whole", Small(), workers=2), unbroken["plain"][1])
    for place in (("batch start", 3), ("batch end", 8)):
        with pytest.raises(StopHereError):
            trained(tmp_path / place[0], Small(place), workers=2)
        same(trained(tmp_path / place[0], Small(), workers=2), unbroken["plain"][1])


def test_a_folder_that_moved_keeps_its_best(
    unbroken: dict[str, tuple[Small, FitOutcome, Path]], tmp_path: Path
) -> None:
    with pytest.raises(StopHereError):
        trained(tmp_path / "a", Small(("epoch end", 3)))
    shutil.move(tmp_path / "a", tmp_path / "b")
    same(trained(tmp_path / "b", Small()), unbroken["plain"][1])


@pytest.mark.parametrize("kind", ["plain", "averaged, accumulated", "stops early"])
def test_a_finished_training_is_not_trained_on(
    kind: str, unbroken: dict[str, tuple[Small, FitOutcome, Path]], tmp_path: Path
) -> None:
    _, expected, folder = unbroken[kind]
    again = Small()
    same(trained(folder, again, **KINDS[kind]), expected)
    assert again.batches == []


def test_each_epoch_has_an_order_of_its_own_and_each_sample_once() -> None:
    data = fluxes()
    epochs = [[name for batch in range(STEPS) for name in data.ids_of(epoch, batch)] for epoch in range(4)]
    assert all(sorted(names) == sorted(epochs[0]) for names in epochs)
    assert len({tuple(names) for names in epochs}) == 4
    assert len(set(epochs[0])) == SAMPLES - BATCH


def test_two_processes_share_an_epoch() -> None:
    data = fluxes()
    parts = [[name for batch in range(3) for name in data.ids_of(1, batch, rank, 2)] for rank in (0, 1)]
    assert len(parts[0]) == len(parts[1]) == 18
    assert not set(parts[0]) & set(parts[1])


def test_a_sample_is_drawn_the_same_in_any_batch() -> None:
    from astrid_ml.datamodules.order import Pick

    seen: list[Any] = []

    def watch(rows: Any, generator: Any) -> dict[str, torch.Tensor]:
        seen.append(generator.seeds)
        return {}

    dataset = fluxes()._dataset("train")
    dataset.make_batch = watch
    dataset.__getitems__([Pick(2, 7)])
    dataset.__getitems__([Pick(2, place) for place in (3, 7, 9)])
    assert seen[0][0] in seen[1]
    other = fluxes()._dataset("train")
    first = other.__getitems__([Pick(2, 7), Pick(2, 3)])["x"]
    assert torch.equal(first, other.__getitems__([Pick(2, 3), Pick(2, 7)])["x"])
    assert not torch.equal(first, other.__getitems__([Pick(3, 3), Pick(3, 7)])["x"])
