"""``astrid matrix experiment=E output_dir=O``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astrid_ml.build import plain
from astrid_ml.cli.verbs.domain import print_summary
from astrid_ml.cli.verbs.train import first as first_of_training
from astrid_ml.progress import waiting
from astrid_ml.start import importing

OWN = ("output_dir", "column", "seeds", "least", "adapt")


def first(tree: Mapping[str, Any]) -> None:
    """Refuse what a training refuses before its libraries are imported."""
    first_of_training({"prevalence": None, **tree})


def check(cfg: Any) -> None:
    """Refuse parts that do not go together, before there are data."""
    from astrid_ml.commands.matrix import MatrixWanted
    from astrid_ml.run.comparison.adapt import refuse_adaptation
    from astrid_ml.run.parts import check_parts

    tree = plain(cfg)
    check_parts(tree)
    refuse_adaptation(tree, MatrixWanted(adapt=tree["adapt"]).ways)


def command(cfg: Any) -> int:
    """Train on each value of a column and test on all."""
    with importing(), waiting("loading libraries"):
        from astrid_ml.commands.matrix import MatrixWanted, matrix

    tree = plain(cfg)
    config = {name: value for name, value in tree.items() if name not in OWN}
    asked = MatrixWanted(str(tree["column"]), tree["seeds"], int(tree["least"]), tree["adapt"])
    print_summary(matrix(config, Path(tree["output_dir"]), asked))
    return 0
