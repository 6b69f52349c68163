"""How points are drawn: by the number of the trial alone, or by what the trials before gave."""

from __future__ import annotations

from typing import Any

import numpy as np

from astrid_ml.experiments.space import Parameter, Space
from astrid_ml.types import Floats

BY_NUMBER = ("random", "sobol")  # whatever else happens, trial 7 is trial 7
SAMPLERS = (*BY_NUMBER, "tpe")


def share(kind: str, seed: int, number: int, dimensions: int) -> Floats:
    """Where a trial lies: (dimensions,) shares from 0 to below 1.

    Args:
        kind: ``random``, or ``sobol``, whose points fill the space evenly (Owen's scrambling).
        seed: of the sweep.
        number: of the trial.
        dimensions: of the space.

    Example:
        >>> bool((share("sobol", 1, 5, 2) == share("sobol", 1, 5, 2)).all())
        True
    """
    if kind == "random":
        return np.random.default_rng([seed, number]).random(dimensions)
    from scipy.stats.qmc import Sobol

    points = Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    drawn: Floats = (points.fast_forward(number) if number else points).random(1)[0]
    return drawn


def sampler(kind: str, seed: int, number: int, space: Space) -> Any:
    """What optuna asks for the values of a trial.

    Args:
        kind: of :data:`SAMPLERS`.
        seed: of the sweep.
        number: of the trial that is asked for.
        space: of the sweep.
    """
    import optuna

    if kind == "tpe":
        return optuna.samplers.TPESampler(seed=seed + number, multivariate=False, constant_liar=True)
    by_name = {parameter.name: place for place, parameter in enumerate(space.parameters)}

    class ByNumber(optuna.samplers.BaseSampler):
        """Draws from the seed and the number of the trial."""

        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            return {}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
            return {}

        def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
            place = by_name[param_name]
            parameter: Parameter = space.parameters[place]
            return parameter.at(float(share(kind, seed, trial.number, len(by_name))[place]))

    return ByNumber()


def pruner(kind: str, warmup: int) -> Any:
    """What ends trials early.

    Args:
        kind: ``none``, ``median`` (below the median of the trials before, at the same epoch) or ``halving``.
        warmup: epochs, and trials, before it ends any.
    """
    import optuna

    if kind == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=max(warmup, 1), n_warmup_steps=warmup)
    if kind == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=max(warmup, 1))
    return optuna.pruners.NopPruner()
