"""``astrid baseline``: features and gradient boosting beside a finished run, on its own folds, windows and judge.

For the report only: nothing of it enters a checkpoint. It is fitted on the run's training folds, tuned on validation
for at least as long as the network was trained, and judged on the run's test fold; the difference of the two is
resampled in pairs, the same objects drawn for both.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from astrid_ml.build import build
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.evaluation.tree_compare import compare_trees, figure_pair
from astrid_ml.models.lightcurves.extractors import Extractors, bands_of, curve_features, full_set
from astrid_ml.run.predict import write_json
from astrid_ml.run.table_writer import write_table
from astrid_ml.taxonomy import Taxonomy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
PIECE = 1000


@dataclass(frozen=True)
class Settings:
    """One configuration of the trees.

    Args:
        learning_rate: of the boosting.
        max_leaf_nodes: of a tree.
        l2_regularization: on the leaves.
        max_features: share of the features that a split looks at.
        min_samples_leaf: objects in a leaf.
    """

    learning_rate: float = 0.08
    max_leaf_nodes: int = 15
    l2_regularization: float = 5.0
    max_features: float = 0.15
    min_samples_leaf: int = 20

    @staticmethod
    def drawn(random: np.random.Generator) -> Settings:
        """A configuration at random."""
        return Settings(
            float(np.exp(random.uniform(np.log(0.03), np.log(0.2)))),
            int(random.choice([4, 7, 15, 31])),
            float(np.exp(random.uniform(np.log(0.1), np.log(30)))),
            float(random.choice([0.05, 0.1, 0.2, 0.4])),
            int(random.choice([5, 10, 20, 40])),
        )


@dataclass(frozen=True)
class BaselineCommand:
    """Fit, tune and judge the feature baseline of a light-curve run.

    Args:
        run: folder of a finished run.
        output_dir: gets ``baseline.json``, ``predictions.parquet`` and ``baseline.png``; RUN/baseline by default.
        days: windows to compare at, of those of the run; all of them by default.
        tuning_seconds: for the choice of a configuration, by the log-loss of validation at the window that the run is
            judged at; by default as long as the network's training took (of each round its part).
        max_iter: trees of a class at most; validation stops the boosting earlier.
        replicates: of the paired bootstrap.
        seed: of the configurations and of the trees.
    """

    run_dir: str
    output_dir: str | None = None
    days: tuple[float, ...] | list[float] = ()
    tuning_seconds: float | None = None
    max_iter: int = 500
    replicates: int = 1000
    seed: int = 1

    def run(self) -> dict[str, Any]:
        """Write the comparison; the returned lines are for the terminal."""
        folder = Path(self.run_dir)
        config, record = open_run(folder)
        output = Path(self.output_dir) if self.output_dir else folder / "baseline"
        output.mkdir(parents=True, exist_ok=True)
        dataset = PreparedDataset(record["dataset"]["path"])
        judge = build(config["evaluation"], config.get("trust", []))
        rounds = [pd.read_parquet(path) for path in sorted((folder / "splits").glob("*.parquet"))]
        seconds = self.tuning_seconds if self.tuning_seconds is not None else float(record["cost"]["fit_seconds"])
        started = time.perf_counter()
        datamodule = build(config["datamodule"], config.get("trust", []))
        datamodule.windows = chosen_days(datamodule.windows, self.days)
        table = FeatureTable.of(dataset, datamodule)
        extracted = time.perf_counter() - started
        parts, accounts = [], []
        for folds in rounds:
            fitted = self._round(table, dataset.index, folds, judge, seconds / len(rounds), datamodule.taxonomy)
            parts.append(fitted[0])
            accounts.append(fitted[1])
        baseline = pd.concat(parts, ignore_index=True)
        write_table(baseline, output / "predictions.parquet")
        network = pd.read_parquet(folder / "predictions" / "test.parquet")
        network = network[network["days"].isin(datamodule.windows)]
        compared = compare_trees(judge.tree, network, baseline, self.replicates)
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


@dataclass(frozen=True)
class FeatureTable:
    """Features of all labelled objects at all windows.

    Args:
        rows: positions of the objects in the dataset's index, ascending.
        days: the windows.
        values: (n, W, F) float32.
    """

    rows: Ints
    days: tuple[float, ...]
    values: npt.NDArray[np.float32]

    @classmethod
    def of(cls, dataset: PreparedDataset, datamodule: Any) -> FeatureTable:
        """Extract; the same epochs are never measured twice."""
        extractor = full_set()
        rows = np.flatnonzero(datamodule.usable(dataset.index)).astype(np.int64)
        bands = bands_of(dataset.ragged("epochs", rows[:: max(1, len(rows) // 2000)])[0][:, 4])
        days = tuple(datamodule.windows)
        parts = [_piece(dataset, part, datamodule, bands, extractor) for part in pieces(rows)]
        values = np.concatenate(parts)
        static = dataset.index.iloc[rows][list(datamodule.standardiser.columns)].to_numpy(dtype=np.float32)
        clock = np.broadcast_to(static[:, None], (*values.shape[:2], static.shape[1]))
        return cls(rows, days, np.concatenate([values, clock], axis=2))

    def at(self, rows: Ints, window: int) -> npt.NDArray[np.float32]:
        """Features (n, F) of objects by their position in the index."""
        out: npt.NDArray[np.float32] = self.values[np.searchsorted(self.rows, rows), window]
        return out


def chosen_days(windows: list[float], days: Sequence[float]) -> list[float]:
    """The windows of the run that are asked for.

    Raises:
        UserError: one that the run does not have.
    """
    absent = [day for day in days if day not in windows]
    if absent:
        raise UserError(f"days of the run's windows {windows}", f"{absent}", "choose some of them")
    return [day for day in windows if not days or day in days]


def pieces(rows: Ints) -> Iterator[Ints]:
    """Blocks of objects."""
    for start in range(0, len(rows), PIECE):
        yield rows[start : start + PIECE]


def _piece(
    dataset: PreparedDataset, rows: Ints, datamodule: Any, bands: Floats, extractor: Extractors
) -> npt.NDArray[np.float32]:
    """(n, W, F); windows that end at the same epoch share one measurement."""
    flat, offsets = dataset.ragged("epochs", rows)
    seen = datamodule.seen_at(flat, offsets)
    out: list[npt.NDArray[np.float32]] = []
    for window in range(seen.shape[1]):
        same = seen[:, window] == seen[:, window - 1] if window else np.zeros(len(rows), dtype=bool)
        new = np.flatnonzero(~same)
        lengths = np.diff(offsets)[new]
        places = np.concatenate([np.arange(offsets[k], offsets[k + 1]) for k in new] or [np.empty(0, dtype=np.int64)])
        own = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        values = out[-1].copy() if window else np.empty((0, 0), dtype=np.float32)
        if len(new):
            found = curve_features(flat[places], own, seen[new, window], bands, extractor).astype(np.float32)
            if not window:
                values = np.empty((len(rows), found.shape[1]), dtype=np.float32)
            values[new] = found
        out.append(values)
    return np.stack(out, axis=1)


def fit_trees(
    table: FeatureTable,
    rows: dict[str, Ints],
    nodes: Ints,
    window: int,
    settings: Settings,
    tree: Taxonomy,
    max_iter: int,
    seed: int,
) -> Trees:
    """Boosted trees over the leaves; objects that are labelled at an inner node cannot take part."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    leaves = [tree.position[name] for name in tree.leaves]
    train, val = (rows[name][np.isin(nodes[rows[name]], leaves)] for name in ("train", "val"))
    val = val[np.isin(nodes[val], nodes[train])]
    model = HistGradientBoostingClassifier(
        max_iter=max_iter, early_stopping=True, n_iter_no_change=15, random_state=seed, **vars(settings)
    )
    x = table.at(train, window)
    # A feature that no object has, or all alike, splits nothing (and binning refuses the first).
    with_spread = np.array([len(np.unique(column[np.isfinite(column)])) > 1 for column in x.T])
    model.fit(x[:, with_spread], nodes[train], X_val=table.at(val, window)[:, with_spread], y_val=nodes[val])
    return Trees(model, with_spread)


