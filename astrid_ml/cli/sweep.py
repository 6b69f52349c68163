"""``astrid sweep``; and the end of a multirun (``-m``): the table of its jobs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

from astrid_ml.build import build, plain
from astrid_ml.cli.verbs import train as training
from astrid_ml.cli.verbs.domain import print_summary
from astrid_ml.config import option_names
from astrid_ml.layers import Folder
from astrid_ml.progress import waiting
from astrid_ml.start import importing

OWN = ("output_dir", "workers", "sweep", "executor@trials_on", "trials_on")  # what a training does not take


class SweepCallback(Callback):
    """Hydra calls it in the parent process, whatever launcher ran the jobs."""

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        """Write the table; count the failed jobs for the exit code."""
        import pandas as pd

        from astrid_ml.cli.compose import report_failures
        from astrid_ml.report.sweep import write_sweep

        folder = Path(str(config.hydra.sweep.dir))
        if not any(folder.glob("*/run.json")):
            return
        table, page = write_sweep(folder)
        jobs = pd.read_parquet(table)
        failed = int((jobs["status"] != "done").sum())
        print(f"sweep: {len(jobs)} jobs, {failed} failed -> {table}, {page}")
        report_failures(failed)


first, check = training.first, training.check  # of all that a training refuses


def command(cfg: Any) -> int:
    """Train many times, and order by validation: ``astrid sweep experiment=E sweep=NAME output_dir=S``."""
    with importing(), waiting("loading libraries"):
        from astrid_ml.cli.given import configuration_of
        from astrid_ml.cli.overrides import rewrite
        from astrid_ml.commands.sweep import SweepWanted, run_sweep

    tree = plain(cfg)
    words = words_of_training(sys.argv[1:])
    conf = configuration_of(words)
    wanted = SweepWanted(
        words,
        Path(tree["output_dir"]),
        build(tree["sweep"]),
        build(tree["trials_on"]),
        int(tree["workers"]),
        lambda given: rewrite(given, "train", conf),
        [path.name for path in conf.glob("*") if path.is_dir()],
        lambda name: options_of(name, conf),
    )
    told = run_sweep(wanted)
    print_summary(told)
    return 1 if told["failed"] else 0


def options_of(name: str, conf: Folder) -> list[str] | None:
    """The options of a group; None where a key is none. ``preprocessing/subtract`` is that of the domain.

    Args:
        name: as it stands in a space.
        conf: the folder of the configuration.
    """
    group = name.partition("@")[0].lstrip("/")
    first, _, rest = group.partition("/")
    folders = [conf / group] if (conf / group).is_dir() else [*conf.glob(f"{first}/*/{rest}")] if rest else []
    return sorted({option for folder in folders for option in option_names(folder)}) if folders else None


def words_of_training(typed: list[str]) -> list[str]:
    """What was typed, less the verb and what is the sweep's own."""
    given = typed[1:] if typed[:1] == ["sweep"] else typed
    return [word for word in given if word.lstrip("+~").partition("=")[0].partition(".")[0] not in OWN]
