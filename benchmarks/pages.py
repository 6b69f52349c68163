"""Makes the pictures and the measured numbers of the pages anew, and says which sentences no longer hold.

``make pages`` (or ``python benchmarks/pages.py demo recover curves``) runs the commands that the pages name, in
``dist/pages``; what was finished there is used again. Pictures go to ``docs/``, values to ``docs/numbers.json``, and
``tests/pages`` compares each sentence with them. ``made_by`` in that file names a function of this script, another
script or test that measures, or the commands of a training; ``baseline`` trains for twenty minutes
(``baseline.png``), ``board`` for ten (``board.png``), ``gallery`` draws for five, ``tutorials`` runs all notebooks in
about ten.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from astrid_ml.api import PreparedDataset
from astrid_ml.files import write_json
from astrid_ml.report.contact_sheet import stamp_caption, stamp_png, write_contact_sheet

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
WORK = ROOT / "dist" / "pages"
EACH = 2  # samples of each mission and kind in the picture of the demo


def astrid(*words: str) -> None:
    """Run a command as a user types it, in the working folder."""
    subprocess.run([sys.executable, "-m", "astrid_ml", *words], cwd=WORK, check=True)


DEMO = ["train", "experiment=realbogus_sim", "paths.run_dir=demo/run", "paths.data=demo/data"]


def demo() -> dict[str, float]:
    """README's demo (the command of the Makefile): the picture of its held-out samples, and what it prints."""
    folder = WORK / "demo"
    if not (folder / "run" / "report.html").is_file():
        astrid(*DEMO)
    scored = pd.read_parquet(folder / "run" / "predictions" / "test.parquet")
    contact_sheet(prepared(folder / "data"), scored, DOCS / "contact_sheet.png")
    return numbers_of_demo(folder)


def prepared(store: Path) -> PreparedDataset:
    """The only dataset of a store."""
    [record] = store.glob("*/dataset.json")
    return PreparedDataset(record.parent)


def numbers_of_demo(folder: Path) -> dict[str, float]:
    """What the pages say of the demo that ran in a folder."""
    metrics = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    names = ("aucpr", "aucpr_low", "aucpr_high", "prevalence", "baseline_column_aucpr", "baseline_trees_aucpr")
    found = {name: float(metrics[f"test/{name}"]) for name in names}
    return {"candidates": float(len(prepared(folder / "data").index)), **found}


def contact_sheet(dataset: PreparedDataset, scored: pd.DataFrame, path: Path) -> None:
    """Of the held-out samples of each mission: the surest real, the least certain, the surest bogus.

    Args:
        dataset: with the stamps.
        scored: predictions of the test set, with ``id``, ``mission``, ``label``, ``score`` and what a caption says.
        path: the PNG.
    """
    place = pd.Series(np.arange(len(dataset.index)), index=dataset.index["id"])
    on = "probability" if scored["threshold_on"].eq("probability").all() else "score"
    ranks = {
        "surest real": -scored[on],
        "least certain": (scored[on] - scored["threshold"]).abs(),
        "surest bogus": scored[on],
    }
    rows: dict[str, list[tuple[str, bytes]]] = {}
    taken: set[str] = set()  # a mission whose samples are all certain would show one twice
    for kind, rank in ranks.items():
        free = scored.assign(rank=rank)[~scored["id"].isin(taken)]
        chosen = free.sort_values(["rank", "id"]).groupby("mission", sort=True).head(EACH).sort_values("mission")
        taken |= set(chosen["id"])
        stamps = dataset.gather("stamps", place[chosen["id"]].to_numpy())
        captions = [stamp_caption(row, on) for row in chosen.to_dict("records")]
        rows[kind] = [(caption, stamp_png(stamp)) for caption, stamp in zip(captions, stamps, strict=True)]
    write_contact_sheet(path, rows, ("science", "reference", "difference"))


def recover() -> dict[str, float]:
    """The table of the ways to subtract, its picture, and the quick look of one of its pairs."""
    if not (WORK / "recover" / "recover.json").is_file():
        astrid("simulate", "what=pairs", "simulate.n=20", "output_dir=pairs")
        astrid("recover", "input=pairs", "output_dir=recover")
        pair = [f"{side}=pairs/pair_000_{side}.fits" for side in ("science", "reference")]
        astrid("difference", *pair, "output_dir=out")
    shutil.copy(WORK / "recover" / "recover.png", DOCS)
    shutil.copy(WORK / "out" / "quicklook.png", DOCS)
    rows = json.loads((WORK / "recover" / "recover.json").read_text(encoding="utf-8"))["rows"]
    return {f"{row['name']}/{key}": value for row in rows for key, value in row.items() if key != "name"}


