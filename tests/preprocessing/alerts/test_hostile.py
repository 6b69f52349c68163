"""Packets that somebody wrote to do harm, or a broken pipeline sent: each costs itself alone, and is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from made.alerts import CUTOUTS, make_packet
from made.messages import mongo

from astrid_ml.contracts.pipeline import Drop
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.table_files import write_table


def read(*places: Path) -> tuple[pd.DataFrame, list[Drop], dict[str, int]]:
    pipeline, writer = AlertsPipeline(), MemoryUnitWriter()
    for unit in pipeline.plan(list(places)):
        pipeline.process(unit, writer, 0)
    return writer.table(), writer.drops, dict(writer.counts)


def lines(*packets: Any) -> bytes:
    return b"\n".join(p if isinstance(p, bytes) else json.dumps(mongo(p)).encode() for p in packets) + b"\n"


def test_half_a_surrogate_pair_is_written_out_wherever_it_stands(tmp_path: Path) -> None:
    odd = make_packet(1, True) | {"objectId": "ZTF\udcff"}
    odd["candidate"]["field"] = "a\ud800b"
    lost = make_packet(2, True) | {"candid": "7\udcff", CUTOUTS[0]: None}
    (tmp_path / "a.jsonl").write_bytes(lines(odd, lost, make_packet(3, True)))
    index, drops, _ = read(tmp_path)
    assert index["group_id"].tolist() == ["ZTF\\udcff", "ZTF00003"] and index["field"].tolist()[0] == "a\\ud800b"
    assert [drop.id for drop in drops] == ["7\\udcff"]
    write_table(index, tmp_path / "index.parquet")


def test_a_row_of_parquet_whose_text_is_no_utf8_costs_itself(tmp_path: Path) -> None:
    rows = [make_packet(number, True) for number in (1, 2, 3)]
    table = pa.table({key: [row[key] for row in rows] for key in ("publisher", "candid", "candidate", *CUTOUTS)})
    broken = pa.array([b"ZTF1", b"\xff\xfe", b"ZTF3"]).view(pa.string())
    pq.write_table(table.append_column("objectId", broken), tmp_path / "a.parquet")
    index, drops, _ = read(tmp_path)
    assert index["group_id"].tolist() == ["ZTF1", "ZTF3"]
    assert [drop.reason for drop in drops] == ["a row whose text is no UTF-8"]
