# %% [markdown]
# # One network for all missions, or one each? A sweep and its board
#
# Does a network that learned on three missions work on the fourth? A sweep holds out one mission after another, the
# board shows all runs side by side, and the matrix compares like with like: the same test rows, paired intervals. The
# triplets are simulated, few and small: `python missions.py FOLDER` takes a few minutes.

# %% Setup
import json
import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from astrid_ml.cli.main import run

PLACE = Path(sys.argv[1]) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else Path("tutorial")
PLACE.mkdir(parents=True, exist_ok=True)
SMALL = ["experiment=realbogus_triplets", "simulate.n=2000", "simulate.prevalence=0.3", "channels.size=31"]
SMALL += ["trainer.max_epochs=8", "audit=warn", f"paths.data={PLACE / 'data'}"]

# %% [markdown]
# ## A sweep over what is held out
#
# `-m` and commas make a job of each value. `none` holds nothing out: all missions are in training and in test.

# %%
sweep = PLACE / "sweep"
held = ["split=leave_one_mission_out", "split.held_out=none,ztf,galex"]
assert run(["train", "-m", *SMALL, *held, f"paths.sweep_dir={sweep}"]) == 0
table = pd.read_parquet(sweep / "sweep.parquet")
shown = [name for name in table.columns if "held_out" in name or name in ("test/aucpr", "val/aucpr")]
print(table[shown].to_string())

# %% [markdown]
# What the test rows are differs from job to job: a number beside a number says little. Each has an interval, and
# `test/aucpr` is that of the missions that its own test set holds.

# %%
figure = Figure(figsize=(6, 3.6), layout="constrained")
axes = figure.subplots()
name = next(column for column in table.columns if column.endswith("held_out"))
low, high = (table[f"test/aucpr_{end}"] for end in ("low", "high"))
axes.errorbar(range(len(table)), table["test/aucpr"], [table["test/aucpr"] - low, high - table["test/aucpr"]], fmt="o")
axes.set_xticks(range(len(table)), [f"held out: {value}" for value in table[name]])
axes.set_ylabel("AUCPR of the test set")
figure.savefig(PLACE / "held_out.png", dpi=80)

# %% [markdown]
# ## The board
#
# One HTML file for any number of runs: the leaderboard, what was varied against what it gave, what each run cost.

# %%
assert run(["board", f"runs=[{sweep}]", f"output_dir={PLACE / 'board'}"]) == 0
print(sorted(path.name for path in (PLACE / "board").iterdir()))

# %% [markdown]
# ## Better settings, found by a search
#
# `astrid sweep` searches a space on validation alone, prunes what does not pay, and can be stopped and typed again. The
# best setting is a file that trains again.

# %%
words = ["sweep.trials=3", f"output_dir={PLACE / 'tuned'}"]
assert run(["sweep", *SMALL, *words]) == 0
tried = pd.read_parquet(PLACE / "tuned" / "leaderboard.parquet")
print(tried.to_string())

# %%
summary = {"jobs": len(table), "best": float(table["val/aucpr"].max()) if "val/aucpr" in table else None}
(PLACE / "summary.json").write_text(json.dumps(summary, indent=2))
print(json.dumps(summary))
