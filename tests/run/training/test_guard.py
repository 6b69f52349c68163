"""What goes wrong in a training ends in three parts, keeps nothing that is broken, and can be typed again."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from made.small import Small, StopHereError, fluxes, trained
from pytorch_lightning import Callback

from astrid_ml.errors import UserError
from astrid_ml.interrupts import STOPPING, asked
from astrid_ml.run.training.guard import ended_by_signal, explained, refuse_broken
from astrid_ml.run.training.keep import Choice, Pace
from astrid_ml.run.training.steady import Reseed
from astrid_ml.run.training.stop import Stop


def test_a_sample_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        trained(tmp_path, Small(), data=fluxes(broken=5))
    assert "x of s5" in caught.value.got
    assert "epoch 0, batch" in caught.value.got
    assert "repair or leave out" in caught.value.fix
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()
    trained(tmp_path, Small())


class Exploding(Small):  # type: ignore[misc]  # made by tests, seen as Any
    """Its loss is infinite from a step on."""

    def __init__(self, at: tuple[int, int], lr: float = 0.05) -> None:
        super().__init__(lr=lr)
        self.at = at

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(batch, batch_idx)
        return loss / 0.0 if (self.current_epoch, batch_idx) == self.at else loss


@pytest.mark.parametrize("at", [(0, 0), (1, 3), (2, 4)])
def test_a_loss_that_is_not_finite_names_its_batch_and_the_next_run_begins_anew(
    at: tuple[int, int], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        trained(tmp_path, Exploding(at))
    names = ", ".join(fluxes().ids_of(*at))
    assert f"inf in epoch {at[0]}, batch {at[1]}, samples {names}" in caught.value.got
    assert "optimizer.lr" in caught.value.fix
    for path in tmp_path.rglob("*.ckpt"):
        kept = torch.load(path, weights_only=True)
        refuse_broken(kept["state_dict"], 0)
    assert not list(tmp_path.rglob("last.ckpt"))
    again = Small()
    trained(tmp_path, again)
    assert again.batches[0][:2] == (0, 0)


def test_weights_that_explode_are_never_kept(tmp_path: Path) -> None:
    class Broken(Small):  # type: ignore[misc]  # made by tests, seen as Any
        def on_train_batch_end(self, *_: Any) -> None:
            if self.current_epoch == 1:
                next(self.network.parameters()).data.fill_(torch.inf)

    with pytest.raises(UserError, match=r"weights that are finite numbers; got epoch 1: network\.0\.weight"):
        trained(tmp_path, Broken())
    assert not list(tmp_path.rglob("last.ckpt"))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("DataLoader worker (pid 123) is killed by signal: Killed. "),
    ],
)
def test_too_little_memory_says_which_batch_size_and_carries_on(error: Exception, tmp_path: Path) -> None:
    class Large(Small):  # type: ignore[misc]  # made by tests, seen as Any
        def on_before_optimizer_step(self, *_: Any) -> None:
            if self.current_epoch == 1:
                raise error

    with pytest.raises(UserError) as caught:
        trained(tmp_path, Large())
    assert "epoch 1, batch 0, with datamodule.batch_size=8" in caught.value.got
    assert "datamodule.batch_size=4" in caught.value.fix
    resumed = Small()
    trained(tmp_path, resumed)
    assert resumed.batches[0][:2] == (1, 0)


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("PytorchStreamWriter failed writing file data/3")],
)
def test_a_full_disk_leaves_the_checkpoint_before(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = torch.save, [0]

    def full(value: Any, stream: BinaryIO) -> None:
        calls[0] += 1
        if calls[0] == 4:
            stream.write(b"half")
            raise error
        real(value, stream)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UserError, match="free space"):
        trained(tmp_path, Small())
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]
    resumed = Small()
    trained(tmp_path, resumed)
    assert resumed.batches[0][:2] == (0, 3)


def test_a_mistake_of_the_program_stays_one(tmp_path: Path) -> None:
    assert explained(ValueError("x"), None, (0, 0)) is None
    assert explained(OSError(errno.EACCES, "no"), None, (0, 0)) is None
    with pytest.raises(StopHereError):
        trained(tmp_path, Small(("optimizer", 2)))
    with pytest.raises(UserError, match="checkpoint_minutes"):
        Pace(minutes=-1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("hook", ["on_train_batch_start", "on_validation_start", "on_before_optimizer_step"])
def test_a_signal_ends_it_once_and_it_carries_on(
    number: signal.Signals, workers: int, hook: str, tmp_path: Path
) -> None:
    task, before = Small(), [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]

    def kill(*_: Any) -> None:
        if task.current_epoch == 1:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)

    setattr(task, hook, kill)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, task, workers=workers)
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]
    resumed = Small()
    trained(tmp_path, resumed)
    assert resumed.batches[0][0] == 1


def test_a_signal_inside_a_checkpoints_writing_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = torch.save, [0]

    def stopped(value: Any, stream: BinaryIO) -> None:
        calls[0] += 1
        if calls[0] == 3:
            stream.write(b"half")
            os.kill(os.getpid(), signal.SIGTERM)
        real(value, stream)

    monkeypatch.setattr(torch, "save", stopped)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, Small())
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2


def test_a_worker_that_the_same_signal_has_ended_is_no_error() -> None:
    assert ended_by_signal(RuntimeError("DataLoader worker (pid 7) is killed by signal: Terminated. "))
    assert not ended_by_signal(RuntimeError("DataLoader worker (pid 7) is killed by signal: Segmentation fault. "))
    assert not asked()


class Deaf(Small):  # type: ignore[misc]  # made by tests, seen as Any
    """Puts a handler in between, as Lightning does, and is then stopped."""

    def on_fit_start(self) -> None:
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal was not heard")


def test_no_other_handler_stands_in_between_while_a_training_runs(tmp_path: Path) -> None:
    assert issubclass(Stop, Callback)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, Deaf())


def test_another_training_cannot_be_carried_on(tmp_path: Path) -> None:
    from made.small import CALLBACKS, TRAINER

    from astrid_ml.run.training.fit import fit

    last = tmp_path / "checkpoints" / "last.ckpt"
    fit(Small(), fluxes(), TRAINER, CALLBACKS, [], tmp_path, 5, "one")
    with pytest.raises(UserError, match="others"):
        fit(Small(), fluxes(), TRAINER, CALLBACKS, [], tmp_path, 5, "two")
    last.write_bytes(b"half")
    with pytest.raises(UserError, match=r"a whole last\.ckpt"):
        fit(Small(), fluxes(), TRAINER, CALLBACKS, [], tmp_path, 5, "one")
    torch.save({"callbacks": {}}, last)
    with pytest.raises(UserError, match="of this version"):
        fit(Small(), fluxes(), TRAINER, CALLBACKS, [], tmp_path, 5, "one")


def test_better_is_what_the_mode_says_and_undefined_beats_nothing() -> None:
    high, low = Choice("a", "max"), Choice("a", "min")
    assert high.better(1.0, 1.0, 0.2, 0.5) and not high.better(1.0, 1.0, 0.5, 0.2) and not high.better(1.0, 1.0)
    assert high.better(1.0, 0.9, 0.5, 0.2) and not high.better(0.9, 1.0, 0.2, 0.5)
    assert high.better(2.0, 1.0)
    assert not high.better(1.0, 1.0)
    assert low.better(1.0, 2.0)
    assert high.better(0.0, None)
    assert not low.better(None, 3.0)
    assert Reseed(3).seed == 3
