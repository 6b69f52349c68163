# %% [markdown]
# # Alert packets: a network of your own, or published weights
#
# A broker hands out packets with three stamps each. A network trains on one night and scores the next; published
# weights score it as they are. The packets are simulated and written as ZTF writes them, so that each cell runs
# anywhere: `python alerts.py FOLDER`. With a second word, `python alerts.py FOLDER d6_m9.h5`, the published weights of
# ZTF score them too (*Where real data are* says where the file is).

# %% Setup
import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
from astropy.io import fits
from matplotlib.figure import Figure

import astrid_ml.api
from astrid_ml.cli.main import run

WORDS = [word for word in sys.argv[1:] if not word.startswith("-")]
PLACE = Path(WORDS[0]) if WORDS else Path("tutorial")
PUBLISHED = Path(WORDS[1]) if len(WORDS) > 1 else None
PLACE.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## What a packet is
#
# An Avro record: the object's name, one detection (`candidate`), and three gzipped FITS stamps. Triplets of a simulated
# sky with ZTF's pixel scale, depth and artefacts become packets of two nights.

# %%
CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
CANDIDATE = {"jd": "double", "fid": "int", "ra": "double", "dec": "double", "isdiffpos": "string"}
STAMP = [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}]


def record(name: str, fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": fields}


detection = record("candidate", [{"name": name, "type": kind} for name, kind in CANDIDATE.items()])
names = [{"name": name, "type": kind} for name, kind in {"publisher": "string", "objectId": "string"}.items()]
schema = fastavro.parse_schema(
    record(
        "alert",
        [
            *names,
            {"name": "candid", "type": "long"},
            {"name": "candidate", "type": detection},
            *({"name": cutout, "type": record(cutout, STAMP)} for cutout in CUTOUTS),
        ],
    )
)


def packet(row: Any, stamps: Any, number: int) -> dict[str, Any]:
    out = {"publisher": "ZTF", "objectId": row.group_id, "candid": number}
    out["candidate"] = {
        "jd": row.mjd + 2400000.5,
        "fid": {"g": 1, "r": 2, "i": 3}[row.filter],
        "ra": row.ra,
        "dec": row.dec,
        "isdiffpos": "t",
    }
    for name, plane in zip(CUTOUTS, stamps, strict=True):
        file = io.BytesIO()
        fits.PrimaryHDU(plane.astype(np.float32)).writeto(file)
        out[name] = {"fileName": f"{name}.fits.gz", "stampData": gzip.compress(file.getvalue(), 1)}
    return out


truth = {}
for night, (seed, count) in {"first": (1, 1200), "second": (2, 400)}.items():
    words = ["what=triplets", f"simulate.n={count}", "simulate.missions=[ztf]", "simulate.prevalence=0.3"]
    assert run(["simulate", *words, f"data.seed={seed}", f"output_dir={PLACE / 'sky' / night}"]) == 0
    table = pd.concat([pd.read_parquet(path) for path in sorted((PLACE / "sky" / night).glob("*.parquet"))])
    arrays = np.concatenate([np.load(path) for path in sorted((PLACE / "sky" / night).glob("*.npy"))])
    rows = zip(table.itertuples(), arrays, strict=True)
    packets = [packet(row, stamps, seed * 10**9 + number) for number, (row, stamps) in enumerate(rows)]
    (PLACE / night).mkdir(exist_ok=True)
    with (PLACE / night / "alerts.avro").open("wb") as file:
        fastavro.writer(file, schema, packets)
    truth[night] = pd.DataFrame({"id": [str(one["candid"]) for one in packets], "label": table["label"].to_numpy()})
    truth[night].to_csv(PLACE / f"{night}.csv", index=False)

# %% [markdown]
# ## Train on the first night
#
# Labels come from a table of `id,label`, as a scanner of the night would keep it. Detections of one object stay in one
# fold. Without a table the experiment would cut ZTF's own score, and say in every report that this is a proxy.

# %%
trained = PLACE / "run"
labels = ["label=table", f"label.path={PLACE / 'first.csv'}", "evaluation=binary", "split=group"]
where = [f"paths.raw={PLACE / 'first'}", f"paths.run_dir={trained}", f"paths.data={PLACE / 'data'}"]
small = ["trainer.max_epochs=16", "optimizer.lr=3.0e-3", "channels=sigma", "channels.size=41", "logger=none"]
assert run(["train", "experiment=realbogus_alerts", *labels, *where, *small]) == 0

# %% [markdown]
# ## Score the second night
#
# Three in ten are real here, as in training. On a sky where one in a hundred is, say so: `prevalence=1/100` moves the
# probabilities and the threshold there.

# %%
model = astrid_ml.api.load(trained / "checkpoints" / "best.ckpt")
scores = model.predict(PLACE / "second")
told = scores.merge(truth["second"], on="id", suffixes=("_of_packet", ""))
print(told[["id", "score", "probability", "decision", "in_domain", "label"]].head())
print("called real, of those that are:", round(float(told.loc[told["label"] == 1, "decision"].mean()), 3))
print("called real, of those that are not:", round(float(told.loc[told["label"] == 0, "decision"].mean()), 3))

# %%
columns = {"our network": told["score"]}
if PUBLISHED is not None:
    variant = PUBLISHED.name.partition(".")[0]
    converted = PLACE / f"{variant}.ckpt"
    assert run(["import-weights", f"input={PUBLISHED}", f"variant={variant}", f"ckpt_path={converted}"]) == 0
    theirs = astrid_ml.api.load(converted).predict(PLACE / "second").set_index("id")["score"]
    columns[variant] = theirs.reindex(told["id"]).reset_index(drop=True)

figure = Figure(figsize=(5 * len(columns), 3.4), layout="constrained")
for axes, (name, score) in zip(np.atleast_1d(figure.subplots(1, len(columns))), columns.items(), strict=True):
    groups = [score[told["label"] == label].to_numpy() for label in (0, 1)]
    axes.hist(groups, bins=np.linspace(0, 1, 26).tolist(), label=["bogus", "real"], stacked=True)
    axes.set_title(name)
    axes.set_xlabel("score")
    axes.set_ylabel("packets of the second night")
    axes.legend()
figure.savefig(PLACE / "scores.png", dpi=80)

# %% [markdown]
# ## Next
#
# `astrid predict ckpt_path=C input=NIGHT output_dir=O` does the same for archives of any size, in shards over a
# cluster, and goes on where it was killed. *Any survey that you describe* reads packets of other keys.

# %%
summary = {"packets": len(told), "dropped": 400 - len(told), "real": int(told["label"].sum())}
(PLACE / "summary.json").write_text(json.dumps(summary, indent=2))
print(json.dumps(summary))
