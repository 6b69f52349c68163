"""Of processes that train together, however they were started, the first speaks; errors of others have their names."""

import logging
import os
import subprocess
import sys
import warnings
from typing import Any

import pytest

from astrid_ml.cli import main as cli
from astrid_ml.errors import PeerLostError, UserError
from astrid_ml.progress import Progress, waiting
from astrid_ml.ranks import first_process, one_training, rank_in_words, say

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "SLURM_JOB_NAME")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "training", "other"),
    [
        ({}, "", ""),
        ({"SLURM_PROCID": "0"}, "", ""),
        ({"SLURM_PROCID": "3"}, "process 3", ""),
        ({"SLURM_PROCID": "3", "SLURM_JOB_NAME": "interactive"}, "", ""),
        ({"SLURM_PROCID": "x"}, "", ""),
        ({"RANK": "4", "WORLD_SIZE": "8", "LOCAL_RANK": "0"}, "process 4", "process 4"),
        ({"RANK": "0", "WORLD_SIZE": "8", "LOCAL_RANK": "0"}, "", ""),
        ({"RANK": "1"}, "", ""),
        ({"LOCAL_RANK": "1"}, "process 1", "process 1"),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, "process 0 of node 1", "process 0 of node 1"),
    ],
)
def test_who_is_first(given: dict[str, str], training: str, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert rank_in_words() == other and first_process() == (not other)
    with one_training(True):
        assert rank_in_words() == training and first_process() == (not training)
        with one_training(False):
            assert rank_in_words() == other
        assert rank_in_words() == training
    assert rank_in_words() == other


def speak(*_: Any) -> int:
    say("a word")
    warnings.warn("a warning", UserWarning, stacklevel=1)
    logging.getLogger("astrid_ml").warning("a log")
    with waiting("evaluate"), Progress("preparing", 1) as shown:
        shown.step()
    return 0


@pytest.mark.parametrize(("verb", "rank", "words"), [("train", "1", 0), ("train", "0", 4), ("prepare", "1", 4)])
def test_progress_and_warnings_are_the_first_process_s(
    verb: str, rank: str, words: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import logging, sys; from astrid_ml.cli import main; from tests.ground.test_ranks import speak; "
        f"logging.basicConfig(); main._dispatch = speak; sys.exit(main.run(['{verb}']))"
    )
    environment = {**os.environ, "SLURM_PROCID": rank, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    said = [word for word in ("a word", "a warning", "a log", "preparing: 1 of 1") if word in done.stderr]
    assert done.returncode == 0 and len(said) == words and (words or done.stderr == "")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("a", "b", "c"), 2, "astrid: process 2: expected a; got b. To fix it: c\n"),
        (PeerLostError("another one has ended"), 1, "astrid: process 2: another one has ended\n"),
    ],
)
def test_errors_of_others_have_their_names(
    error: Exception, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> int:
        raise error

    monkeypatch.setattr(cli, "_dispatch", fail)
    monkeypatch.setenv("SLURM_PROCID", "2")
    assert cli.run(["train"]) == code
    assert capsys.readouterr().err == said
    assert cli.run(["prepare"]) == code
    assert "process 2" not in capsys.readouterr().err


def test_an_error_of_ours_has_the_name_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "_dispatch", fail)
    monkeypatch.setenv("SLURM_PROCID", "2")
    with pytest.raises(ZeroDivisionError):
        cli.run(["train"])
    assert capsys.readouterr().err == "astrid: process 2 ends with ZeroDivisionError\n"
