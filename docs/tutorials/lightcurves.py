# %% [markdown]
# # Classes of light curves, a tree of them
#
# Curves of any survey become one table, a network learns a tree of classes (transient, supernova, type Ia), and a new
# object gets the deepest class that is certain. The survey is simulated: `python lightcurves.py FOLDER`.

# %% Setup
import json
import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

import astrid_ml.api
from astrid_ml.cli.main import run

PLACE = Path(sys.argv[1]) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else Path("tutorial")
PLACE.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## Curves
#
# 19 classes, as SNANA writes them: a HEAD and a PHOT file for each part, and a truth table. `astrid convert` reads
# these and some thirty other layouts, guesses the columns, and says what it guessed.

# %%
assert run(["simulate", "what=lightcurves", "simulate.n=200", f"output_dir={PLACE / 'survey'}"]) == 0
assert run(["convert", f"input={PLACE / 'survey'}", f"output_dir={PLACE / 'table'}"]) == 0
for path in sorted((PLACE / "table").glob("*.parquet"))[:2]:
    print(path.name, pd.read_parquet(path).shape)

# %% [markdown]
# ## Training
#
# Boosted trees on features of the curves are fitted at once, and are a checkpoint like any other. Leave out `model=`
# for a network that reads the epochs one by one; `model=lightcurve_hybrid` does both. 600 objects of 19 classes are
# few, and the report says how few.

# %%
trained = PLACE / "run"
words = ["simulate.n=600", "simulate.templates=5", "model=lightcurve_trees", "logger=none"]
where = [f"paths.run_dir={trained}", f"paths.data={PLACE / 'data'}"]
assert run(["train", "experiment=lightcurves_sim", *words, *where]) == 0

# %% [markdown]
# Scores grow with the days since the trigger: what is known of a curve after one day, four, sixteen?

# %%
metrics = json.loads((trained / "metrics.json").read_text())
start = "test/leaf/macro_f1/"
days = sorted(int(name[len(start) : -1]) for name in metrics if name.startswith(start) and name.endswith("d"))
value, low, high = ([metrics[f"test/leaf/macro_f1/{day}d{end}"] for day in days] for end in ("", "_low", "_high"))
figure = Figure(figsize=(6, 3.6), layout="constrained")
axes = figure.subplots()
axes.fill_between(days, low, high, alpha=0.3)
axes.plot(days, value, "o-")
axes.set_xscale("log")
axes.set_xlabel("days since the trigger")
axes.set_ylabel("macro-F1 of the leaves")
figure.savefig(PLACE / "days.png", dpi=80)

# %% [markdown]
# ## New objects
#
# One row an object: the top class, its probability and the runner-up, the deepest node certain at 90 %, a p-value of
# novelty, and whether the object lies in the domain that the checkpoint knows.

# %%
model = astrid_ml.api.load(trained / "checkpoints" / "best.ckpt")
scores = model.predict(PLACE / "survey", columns="brief")
print(scores.columns.tolist())
print(scores.head(6).to_string())

# %%
summary = {"objects": len(scores), "classes": int(scores["top_class"].nunique())}
(PLACE / "summary.json").write_text(json.dumps(summary, indent=2))
print(json.dumps(summary))
