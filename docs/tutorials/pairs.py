# %% [markdown]
# # Real or bogus, from two FITS files
#
# A pair of images becomes candidates, many pairs a training set, and a network scores a night that it never saw. The
# sky is simulated, so that the truth is known; with your own files only the folder changes. The file runs in a few
# minutes: `python pairs.py FOLDER`.

# %% Setup
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from matplotlib.figure import Figure

import astrid_ml.api
from astrid_ml.cli.main import run
from astrid_ml.stats import robust_sigma

PLACE = Path(sys.argv[1]) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else Path("tutorial")
PLACE.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## One pair
#
# `astrid difference` needs a science image and a reference of the same place. Registration, PSFs, sky and flux ratio
# are measured; `quality.json` says how well, and what the reader must know stands in its warnings.

# %%
assert run(["simulate", "what=pairs", "simulate.n=1", "simulate.transients=20", f"output_dir={PLACE / 'one'}"]) == 0
science, reference = (PLACE / "one" / f"pair_000_{side}.fits" for side in ("science", "reference"))
out = PLACE / "difference"
assert run(["difference", f"science={science}", f"reference={reference}", f"output_dir={out}"]) == 0
quality = json.loads((out / "quality.json").read_text())
shown = ("matched_stars", "flux_ratio", "fwhm_science", "fwhm_reference", "sig_std", "depth_reached", "warnings")
print(json.dumps({key: quality[key] for key in shown}, indent=2))

# %% [markdown]
# ## Its candidates
#
# Position with errors, S/N of either sign, calibrated flux, shape, flags. The simulator wrote what it put in: we count
# how much of it lies within 2 px of a candidate.

# %%
candidates = pd.read_parquet(out / "candidates.parquet")
columns = ["x", "y", "snr", "sign", "mag", "mag_err", "fwhm", "flags"]
print(candidates.sort_values("snr", ascending=False)[columns].head(8).round(2))
truth = pd.read_csv(PLACE / "one" / "pair_000_truth.csv")
apart = np.hypot(*(truth[axis].to_numpy()[:, None] - candidates[axis].to_numpy() for axis in ("x", "y")))
truth["found"] = apart.min(axis=1) < 2
print(truth.groupby(pd.cut(truth["snr_opt"], [0, 5, 7, 100]), observed=True)["found"].agg(["sum", "count"]))

# %%
figure = Figure(figsize=(12, 4.4), layout="constrained")
planes = {
    "science": fits.getdata(science),
    "reference": fits.getdata(reference),
    "significance, candidates": fits.getdata(out / "difference.fits", "SIG"),
}
for axes, (name, plane) in zip(figure.subplots(1, 3), planes.items(), strict=True):
    part = np.asarray(plane, dtype=np.float64)[256:768, 256:768]
    sigma, middle = float(robust_sigma(part[np.isfinite(part)])), float(np.nanmedian(part))
    axes.imshow(part, origin="lower", cmap="gray", vmin=middle - 3 * sigma, vmax=middle + 10 * sigma)
    axes.set_title(name)
    axes.set_axis_off()
inside = candidates[candidates["x"].between(256, 767) & candidates["y"].between(256, 767)]
axes.scatter(inside["x"] - 256, inside["y"] - 256, s=90, facecolors="none", edgecolors="tab:orange")
figure.savefig(PLACE / "pair.png", dpi=80)

# %% [markdown]
# ## A training set from many pairs
#
# A folder of pairs with a list of them (`manifest.csv`: science, reference and, where you have one, a table of known
# sources) becomes candidates with labels: real where a known source lies, bogus elsewhere. The experiment splits them
# by field, audits the split, trains, calibrates on validation and judges on fields that nobody saw. Here ZTF is
# simulated with its artefacts. Few pairs and epochs, and many real ones: this is for the way, not for the numbers.

# %%
trained, sky = PLACE / "run", ("what=sky", "simulate.missions=[ztf]", "simulate.filters=1")
assert run(["simulate", *sky, "simulate.n=24", f"output_dir={PLACE / 'season'}"]) == 0
words = ["simulate=none", f"paths.raw={PLACE / 'season' / 'manifest.csv'}", "trainer.max_epochs=12", "logger=none"]
where = [f"paths.run_dir={trained}", f"paths.data={PLACE / 'data'}"]
assert run(["train", "experiment=realbogus_sim", *words, *where]) == 0

# %% [markdown]
# The report is one HTML file. Its numbers stand in `metrics.json`, each with its interval, or with the reason why there
# is none.

# %%
metrics = json.loads((trained / "metrics.json").read_text())
for name in ("aucpr", "baseline_column_aucpr", "baseline_trees_aucpr", "prevalence", "precision", "recall"):
    value, low = metrics.get(f"test/{name}"), metrics.get(f"test/{name}_low")
    print(f"{name:24}", "null" if value is None else f"{value:.3f}", "" if low is None else f"from {low:.3f}")

# %% [markdown]
# ## Scores of another night
#
# The checkpoint carries what it needs: channels, normalisation, calibration, threshold, and the domain it knows. Rows
# outside this domain get no probability, and say why.

# %%
assert run(["simulate", *sky, "simulate.n=2", "data.seed=99", f"output_dir={PLACE / 'night'}"]) == 0
model = astrid_ml.api.load(trained / "checkpoints" / "best.ckpt")
scores = model.predict(PLACE / "night" / "manifest.csv")
print(scores[["id", "score", "probability", "decision", "in_domain", "outside_because"]].head())

# %%
figure = Figure(figsize=(6, 3.6), layout="constrained")
axes = figure.subplots()
real = scores["truth_kind"].notna()  # a source that was put in lies there
bins = np.linspace(0, 1, 21)
axes.hist([scores["score"][~real], scores["score"][real]], bins=bins.tolist(), label=["bogus", "real"], stacked=True)
axes.set_xlabel("score")
axes.set_ylabel("candidates of the new night")
axes.legend()
figure.savefig(PLACE / "scores.png", dpi=80)

# %% [markdown]
# ## Next
#
# `astrid recover input=FOLDER` injects sources into your own pairs and says what is found and how well measured;
# `astrid forced` measures at places that you name; `astrid associate` makes objects of the candidates of many nights.

# %%
summary = {"candidates": len(candidates), "scored": len(scores), "aucpr": metrics.get("test/aucpr")}
(PLACE / "summary.json").write_text(json.dumps(summary, indent=2))
print(json.dumps(summary))
