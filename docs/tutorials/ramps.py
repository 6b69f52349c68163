# %% [markdown]
# # Cosmic rays, telegraph noise and snowballs in detector ramps
#
# An infrared detector is read many times while it collects charge. A cosmic ray is a step in this ramp, telegraph noise
# a level that comes and goes, a snowball a round blot of charge. The detector finds all three without training, and
# writes what a pipeline needs: flags of groups and clean slopes. The ramps are simulated: `python ramps.py FOLDER`.

# %% Setup
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from matplotlib.figure import Figure

from astrid_ml.cli.main import run

PLACE = Path(sys.argv[1]) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else Path("tutorial")
PLACE.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## An exposure with a truth
#
# Two exposures of 192 x 192 pixels and 30 groups, with stars' light left out: what is in them stands in a table.

# %%
sim = ["what=ramps", "simulate.n=2", "simulate.image_shape=[192,192]", "simulate.num_frames=30"]
sim.append("simulate.snowball_radius_range=[5,12]")
assert run(["simulate", *sim, f"output_dir={PLACE / 'exposures'}"]) == 0

# %% [markdown]
# ## Detection
#
# `astrid predict task=ramps` measures read noise and checks that the exposure is sane, finds steps, and decides what
# each is.

# %%
out = PLACE / "found"
assert run(["predict", "task=ramps", f"input={PLACE / 'exposures'}", f"output_dir={out}"]) == 0
report = json.loads((out / "report.json").read_text())
for exposure in report["exposures"]:
    print(exposure["name"], exposure["events"], "left out:", exposure["left_out"], "unsound:", exposure["unsound"])

# %% [markdown]
# ## What was found of what was there
#
# Each step is a row of `jumps.parquet`: group, pixel, charge, S/N, probability, kind, and by which evidence. The truth
# has the same columns, so that completeness by charge is a join.

# %%
rows = []
for folder in sorted(path.parent for path in out.glob("*/jumps.parquet")):
    found = pd.read_parquet(folder / "jumps.parquet")
    with np.load(PLACE / "exposures" / f"{folder.name}_truth.npz") as file:
        truth = pd.DataFrame({name: file[name] for name in ("integration", "group", "y", "x", "type", "charge")})
        truth["size"] = np.abs(truth["charge"]) / float(file["read_noise"])
    place = ["integration", "group", "y", "x"]
    told = truth.merge(found[[*place, "probability"]], on=place, how="left")
    rows.append(told.assign(exposure=folder.name, found=told["probability"].notna()))
told = pd.concat(rows)
rays = told[told["type"] == 1]
size = pd.cut(rays["size"], [0, 3, 5, 7, 10, 20, np.inf])
print(rays.groupby(size, observed=True)["found"].agg(["mean", "count"]).round(3))

# %% [markdown]
# ## One pixel, and the flags
#
# The ramp product holds the reads and, in `GROUPDQ`, every group that the slope was fitted around; the rate product
# the slopes with their variances, as pipelines write them.

# %%
name = str(rays["exposure"].iloc[0])
row = rays[(rays["exposure"] == name) & rays["found"] & (rays["size"] > 15) & rays["group"].between(8, 22)].iloc[0]
with fits.open(out / name / f"{name}_ramp.fits") as product:
    ramp = product["SCI"].data[0, :, int(row["y"]), int(row["x"])]
    flags = product["GROUPDQ"].data[0]
jumps = np.flatnonzero(flags[:, int(row["y"]), int(row["x"])] & 4)
rate = fits.getdata(out / name / f"{name}_rate.fits", "SCI")

figure = Figure(figsize=(12, 3.6), layout="constrained")
left, middle, right = figure.subplots(1, 3)
left.plot(ramp, ".-")
for group in jumps:
    left.axvline(group - 0.5, color="tab:orange")
left.set_xlabel("group")
left.set_ylabel("value of a pixel with a ray")
middle.imshow(((flags & 4) > 0).sum(axis=0), origin="lower", vmin=0, vmax=3)
middle.set_title("flagged groups of each pixel")
low, high = np.nanpercentile(rate, [2, 98])
right.imshow(rate, origin="lower", cmap="gray", vmin=low, vmax=high)
right.set_title("clean slopes")
figure.savefig(PLACE / "ramp.png", dpi=80)

# %% [markdown]
# ## Next
#
# `preprocessing.fusion=none` leaves out the fusion of rules and likelihood, `preprocessing.steps.prior=none` the prior
# of the rate. `astrid score-ramps` tabulates both against a truth. Files of JWST, Roman and WFC3 are read as they come.

# %%
summary = {"rays": len(rays), "found beyond 10 read noises": float(rays.loc[rays["size"] > 10, "found"].mean())}
(PLACE / "summary.json").write_text(json.dumps(summary, indent=2))
print(json.dumps(summary))
