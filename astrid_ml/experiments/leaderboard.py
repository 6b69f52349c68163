"""What the trials of a sweep gave: a table ordered by validation, the best as an experiment, importances, a page."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from astrid_ml.csv_text import marked
from astrid_ml.experiments.loop import TRIALS
from astrid_ml.experiments.samples import SAMPLES, deciding, placed, validated_on
from astrid_ml.experiments.space import Parameter
from astrid_ml.experiments.study import SweepStudy
from astrid_ml.experiments.trial import outcome
from astrid_ml.files import whole, write_text
from astrid_ml.report import views
from astrid_ml.report.names import fixed, letter, show
from astrid_ml.report.pages import comparison_page, linked
from astrid_ml.report.views import SectionView, View

TEST = "test/"
ENDS = ("_low", "_high")
BEST = "best"  # a folder of options of its own: those of trials are no options
SHOWN = 4  # sets of samples whose best is told
APART = "Trials of different samples are not comparable."
LEAST = 4  # finished trials, from which importances say something


def leaderboard(study: SweepStudy, folder: Path) -> pd.DataFrame:
    """One row a trial, the best by the first objective first, those without a result last.

    Trials that were validated on other samples stand apart, those of most trials first: ``samples`` is their letter.
    Columns: trial, state, samples, reason, run_dir, one for each parameter, each objective with its interval, and
    beside an objective of validation the same metric on test with its interval, which orders nothing.

    Args:
        study: of the sweep.
        folder: of the sweep.
    """
    objectives, keys = study.sweep.objectives, deciding(study.space)
    rows, sets = [], []
    for trial in study.study.get_trials(deepcopy=False):
        if not trial.params:
            continue  # waits
        place = folder / TRIALS / str(trial.number)
        metrics = outcome(place) or {}
        row: dict[str, Any] = {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "samples": "",
            "reason": trial.user_attrs.get("reason"),
            "run_dir": f"{TRIALS}/{trial.number}/run",
        }
        row |= {parameter.name: trial.params.get(parameter.name) for parameter in study.space.parameters}
        known = trial.values or [None] * len(objectives)  # where somebody has removed its run
        for one, value in zip(objectives, known, strict=True):
            row[one.metric] = metrics.get(one.metric, value)
            row |= {f"{one.metric}{end}": metrics.get(f"{one.metric}{end}") for end in ENDS}
        row |= {name: metrics.get(name) for name in _test_of(study)}
        rows.append(row)
        own = trial.user_attrs.get(SAMPLES) or validated_on(place, trial.params, keys)
        sets.append(own if row["state"] == "complete" else "")
    table = pd.DataFrame(rows)
    if len(table):
        table["samples"] = [letter(place) if place is not None else "" for place in placed(sets)]
        first = objectives[0]
        key = pd.to_numeric(table[first.metric], errors="coerce").map(first.better)
        done = table["state"] == "complete"
        order = pd.DataFrame({"samples": placed(sets), "key": key.where(done), "trial": table["trial"]})
        columns, rising = ["samples", "key", "trial"], [True, False, True]
        table = table.loc[order.sort_values(columns, ascending=rising, na_position="last").index]
    return table.reset_index(drop=True)


def _test_of(study: SweepStudy) -> list[str]:
    """Metrics of the test set beside those of validation, with the ends of their intervals."""
    return [f"{name}{end}" for name in _beside(study) for end in ("", *ENDS)]


def _beside(study: SweepStudy) -> list[str]:
    return [f"{TEST}{o.metric.removeprefix('val/')}" for o in study.sweep.objectives if o.metric.startswith("val/")]


def experiment_of(experiment: str, words: Sequence[str], groups: Sequence[str], about: str) -> str:
    """An experiment file that sets what words set: ``astrid train --config-dir=SWEEP/best experiment=best``.

    Args:
        experiment: that it is made from.
        words: as Hydra takes them: ``optimizer.lr=0.01``, ``preprocessing/differencing/subtract@...=kernel``.
        groups: names of the groups that there are at the top.
        about: a line of comment.
    """
    defaults: list[Any] = [] if experiment == "train" else [f"/experiment/{experiment}@_global_"]
    values: dict[str, Any] = {}
    for word in words:
        key, _, text = word.lstrip("+").partition("=")
        if "/" in key or "@" in key or key in groups:
            defaults.append({f"override /{key}": yaml.safe_load(text)})
            continue
        node = values
        *parents, last = key.split(".")
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = yaml.safe_load(text)
    body = yaml.safe_dump({"defaults": [*defaults, "_self_"], **values}, sort_keys=False)
    return f"# @package _global_\n# {about}\n{body}"


def importances(study: SweepStudy) -> dict[str, float]:
    """How much of the spread of the first objective each parameter explains (fANOVA; Hutter et al. 2014); empty of few.

    Args:
        study: of the sweep.
    """
    import optuna

    if sum(t.state.name == "COMPLETE" for t in study.study.get_trials(deepcopy=False)) < LEAST:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=study.sweep.seed)
    target = (lambda trial: trial.values[0]) if len(study.sweep.objectives) > 1 else None
    try:
        found = optuna.importance.get_param_importances(study.study, evaluator=evaluator, target=target)
    except (ValueError, RuntimeError, ZeroDivisionError):  # all trials are alike
        return {}
    return {name: float(share) for name, share in found.items() if math.isfinite(share)}


def write_results(study: SweepStudy, folder: Path, name: str, best: str | None) -> list[str]:
    """Write ``leaderboard.parquet`` and ``.csv``, ``sweep.html`` and, of the best trial, ``best/experiment/best.yaml``.

    Args:
        study: of the sweep.
        folder: of the sweep.
        name: of the experiment.
        best: the text of the experiment file.

    Returns:
        What was found, in sentences.
    """
    table = leaderboard(study, folder)
    with whole(folder / "leaderboard.parquet") as part:
        table.to_parquet(part, index=False)
    with whole(folder / "leaderboard.csv") as part:
        marked(table).to_csv(part, index=False)
    if best is not None:
        place = folder / BEST / "experiment"
        place.mkdir(parents=True, exist_ok=True)
        write_text(place / "best.yaml", best)
    words = sentences(study, table)
    write_text(folder / "sweep.html", _page(study, table, folder, name, words))
    return words


def sentences(study: SweepStudy, table: pd.DataFrame) -> list[str]:
    """How many trials there are, and which is best on validation.

    Args:
        study: of the sweep.
        table: of :func:`leaderboard`.
    """
    counts = table["state"].value_counts() if len(table) else pd.Series(dtype=int)
    kinds = {"complete": "finished", "pruned": "ended early", "fail": "failed", "running": "not ended yet"}
    shown = ", ".join(f"{counts[state]} {word}" for state, word in kinds.items() if state in counts)
    out = [f"{len(table)} trials: {shown or 'none'}."]
    if "complete" in counts:
        bests = table[table["state"] == "complete"].drop_duplicates("samples")
        if len(bests) > 1:
            out.append(f"{APART} They were validated on {len(bests)} sets of samples, A, B and so on.")
        out += [_best(study, row, len(bests) > 1) for _, row in bests.head(SHOWN).iterrows()]
        out.append("What was measured on the test set ordered nothing: to choose by it would spend it.")
    return out


def _best(study: SweepStudy, row: pd.Series, several: bool) -> str:
    """The first of its samples, in a sentence."""
    first, params = study.sweep.objectives[0], study.study.get_trials(deepcopy=False)[int(row["trial"])].params
    how = ", ".join(
        parameter.word(params[parameter.name]) if parameter.choices else f"{parameter.name}={show(row[parameter.name])}"
        for parameter in study.space.parameters
    )
    on = f" on samples {row['samples']}" if several else ""
    return f"Best by {first.metric}{on}: {fixed(float(row[first.metric]))}, trial {row['trial']} ({how})."


def _page(study: SweepStudy, table: pd.DataFrame, folder: Path, name: str, words: Sequence[str]) -> str:
    several = table["samples"].replace("", pd.NA).nunique() > 1
    shown = table[["trial", "state", *(["samples"] if several else [])]].copy()
    for parameter in study.space.parameters:
        shown[parameter.name] = [show(value) for value in table[parameter.name]]
    for metric in (*(objective.metric for objective in study.sweep.objectives), *_beside(study)):
        shown[metric] = _numbers(table[metric])
        ends = list(zip(*(_numbers(table[f"{metric}{end}"]) for end in ENDS), strict=True))
        if any(all(pair) for pair in ends):
            # Two spaces and more: names of columns differ, and a page shows one.
            head = "95 % interval" + " " * sum(str(name).startswith("95 %") for name in shown)
            shown[head] = [f"{low} to {high}" if low and high else "" for low, high in ends]
    shown["why not"] = table["reason"].fillna("").astype(str)
    ranked = (
        "Ordered by validation. What was measured on the test set stands beside it and ordered nothing. "
        "A trial's number opens its report; a click on a heading sorts."
    )
    links = [
        linked(str(trial), folder / run / "report.html", folder)
        for trial, run in zip(table["trial"], table["run_dir"], strict=True)
    ]
    view = views.table(shown, ranked, css="sortable", drawings={"trial": links})
    sections = [SectionView("Leaderboard", "pieces", {"pieces": [view]})]
    pieces: list[View] = []
    if not several and (shares := importances(study)):
        part = pd.DataFrame({"parameter": list(shares), "share of the spread": [fixed(v) for v in shares.values()]})
        pieces.append(views.table(part, f"fANOVA of {study.sweep.objectives[0].metric}; of few trials it is a hint."))
    drawn = table[(table["state"] == "complete") & (table["samples"] == table["samples"].iloc[0])]
    if len(drawn) > 1:
        whose = "Each finished trial, by each parameter." if not several else "Those of samples A, by each parameter."
        pieces.append(views.picture(_slices(study, drawn), whose, css=""))
    if pieces:
        sections.append(SectionView("What mattered", "pieces", {"pieces": pieces}))
    return comparison_page("sweep", f"Sweep of {name}", f"Sweep of {name}", words, sections, sorts=True)


def _numbers(values: pd.Series) -> list[str]:
    """With three decimals; empty where there is none."""
    return [fixed(value) if math.isfinite(value) else "" for value in pd.to_numeric(values, errors="coerce")]


def _slices(study: SweepStudy, table: pd.DataFrame) -> bytes:
    """The first objective against each parameter, as a PNG."""
    from matplotlib.figure import Figure

    metric = study.sweep.objectives[0].metric
    parameters = study.space.parameters
    columns = min(len(parameters), 3)
    rows = math.ceil(len(parameters) / columns)
    figure = Figure(figsize=(9.0, 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, parameter in zip(panels, parameters, strict=False):
        _panel(axes, parameter, table[parameter.name].tolist(), table[metric].astype(float).tolist())
    for axes in panels[len(parameters) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel(metric)
    with io.BytesIO() as stream:
        figure.savefig(stream, format="png", dpi=110, transparent=True)
        return stream.getvalue()


def _panel(axes: Any, parameter: Parameter, values: Sequence[Any], found: Sequence[float]) -> None:
    if parameter.choices:
        names = [show(choice) for choice in parameter.choices]
        axes.scatter([names.index(show(value)) for value in values], found, s=18, color="#2b6cb0", alpha=0.8)
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
    else:
        axes.scatter([float(value) for value in values], found, s=18, color="#2b6cb0", alpha=0.8)
        if parameter.log:
            axes.set(xscale="log", xlim=(parameter.low / 1.1, parameter.high * 1.1))
            decades = range(math.floor(math.log10(parameter.low)), math.ceil(math.log10(parameter.high)) + 1)
            ticks = [digit * 10.0**power for power in decades for digit in (1, 3)]
            ticks = [tick for tick in ticks if parameter.low <= tick <= parameter.high]
            ticks = ticks if len(ticks) > 1 else [parameter.low, parameter.high]
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.set_xticks([], minor=True)
    axes.set_xlabel(parameter.name)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
