"""A job that SLURM asks to leave keeps its training and is queued again; a process that is lost ends the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from made.small import Small, trained

from astrid_ml.cli import main as cli
from astrid_ml.errors import PeerLostError
from astrid_ml.interrupts import interruptible
from astrid_ml.run.training import requeue
from astrid_ml.run.training.guard import peer_lost
from astrid_ml.run.training.requeue import requeued

SLURM = {"SLURM_JOB_ID": "41"}


class Asked(Small):  # type: ignore[misc]
    """Is sent SLURM's signal before a step."""

    def on_train_batch_start(self, *_: Any) -> None:
        self.seen += 1
        if self.seen == 7:
            os.kill(os.getpid(), requeue.SIGNAL)


def test_asked_to_leave_it_keeps_the_step_and_the_next_life_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    said = tmp_path / "said"
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" > "{said}"\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    options: dict[str, Any] = {"checkpoint_steps": 0, "requeue": True}
    whole = trained(tmp_path / "whole", Small(), **options)
    first = Asked()
    with pytest.raises(KeyboardInterrupt), interruptible(), requeued({"requeue": True}):
        trained(tmp_path / "run", first, **options)
    assert said.read_text() == "requeue 41\n" and "job 41 is queued again" in capsys.readouterr().err
    again = Small()
    resumed = trained(tmp_path / "run", again, **options)
    assert again.batches[0][:2] == (1, 2) and len(first.batches) == 7  # not a step is done twice
    assert all(torch.equal(value, resumed.state_dict[name]) for name, value in whole.state_dict.items())


def test_outside_a_training_it_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    monkeypatch.setattr(requeue, "is_first_process", lambda: False)
    with pytest.raises(KeyboardInterrupt), interruptible(), requeued({"requeue": True}):
        signal.raise_signal(requeue.SIGNAL)
    with requeued({}):
        assert signal.getsignal(requeue.SIGNAL) == signal.SIG_DFL


def test_a_lost_process_is_told_in_words_and_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert peer_lost(RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1"))
    assert not peer_lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))

    def lost(*_: Any) -> None:
        raise PeerLostError("another process of this training has ended")

    monkeypatch.setattr(cli, "_dispatch", lost)
    assert cli.run(["train"]) == 1
    assert capsys.readouterr().err == "astrid: another process of this training has ended\n"


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_others_soon(tmp_path: Path) -> None:
    words = ["experiment=realbogus_triplets", "simulate.n=240", "channels.size=31", "logger=none", "audit=warn"]
    places = [f"paths.data={tmp_path / 'store'}", f"paths.run_dir={tmp_path / 'run'}"]
    command = [sys.executable, "-m", "astrid_ml", "train", *words, "trainer=ddp_cpu", "trainer.max_epochs=500", *places]
    command += ["callbacks.early_stopping=false", "callbacks.checkpoint_steps=5"]
    main = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    while main.poll() is None and not last.exists():
        time.sleep(0.1)
    listed = subprocess.run(["pgrep", "-P", str(main.pid)], capture_output=True, text=True, check=True).stdout.split()
    second = [n for n in listed if b"LOCAL_RANK=1" in Path(f"/proc/{n}/environ").read_bytes()]
    os.kill(int(second[0]), signal.SIGKILL)
    _, said = main.communicate(timeout=40)
    assert main.returncode == 1 and "another process of this training has ended" in said and "Traceback" not in said