@dataclass(frozen=True)
class Trees:
    """A fitted model and the features that it looks at.

    Args:
        model: of scikit-learn.
        columns: (F,) which features.
    """

    model: Any
    columns: npt.NDArray[np.bool_]

    @property
    def classes(self) -> Ints:
        """Places of the leaves that were trained, ascending."""
        out: Ints = self.model.classes_
        return out

    def probabilities(self, x: npt.NDArray[np.float32]) -> Floats:
        """(n, classes)."""
        out: Floats = self.model.predict_proba(x[:, self.columns])
        return out


def validation_loss(trees: Trees, x: npt.NDArray[np.float32], nodes: Ints) -> float:
    """Mean -log p of the true leaf, over objects whose leaf was trained."""
    known = np.isin(nodes, trees.classes)
    p = trees.probabilities(x[known])[np.arange(int(known.sum())), np.searchsorted(trees.classes, nodes[known])]
    return float(-np.mean(np.log(np.clip(p, 1e-7, 1))))


def node_probabilities(trees: Trees, x: npt.NDArray[np.float32], tree: Taxonomy) -> Floats:
    """(n, n_nodes): leaves from the trees, each inner node the sum of its leaves."""
    leaves = np.zeros((len(x), len(tree.nodes)))
    leaves[:, trees.classes] = trees.probabilities(x)
    out: Floats = leaves @ tree.ancestors.astype(np.float64)
    return out


def headline_window(headline: str, days: tuple[float, ...]) -> int:
    """The window that the run is judged at; the longest where the headline names none."""
    shown = headline.rsplit("/", 1)[-1]
    wanted = [number for number, day in enumerate(days) if f"{day:g}d" == shown]
    return wanted[0] if wanted else len(days) - 1


def open_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and record of a finished light-curve run.

    Raises:
        UserError: no finished run, no test fold, or another domain's.
    """
    if not (folder / "predictions" / "test.parquet").is_file() or not (folder / "run.json").is_file():
        raise UserError(
            "run=FOLDER of a finished run with a test fold", f"{folder} is none", "give what astrid train left"
        )
    config: dict[str, Any] = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    record: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if record["dataset"]["domain"] != "lightcurves":
        raise UserError("a run on light curves", f"one on {record['dataset']['domain']}", "give a light-curve run")
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
