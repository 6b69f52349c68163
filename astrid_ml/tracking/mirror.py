"""The end of a run, mirrored into each tracker: the same names, configuration, figures and table of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from astrid_ml.tracking.loggers import SafeLogger

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def mirror(
    loggers: Sequence[SafeLogger],
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    figures: Mapping[str, Callable[[], Figure]],
) -> None:
    """Log the configuration, every defined metric and the figures; then close the trackers.

    Args:
        loggers: from :func:`build_loggers`.
        config: the run's configuration, flattened with dots.
        metrics: the content of ``metrics.json``.
        figures: title -> a function that draws.
    """
    flat = dict(flatten(config))
    numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}
    for logger in loggers:
        logger.log_hyperparams(flat)
        logger.log_metrics(_fitting(logger.kind, numbers))
        for title, draw in figures.items():
            logger.attempt(lambda title=title, draw=draw, logger=logger: _figure(logger, title, draw()))  # type: ignore[misc]
        logger.save()
        logger.finalize("success")
        if logger.kind == "wandb":
            logger.attempt(lambda logger=logger: logger.inner.experiment.finish())  # type: ignore[misc]


def flatten(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted names; lists as text; no value longer than 250 characters (mlflow's limit)."""
    if isinstance(node, Mapping):
        return [
            pair for key, value in node.items() for pair in flatten(value, f"{prefix}.{key}" if prefix else str(key))
        ]
    return [(prefix, node if isinstance(node, int | float | bool) else str(node)[:250])]


def _fitting(kind: str, numbers: Mapping[str, float]) -> dict[str, float]:
    """MLflow's names may not hold everything that ours do."""
    if kind != "mlflow":
        return dict(numbers)
    return {"".join(c if c.isalnum() or c in "_-./ " else "_" for c in name): value for name, value in numbers.items()}


def _figure(logger: SafeLogger, title: str, figure: Figure) -> None:
    import matplotlib.pyplot as plt

    experiment = getattr(logger.inner, "experiment", None)
    try:
        if logger.kind == "tensorboard":
            experiment.add_figure(title, figure)  # type: ignore[union-attr]
        elif logger.kind == "wandb":
            import wandb

            experiment.log({f"figures/{title}": wandb.Image(figure)})  # type: ignore[union-attr]
        elif logger.kind == "mlflow":
            experiment.log_figure(logger.inner.run_id, figure, f"figures/{title.replace(' ', '_')}.png")  # type: ignore[union-attr, attr-defined]
    finally:
        plt.close(figure)
