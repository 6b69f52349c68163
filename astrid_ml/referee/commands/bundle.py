"""``astrid bundle``: all that a referee needs of a run, as an RO-Crate."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from astrid_ml.errors import UserError
from astrid_ml.files import read_note, whole_folder, write_json, write_text
from astrid_ml.fingerprint import file_hash
from astrid_ml.places import check_place, distinct_names
from astrid_ml.reasons import shortened
from astrid_ml.referee.crate import METADATA, constraints, facts_of, files_in, metadata_text, sized, sources_digest

ALWAYS = ("config.yaml", "run.json", "metrics.json")
USUAL = ("report.html", "model_card.md", "model_card.json", "predictions/val.parquet", "checkpoints/best.ckpt")
OF_DATASET = ("dataset.json", "croissant.json", "digests.json", "report.json")


@dataclass(frozen=True)
class BundleCommand:
    """Bundle finished runs.

    Args:
        runs: folders of runs.
        output_dir: gets a folder for each run, of its name: the bundle.
        license: of what is bundled, a URL or an SPDX name; None says nothing.
    """

    runs: Sequence[str]
    output_dir: str
    license: str | None = None

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("runs=[RUN]", "none", "give the folder of a finished run")

    def run(self) -> dict[str, Any]:
        """Write the bundles.

        Returns:
            Of each: its folder, what is missing, and the digest that a paper can quote.

        Raises:
            UserError: a folder holds no finished run, or there is something else at the output.
        """
        target = check_place(self.output_dir, "output_dir")
        runs = [Path(run) for run in self.runs]
        out: dict[str, Any] = {}
        for name, run in zip(distinct_names(runs), runs, strict=True):
            missing = bundle_run(run, target / name, self.license)
            out |= {f"bundle of {name}": str(target / name)}
            out |= {f"digest of {name}": file_hash(target / name / METADATA)}
            if missing:
                out[f"missing of {name}"] = "; ".join(f"{part} ({why})" for part, why in sorted(missing.items()))
        return out


def bundle_run(run: Path, target: Path, license: str | None = None) -> dict[str, str]:
    """Copy what a run left into a new folder, with its metadata.

    Args:
        run: folder of a finished run.
        target: the bundle; a bundle of the same bytes that stands there is left.
        license: of it.

    Returns:
        Missing parts, each with the reason.

    Raises:
        UserError: the run is not finished, or another thing stands at the target.
    """
    config, record = _finished(run)
    parts, missing = _parts(run, record)
    with whole_folder(target, METADATA) as work:
        for name, path in parts.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, work / name)
        write_text(work / "constraints.txt", constraints(record))
        history = _history(run, record)
        if history is None:
            missing["history.json"] = "the run left no epochs that can be read"
        else:
            write_json(work / "history.json", history)
        facts = facts_of(config, record, missing, sources_digest(), license)
        files = {name: sized(path) for name, path in files_in(work).items()}
        text = metadata_text(facts, files)
        if target.exists() and any(target.iterdir()) and not _same(target, text):
            fix = "choose a new output_dir, or remove it"
            raise UserError("output_dir=FOLDER, new or with this very bundle", f"another content in {target}", fix)
        write_text(work / METADATA, text)
    return missing


def _same(target: Path, text: str) -> bool:
    path = target / METADATA
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _finished(run: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Configuration and record of a finished training.

    Raises:
        UserError: there is none.
    """
    absent = [name for name in ALWAYS if not (run / name).is_file()]
    fix = "give the folder of a run of astrid train that has ended (with run.json and metrics.json)"
    if absent:
        raise UserError("runs=[RUN] with a finished training", f"no {', '.join(absent)} in {run}", fix)
    try:
        config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        record, metrics = (read_note(run / name) for name in ("run.json", "metrics.json"))
    except (ValueError, yaml.YAMLError) as error:
        got = shortened(f"{run}: {type(error).__name__}: {error}", 200)
        raise UserError("a run whose records are whole", got, fix) from error
    if not isinstance(config, dict) or not isinstance(metrics, dict):
        got = f"{run}: {'metrics.json' if isinstance(config, dict) else 'config.yaml'} is no mapping"
        raise UserError("a run whose records are whole", got, fix)
    if not isinstance(record, dict) or record.get("status") != "done" or not isinstance(record.get("split"), dict):
        raise UserError("runs=[RUN] with a finished training", f"another state or kind of run in {run}", fix)
    return config, record


def _history(run: Path, record: dict[str, Any]) -> list[Any] | None:
    """Of each round its epochs by name; None where they are lost: its page shows them, and a referee makes it again."""
    rounds = len({row["round"] for row in record["split"]["counts"]})
    places = [run] if rounds == 1 else [run / f"fold_{number}" for number in range(rounds)]
    try:
        return [read_note(place / "stages" / "fit.json")["kept"]["history"] for place in places]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _parts(run: Path, record: dict[str, Any]) -> tuple[dict[str, Path], dict[str, str]]:
    """Path in the bundle -> file of the run or of its dataset; and what is missing, with the reason."""
    folds = [path.relative_to(run).as_posix() for path in sorted(run.glob("fold_*/checkpoints/best.ckpt"))]
    tested = any(row["fold"] == "test" and row["samples"] for row in record["split"]["counts"])
    wanted = [*ALWAYS, *USUAL, *folds, *(["predictions/test.parquet"] if tested else [])]
    parts = {name: run / name for name in wanted}
    splits = sorted((run / "splits").glob("*.parquet"))
    parts |= {f"splits/{path.name}": path for path in splits}
    dataset = _dataset(run, record)
    parts |= {f"dataset/{name}": dataset / name for name in OF_DATASET}
    missing = {name: "not in the run's folder" for name, path in parts.items() if not path.is_file()}
    missing |= {} if splits else {"splits": "not in the run's folder"}
    gone = {name for name in missing if name.startswith("dataset/")}
    missing |= {name: f"not in {dataset}" if dataset.is_dir() else f"the dataset is not at {dataset}" for name in gone}
    return {name: path for name, path in parts.items() if name not in missing}, missing


def _dataset(run: Path, record: dict[str, Any]) -> Path:
    """Where the run's dataset lies: as its mark says, since the record may name a place below another folder."""
    try:
        return Path(read_note(run / "stages" / "prepare.json")["kept"]["path"])
    except (OSError, ValueError, TypeError, KeyError):
        return Path(str(record["dataset"]["path"]))
