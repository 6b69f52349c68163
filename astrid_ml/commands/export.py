"""``astrid export``: a prepared dataset of stamps as files that other tools read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest
from astrid_ml.ranks import say
from astrid_ml.types import Form

FORMS = get_args(Form)


@dataclass(frozen=True)
class ExportCommand:
    """Write the samples of a dataset with all of their columns; ``preprocessing=triplets`` reads each form back.

    Args:
        dataset: folder of a prepared dataset.
        format: npz, hdf5, parquet, fits (a file a sample) or hats (tiles of the sky).
        output_dir: gets ``stamps.*``; samples of several sizes a file for each: ``stamps_63x63.*``.
        array: kind of array that is written.
    """

    dataset: str
    format: Form
    output_dir: str
    array: str = "stamps"

    def run(self) -> dict[str, Any]:
        """Write it; returns the samples and files that were written.

        Raises:
            UserError: an unknown form, a folder that holds other files, or samples without such arrays.
        """
        if self.format not in FORMS:
            fix = nearest(self.format, FORMS) or "choose one of them"
            raise UserError(f"format of {', '.join(FORMS)}", str(self.format), fix)
        from astrid_ml.dataset.exported import FORMATS, renamed, same_sizes
        from astrid_ml.dataset.prepared import PreparedDataset

        data, folder = PreparedDataset(self.dataset), Path(self.output_dir)
        ending, write = FORMATS[self.format]
        parts = same_sizes(data, self.array)
        folder.mkdir(parents=True, exist_ok=True)
        files, names = 0, []
        for part in parts:
            size = "" if len(parts) == 1 else "_" + "x".join(str(length) for length in part.shape[1:])
            names.append(f"stamps{size}{ending}")
            files += write(part, folder / names[-1])
        for name, new in renamed(data, self.array).items():
            say(f"note: the column {name} is called {new}: the export has something of its own there")
        samples = sum(len(part.rows) for part in parts)
        return {"output_dir": str(folder), "samples": samples, "files": files, "written": ", ".join(names)}
