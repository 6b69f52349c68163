"""What the columns of written tables mean: unit, description, UCD. They stand in ``columns.yaml`` and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

IMAGE, FLUXCAL = "image", "FLUXCAL"  # units of columns.yaml that stand for others
# One unit of FLUXCAL: AB zero point 27.5, and that of the nanojansky is 31.4 (Oke & Gunn 1983, ApJ 266, 713).
FLUXCAL_UNIT = f"{10 ** (0.4 * (31.4 - 27.5)):.9g} nJy"
# What headers of images write, as astropy calls it.
SPELLINGS = {
    "adu": "adu", "dn": "adu", "counts": "ct", "count": "ct", "electrons": "electron", "electron": "electron",
    "e-": "electron", "e": "electron", "adu/s": "adu / s", "dn/s": "adu / s", "counts/s": "ct / s",
    "count/s": "ct / s", "cps": "ct / s", "electrons/s": "electron / s", "electron/s": "electron / s",
    "e-/s": "electron / s", "e/s": "electron / s", "njy": "nJy", "ujy": "uJy", "mjy": "mJy", "jy": "Jy",
}  # fmt: skip
# Columns that mean the same in a table of others, whose own names mean what they say.
OURS = (
    "id", "group_id", "mission", "survey", "filter", "ra", "dec", "mjd", "sign", "peak_snr", "stamp_h", "stamp_w",
    "n_nan", "pixel_scale", "source", "label_source", "array", "row",
)  # fmt: skip


def has_others(description: Mapping[str, Any]) -> bool:
    """Whether samples are somebody's own, with columns of their table: what a pipeline or a dataset says of itself."""
    return "others" in description.get("unit_of", {})


@dataclass(frozen=True)
class ColumnMeaning:
    """What a column means.

    Args:
        unit: as astropy writes it; empty for none.
        description: one line of ASCII.
        ucd: IVOA's Unified Content Descriptor, of UCD1+; empty where none fits.
    """

    unit: str = ""
    description: str = ""
    ucd: str = ""


@dataclass(frozen=True)
class TableMeaning:
    """What the columns of one kind of table mean.

    Args:
        kind: of the table, a name below ``tables`` in ``columns.yaml``; the names below ``every`` hold for all kinds of
            ours. None: a table of a user, whose names mean what the user says.
        image_unit: of the image that fluxes were measured on, as its header writes it; None where it is not known or
            rows come from several images.
        zero_point: AB magnitude of one unit of that flux, where it is known.
        own: of columns that came with a meaning of their own, by name; they go first.

    Example:
        >>> TableMeaning("forced").column("flux_err").unit
        '36.3078055 nJy'
        >>> TableMeaning(image_unit="e-/s").column("flux").unit
        'electron / s'
        >>> TableMeaning().column("a column of the user")
        ColumnMeaning(unit='', description='', ucd='')
    """

    kind: str | None = ""
    image_unit: str | None = None
    zero_point: float | None = None
    own: Mapping[str, ColumnMeaning] = field(default_factory=dict)

    def column(self, name: str) -> ColumnMeaning:
        """What a column means; a name that nobody described has neither unit nor description."""
        if name in self.own:
            return self.own[name]
        if self.kind is None:
            return ColumnMeaning()
        known = _meanings()
        for table in (known["tables"].get(self.kind, {}), known["every"]):
            if name in table:
                return self._filled(*table[name])
            for pattern in (key for key in table if key.endswith("*")):
                if fnmatchcase(name, pattern):
                    return self._filled(*table[pattern])
        return ColumnMeaning()

    def _filled(self, unit: str, ucd: str, description: str) -> ColumnMeaning:
        if unit == FLUXCAL:
            return ColumnMeaning(FLUXCAL_UNIT, description, ucd)
        if unit != IMAGE:
            return ColumnMeaning(unit, description, ucd)
        point = "" if self.zero_point is None else f", AB zero point {self.zero_point:.6g}"
        given = (self.image_unit or "").strip()
        known = SPELLINGS.get(given.replace(" ", "").lower(), "")
        said = f"in {printable_ascii(given)} of the image" if given else "in units of the image"
        return ColumnMeaning(known, f"{description}; {said}{point}", ucd)


def printable_ascii(text: str) -> str:
    """A text of a user as descriptions can hold it: what is no ASCII becomes a question mark."""
    return text.encode("ascii", "replace").decode("ascii")


@cache
def _meanings() -> dict[str, Any]:
    import yaml

    content: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "columns.yaml").read_text(encoding="utf-8"))
    return content
