"""A checkpoint in a notebook: predictions of arrays, tables and files as a table, and a card where it is shown."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from astrid_ml.asked import predict
from astrid_ml.checkpoint.load import read_record
from astrid_ml.checkpoint.record import Record
from astrid_ml.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

STAMPS = "stamps"  # what datamodules of images read
LONG = ("density", "novelty", "appearance")  # of a domain: not for a card


@dataclass(frozen=True)
class Model:
    """A checkpoint that predicts whatever it is given.

    Args:
        path: of the checkpoint.
        record: what it carries beside its weights.
        trust: classes outside this project that it may name.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from astrid_ml.checkpoint.load import save_model
        >>> with TemporaryDirectory() as folder:
        ...     save_model(Path(folder) / "best.ckpt", {}, Record("triplets", {}, note="an example"))
        ...     print(Model.open(Path(folder) / "best.ckpt").facts()["from"])
        an example
    """

    path: Path
    record: Record
    trust: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: Path, trust: Sequence[str] = ()) -> Model:
        """Read a checkpoint, without running anything that the file brings.

        Raises:
            UserError: there is none, or it is damaged.
        """
        return cls(path, read_record(path)[0], tuple(trust))

    def predict(self, data: Any, **words: Any) -> pd.DataFrame:
        """Predictions, a row a sample, with the columns of ``predictions.parquet``.

        Nothing is left on disk. Arrays and tables go the way of files: what is guessed of files is guessed of them.

        Args:
            data: a path, or a list of paths; stamps (n, C, y, x) or (n, y, x, C), or one of them; a table of light
                curves, a row an epoch.
            words: further ones of :func:`astrid_ml.api.predict`: ``prevalence``, ``columns``, ``overrides``, ...

        Raises:
            UserError: the checkpoint does not read such data; none of them can be scored.
        """
        import pandas as pd

        from astrid_ml.table_files import read_parquet

        with tempfile.TemporaryDirectory(prefix="astrid-") as place:
            if isinstance(data, pd.DataFrame):
                data = self._table(data, Path(place) / "given")
            elif not isinstance(data, str | Path) and not _are_paths(data):
                data = self._stamps(np.asarray(data), Path(place) / "given")
            out = Path(place) / "out"
            report = predict(self.path, data, out, trust=self.trust, **words)
            table = out / "predictions.parquet"
            if not table.is_file():
                got = f"{report.get('failed_units', 0)} that failed: {report.get('failures') or report.get('notes')}"
                raise UserError("samples that can be scored", got, "see astrid predict, which keeps the reasons")
            return read_parquet(table)

    @property
    def _kinds(self) -> tuple[str, ...]:
        from astrid_ml.run.prediction.readers import kinds_read

        return kinds_read(self.record.config, self.trust)

    def _stamps(self, stamps: Any, folder: Path) -> Path:
        """Stamps as a file of their own."""
        if STAMPS not in self._kinds or stamps.dtype.kind not in "fiu" or stamps.ndim not in (3, 4):
            shape = "x".join(map(str, stamps.shape)) or "one value"
            got = f"an array of {shape} for a checkpoint of {self.record.domain}"
            raise UserError("stamps (n, C, y, x), for a checkpoint of stamps", got, "give files, or a table of curves")
        folder.mkdir()
        np.save(folder / "stamps.npy", stamps if stamps.ndim == 4 else stamps[None])
        return folder

    def _table(self, table: pd.DataFrame, folder: Path) -> Path:
        """A table of light curves as a file."""
        if STAMPS in self._kinds:
            got = f"a table for a checkpoint of {self.record.domain}"
            raise UserError("files, or stamps as an array", got, "give the path of the files")
        folder.mkdir()
        table.to_parquet(folder / "curves.parquet", index=False)
        return folder

    def facts(self) -> Mapping[str, str]:
        """What it is and where it holds, in a few lines."""
        from astrid_ml.validity.domain import in_words

        record = self.record
        share = (record.prevalence or {}).get("val")
        known = {
            "data": record.domain,
            "networks": str(record.count),
            "classes": ", ".join(map(str, record.classes or ())),
            "calibrated": "yes" if record.calibrated else "no",
            "prevalence of validation": "" if share is None else f"{share:.3g}",
            "from": record.note,
            **{name: text for name, text in in_words(record.validity).items() if name not in LONG},
        }
        return {name: text for name, text in known.items() if text}

    def __repr__(self) -> str:
        return "\n".join([f"Model {self.path}", *(f"  {name}: {text}" for name, text in self.facts().items())])

    def _repr_html_(self) -> str:
        """The card that a notebook shows."""
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in self.facts().items()
        )
        return f"<table><caption>{escape(str(self.path))}</caption>{rows}</table>"


def _are_paths(data: Any) -> bool:
    return isinstance(data, Sequence) and bool(data) and all(isinstance(one, str | Path) for one in data)
