"""``astrid baseline``: features and gradient boosting beside a finished run, on its own folds, windows and judge.

For the report only: nothing of it enters a checkpoint. It is fitted on the run's training folds, tuned on validation
for at least as long as the network was trained, and judged on the run's test fold; the difference of the two is
resampled in pairs, the same objects drawn for both.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import yaml

from astrid_ml.build import build
from astrid_ml.checkpoint.predictions import read_predictions, write_predictions
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.tree.compare import compare_trees, figure_pair
from astrid_ml.files import read_note, write_json
from astrid_ml.found import found
from astrid_ml.models.baseline.features import FeatureTable
from astrid_ml.models.baseline.trees import Settings, Trees, fit_trees, node_probabilities, validation_loss
from astrid_ml.taxonomy import Taxonomy
from astrid_ml.types import Count, Ints, InUnits, NonNegative, Positive, Seed


@dataclass(frozen=True)
class BaselineCommand:
    """Fit, tune and judge the feature baseline of a light-curve run.

    Args:
        run_dir: folder of a finished run.
        output_dir: gets ``baseline.json``, ``predictions.parquet`` and ``baseline.png``; RUN/baseline by default.
        days: windows to compare at, of those of the run; all of them by default.
        tuning_seconds: for the choice of a configuration, by the log-loss of validation at the window that the run is
            judged at; by default as long as the network's training took (of each round its part).
        max_iter: trees of a class at most; validation stops the boosting earlier.
        replicates: of the paired bootstrap.
        seed: of the configurations, of the trees and of the bootstrap.
        dataset: the run's, where it lies now; None takes the run's own words.
        trust: classes outside this project that the run's configuration may name; the run itself is not asked.
    """

    run_dir: str
    output_dir: str | None = None
    days: Annotated[tuple[Positive, ...] | list[Positive], InUnits("d")] = ()
    tuning_seconds: Annotated[NonNegative, InUnits("s")] | None = None
    max_iter: Count = 500
    replicates: Count = 1000
    seed: Seed = 1
    trust: Sequence[str] = ()
    dataset: str | None = None

    def run(self) -> dict[str, Any]:
        """Write the comparison; the returned lines are for the terminal."""
        folder = Path(self.run_dir)
        config, record = open_run(folder)
        output = Path(self.output_dir) if self.output_dir else folder / "baseline"
        output.mkdir(parents=True, exist_ok=True)
        dataset = dataset_of(record, self.dataset)
        judge = build(config["evaluation"], self.trust)
        rounds = [pd.read_parquet(path) for path in sorted((folder / "splits").glob("*.parquet"))]
        seconds = self.tuning_seconds if self.tuning_seconds is not None else float(record["cost"]["fit_seconds"])
        started = time.perf_counter()
        datamodule = build(config["datamodule"], self.trust)
        datamodule.windows = chosen_days(datamodule.windows, self.days)
        table = FeatureTable.of(dataset, datamodule)
        extracted = time.perf_counter() - started
        parts, accounts = [], []
        for folds in rounds:
            fitted = self._round(table, dataset.index, folds, judge, seconds / len(rounds), datamodule.taxonomy)
            parts.append(fitted[0])
            accounts.append(fitted[1])
        baseline = pd.concat(parts, ignore_index=True)
        write_predictions(
            baseline.assign(set="test"), output / "predictions.parquet", (), dataset.meta.get("description")
        )
        network = read_predictions(folder / "predictions" / "test.parquet")
        network = network[network["days"].isin(datamodule.windows)]
        compared = compare_trees(judge.tree, network, baseline, Bootstrap(self.replicates, self.seed))
        figure_pair(compared).savefig(output / "baseline.png", dpi=130)
        write_json(output / "metrics.json", judge.evaluate(baseline).flat("test"))
        summary = {
            "run": str(folder),
            "features": table.values.shape[2],
            "extraction_seconds": round(extracted, 1),
            "tuning_seconds": round(sum(account["tuning_seconds"] for account in accounts), 1),
            "network_fit_seconds": record["cost"]["fit_seconds"],
            "rounds": accounts,
            "comparison": compared.to_dict("records"),
        }
        write_json(output / "baseline.json", summary)
        return {**lines_of(compared, judge.headline), "baseline": str(output / "baseline.json")}

    def _round(
        self,
        table: FeatureTable,
        index: pd.DataFrame,
        folds: pd.DataFrame,
        judge: Any,
        seconds: float,
        tree: Taxonomy,
    ) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Tune at the headline's window, fit at every window, calibrate on validation; (test predictions, account)."""
        fold = index["id"].map(folds.set_index("id")["fold"]).to_numpy()
        rows = {name: table.rows[fold[table.rows] == name] for name in ("train", "val", "test")}
        nodes = tree.encode([None if pd.isna(label) else label for label in index["label"]])
        tuned_at = headline_window(judge.headline, table.days)
        chosen, tuned, account = self._tune(table, rows, nodes, tuned_at, seconds, tree)
        scored: dict[str, list[pd.DataFrame]] = {"val": [], "test": []}
        for window, day in enumerate(table.days):
            model = tuned
            if window != tuned_at:
                model = fit_trees(table, rows, nodes, window, chosen, tree, self.max_iter, self.seed)
            for name, parts in scored.items():
                p = node_probabilities(model, table.at(rows[name], window), tree)
                columns = {f"score_{node}": p[:, number] for number, node in enumerate(tree.nodes)}
                kept = index.iloc[rows[name]][["id", "group_id", "label"]].reset_index(drop=True)
                parts.append(pd.concat([kept, pd.DataFrame({"days": day, **columns})], axis=1))
        validation, test = (pd.concat(scored[name], ignore_index=True) for name in ("val", "test"))
        return judge.apply(test, judge.fit(validation)), account

    def _tune(
        self,
        table: FeatureTable,
        rows: dict[str, Ints],
        nodes: Ints,
        window: int,
        seconds: float,
        tree: Taxonomy,
    ) -> tuple[Settings, Trees, dict[str, Any]]:
        """Configurations at random, the first a sound one, until the time is spent."""
        random, started = np.random.default_rng(self.seed), time.perf_counter()
        least, tried, settings = np.inf, 0, Settings()
        while True:
            model = fit_trees(table, rows, nodes, window, settings, tree, self.max_iter, self.seed)
            loss = validation_loss(model, table.at(rows["val"], window), nodes[rows["val"]])
            tried += 1
            if loss < least:
                best, kept, least = settings, model, loss
            if time.perf_counter() - started >= seconds:
                break
            settings = Settings.drawn(random)
        spent = time.perf_counter() - started
        return best, kept, {"tuning_seconds": spent, "tried": tried, "val_log_loss": least, "settings": vars(best)}


