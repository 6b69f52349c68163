"""``astrid sweep experiment=E sweep=NAME output_dir=S``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astrid_ml.build import build, plain
from astrid_ml.cli.verbs.domain import print_summary
from astrid_ml.progress import waiting
from astrid_ml.start import importing


def command(cfg: Any) -> int:
    """Train many times, and order by validation."""
    with importing(), waiting("loading libraries"):
        from astrid_ml.cli.given import configuration_of
        from astrid_ml.cli.overrides import rewrite
        from astrid_ml.commands.sweep import SweepWanted, run_sweep

    tree = plain(cfg)
    conf = configuration_of([])
    wanted = SweepWanted(
        str(tree["experiment"]),
        [str(word) for word in tree["train"]],
        Path(tree["output_dir"]),
        build(tree["sweep"]),
        build(tree["executor"]),
        int(tree["workers"]),
        lambda words: rewrite(words, "train", conf),
        [path.name for path in conf.glob("*") if path.is_dir()],
    )
    told = run_sweep(wanted)
    print_summary(told)
    return 1 if told["failed"] else 0
