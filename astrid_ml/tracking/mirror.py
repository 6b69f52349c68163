"""The end of a run, mirrored into each tracker: the same names, configuration, lineage, figures and metrics."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astrid_ml.csv_text import marked
from astrid_ml.files import whole, write_json
from astrid_ml.tracking.loggers import SafeLogger

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("metric", "value", "why undefined")
TABLE = "metrics_table"
LONGEST_TAG = 5000  # characters that MLflow keeps


def mirror(
    loggers: Sequence[SafeLogger],
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    figures: Mapping[str, Callable[[], Figure]],
    lineage: Mapping[str, str],
) -> None:
    """Log configuration, lineage, every defined metric, the table of all metrics and the figures; close the trackers.

    Args:
        loggers: from :func:`build_loggers`.
        config: the run's configuration, flattened with dots.
        metrics: the content of ``metrics.json``.
        figures: title -> a function that draws.
        lineage: of :func:`astrid_ml.tracking.lineage.lineage_of`.
    """
    flat = dict(flatten(config))
    numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}
    drawn = draw_all(figures) if loggers else {}
    for logger in loggers:
        logger.attempt(lambda logger=logger: put_numbers(logger, flat, fitting(logger.kind, numbers)))  # type: ignore[misc]
        logger.attempt(lambda logger=logger: put_lineage(logger, lineage))  # type: ignore[misc]
        logger.attempt(lambda logger=logger: put_table(logger, table_of(metrics)))  # type: ignore[misc]
        for title, figure in drawn.items():
            logger.attempt(lambda title=title, figure=figure, logger=logger: put_figure(logger, title, figure))  # type: ignore[misc]
        logger.end("done")


def put_numbers(logger: SafeLogger, config: dict[str, Any], numbers: dict[str, float]) -> None:
    """The configuration and the final metrics."""
    inner: Any = logger.inner
    there = {name for name, _ in logger.held}  # of a run that was stopped while it was mirrored
    numbers = {name: value for name, value in numbers.items() if name not in there}
    if logger.kind != "tensorboard":
        inner.log_hyperparams(config)
        if numbers:
            inner.log_metrics(numbers)
        return
    # Lightning's fit has left an empty hparams.yaml and never replaces it; the two together make a row of HPARAMS.
    (Path(inner.log_dir) / "hparams.yaml").unlink(missing_ok=True)
    inner.log_hyperparams(config, metrics=numbers)


def draw_all(figures: Mapping[str, Callable[[], Figure]]) -> dict[str, Figure]:
    """Each figure once; one that cannot be drawn is left out with a warning."""
    drawn = {}
    for title, draw in figures.items():
        try:
            drawn[title] = draw()
        except Exception as error:  # a figure for the trackers must not cost the run
            print(f"warning: no figure {title!r} for the trackers ({type(error).__name__}: {error})", file=sys.stderr)
    return drawn


def table_of(metrics: Mapping[str, Any]) -> list[tuple[str, float | None, str]]:
    """Rows of :data:`COLUMNS`: undefined metrics too, with the reason; a text stands in its place."""
    return [
        (name, None, value)
        if isinstance(value, str)
        else (name, None if value is None else float(value), str(metrics.get(f"{name}/why", "")))
        for name, value in metrics.items()
        if not name.endswith("/why")
    ]


def flatten(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted names; lists as text; no value longer than 250 characters (mlflow's limit)."""
    if isinstance(node, Mapping):
        return [
            pair for key, value in node.items() for pair in flatten(value, f"{prefix}.{key}" if prefix else str(key))
        ]
    return [(prefix, node if isinstance(node, int | float | bool) else str(node)[:250])]


def fitting(kind: str, numbers: Mapping[str, float]) -> dict[str, float]:
    """MLflow's names may not hold everything that ours do."""
    if kind != "mlflow":
        return dict(numbers)
    return {"".join(c if c.isalnum() or c in "_-./ " else "_" for c in name): value for name, value in numbers.items()}


def put_lineage(logger: SafeLogger, lineage: Mapping[str, str]) -> None:
    """Where the run comes from, under ``lineage``, in the tracker's own form."""
    experiment: Any = getattr(logger.inner, "experiment", None)
    if logger.kind == "csv":
        write_json(_csv_folder(logger) / "lineage.json", dict(lineage))
    elif logger.kind == "tensorboard":
        lines = ["what | value", "--- | ---", *(f"{name} | {text}" for name, text in lineage.items())]
        experiment.add_text("lineage", "\n".join(lines))
    elif logger.kind == "wandb":
        experiment.config.update({"lineage": dict(lineage)}, allow_val_change=True)
    elif logger.kind == "mlflow":
        inner: Any = logger.inner
        for name, text in lineage.items():
            experiment.set_tag(inner.run_id, f"lineage.{name}", text[:LONGEST_TAG])


def put_table(logger: SafeLogger, rows: Sequence[tuple[str, float | None, str]]) -> None:
    """The table of all metrics, as ``metrics_table``, in the tracker's own form."""
    experiment: Any = getattr(logger.inner, "experiment", None)
    if logger.kind == "csv":
        import pandas as pd

        table = pd.DataFrame(rows, columns=list(COLUMNS))
        marked(table).to_csv(_csv_folder(logger) / f"{TABLE}.csv", index=False)
    elif logger.kind == "tensorboard":
        lines = [" | ".join(COLUMNS), " | ".join("---" for _ in COLUMNS)]
        lines += [f"{name} | {'' if value is None else repr(value)} | {why}" for name, value, why in rows]
        experiment.add_text(TABLE, "\n".join(lines))
    elif logger.kind == "wandb":
        import wandb

        experiment.log({TABLE: wandb.Table(columns=list(COLUMNS), data=[list(row) for row in rows])})
    elif logger.kind == "mlflow":
        columns = {title: [row[place] for row in rows] for place, title in enumerate(COLUMNS)}
        inner: Any = logger.inner
        experiment.log_table(inner.run_id, columns, f"{TABLE}.json")


def put_figure(logger: SafeLogger, title: str, figure: Figure) -> None:
    """A figure, as ``figures/<title>``."""
    experiment: Any = getattr(logger.inner, "experiment", None)
    if logger.kind == "csv":
        path = _csv_folder(logger) / "figures" / f"{title.replace('/', '_')}.png"
        path.parent.mkdir(exist_ok=True)
        with whole(path) as part:
            figure.savefig(part, dpi=110)
    elif logger.kind == "tensorboard":
        experiment.add_figure(f"figures/{title}", figure, close=False)
    elif logger.kind == "wandb":
        import wandb

        experiment.log({f"figures/{title}": wandb.Image(figure)})
    elif logger.kind == "mlflow":
        inner: Any = logger.inner
        experiment.log_figure(inner.run_id, figure, f"figures/{title.replace('/', '_')}.png")


def _csv_folder(logger: SafeLogger) -> Path:
    inner: Any = logger.inner
    folder = Path(inner.log_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