def chosen_days(windows: list[float], days: Sequence[float]) -> list[float]:
    """The windows of the run that are asked for.

    Raises:
        UserError: one that the run does not have.
    """
    absent = [day for day in days if day not in windows]
    if absent:
        raise UserError(f"days of the run's windows {windows}", f"{absent}", "choose some of them")
    return [day for day in windows if not days or day in days]


def headline_window(headline: str, days: tuple[float, ...]) -> int:
    """The window that the run is judged at; the longest where the headline names none."""
    shown = headline.rsplit("/", 1)[-1]
    wanted = [number for number, day in enumerate(days) if f"{day:g}d" == shown]
    return wanted[0] if wanted else len(days) - 1


def dataset_of(record: dict[str, Any], place: str | None) -> PreparedDataset:
    """The dataset of a run, where it lies now.

    Args:
        record: ``run.json``.
        place: its folder, where it was moved or was named from another folder; None takes the run's own words.

    Raises:
        UserError: it is not there, or is another dataset than the run's.
    """
    said = Path(record["dataset"]["path"])
    if place is None and not said.is_dir():
        fix = "give dataset=FOLDER, the prepared dataset of that run, or type the command where the run was made"
        raise UserError("the dataset of the run", f"nothing at {said}", fix)
    dataset = PreparedDataset(place or said)
    if dataset.fingerprint != record["dataset"]["fingerprint"]:
        got = f"another, {dataset.fingerprint[:12]} for {str(record['dataset']['fingerprint'])[:12]}"
        raise UserError("the dataset of the run", got, f"give dataset=FOLDER of {said.name}")
    return dataset


def open_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and record of a finished light-curve run.

    Raises:
        UserError: no finished run, no test fold, or another domain's.
    """
    if not (folder / "predictions" / "test.parquet").is_file() or not (folder / "run.json").is_file():
        raise UserError(
            "run_dir=FOLDER of a finished run with a test fold", found(folder), "give what astrid train left"
        )
    try:
        config: dict[str, Any] = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        record: dict[str, Any] = read_note(folder / "run.json")
        domain = str(record["dataset"]["domain"])
        if domain == "lightcurves":
            _ = (
                config["datamodule"],
                config["evaluation"],
                record["dataset"]["path"],
                float(record["cost"]["fit_seconds"]),
            )
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, RecursionError) as error:
        fix = "run astrid fsck on it, or train again"
        raise UserError(
            "config.yaml and run.json of a finished run", f"damaged or unfinished: {folder}", fix
        ) from error
    if domain != "lightcurves":
        raise UserError("a run on light curves", f"one on {domain}", "give a light-curve run")
    return config, record


def lines_of(compared: pd.DataFrame, headline: str) -> dict[str, str]:
    """What the terminal shows: the headline's window."""
    day = compared["days"] == float(headline.rsplit("/", 1)[-1].removesuffix("d"))
    shown = compared[day] if day.any() else compared[compared["days"] == compared["days"].max()]
    return {
        f"{row['metric']} at {row['days']:g} d": f"network {row['network']:.4f}, baseline {row['baseline']:.4f}, "
        f"difference {row['difference']:+.4f} (95 % {row['low']:+.4f} to {row['high']:+.4f})"
        for row in shown.to_dict("records")
    }