def curves() -> dict[str, float]:
    """The light curve of a simulated tidal disruption event, of those that the page simulates."""
    from astrid_ml.preprocessing.lightcurves.select.source import read_sources

    if not (WORK / "out_curves" / "report.json").is_file():
        astrid("simulate", "what=lightcurves", "simulate.n=300", "output_dir=curves")
        astrid("convert", "input=curves", "output_dir=out_curves")
    events = [source for source in read_sources(WORK / "out_curves" / "objects") if source.label == "TDE"]
    brightest = max(events, key=lambda source: len(source.time_series))
    brightest.plot_flux_curve(DOCS / "flux_curve.png")
    return {"events": len(events)}


def baseline() -> dict[str, float]:
    """The network beside the trees on the whole of lightcurves_sim; more than twenty minutes of one core."""
    if not (WORK / "baseline_run" / "report.html").is_file():
        astrid("train", "experiment=lightcurves_sim", "paths.run_dir=baseline_run", "paths.data=baseline_data")
    astrid("baseline", "run_dir=baseline_run")
    shutil.copy(WORK / "baseline_run" / "baseline" / "baseline.png", DOCS)
    return {}


TRIED = (
    "simulate.n=1200 channels.size=31 trainer.max_epochs=8 audit=warn logger=none optimizer.lr=0.0003,0.001,0.003,0.01"
)
CHOSEN = 3  # the best two runs and the last one
BROWSER = "--headless=new --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=9000".split()
SIZE, SCALE = (1240, 3000), 0.55


def board() -> dict[str, float]:
    """24 trainings of stamps on one board; ten minutes of one core, and a headless Chromium that takes its picture."""
    if not (WORK / "tried" / "sweep.parquet").is_file():
        words = [*TRIED.split(), "datamodule.batch_size=32,128", "seed=1,2,3", "paths.sweep_dir=tried"]
        astrid("train", "-m", "experiment=realbogus_triplets", "paths.data=tried_data", *words)
    astrid("board", "runs=[tried]", "output_dir=board")
    content = (WORK / "board" / "data" / "board.js").read_text(encoding="utf-8")
    rows = json.loads(content[content.index(",") + 1 : content.rindex(")")])["runs"]
    ids = [row["id"] for row in sorted(rows, key=lambda row: row["rank"])]
    page = f"{(WORK / 'board' / 'index.html').as_uri()}#runs={','.join([*ids[: CHOSEN - 1], ids[-1]])}"
    photographed(page, DOCS / "board.png", SIZE)
    return {}


def photographed(page: str, path: Path, size: tuple[int, int]) -> None:
    """A picture of a page, smaller than it was shown.

    Args:
        page: its address.
        path: the PNG.
        size: of the browser's window.
    """
    taken = WORK / path.name
    window = ",".join(map(str, size))
    subprocess.run(["chromium", *BROWSER, f"--window-size={window}", f"--screenshot={taken}", page], check=True)
    with Image.open(taken) as picture:
        small = picture.convert("RGB").resize([int(side * SCALE) for side in size], Image.Resampling.LANCZOS)
        small.save(path, optimize=True)


RAMPS = (
    "what=ramps simulate.n=1 simulate.image_shape=[512,512] simulate.num_frames=40 "
    "simulate.snowballs_per_exp_range=[5,5] simulate.snowball_radius_range=[5,12] "
    "simulate.snowball_halo_decay_scale_range=[2,4] "
    "simulate.cosmic_ray_per_exp_range=[900,900] simulate.rtn_per_exp_range=[300,300] simulate.rtn_period_range=[6,20]"
)
TRIED_TWICE = (
    "experiment=realbogus_triplets simulate.n=600 simulate.prevalence=0.3 channels.size=31 trainer.max_epochs=6"
)
# What the gallery shows beside the pictures of other pages: below the working folder -> its name there.
GALLERY = {
    "ramps_figures/overview_0.png": "ramp_overview.png",
    "ramps_figures/sanity.png": "ramp_sanity.png",
    "ramps_figures/snowball_0.png": "ramp_event.png",
    "ramps_score/precision_recall.png": "ramp_scores.png",
    "gdepth/depth.png": "depth.png",
}


