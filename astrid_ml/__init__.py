"""astrid_ml: from raw astronomical files to honest, calibrated classifiers and scored predictions."""

from pathlib import Path

__version__ = "0.2.0"

# In a checkout, conf, datamodules, models and preprocessing are links to the folders at the top.
if (Path(__file__).parent / "conf").is_file():
    raise ImportError(
        "this checkout has text files where links should be: run `git config core.symlinks true`, then "
        "`git checkout -- astrid_ml`; or install the wheel"
    )
