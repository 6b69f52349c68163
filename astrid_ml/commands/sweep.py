"""``astrid sweep``: many trainings of one experiment, ordered by validation."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.experiments.leaderboard import APART, BEST, experiment_of, leaderboard, write_results
from astrid_ml.experiments.loop import Trials
from astrid_ml.experiments.samples import deciding
from astrid_ml.experiments.settings import Sweep
from astrid_ml.experiments.study import SweepStudy
from astrid_ml.option_files import yaml_files
from astrid_ml.places import check_place
from astrid_ml.ranks import say

OWN = ("paths.run_dir", "hydra.", "-m", "--multirun")


@dataclass(frozen=True)
class SweepWanted:
    """What is asked of ``astrid sweep``.

    Args:
        training: words of ``astrid train`` that all trials share.
        output_dir: gets the trials and what is found.
        sweep: space, objectives, sampler, pruner, budget.
        executor: where trainings run.
        workers: how many there are at a time.
        rewrite: words as they are typed -> as Hydra takes them, for the experiment file of the best.
        groups: names of groups of options at the top.
        options: of a group; None of what is no group.
    """

    training: Sequence[str]
    output_dir: Path
    sweep: Sweep
    executor: Executor
    workers: int
    rewrite: Callable[[Sequence[str]], list[str]]
    groups: Sequence[str]
    options: Callable[[str], Sequence[str] | None] = lambda name: None

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UserError("workers of 1 or more", str(self.workers), "for instance workers=2")
        deleted = next((word for word in self.training if word.startswith("~")), None)
        if deleted is not None:
            fix = "set a value: an experiment file, as the best trial becomes, cannot take a key away"
            raise UserError("words of a training that set something", deleted, fix)
        names = {word.lstrip("+").partition("=")[0] for word in self.training}
        wrong = sorted(name for name in names if name.startswith(OWN))
        if wrong:
            raise UserError("words of a training that a sweep does not set itself", wrong[0], f"leave out {wrong[0]}")
        both = sorted(names & {parameter.name for parameter in self.sweep.read_space().parameters})
        if both:
            raise UserError("keys that are typed or varied in sweep.space", f"{both[0]}, which is both", "choose one")
        for parameter in self.sweep.read_space().parameters:
            there = self.options(parameter.name)
            strange = [str(choice) for choice in parameter.choices if there is not None and choice not in there]
            if there is not None and (strange or not parameter.choices):
                got = ", ".join(strange) or "a range"
                raise UserError(f"sweep.space.{parameter.name} of {', '.join(there)}", got, "choose among them")


def run_sweep(wanted: SweepWanted) -> dict[str, Any]:
    """Do the trials that are left, and write what all of them gave.

    Args:
        wanted: the sweep.

    Returns:
        What to print.

    Raises:
        UserError: another sweep lives in the folder, or trainings cannot begin.
    """
    folder = wanted.output_dir
    check_place(folder, "output_dir")
    folder.mkdir(parents=True, exist_ok=True)
    training = list(wanted.training)
    study = SweepStudy(folder, wanted.sweep, training)
    say(f"sweep: tries {'; '.join(parameter.said for parameter in study.space.parameters)}")
    if apart := deciding(study.space):
        say(f"sweep: {', '.join(apart)} decide on which samples a trial is validated. {APART} They stand apart.")
    try:
        Trials(study, folder, training, wanted.executor, wanted.workers).run()
    finally:
        words = write_results(study, folder, _experiment(training), _best(wanted, study))
    _keep_options(wanted.training, folder / BEST)
    failed = sum(trial.state.name == "FAIL" for trial in study.study.get_trials(deepcopy=False))
    return {"result": " ".join(words), "report": str(folder / "sweep.html"), "failed": failed}


def _best(wanted: SweepWanted, study: SweepStudy) -> str | None:
    """The experiment file of the best trial; None where no trial has finished."""
    table = leaderboard(study, wanted.output_dir)
    if not len(table) or table.iloc[0]["state"] != "complete":
        return None
    row = table.iloc[0].to_dict()
    number = int(row["trial"])
    params = study.study.get_trials(deepcopy=False)[number].params
    given = [word for word in wanted.training if not word.startswith(("experiment=", "-"))]
    words = wanted.rewrite([*given, *study.space.words(params)])
    name = _experiment(wanted.training)
    about = f"Trial {number} of a sweep of {name}, the best by {wanted.sweep.objectives[0].metric}."
    return experiment_of(name, words, wanted.groups, about)


def _keep_options(training: Sequence[str], best: Path) -> None:
    """Copy the options of ``--config-dir`` beside the best trial's experiment, which may name them."""
    said = [word.partition("=")[2] for word in training if word.startswith("--config-dir=")]
    for source in map(Path, said if best.is_dir() else ()):
        for file in yaml_files(source):
            place = best / file.relative_to(source)
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)


def _experiment(training: Sequence[str]) -> str:
    """The experiment among the words of a training; ``train`` where there is none."""
    return next((word.partition("=")[2] for word in training if word.startswith("experiment=")), "train")
