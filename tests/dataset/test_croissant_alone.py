"""A stranger trains and scores with mlcroissant, numpy and croissant.json alone; this package is not imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd

from astrid_ml.dataset.croissant import write_croissant
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets
from astrid_ml.splits.options import GroupSplit

STRANGER = """
import json, sys, warnings
from pathlib import Path
import mlcroissant, numpy as np, pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
warnings.simplefilter("ignore")
file = Path(sys.argv[1])
card = mlcroissant.Dataset(jsonld=str(file))
table = {}
for name in ("samples", "split", "array-stamps"):
    rows = [{key.split("/")[1]: value for key, value in record.items()} for record in card.records(name)]
    table[name] = pd.DataFrame(rows)
[meaning] = card.records("arrays")
assert meaning["arrays/axes"] == "channel, y, x"
place = meaning["arrays/channels"].split(",").index("difference")
joined = table["samples"].merge(table["split"], on="id").merge(table["array-stamps"], on="id", suffixes=("", "_npy"))
opened = {}
def stamp(path, row):
    path = path.decode()
    opened.setdefault(path, np.load(file.parent / path, mmap_mode="r"))
    return opened[path][int(row)]
cut = slice(24, 39)
pixels = np.stack([np.nan_to_num(stamp(a, b)[place, cut, cut]) for a, b in zip(joined["path"], joined["row_npy"])])
flat = pixels.reshape(len(pixels), -1)
flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
train, test = (joined["fold"] == fold for fold in (b"train", b"test"))
model = LogisticRegression(C=3, max_iter=500).fit(flat[train], joined["label"][train].astype(int))
truth = joined["label"][test].astype(int)
score = model.predict_proba(flat[test])[:, 1]
assert not any(name.startswith("astrid_ml") for name in sys.modules)
print(json.dumps({"n": len(joined), "test": int(test.sum()), "prevalence": truth.mean(),
                  "aucpr": average_precision_score(truth, score), "ids": sorted(b.decode() for b in joined["id"])}))
"""


def test_a_stranger_trains_with_mlcroissant_alone(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    SimulateTriplets(n=600, missions=("ztf",), prevalence=0.5).run(raw, seed=1)
    made = prepare_dataset(TripletsPipeline(), [raw], tmp_path / "store", name="demo", progress=False)
    dataset = PreparedDataset(made.path)
    plan = GroupSplit().plan(dataset.index)
    file = write_croissant(dataset.path, splits=plan.rounds)
    done = subprocess.run([sys.executable, "-c", STRANGER, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    counted = plan.rounds[0]["fold"].value_counts()
    assert told["n"] == len(dataset.index) and told["test"] == counted["test"]
    assert told["ids"] == sorted(dataset.index["id"].astype(str))
    assert told["aucpr"] > told["prevalence"] + 0.2


def test_a_dataset_tells_what_it_is(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    SimulateTriplets(n=24, missions=("ztf",), prevalence=0.5).run(raw, seed=1)
    made = prepare_dataset(TripletsPipeline(), [raw], tmp_path / "store", name="demo", progress=False)
    content = json.loads((made.path / "croissant.json").read_text(encoding="utf-8"))
    fields = {item["@id"]: item for record in content["recordSet"] for item in record["field"]}
    index = pd.read_parquet(made.path / "index.parquet")
    said = fields["samples/label"]["description"]
    assert said.startswith("1 real, 0 bogus, null where nobody knows. Source: ")
    assert f"1: {int((index['label'] == 1).sum())}" in said
    assert "All samples are simulated" in " ".join(content["rai:dataBiases"])
    for name in (
        "dataCollection",
        "dataAnnotationProtocol",
        "dataLimitations",
        "dataUseCases",
        "dataCollectionTimeFrame",
    ):
        assert content[f"rai:{name}"], name
