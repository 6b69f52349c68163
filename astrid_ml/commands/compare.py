"""``astrid compare RUN RUN ...``: a table with paired intervals, and overlaid PR curves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.checkpoint.predictions import read_predictions
from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.formats import formats_of, write_described
from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap, paired
from astrid_ml.files import whole
from astrid_ml.found import found
from astrid_ml.metrics.binary import average_precision, pr_curve
from astrid_ml.types import Count


@dataclass(frozen=True)
class CompareCommand:
    """Compare runs on the samples that all of them tested.

    Args:
        runs: run folders; the first is what the others are compared with.
        output_dir: gets ``compare.parquet``, ``compare.json`` and ``compare.png``.
        replicates: of the paired bootstrap by group.
        format: of the table beside parquet: ecsv, votable, fits.
    """

    runs: tuple[str, ...] | list[str]
    output_dir: str = "compare"
    replicates: Count = 1000
    format: str | list[str] | None = None

    def run(self) -> dict[str, Any]:
        """Write the table and the figure.

        Raises:
            UserError: fewer than two runs, a run without test predictions, or no sample in common.
        """
        formats = formats_of(self.format)
        places = {Path(os.path.realpath(Path(name).expanduser())) for name in self.runs}
        tables = {name: test_predictions(Path(name)) for name in self.runs}
        if len(places) < max(2, len(self.runs)):
            raise UserError(
                "runs=[RUN1,RUN2,...], at least two, each once",
                ", ".join(map(str, self.runs)),
                "name each run once, and two or more of them",
            )
        common = sorted(set.intersection(*(set(table.index) for table in tables.values())))
        if not common:
            raise UserError(
                "runs that tested the same samples", "none in common", "use the same dataset and split.seed"
            )
        tables = {name: table.loc[common] for name, table in tables.items()}
        check_labels(tables)
        rows = comparison(tables, Bootstrap(self.replicates))
        folder = Path(self.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_described(rows, folder / "compare.parquet", TableMeaning("comparison"), formats)
        with whole(folder / "compare.json") as part:
            rows.to_json(part, orient="records", indent=2)
        draw(tables, folder / "compare.png")
        lines = {row["run"]: _words(row) for row in rows.to_dict("records")}
        return {"samples": len(common), **lines, "table": str(folder / "compare.parquet")}


def test_predictions(run: Path) -> pd.DataFrame:
    """Labelled predictions of a run's test fold, by id."""
    path = run / "predictions" / "test.parquet"
    if not path.is_file():
        raise UserError(
            f"a finished run with a test fold at {run}",
            f"{found(run)}, without predictions/test.parquet",
            "give a folder that astrid train left",
        )
    table = read_predictions(path)
    needed = ("id", "group_id", "label", "score")
    absent = [name for name in needed if name not in table or (len(table) and table[name].isna().all())]
    if absent:
        got = f"no {', '.join(absent)} in {path}"
        raise UserError("binary predictions: id, group_id, label, score", got, "compare runs of a real/bogus task")
    for name in ("id", "group_id"):
        if table[name].isna().any():
            got = f"{int(table[name].isna().sum())} rows of {path} without {name}"
            raise UserError("predictions that name their samples", got, "predict again, or repair the table")
    if table["id"].duplicated().any():
        twice = table["id"][table["id"].duplicated()].unique()
        got = f"{len(twice)} ids more than once in {path} ({', '.join(map(str, twice[:3]))})"
        raise UserError("each sample once in a table of predictions", got, "compare runs that test each sample once")
    return table[table["label"].notna()].set_index("id")


def check_labels(tables: dict[str, pd.DataFrame]) -> None:
    """Runs judged by different truths cannot be compared, nor can one class be ranked.

    Raises:
        UserError: labels differ between runs (the ids are named), or a class is absent.
    """
    labels = pd.DataFrame({name: table["label"].astype(int) for name, table in tables.items()})
    differing = labels.index[labels.nunique(axis=1) > 1]
    if len(differing):
        got = f"{len(differing)} samples differ ({', '.join(map(str, differing[:3]))})"
        raise UserError("one label a sample in all runs", got, "compare runs on one labelled dataset")
    if labels.iloc[:, 0].nunique() < 2:
        raise UserError(
            "both classes among the common samples", "one class only", "compare runs with larger test folds"
        )


def comparison(tables: dict[str, pd.DataFrame], bootstrap: Bootstrap) -> pd.DataFrame:
    """One row a run: AUCPR, and its difference from the first with a paired 95 % interval."""
    first = next(iter(tables.values()))
    labels, groups = first["label"].astype(int), first["group_id"]
    rows = []
    for place, (name, table) in enumerate(tables.items()):
        row: dict[str, Any] = {"run": name, "aucpr": average_precision(table["score"], labels)}
        found = paired(table["score"], first["score"], labels, groups, bootstrap) if place else None
        row |= (
            {"difference": found.value, "low": found.low, "high": found.high}
            if found
            else {"difference": None, "low": None, "high": None}
        )
        rows.append(row)
    return pd.DataFrame(rows).astype({"difference": "Float64", "low": "Float64", "high": "Float64"})


def draw(tables: dict[str, pd.DataFrame], path: Path) -> None:
    """Overlaid PR curves."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, table in tables.items():
        curve = pr_curve(table["score"], table["label"].astype(int), 500)
        axes.step(curve["recall"], curve["precision"], where="post", label=name)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with whole(path) as part:
        figure.savefig(part, dpi=130)


def _words(row: dict[Any, Any]) -> str:
    if pd.isna(row["difference"]):
        return f"AUCPR {row['aucpr']:.4f}"
    return f"AUCPR {row['aucpr']:.4f}, {row['difference']:+.4f} (95 % {row['low']:+.4f} to {row['high']:+.4f})"
