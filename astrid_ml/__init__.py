"""astrid_ml: from raw astronomical files to honest, calibrated classifiers and scored predictions."""

from pathlib import Path
from typing import Any

__version__ = "0.2.0"

# In a checkout, conf, datamodules, models and preprocessing are links to the folders at the top.
if (Path(__file__).parent / "conf").is_file():
    raise ImportError(
        "this checkout has text files where links should be: run `git config core.symlinks true`, then "
        "`git checkout -- astrid_ml`; or install the wheel"
    )


def __getattr__(name: str) -> Any:
    """``astrid_ml.api`` without an import of its own, and where what notebooks look for is."""
    if name == "api":
        from importlib import import_module

        return import_module("astrid_ml.api")
    hint = ": astrid_ml.api.load(PATH) opens a model, and its predict scores" if name in ("load", "predict") else ""
    raise AttributeError(f"module 'astrid_ml' has no attribute {name!r}{hint}")
