"""Stages of a run: what went in, what came out, how it ended; and the identity of a configuration."""

from __future__ import annotations

import pandas as pd
import pytest

from astrid_ml.build import plain
from astrid_ml.config import compose
from astrid_ml.run.environment import environment, run_identity
from astrid_ml.run.stages import StageLog, table_digest

PLACES = ["paths.run_dir=r", "paths.sweep_dir=s"]


def test_a_stage_ends_done_failed_or_stopped() -> None:
    log = StageLog()
    with log.stage("split", dataset="d") as stage:
        stage.outputs["plan"] = "p"
    with pytest.raises(ZeroDivisionError), log.stage("fit", 1, plan="p"):
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt), log.stage("fit", 2):
        raise KeyboardInterrupt
    entries = log.plain()
    assert [(e["name"], e["round"], e["status"]) for e in entries] == [
        ("split", 0, "done"),
        ("fit", 1, "failed"),
        ("fit", 2, "stopped"),
    ]
    assert entries[0]["inputs"] == {"dataset": "d"} and log.digest("split", "plan") == "p"
    assert all(e["started"].endswith("+00:00") and e["seconds"] >= 0 for e in entries)
    with pytest.raises(ValueError, match="prepare"), log.stage("training"):
        pass


def test_a_tables_digest_is_of_its_values_and_order() -> None:
    table = pd.DataFrame({"id": ["a", "b"], "score": [0.25, 0.5]})
    assert table_digest(table) == table_digest(table.copy())
    assert (
        len({table_digest(t) for t in (table, table[::-1], table.assign(score=1.0), table.rename(columns={"id": "x"}))})
        == 4
    )
    assert table_digest(pd.DataFrame()) == table_digest(table.iloc[:0])


def test_the_same_run_has_one_identity_wherever_it_lies() -> None:
    def identity(*words: str) -> str:
        return run_identity(plain(compose("train", ["experiment=realbogus_triplets", *PLACES, *words])))

    first = identity()
    assert first == identity("paths.data=elsewhere", "logger=none", "executor=processes")
    assert first == identity("channels.softening=3.0")  # its default
    others = {identity(word) for word in ("seed=2", "optimizer.lr=1e-4", "split.seed=2", "model=braai_vgg6")}
    assert len(others | {first}) == 5


def test_the_environment_names_no_person_and_no_place() -> None:
    found = environment()
    assert {"versions", "system", "cpus", "threads", "accelerator"} == set(found)
    assert "/" not in str(found["system"]) and found["versions"]["torch"]