def gallery() -> dict[str, float]:
    """Figures of ramps and of limiting magnitudes, and a page of runs side by side; about five minutes."""
    from astrid_ml.preprocessing.ramps.commands.visualise import ResultVisualizer

    if not (WORK / "ramps_score" / "score.json").is_file():
        astrid("simulate", *RAMPS.split(), "output_dir=ramps")
        astrid("predict", "task=ramps", "input=ramps", "output_dir=ramps_out")
        astrid("score-ramps", "input=ramps", "output_dir=ramps_score")
    ResultVisualizer.open(WORK / "ramps_out" / "sca_1_0000").save(WORK / "ramps_figures")
    if not (WORK / "gdepth" / "depth.png").is_file():
        astrid("simulate", "what=pairs", "simulate.n=3", "output_dir=gpairs")
        for number in range(3):
            pair = [f"{side}=gpairs/pair_00{number}_{side}.fits" for side in ("science", "reference")]
            astrid("difference", *pair, f"output_dir=gout/{number}")
        astrid("depth", "input=gout", "output_dir=gdepth")
    for rate in (1, 2):
        words = [*TRIED_TWICE.split(), f"optimizer.lr=0.00{rate}", f"paths.run_dir=rate{rate}", "paths.data=rates"]
        if not (WORK / f"rate{rate}" / "report.html").is_file():
            astrid("train", *words, "audit=warn", "logger=none")
    astrid("compare", "runs=[rate1,rate2]", "output_dir=compared")
    photographed((WORK / "compared" / "compare.html").as_uri(), DOCS / "compare.png", (1240, 1900))
    for drawn, name in GALLERY.items():
        with Image.open(WORK / drawn) as picture:
            picture.convert("P", palette=Image.Palette.ADAPTIVE).save(DOCS / name, optimize=True)
    return {}


def tutorials() -> dict[str, float]:
    """The figures of the text notebooks, for their pages of the site."""
    pictures = DOCS / "tutorials" / "pictures"
    pictures.mkdir(exist_ok=True)
    for path in sorted((DOCS / "tutorials").glob("*.py")):
        place = WORK / path.stem
        if not (place / "summary.json").is_file():
            subprocess.run([sys.executable, str(path), str(place)], cwd=WORK, check=True)
        for drawn in re.findall(r'savefig\(PLACE / "(\w+\.png)"', path.read_text(encoding="utf-8")):
            Image.open(place / drawn).convert("P", palette=Image.Palette.ADAPTIVE).save(
                pictures / f"{path.stem}_{drawn}", optimize=True
            )
    return {}


MAKERS: dict[str, Callable[[], dict[str, float]]] = {"demo": demo, "recover": recover, "curves": curves}
LONG: dict[str, Callable[[], dict[str, float]]] = {
    "baseline": baseline,
    "board": board,
    "gallery": gallery,
    "tutorials": tutorials,
}


def records(made_by: str = "") -> list[dict[str, Any]]:
    """The measured sentences of the pages; those that one function makes, or all."""
    found = json.loads((DOCS / "numbers.json").read_text(encoding="utf-8"))["records"]
    return [record for record in found if made_by in ("", record["made_by"])]


def said(text: str, sentence: str) -> list[float] | None:
    """The numbers that a page has in a sentence.

    Args:
        text: of the page.
        sentence: with ``{}`` for each number; lines may end anywhere.

    Returns:
        In their order; None where the sentence does not stand there, or more than once.
    """
    # The first number may have a sign; none may go on to the left or the right.
    pattern = r"(?<![\w.])([+-]?[\d.,e-]*\d)(?!\d)".join(re.escape(part) for part in sentence.split("{}"))
    found = list(re.finditer(pattern, " ".join(text.split())))
    return [float(value.replace(",", "")) for value in found[0].groups()] if len(found) == 1 else None


def misfit(record: dict[str, Any]) -> str:
    """How a sentence differs from what was measured; empty where it holds.

    Args:
        record: of ``docs/numbers.json``.
    """
    shown = said((ROOT / record["page"]).read_text(encoding="utf-8"), record["sentence"])
    if shown is None:
        return f"{record['page']} does not say: {record['sentence']}"
    limits = zip(shown, record["values"], record["tolerance"], strict=True)
    if any(abs(number - value) > tolerance + 1e-12 for number, value, tolerance in limits):
        return f"{record['page']}: {record['sentence']}\n    says {shown}, measured {record['values']}"
    return ""


def main() -> int:
    """Exit code 1 where a sentence of a page is to be written anew."""
    WORK.mkdir(parents=True, exist_ok=True)
    listed = records()
    for name in sys.argv[1:] or list(MAKERS):
        measured = (MAKERS | LONG)[name]()
        for record in (record for record in listed if record["made_by"] == name):
            known = zip(record["names"], record["values"], strict=True)
            record["values"] = [measured.get(key, value) for key, value in known]
    write_json(DOCS / "numbers.json", {"records": listed})
    stale = [text for record in listed if (text := misfit(record))]
    print("\n".join(stale) or "every sentence holds")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
