"""Numbers of classes mean what the ClassLabel of their table says, wherever Hugging Face keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made.strangers import N, nested, stamps, table

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.triplets.containers.class_labels import said_beside, with_class_names
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline

LABELS = table()["label"].tolist()
FORMS = ("schema", "dataset_info.json", "dataset_infos.json", "README.md", "arrow")


def _features(names: list[str]) -> dict[str, object]:
    return {"label": {"names": names, "_type": "ClassLabel"}, "candid": {"dtype": "int64", "_type": "Value"}}


def _write(folder: Path, form: str, names: list[str], values: list[int | None]) -> Path:
    """A table of Hugging Face, with what names its classes."""
    made = pa.table({"image": nested(stamps()), "candid": table()["candid"], "label": pa.array(values)})
    data = folder / "data"
    data.mkdir(parents=True)
    path = data / ("train.arrow" if form == "arrow" else "train-00000-of-00001.parquet")
    if form == "schema":
        made = made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": _features(names)}})})
    elif form == "README.md":
        lines = "".join(f"          '{n}': {name}\n" for n, name in enumerate(names))
        dtype = f"    dtype:\n      class_label:\n        names:\n{lines}"
        text = (
            f"---\ndataset_info:\n  features:\n  - name: image\n    dtype: x\n  - name: label\n{dtype}---\n# Stamps\n"
        )
        (folder / form).write_text(text)
    elif form == "dataset_infos.json":
        (folder / form).write_text(json.dumps({"default": {"features": _features(names)}}))
    else:
        (data / "dataset_info.json").write_text(json.dumps({"features": _features(names)}))
    if form == "arrow":
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, made.schema) as stream:
            stream.write_table(made)
    else:
        pq.write_table(made, path)
    return path


def _labels(folder: Path) -> list[object]:
    pipeline, writer = TripletsPipeline(), MemoryUnitWriter()
    for unit in pipeline.plan([folder]):
        assert not unit.missing, unit.missing
        pipeline.process(unit, writer, 0)
    index = writer.source().index
    return [None if pd.isna(value) else value for value in index["label"]]


@pytest.mark.parametrize("form", FORMS)
def test_names_say_which_number_is_real(tmp_path: Path, form: str) -> None:
    _write(tmp_path / "turned", form, ["Real", "bogus"], [1 - label for label in LABELS])
    assert _labels(tmp_path / "turned") == LABELS
    _write(tmp_path / "plain", form, ["0", "1"], LABELS)
    assert _labels(tmp_path / "plain") == LABELS
    _write(tmp_path / "classes", form, ["SN Ia", "SN II"], [*LABELS[:5], -1])
    assert _labels(tmp_path / "classes") == [*(["SN Ia", "SN II"][label] for label in LABELS[:5]), None]


def test_a_number_without_a_name_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, "arrow", ["bogus", "real"], [*LABELS[:5], 2])
    with pytest.raises(UserError, match=r"2 in label of train\.arrow, which names bogus, real"):
        _labels(tmp_path)
    assert said_beside(path) == path.with_name("dataset_info.json")


def test_the_file_of_names_counts_in_the_fingerprint(tmp_path: Path) -> None:
    path = _write(tmp_path, "README.md", ["bogus", "real"], LABELS)
    [unit] = TripletsPipeline().plan([tmp_path])
    assert unit.inputs == (path, tmp_path / "README.md")


@pytest.mark.parametrize("text", ["", "{", '{"features": 3}', '{"features": {"label": {"names": null}}}', "[1, 2]"])
def test_other_files_of_that_name_say_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset_info.json").write_text(text)
    (tmp_path / "README.md").write_text(f"---\n{text}\n: [\n---\n")
    rows = pd.DataFrame({"label": range(N)})
    assert said_beside(tmp_path / "a.parquet") is None
    assert with_class_names(rows, tmp_path / "a.parquet", {b"huggingface": text.encode()}).equals(rows)
