"""What a sweep is: space, objectives, sampler, pruner, budget; checked before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from astrid_ml.errors import UserError
from astrid_ml.experiments.samples import deciding
from astrid_ml.experiments.space import Space, Value
from astrid_ml.report.names import METRICS, less_is_better
from astrid_ml.types import Count, InUnits, Positive, Whole

MAXIMIZE, MINIMIZE = "maximize", "minimize"


@dataclass(frozen=True)
class Objective:
    """A number of each trial that is to be large, or small.

    Args:
        metric: of validation (``val/aucpr``), or of cost (``cost/fit_seconds``).
        direction: ``maximize`` or ``minimize``.
    """

    metric: str
    direction: Literal["maximize", "minimize"] = "maximize"

    def __post_init__(self) -> None:
        if self.metric.startswith("test/"):
            fix = f"sweep.objectives with val/{self.metric.removeprefix('test/')}; the test set is for the end alone"
            raise UserError("an objective on validation: a sweep that looks at the test set fits it", self.metric, fix)
        if not self.metric.startswith(("val/", "cost/")):
            raise UserError("an objective val/... or cost/...", self.metric, "for instance val/aucpr")
        less = less_is_better(self.metric) or self.metric.startswith("cost/")
        known = less or self.metric.removeprefix("val/") in METRICS
        wanted = MINIMIZE if less else MAXIMIZE
        if known and self.direction != wanted:
            got = f"{self.direction}, of which the worst trial would be the best"
            raise UserError(f"direction: {wanted} of {self.metric}", got, f"write direction: {wanted}")

    def better(self, value: float) -> float:
        """The value, turned so that larger is better."""
        return value if self.direction == MAXIMIZE else -value


@dataclass(frozen=True)
class Sweep:
    """A sweep, as its file says it.

    Args:
        space: name -> values, or ``{low:, high:, log:, step:}``.
        objectives: the first one orders the trials.
        sampler: ``random`` and ``sobol`` draw by the number of the trial alone; ``tpe`` learns from those before.
        pruner: ``none``, ``median`` or ``halving``, which end trials early by the first objective.
        warmup: epochs before a trial may end early.
        trials: how many there are in all, those known beforehand counted.
        minutes: after which no further trial begins; None: no bound.
        seed: of what is drawn.
        enqueue: points that are tried first.
    """

    space: Any
    objectives: Sequence[Objective] = field(default_factory=lambda: (Objective("val/aucpr"),))
    sampler: Literal["random", "sobol", "tpe"] = "random"
    pruner: Literal["none", "median", "halving"] = "none"
    warmup: Whole = 2
    trials: Count = 20
    minutes: Annotated[Positive, InUnits("min")] | None = None
    seed: Whole = 1
    enqueue: Sequence[Mapping[str, Value]] = ()

    def __post_init__(self) -> None:
        if not self.objectives:
            raise UserError("sweep.objectives with at least one metric", "none", "for instance val/aucpr")
        if self.pruner != "none" and not self.objectives[0].metric.startswith("val/"):
            got = f"sweep.pruner={self.pruner} with {self.objectives[0].metric}"
            raise UserError("a first objective val/... where a pruner ends trials early", got, "put val/... first")
        if self.pruner != "none" and len(self.objectives) > 1:
            got = f"{self.pruner} with {len(self.objectives)}"
            raise UserError(
                "one objective where a pruner ends trials early", got, "leave out the others, or pruner=none"
            )
        apart = deciding(self.read_space())
        if apart and (self.sampler == "tpe" or self.pruner != "none"):
            got = f"sampler {self.sampler}, pruner {self.pruner}, and {', '.join(apart)} in sweep.space"
            fix = "take sampler: random or sobol, and pruner: none"
            raise UserError("nothing that learns from trials which were validated on other samples", got, fix)
        for point in self.enqueue:
            self.read_space().point(point)

    def read_space(self) -> Space:
        """The space, read."""
        return Space.read(self.space)

    def identity(self) -> dict[str, Any]:
        """What decides the points that are tried; budgets may change between two calls."""
        return {
            "space": [
                vars(parameter) | {"choices": list(parameter.choices)} for parameter in self.read_space().parameters
            ],
            "objectives": [vars(objective) for objective in self.objectives],
            "sampler": self.sampler,
            "pruner": [self.pruner, self.warmup],
            "seed": self.seed,
            "enqueue": [dict(point) for point in self.enqueue],
        }
