"""The memory of a sweep: which trials were asked for, what they gave; kept in a file that every process may read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.executors.remote import need_package
from astrid_ml.experiments.sampling import pruner, sampler
from astrid_ml.experiments.settings import Sweep
from astrid_ml.nearest import nearest

STORAGE = "study.journal"
_IDENTITY, _REASON = "identity", "reason"


class SweepStudy:
    """Trials of a sweep, in a journal in its folder.

    Args:
        folder: of the sweep.
        sweep: as it is now.
        training: words of the training that every trial shares.

    Raises:
        UserError: another sweep lives in the folder, or the journal is damaged.
    """

    def __init__(self, folder: Path, sweep: Sweep, training: Sequence[str]) -> None:
        need_package("optuna", "sweep")
        import optuna
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.sweep, self.space = sweep, sweep.read_space()
        self._distributions = {parameter.name: parameter.distribution() for parameter in self.space.parameters}
        path = folder / STORAGE
        try:
            self.study = optuna.create_study(
                storage=optuna.storages.JournalStorage(JournalFileBackend(str(path))),
                study_name="sweep",
                directions=[objective.direction for objective in sweep.objectives],
                pruner=pruner(sweep.pruner, sweep.warmup),
                load_if_exists=True,
            )
            known = self.study.user_attrs.get(_IDENTITY)
            self.study.get_trials(deepcopy=False)  # a line that is damaged is told here
        except (ValueError, KeyError, AssertionError, TypeError) as error:
            raise UserError(
                "a journal of trials that can be read", f"{path}: {error}", "choose another output_dir"
            ) from error
        identity = {"sweep": sweep.identity(), "training": list(training)}
        if known is None and not self.study.trials:
            self.study.set_user_attr(_IDENTITY, identity)
            for point in sweep.enqueue:
                self.study.enqueue_trial(self.space.point(point))
        elif known != identity:
            raise UserError(
                f"the sweep that lives in {folder}",
                f"another one ({', '.join(_differences(known or {}, identity))} differ)",
                "choose another output_dir, or take the changes back",
            )

    def begun(self) -> list[Any]:
        """Trials that were asked for and have no result: their process was ended."""
        import optuna

        return [
            optuna.trial.Trial(self.study, trial._trial_id)
            for trial in self.study.get_trials(deepcopy=False)
            if trial.state == optuna.trial.TrialState.RUNNING
        ]

    def count(self) -> int:
        """Trials that were begun, ended or not."""
        import optuna

        waiting = optuna.trial.TrialState.WAITING
        return sum(trial.state != waiting for trial in self.study.get_trials(deepcopy=False))

    def any_complete(self) -> bool:
        """Whether a trial has given its numbers."""
        import optuna

        complete = optuna.trial.TrialState.COMPLETE
        return any(trial.state == complete for trial in self.study.get_trials(deepcopy=False))

    def refuse_absent(self, metrics: Mapping[str, Any]) -> None:
        """Refuse objectives of which no training says anything, at the first that has ended.

        Args:
            metrics: of a trial.

        Raises:
            UserError: names such a one, and what there is.
        """
        for objective in self.sweep.objectives:
            if objective.metric not in metrics:
                family = objective.metric.partition("/")[0]
                there = [name for name in metrics if name.startswith(f"{family}/") and not name.endswith("/why")]
                fix = nearest(objective.metric, there) or f"for instance {', '.join(sorted(there)[:8])}"
                raise UserError("sweep.objectives that this training measures", objective.metric, fix)

    def ask(self) -> Any:
        """The next trial, with a value for every parameter."""
        self.study.sampler = sampler(self.sweep.sampler, self.sweep.seed, self.count(), self.space)
        return self.study.ask(self._distributions)

    def tell(self, trial: Any, metrics: Mapping[str, Any] | None, reason: str = "", pruned: bool = False) -> None:
        """What became of a trial.

        Args:
            trial: as it was asked for.
            metrics: of it; None where it failed, or was ended early.
            reason: why there are none.
            pruned: it was ended early.
        """
        import optuna

        values: list[float] | None = None
        if metrics is not None:
            found = {objective.metric: metrics.get(objective.metric) for objective in self.sweep.objectives}
            values = [float(value) for value in found.values() if isinstance(value, int | float) and value == value]
            if len(values) < len(found):
                absent = [name for name, value in found.items() if value is None or value != value]
                values, reason = None, f"it has no {', '.join(absent)}"
        if reason:
            trial.set_user_attr(_REASON, reason)
        state = optuna.trial.TrialState.COMPLETE
        if values is None:
            state = optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.FAIL
        self.study.tell(trial, values, state)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    old, new = (
        {**{f"sweep.{name}": value for name, value in said.get("sweep", {}).items()}, "train": said.get("training")}
        for said in (before, now)
    )
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
