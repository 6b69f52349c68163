# %% [markdown]
# # From a list of supernovae to triplets
#
# Every cell runs without a network: the archive is simulated and served on this machine. With
# `acquisition=best_yield` and a catalogue the same cells ask MAST. Open the file as a notebook with jupytext, or run
# it: `python supernovae.py FOLDER`.

# %% Setup: a place, a seed, the data set
import csv
import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from astrid_ml.build import build, plain
from astrid_ml.cli.main import run
from astrid_ml.config import compose
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.stats import robust_sigma

PLACE = Path(sys.argv[1]) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else Path("tutorial")
SMALL = ("acquisition.play.simulate.n=4", "acquisition.play.simulate.nights=2", "acquisition.play.seed=5")
WORDS = ("acquisition=demo", *SMALL, f"output_dir={PLACE / 'supernovae'}")
PLACE.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## Acquisition
#
# First what would be downloaded: images of one mission and filter make pairs, and nothing else is worth its bytes.

# %%
assert run(["acquire", *WORDS, "dry_run=true"]) == 0
pairs = pd.read_csv(PLACE / "supernovae" / "pairs.csv")
print(pairs[["target", "mission", "filter", "separation", "coverage", "kept", "reason"]])

# %% [markdown]
# Then all stages: download, lay out, subtract, label, report. The same command again does nothing, since all is done.

# %%
assert run(["acquire", *WORDS]) == 0
folder = PLACE / "supernovae"
report = json.loads((folder / "pipeline_report.json").read_text())
print(json.dumps(report["filtering"], indent=2))

# %% [markdown]
# ## Differencing: ZOGY against plain subtraction
#
# One pair, subtracted in two ways by the same steps: proper subtraction, and the plain difference of aligned images,
# whose PSFs stay as they are.

# %%
manifest = pd.read_csv(folder / "manifest.csv")
pair = manifest.iloc[0]
frames = [Frame(path=str(folder / pair[side])) for side in ("science", "reference")]
done = {}
for way in ("zogy", "direct"):
    words = ["output_dir=unused", f"preprocessing/differencing/subtract={way}"]
    pipeline = build(plain(compose("difference", words)["preprocessing"]))
    done[way] = pipeline.difference(*frames)

# %% [markdown]
# ## Quality
#
# Noise of the difference, its dynamic range, and how many candidates it leaves. A good significance map scatters by 1.

# %%
rows = []
for way, one in done.items():
    known = one.result.diff.numpy()[~one.result.mask.numpy()]
    quality = one.quality.record()
    rows.append(
        {
            "way": way,
            "noise": float(robust_sigma(known)),
            "dynamic range": float(np.ptp(known)),
            "scatter of the significance": quality["sig_std_raw"],
            "overlap": quality["overlap"],
            "candidates": len(one.candidates),
        }
    )
comparison = pd.DataFrame(rows)
print(comparison)
control = pd.read_csv(folder / "quality_control.csv")
print(control[["pair", "verdict", "reasons"]])

# %% [markdown]
# ## Extraction
#
# Candidates of the proper subtraction: positions, S/N, shapes, flags.

# %%
candidates = done["zogy"].candidates
print(candidates.sort_values("snr", ascending=False)[["x", "y", "snr", "sharpness", "roundness", "flags"]].head())

# %% [markdown]
# ## Cut-outs
#
# The stage `triplets` has cut them: real where the supernova is measured in that epoch, bogus as bright, grouped by
# supernova.

# %%
arrays = sorted((folder / "training_triplets").glob("*.npy"))
stamps = np.concatenate([np.load(path) for path in arrays])
table = pd.concat([pd.read_parquet(path.with_suffix(".parquet")) for path in arrays], ignore_index=True)
print(table.groupby(["group_id", "label"]).size())

# %% [markdown]
# ## Export
#
# The same triplets for other tools: HDF5, npy, CSV, and what decided them as JSON.

# %%
with h5py.File(PLACE / "triplets.h5", "w") as file:
    data = file.create_dataset("stamps", data=stamps, compression="gzip")
    data.attrs["channels"] = ["science", "reference", "difference"]
    file.create_dataset("label", data=table["label"].to_numpy())
np.save(PLACE / "triplets.npy", stamps)
table.to_csv(PLACE / "triplets.csv", index=False, quoting=csv.QUOTE_MINIMAL)
settings = plain(compose("acquire", [*WORDS[:-1], "output_dir=unused"])["acquisition"]["labels"])
(PLACE / "labels.json").write_text(json.dumps(settings, indent=2))

# %% [markdown]
# ## Figures
#
# The pair and both differences, then a real and a bogus triplet.

# %%
figure = Figure(figsize=(12, 3.4), layout="constrained")
zogy = done["zogy"]
planes = {
    "science": zogy.science.data.numpy(),
    "reference": zogy.reference.data.numpy(),
    "ZOGY": zogy.result.diff.numpy(),
    "plain": done["direct"].result.diff.numpy(),
}
for axes, (name, plane) in zip(figure.subplots(1, 4), planes.items(), strict=True):
    sigma = float(robust_sigma(plane[np.isfinite(plane)]))
    axes.imshow(plane, origin="lower", cmap="gray", vmin=-3 * sigma, vmax=8 * sigma)
    axes.set_title(name)
    axes.set_axis_off()
figure.savefig(PLACE / "differences.png", dpi=100)

figure = Figure(figsize=(8, 5.2), layout="constrained")
for line, label in zip(figure.subplots(2, 3), (1, 0), strict=True):
    number = int(np.flatnonzero(table["label"] == label)[0])
    for axes, plane, channel in zip(line, stamps[number], ("science", "reference", "difference"), strict=True):
        sigma = float(robust_sigma(plane[np.isfinite(plane)]))
        middle = float(np.nanmedian(plane))
        axes.imshow(plane, origin="lower", cmap="gray", vmin=middle - 3 * sigma, vmax=middle + 10 * sigma)
        axes.set_title(f"{'real' if label else 'bogus'}: {channel}")
        axes.set_axis_off()
figure.savefig(PLACE / "triplets.png", dpi=100)

# %% [markdown]
# ## Summary
#
# What the next notebook begins with. Known limits: few supernovae, one transient in each field, no asteroid that
# nobody knows.

# %%
summary = {
    "supernovae": int(table["group_id"].nunique()),
    "real": int((table["label"] == 1).sum()),
    "bogus": int((table["label"] == 0).sum()),
    "pairs": len(manifest),
    "pairs that passed": int((control["verdict"] == "pass").sum()),
    "bytes saved by choosing pairs first": round(report["filtering"]["share_of_bytes_saved"], 3),
}
(PLACE / "summary.json").write_text(json.dumps(summary, indent=2))
print(json.dumps(summary, indent=2))
