"""Small finished runs of each domain, their bundles, and what somebody could do to one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from astrid_ml.build import plain
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.load import read_record, save_model
from astrid_ml.checkpoint.predictions import read_predictions, write_predictions
from astrid_ml.checkpoint.record import Record
from astrid_ml.config import compose
from astrid_ml.files import write_json, write_text
from astrid_ml.referee.commands.bundle import bundle_run
from astrid_ml.referee.crate import METADATA, facts_of, files_in, metadata_text, sized
from astrid_ml.referee.numbers import Numbers, applied
from astrid_ml.referee.opened import Bundle, plainly
from astrid_ml.report.content import SamplePicture
from astrid_ml.report.model_card import card_text
from astrid_ml.report.write import report_page
from astrid_ml.run.environment import run_identity
from astrid_ml.run.told.pictures import notable_captions
from astrid_ml.run.training.train import train
from astrid_ml.splits.plan import SplitPlan

QUIET = ("trainer.enable_progress_bar=false", "logger=none")
WORDS = {
    "triplets": [
        "experiment=realbogus_triplets", "simulate.n=500", "simulate.prevalence=0.4", "channels.size=31",
        "model.network.widths=[4,8,8]", "trainer.max_epochs=2", "audit=warn",
        "evaluation.evaluation.bootstrap.replicates=100", *QUIET,
    ],
    "ramps": [
        "experiment=ramp_anomalies", "simulate.n=12", "simulate.num_frames=12", "simulate.image_shape=[72,72]",
        "trainer.max_epochs=1", "model.network.widths=[4,8,8]", "datamodule.crop=16", *QUIET,
    ],
    "light curves": [
        "experiment=lightcurves_sim", "simulate.n=240", "simulate.templates=3", "trainer.max_epochs=1", *QUIET,
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Honest:
    """What an author has.

    Args:
        bundle: of a run.
        dataset: on which it was trained.
        domain: of the run.
    """

    bundle: Path
    dataset: Path
    domain: str

    @property
    def other(self) -> Path:
        """A checkpoint of the same configuration with another seed, trained when it is first asked for."""
        made = self.bundle.parent / "run2/checkpoints/best.ckpt"
        if not made.is_file():
            _trained(self.domain, self.bundle.parent, 2)
        return made


def _trained(domain: str, folder: Path, seed: int) -> None:
    words = [*WORDS[domain], f"seed={seed}", f"paths.run_dir={folder / f'run{seed}'}", f"paths.data={folder}/data"]
    train(plain(compose("train", words)), words)


def honest(domain: str, folder: Path) -> Honest:
    """Train, and bundle the run."""
    _trained(domain, folder, 1)
    bundle_run(folder / "run1", folder / "bundle")
    kept = json.loads((folder / "run1/stages/prepare.json").read_text())["kept"]
    return Honest(folder / "bundle", Path(kept["path"]), domain)


def sealed(folder: Path) -> None:
    """Let the metadata list and tell the files as they are now: hashes alone catch nothing after that."""
    bundle = Bundle(folder)
    listed = bundle.listed
    facts = facts_of(bundle.written, bundle.record, listed.missing, listed.sources, listed.license)
    write_text(folder / METADATA, metadata_text(facts, {name: sized(path) for name, path in files_in(folder).items()}))


def of_json(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Edit a JSON file."""
    content = json.loads((folder / name).read_text())
    write_json(folder / name, content if (made := change(content)) is None else made)


def of_text(folder: Path, name: str, change: Callable[[str], str]) -> None:
    """Edit a text."""
    before = (folder / name).read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    write_text(folder / name, after)


def of_table(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame], fold: str = "test") -> None:
    """Edit predictions."""
    path = folder / "predictions" / f"{fold}.parquet"
    write_predictions(change(read_predictions(path)), path)


def of_config(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Edit the configuration, and let record and stages carry its identity."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    change(config)
    write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))

    def told(record: dict[str, Any]) -> None:
        record["identity"] = record["stages"][0]["inputs"]["identity"] = run_identity(config)

    of_json(folder, "run.json", told)


def of_checkpoint(
    folder: Path,
    change: Callable[[Record], Record] = lambda record: record,
    weights: Callable[[dict[str, torch.Tensor]], None] = lambda _: None,
) -> None:
    """Edit the network, with all its digests, and those of the stages in the record."""
    path = folder / "checkpoints" / "best.ckpt"
    record, state = read_record(path)
    weights(state)
    record = change(record)
    save_model(path, state, record)
    stages(folder, "fit", weights=digest_of(dict(state)))
    stages(folder, "calibrate", calibration=digest_of(record.calibration))


