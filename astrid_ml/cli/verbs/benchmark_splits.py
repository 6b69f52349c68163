"""``astrid benchmark-splits experiment=E output_dir=O``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astrid_ml.build import plain
from astrid_ml.cli.verbs import train as training
from astrid_ml.cli.verbs.domain import print_summary
from astrid_ml.progress import waiting
from astrid_ml.start import importing

OWN = ("output_dir", "seeds", "flip")


first, check = training.first, training.check  # of all that a training refuses


def command(cfg: Any) -> int:
    """Compare a random split with the configuration's own."""
    with importing(), waiting("loading libraries"):
        from astrid_ml.commands.benchmark_splits import benchmark_splits

    tree = plain(cfg)
    config = {name: value for name, value in tree.items() if name not in OWN}
    print_summary(benchmark_splits(config, Path(tree["output_dir"]), tree["seeds"], tree["flip"]))
    return 0
