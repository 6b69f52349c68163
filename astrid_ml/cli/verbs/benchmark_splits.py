"""``astrid benchmark-splits experiment=E output_dir=O``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astrid_ml.build import plain
from astrid_ml.cli.verbs.domain import print_summary
from astrid_ml.cli.verbs.train import first as first_of_training
from astrid_ml.progress import waiting
from astrid_ml.start import importing

OWN = ("output_dir", "seeds", "flip")


def first(tree: Mapping[str, Any]) -> None:
    """Refuse what a training refuses before its libraries are imported."""
    first_of_training(tree)


def check(cfg: Any) -> None:
    """Refuse parts that do not go together, before there are data."""
    from astrid_ml.run.parts import check_parts

    check_parts(plain(cfg))


def command(cfg: Any) -> int:
    """Compare a random split with the configuration's own."""
    with importing(), waiting("loading libraries"):
        from astrid_ml.commands.benchmark_splits import benchmark_splits

    tree = plain(cfg)
    config = {name: value for name, value in tree.items() if name not in OWN}
    print_summary(benchmark_splits(config, Path(tree["output_dir"]), tree["seeds"], tree["flip"]))
    return 0
