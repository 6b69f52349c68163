"""``astrid sweep`` as it is typed: killed, typed again with a larger budget, its best trained."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from astrid_ml.cli.main import run

SMALL = "simulate.n=240 channels.size=31 trainer.max_epochs=2 logger=none audit=warn paths.data=store".split()
SWEEP = ["experiment=realbogus_triplets", *SMALL]


@pytest.mark.slow
def test_a_sweep_that_is_killed_ends_as_if_nothing_had_been_and_its_best_gives_its_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["sweep", *SWEEP, "sweep.trials=3", "output_dir=whole"]) == 0
    command = [sys.executable, "-m", "astrid_ml", "sweep", *SWEEP, "sweep.trials=2", "workers=2", "output_dir=ended"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not list(Path("ended").glob("trials/*/run/stages/*")) and not list(Path("ended").glob("trials/*/run/c*")):
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run(["sweep", *SWEEP, "sweep.trials=3", "output_dir=ended"]) == 0  # one worker, a larger budget
    whole, ended = (pd.read_parquet(f"{name}/leaderboard.parquet") for name in ("whole", "ended"))
    pd.testing.assert_frame_equal(whole, ended)
    assert run(["train", "--config-dir=ended/best", "experiment=best", "paths.run_dir=again"]) == 0
    assert json.loads(Path("again/metrics.json").read_text())["val/aucpr"] == whole["val/aucpr"][0]
    assert run(["sweep", *SWEEP, "sweep.seed=2", "output_dir=ended"]) == 2
    assert run(["sweep", *SWEEP, "sweep.objectives.0.metric=test/aucpr", "output_dir=other"]) == 2
