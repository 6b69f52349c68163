"""RomanTruth on the fly: injection lists and OpenUniverse index files become one table with AB magnitudes."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from astrid_ml.inflating import read_inflated
from astrid_ml.preprocessing.roman.job.header import Science
from astrid_ml.types import Filled, InUnits

COLUMNS = ("match_id", "truth_id", "x", "y", "mag_truth", "injected", "sign")


class TruthError(ValueError):
    """A truth file that cannot be read, or whose magnitudes cannot be known."""


@dataclass(frozen=True)
class RomanTruth:
    """What is taken from truth files.

    Args:
        mag_limit: AB; fainter truth makes a detection ambiguous instead of real.
        types: ``obj_type`` of index rows that count as real.
    """

    mag_limit: Annotated[float, InUnits("mag")] = 26.0
    types: Annotated[tuple[str, ...] | list[str], Filled()] = ("transient",)

    def read(
        self,
        injections: Sequence[Path],
        indices: Sequence[Path],
        references: Sequence[Path],
        job: str,
        science: Science,
    ) -> pd.DataFrame:
        """All truth of a job.

        Args:
            injections, indices: lists and index files of the science exposure: what can be seen as positive.
            references: index files of the exposures that the reference is made of: what can be seen as negative.
            job: names injections, which have no name of their own.
            science: its zero point and WCS.

        Returns:
            ``COLUMNS``; pixels of the science image, 0-based, on and off it; ``truth_id`` is the same for one object
            in all jobs.

        Raises:
            TruthError: a file is damaged, or the zero point that its magnitudes need is unknown.
        """
        parts = [self._injections(path, job, science) for path in injections]
        parts += [self._index(path, science) for path in indices]
        parts += [self._reference(path, science) for path in references]
        filled = [part for part in parts if len(part)]
        if not filled:
            return _empty()
        table = pd.concat(filled, ignore_index=True)
        # A transient that several reference exposures show is one truth: at its brightest.
        order = table.sort_values("mag_truth", kind="stable").index
        kept = table.loc[order].drop_duplicates(["match_id", "sign"]).index
        return table.loc[sorted(kept)].reset_index(drop=True)

    def _injections(self, path: Path, job: str, science: Science) -> pd.DataFrame:
        """An injection list: ``xpix ypix flux``, flux in counts; the row is the name."""
        table = _read(path, ("xpix", "ypix", "flux"))
        if not len(table):
            return _empty()
        if science.zero_point is None or science.bandpass is None:
            raise TruthError(_no_zero_point(path, science))
        flux = table["flux"].to_numpy(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            mag = np.where(flux > 0, -2.5 * np.log10(flux) + science.zero_point + science.bandpass, np.inf)
        names = [f"{row}_inj" for row in range(len(table))]
        return pd.DataFrame(
            {
                "match_id": names,
                "truth_id": [f"{job}_{name}" for name in names],
                "x": table["xpix"].to_numpy(np.float64),
                "y": table["ypix"].to_numpy(np.float64),
                "mag_truth": mag,
                "injected": True,
                "sign": 1,
            }
        )

    def _index(self, path: Path, science: Science) -> pd.DataFrame:
        table = self._transients(path, science)
        return _named(table, table["x"].to_numpy(np.float64), table["y"].to_numpy(np.float64), 1)

    def _reference(self, path: Path, science: Science) -> pd.DataFrame:
        """Pixels of another exposure say nothing here: the sky does."""
        table = self._transients(path, science)
        if len(table) and science.wcs is None:
            raise TruthError(f"{path.name} is of another exposure, and the science header has no WCS")
        x, y = science.pixels(table["ra"].to_numpy(np.float64), table["dec"].to_numpy(np.float64))
        return _named(table, x, y, -1)

    def _transients(self, path: Path, science: Science) -> pd.DataFrame:
        """Rows of an index file whose type counts, with AB magnitudes: mag + ZPTMAG."""
        table = _read(path, ("object_id", "ra", "dec", "x", "y", "mag", "obj_type"), tuple(self.types))
        table = table[table["obj_type"].astype(str).isin(list(self.types))]
        if not len(table):
            return table.assign(mag_truth=0.0)
        if science.zero_point is None:
            raise TruthError(_no_zero_point(path, science))
        return table.assign(mag_truth=table["mag"].to_numpy(np.float64) + science.zero_point)


def on_detector(table: pd.DataFrame, shape: tuple[int, int]) -> pd.DataFrame:
    """RomanTruth whose nearest pixel lies in an image of (H, W) px."""
    within = table["x"].between(-0.5, shape[1] - 0.5, inclusive="left")
    within &= table["y"].between(-0.5, shape[0] - 0.5, inclusive="left")
    return table[within].reset_index(drop=True)


def _read(path: Path, columns: tuple[str, ...], ending: tuple[str, ...] = ()) -> pd.DataFrame:
    """A whitespace table whose header may begin with #; empty files are empty tables.

    Args:
        path: text, plain or gzipped.
        columns: that it must have.
        ending: where the last column is text, only rows that end so: most of an index file is never parsed.
    """
    try:
        head, _, body = read_inflated(path).decode().partition("\n")
        names = head.lstrip("#").split()
        kept = _ending(body, ending) if ending else body
        table = (
            pd.read_csv(io.StringIO(kept), sep=r"\s+", names=names, dtype={"object_id": str})
            if kept.strip()
            else pd.DataFrame(columns=names or list(columns))
        )
    except Exception as error:
        raise TruthError(f"{path.name} cannot be read: {error}") from error
    absent = [name for name in columns if name not in table]
    if absent:
        raise TruthError(f"{path.name} has no column {', '.join(absent)}")
    return table


def _ending(text: str, words: tuple[str, ...]) -> str:
    """The lines that end in one of the words, in order; the search is for the words, not line by line."""
    found = re.finditer(f"(?:{'|'.join(map(re.escape, words))})[ \\t\\r]*$", text, re.MULTILINE)
    ends = [(match.start(), match.end()) for match in found]
    return "\n".join(text[text.rfind("\n", 0, start) + 1 : end] for start, end in ends)


def _named(table: pd.DataFrame, x: object, y: object, sign: int) -> pd.DataFrame:
    if not len(table):
        return _empty()
    names = [f"{name}_ou" for name in table["object_id"]]
    return pd.DataFrame(
        {
            "match_id": names,
            "truth_id": names,
            "x": x,
            "y": y,
            "mag_truth": table["mag_truth"].to_numpy(np.float64),
            "injected": False,
            "sign": sign,
        }
    )


def _empty() -> pd.DataFrame:
    types = {"x": float, "y": float, "mag_truth": float, "injected": bool, "sign": int}
    return pd.DataFrame({name: pd.Series(dtype=types.get(name, str)) for name in COLUMNS})


def _no_zero_point(path: Path, science: Science) -> str:
    lacking = "ZPTMAG" if science.zero_point is None else f"a zero point of the filter {science.band}"
    return f"{path.name} cannot become magnitudes: the science header has no {lacking}"
