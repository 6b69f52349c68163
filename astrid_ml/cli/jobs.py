"""Jobs of a sweep: their values are looked at before the first; one that failed leaves its reason for the table."""

from __future__ import annotations

import importlib
import itertools
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from astrid_ml.build import plain
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.cli.check import check_early, check_values
from astrid_ml.cli.given import given_folders
from astrid_ml.cli.typed import overrides_of
from astrid_ml.cli.verbs.catalogue import Verb
from astrid_ml.cli.verbs.keys import keys_of
from astrid_ml.config import compose
from astrid_ml.errors import UserError
from astrid_ml.files import read_note, write_json
from astrid_ml.layers import Folder
from astrid_ml.printable import printable
from astrid_ml.run.environment import run_identity
from astrid_ml.run.jobs import beside, job_folder, used

MOST = 200  # values that are looked at: a configuration takes a tenth of a second
_OF_HYDRA = re.compile(r"\$\{hydra:[^}]*\}")  # what only a job that runs can tell


def check_jobs(words: Sequence[str], verb: Verb, conf: Folder) -> None:
    """Look at each value that a sweep goes over, beside the first value of its other keys, before any job begins.

    Args:
        words: of the sweep, as Hydra reads them.
        verb: that was typed.
        conf: the folder of the configuration.

    Raises:
        UserError: a value that its field does not take, or parts that do not go together.
        HydraException: a configuration that cannot be composed.
    """
    from omegaconf import OmegaConf

    folders = ",".join(f"file://{folder}" for folder in given_folders(words))
    searched = [f'hydra.searchpath=["{folders}"]'] if folders else []
    keys = keys_of(verb.config, conf)
    check = getattr(importlib.import_module(f"astrid_ml.cli.{verb.module}"), "check", None)
    jobs = []
    for words_of_job in itertools.islice(jobs_to_look_at([*overrides_of(words)]), MOST):
        composed = compose(verb.config, [*words_of_job, *searched])
        jobs.append(OmegaConf.create(_without_hydra(OmegaConf.to_container(composed, resolve=False))))
        check_early(jobs[-1], verb, keys)
    for job in jobs:
        check_values(job, lambda key: keys[key])
        if check is not None:
            check(job)


def _without_hydra(node: Any) -> Any:
    """The same tree with a word for each text of Hydra's own, which names folders and numbers of a job that runs."""
    if isinstance(node, dict):
        return {key: _without_hydra(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_hydra(value) for value in node]
    return _OF_HYDRA.sub("job", node) if isinstance(node, str) else node


def jobs_to_look_at(overrides: Sequence[str]) -> Iterator[list[str]]:
    """The overrides of jobs in which each value of the sweep occurs once; none where another sweeper chooses them.

    >>> list(jobs_to_look_at(["seed=1,2", "model=a,b", "lr=1"]))
    [['lr=1', 'seed=1', 'model=a'], ['lr=1', 'seed=2', 'model=a'], ['lr=1', 'seed=1', 'model=b']]
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Glob

    parsed = OverridesParser.create().parse_overrides([*overrides])
    if any(word.key_or_group == "hydra/sweeper" for word in parsed):
        return
    swept = [word for word in parsed if word.is_sweep_override()]
    if any(isinstance(word.value(), Glob) or not word.is_discrete_sweep() for word in swept):
        return
    fixed = [str(word.input_line) for word in parsed if not word.is_sweep_override()]
    values = [[f"{word.get_key_element()}={value}" for value in word.sweep_string_iterator()] for word in swept]
    for choices in values:
        refuse_repeated(choices)
    first = [choices[0] for choices in values if choices]
    if not swept:  # a sweep of one job
        yield fixed
    told = set()
    for number, choices in enumerate(values):
        for value in choices:
            job = [*fixed, *first[:number], value, *first[number + 1 :]]
            if tuple(job) not in told:
                told.add(tuple(job))
                yield job


def refuse_repeated(choices: Sequence[str]) -> None:
    """Refuse a sweep that would do the same job twice.

    Args:
        choices: ``seed=1``, ``seed=2`` and so on.

    Raises:
        UserError: one stands there twice.
    """
    if twice := [choice for number, choice in enumerate(choices) if choice in choices[:number]]:
        key = twice[0].partition("=")[0]
        once = ",".join(choice.partition("=")[2] for choice in dict.fromkeys(choices))
        raise UserError(f"each value of {key} once in a sweep", f"{twice[0]} twice", f"write -m {key}={once}")


def record_failed_job(config: Any, error: Exception) -> None:
    """Leave ``run.json`` with the reason in a run's folder, for the table of the sweep; never over another's record.

    Args:
        config: of the job, as Hydra composed it.
        error: why it failed or was refused.
    """
    from hydra.core.hydra_config import HydraConfig

    if not isinstance(error, UserError):
        traceback.print_exception(error)
    print(printable(f"astrid: this job failed and the others go on: {error}"), file=sys.stderr)
    if not config.get("paths"):
        return  # no run: its output folder says what became of it
    own, overrides = Path(HydraConfig.get().runtime.output_dir), list(HydraConfig.get().overrides.task)
    try:
        tree = plain(config)
        folder, identity = job_folder(tree, own), run_identity(tree)
    except Exception:  # a configuration that cannot be read has no identity: its overrides name it
        identity = None
        folder = beside(own.parent / f"refused-{digest_of(overrides)[:16]}", own) if used(own) else own
    if _told(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "status": "failed",
        "reason": f"{type(error).__name__}: {error}",
        "identity": identity,
        "overrides": overrides,
        "run_dir": str(folder),
    }
    write_json(folder / "run.json", record)


def _told(folder: Path) -> bool:
    """Whether the run has recorded its end itself."""
    if (folder / "metrics.json").is_file():
        return True
    try:
        record = read_note(folder / "run.json")
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and "stages" in record and record.get("status") in ("failed", "stopped")
