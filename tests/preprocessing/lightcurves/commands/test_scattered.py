"""A large folder of alerts: the same curves as in one piece, whatever the number of processes, and resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pytest

from astrid_ml.executors.local import Processes
from astrid_ml.preprocessing.lightcurves.commands import convert, scattered
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.readers import nested_alerts
from astrid_ml.preprocessing.lightcurves.readers.nested_alerts import gather

POINT = [
    {"name": "diaSourceId", "type": "long"},
    {"name": "diaObjectId", "type": ["null", "long"]},
    {"name": "midpointMjdTai", "type": "double"},
    {"name": "band", "type": "string"},
    {"name": "psfFlux", "type": "float"},
    {"name": "psfFluxErr", "type": "float"},
]
HISTORY = ["null", {"type": "array", "items": "s"}]
ALERT = {
    "type": "record",
    "name": "alert",
    "fields": [
        {"name": "diaSource", "type": {"type": "record", "name": "s", "fields": POINT}},
        {"name": "prvDiaSources", "type": HISTORY},
        {"name": "prvDiaForcedSources", "type": HISTORY},
        {"name": "diaObject", "type": {"type": "record", "name": "o", "fields": [{"name": "ra", "type": "double"}]}},
    ],
}
OBJECTS, EACH = 15, 4


def packets(folder: Path) -> Path:
    """Sixty packets, those of an object far apart; one of no object, and one that is cut off."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for thing in range(OBJECTS):
        points = [
            {
                "diaSourceId": 10 * thing + k,
                "diaObjectId": 1000 + thing,
                "midpointMjdTai": 60000.0 + 3 * k,
                "band": "gri"[k % 3],
                "psfFlux": float(random.normal(1000, 100)),
                "psfFluxErr": 5.0,
            }
            for k in range(EACH)
        ]
        for k, point in enumerate(points):
            write(folder / f"{k}-{(7 * thing) % OBJECTS:02d}.avro", point, points[:k], thing)
    write(folder / "9-body.avro", {**points[0], "diaObjectId": None, "diaSourceId": 5}, [], 0)
    whole = (folder / "9-body.avro").read_bytes()
    (folder / "9-damaged.avro").write_bytes(whole[:-30])
    return folder


def write(path: Path, point: dict[str, Any], before: list[dict[str, Any]], thing: int) -> None:
    alert = {"diaSource": point, "prvDiaSources": before or None, "prvDiaForcedSources": None}
    with path.open("wb") as stream:
        fastavro.writer(stream, ALERT, [{**alert, "diaObject": {"ra": float(thing)}}])


def converted(raw: Path, out: Path, **options: Any) -> dict[str, bytes]:
    ConvertCommand(str(raw), str(out), **options).run()
    assert not list((out / "parts").glob("gathered-*"))
    return {path.name: path.read_bytes() for path in sorted((out / "objects").iterdir())}


def said(out: Path) -> dict[str, Any]:
    report = json.loads((out / "report.json").read_text())
    return {
        name: report[name] for name in ("sources", "read", "objects", "epochs", "counts", "drops", "failed_sources")
    }


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven chunks and five boxes of sixty-two packets."""
    monkeypatch.setattr(scattered, "CHUNK_FILES", 10)
    monkeypatch.setattr(scattered, "boxes_of", lambda _: 5)
    monkeypatch.setattr(convert, "boxes_of", lambda _: 5)


def test_pieces_hold_what_the_whole_holds_for_any_number_of_processes(tmp_path: Path, request: Any) -> None:
    raw = packets(tmp_path / "raw")
    (whole,) = converted(raw, tmp_path / "whole").values()
    request.getfixturevalue("pieces")
    one = converted(raw, tmp_path / "one")
    assert converted(raw, tmp_path / "many", executor=Processes(2)) == one
    assert len(one) == 5
    tables = [pd.read_parquet(tmp_path / name / "objects") for name in ("whole", "one")]
    ordered = [table.sort_values("object_id").reset_index(drop=True) for table in tables]
    pd.testing.assert_frame_equal(ordered[0], ordered[1])
    assert len(ordered[0]) == OBJECTS and (ordered[0]["mjd"].str.len() == EACH).all() and len(whole)
    assert said(tmp_path / "whole") == said(tmp_path / "one") == said(tmp_path / "many")
    assert said(tmp_path / "one")["counts"]["rows_repeated_in_later_alerts"] == OBJECTS * 6


@pytest.mark.usefixtures("pieces")
def test_what_was_interrupted_goes_on_and_what_is_done_is_not_gathered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, gathered = packets(tmp_path / "raw"), list[Path]()

    def counting(job: scattered.GatherJob) -> Any:
        gathered.append(job.target)
        return scattered.gather_one(job)

    def interrupted(job: scattered.BoxJob) -> Any:
        if job.box == 2:
            raise KeyboardInterrupt
        return scattered.join_box(job)

    monkeypatch.setattr(convert, "gather_one", counting)
    with monkeypatch.context() as patched:
        patched.setattr(convert, "join_box", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ConvertCommand(str(raw), str(tmp_path / "out")).run()
    assert len(gathered) == 7
    first = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / "objects").iterdir()}
    assert len(first) == 2
    made = converted(raw, tmp_path / "out")
    assert len(gathered) == 7 and len(made) == 5  # gathered once
    assert all((tmp_path / "out" / "objects" / name).stat().st_mtime_ns == at for name, at in first.items())
    assert converted(raw, tmp_path / "out") == made and len(gathered) == 7  # nothing is left to do
    (tmp_path / "out" / "objects" / "part-00003.parquet").unlink()
    assert converted(raw, tmp_path / "out") == made and len(gathered) == 14
    assert converted(raw, tmp_path / "plain") == made


def test_packets_taken_together_are_those_taken_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, tables, counts = sorted(packets(tmp_path / "raw").iterdir()), [], []
    for small in (nested_alerts.SMALL, 0):
        monkeypatch.setattr(nested_alerts, "SMALL", small)
        account = Account()
        tables.append(gather(files, account, None).joined(account, None))
        counts.append((account.counts, account.dropped, account.failed))
    pd.testing.assert_frame_equal(tables[0].objects, tables[1].objects)
    np.testing.assert_array_equal(tables[0].flux, tables[1].flux)
    np.testing.assert_array_equal(tables[0].mjd, tables[1].mjd)
    assert counts[0] == counts[1] and [lost["file"] for lost in counts[0][2]] == ["9-damaged.avro"]