def stages(folder: Path, name: str, **outputs: str) -> None:
    """Edit the outputs of a stage in the record."""

    def told(record: dict[str, Any]) -> None:
        for stage in record["stages"]:
            if stage["name"] == name:
                stage["outputs"] |= outputs

    of_json(folder, "run.json", told)


def numbers_again(folder: Path) -> None:
    """Metrics, what the record says of them, report and card as the predictions that lie there now make them."""
    numbers = Numbers(Bundle(folder))
    write_json(folder / "metrics.json", plainly(numbers.computed))
    of_json(folder, "run.json", lambda record: record.update(numbers.words))
    pages_again(folder)


def pages_again(folder: Path) -> None:
    """Report and card as record and predictions make them; old pictures stand above the captions of now."""
    numbers = Numbers(Bundle(folder))
    content, tables = numbers.content, numbers.bundle.predictions
    shown = numbers.pictures.samples
    every = [picture for some in shown.values() for picture in some]
    wanted = notable_captions(numbers.bundle.judge, tables["test"] if len(tables["test"]) else tables["val"])
    samples = {
        heading: [SamplePicture(text, old.png) for text, old in zip(some, cycle(shown.get(heading, every)))]
        for heading, some in wanted.items()
        if some and every
    }
    write_text(folder / "report.html", report_page(replace(content, samples=samples)))
    for name, text in card_text(numbers.content).items():
        write_text(folder / name, text)


def judged_again(folder: Path, scores_of: Callable[[pd.DataFrame], pd.DataFrame], fold: str = "test") -> None:
    """Change scores, and let probabilities, decisions, metrics and pages follow."""
    bundle = Bundle(folder)
    calibration = bundle.checkpoints[0][0].calibration
    of_table(folder, lambda table: applied(bundle, scores_of(table), calibration), fold)
    numbers_again(folder)


def score_columns(table: pd.DataFrame) -> list[str]:
    """Columns that a network wrote."""
    names = [str(name) for name in table]
    own = [name for name in names if name.startswith("score_")]
    return own or ["score", *[name for name in names if name.endswith(("_true", "_false"))]]


def first_changed(table: pd.DataFrame, name: str, change: Callable[[Any], Any], least: int = 1) -> pd.DataFrame:
    """The first rows with another value."""
    out = table.copy()
    values = list(out[name])
    out[name] = pd.Series([change(value) for value in values[:least]] + values[least:], dtype=out[name].dtype)
    return out


def better(table: pd.DataFrame) -> pd.DataFrame:
    """Scores that know the labels."""
    out = table.copy()
    names = score_columns(table)
    if names[0] != "score":
        for name in names:
            right = out["label"] == name.removeprefix("score_")
            out[name] = np.where(right, 0.99, out[name]).astype(np.float32)
        return out
    if len(names) > 1:  # counts of voxels by their score: all true ones at the top
        for name in [name for name in names if name.endswith("_true")]:
            out[name] = pd.Series([_at_the_top(cell) for cell in out[name]], index=out.index)
        return out
    return out.assign(score=np.where(out["label"] == 1, 0.99, 0.01).astype(np.float32))


def _at_the_top(counts: Any) -> Any:
    made = np.zeros_like(counts)
    made[-1] = counts.sum()
    return made


def replace_config(record: Record, **calibration: Any) -> Record:
    """A record with other values in its calibration."""
    return replace(record, calibration={**record.calibration, **calibration})


def moved_in_split(folder: Path) -> None:
    """A sample of the test fold that stands in training, with the hash wherever it stands."""
    path = next((folder / "splits").glob("*.parquet"))
    table = pd.read_parquet(path)
    table.loc[table.index[table["fold"] == "test"][0], "fold"] = "train"
    made = SplitPlan("x", [table])
    path.unlink()
    made.write(folder / "splits")

    def told(record: dict[str, Any]) -> None:
        record["split"]["hash"] = made.hash
        for row in record["split"]["counts"]:
            row["samples"] += {"train": 1, "test": -1}.get(row["fold"], 0)

    of_json(folder, "run.json", told)
    of_checkpoint(folder, lambda record: replace(record, sets={**(record.sets or {}), "hash": made.hash}))
