"""What the files of a RAPID job folder are called: two naming generations, three image families, two simulations."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from astrid_ml.errors import UserError

FAMILIES = ("zogy", "sfft", "naive")
# Difference images in order of preference. Until 2025-09 ZOGY's had no prefix; the decorrelated SFFT difference
# (written with --crossconv) has the noise of ZOGY's, and its cross-convolved twin stands for SCORR.
DIFFERENCES: Mapping[str, tuple[str, ...]] = {
    "zogy": ("zogy_diffimage_masked", "diffimage_masked"),
    "sfft": ("sfftdiffimage_dconv_masked", "sfftdiffimage_masked"),
    "naive": ("naive_diffimage_masked",),
}
CATALOGUES: Mapping[str, tuple[str, ...]] = {
    "zogy": ("zogy_diffimage_masked", "diffimage_masked"),
    "sfft": ("sfftdiffimage_masked", "sfftdiffimage_dconv_masked"),
    "naive": ("naive_diffimage_masked",),
}
SCORR = "scorrimage_masked"
SFFT_SCORR = "sfftdiffimage_cconv_masked"
SCIENCE = "bkg_subbed_science_image"
REFERENCE = "awaicgen_output_mosaic_image_resampled_gainmatched"
NEGATIVE = "_negative"
_BY_SIGN = ("psfcat", "finder")

_OPENUNIVERSE = r"Roman_TDS_simple_model_(?P<band>[A-Za-z]\d+)_(?P<pointing>\d+)_(?P<sca>\d+)"
_RIMTIMSIM = r"rimtimsim_WFI_(?P<band>[A-Za-z]\d+)_SCA(?P<sca>\d+)_(?P<pointing>\d+)"
_SCIENCE_FILES = [re.compile(f"^{stem}_lite(?P<rest>.*)$") for stem in (_OPENUNIVERSE, _RIMTIMSIM)]
_INDEX_FILES = [
    re.compile(r"^Roman_TDS_index_(?P<band>[A-Za-z]\d+)_(?P<pointing>\d+)_(?P<sca>\d+)\.txt(\.gz)?$"),
    re.compile(r"^rimtimsim_index_WFI_(?P<band>[A-Za-z]\d+)_SCA(?P<sca>\d+)_(?P<pointing>\d+)\.txt(\.gz)?$"),
]
# Where the science header is read, best first; injected images hold the injections' zero point.
_HEADERS = ("_inject_reformatted.fits", "_reformatted.fits", "_inject.fits", ".fits")


@dataclass(frozen=True)
class ExposureName:
    """One detector of one pointing in one filter, as file names say it.

    Args:
        band: filter in capitals (``F184``).
        pointing: number of the pointing.
        sca: number of the detector, 1 to 18.
    """

    band: str
    pointing: int
    sca: int


@dataclass(frozen=True)
class Products:
    """A job folder's files by role; names within the folder.

    Args:
        images: channel -> file, of science, reference, difference, scorr.
        psfcat, finder: sign (1, -1) -> catalogue; a parquet psfcat holds the finder's columns too.
        header: where the science header is read.
        exposure: of the science image; None where no file names it.
        injections: injection lists.
        indices: truth index files of the science exposure.
        reference_indices: those of other exposures, of which the reference was made.
        missing: what must be there and is not.
    """

    images: Mapping[str, str]
    psfcat: Mapping[int, str]
    finder: Mapping[int, str]
    header: str | None
    exposure: ExposureName | None
    injections: tuple[str, ...] = ()
    indices: tuple[str, ...] = ()
    reference_indices: tuple[str, ...] = ()
    missing: tuple[str, ...] = field(default=())

    def files(self) -> list[str]:
        """All names, each once, in a stable order."""
        named = [*self.images.values(), *self.psfcat.values(), *self.finder.values(), self.header]
        named += [*self.injections, *self.indices, *self.reference_indices]
        return list(dict.fromkeys(name for name in named if name))

    def positive(self) -> Products:
        """Without the catalogues of what faded."""
        chosen = [{1: names[1]} if 1 in names else {} for names in (self.psfcat, self.finder)]
        return replace(self, psfcat=chosen[0], finder=chosen[1], reference_indices=())

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as a unit's parameters must be."""
        plain = asdict(self)
        return {**plain, **{name: {str(sign): file for sign, file in plain[name].items()} for name in _BY_SIGN}}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Products:
        """The products that ``as_dict`` wrote."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
        }
        values.update({name: {int(sign): file for sign, file in plain[name].items()} for name in _BY_SIGN})
        exposure = plain["exposure"]
        values["exposure"] = None if exposure is None else ExposureName(**exposure)
        return cls(**values)


def science_file(name: str) -> tuple[ExposureName, str] | None:
    """The exposure that a ``<SCI>_lite...`` file belongs to, and what follows ``_lite``; None for other files."""
    return next(
        ((_exposure(match), match["rest"]) for pattern in _SCIENCE_FILES if (match := pattern.match(name))), None
    )


def index_file(name: str) -> ExposureName | None:
    """The exposure whose truth an index file holds; None for other files."""
    return next((_exposure(match) for pattern in _INDEX_FILES if (match := pattern.match(name))), None)


def _exposure(match: re.Match[str]) -> ExposureName:
    return ExposureName(match["band"].upper(), int(match["pointing"]), int(match["sca"]))


def resolve(names: Collection[str], family: str = "zogy") -> Products:
    """Which file plays which role.

    Args:
        names: all files of a job folder.
        family: zogy, sfft or naive.

    Raises:
        UserError: an unknown family.
    """
    if family not in FAMILIES:
        raise UserError(f"an image family of {', '.join(FAMILIES)}", family, "fix preprocessing.images.family")
    there = set(names)
    images, missing = _images(there, family)
    psfcat, finder = _catalogues(there, family)
    if 1 not in psfcat:
        missing.append(f"{CATALOGUES[family][0]}_psfcat.txt")
    named = [(name, *found) for name in sorted(there) if (found := science_file(name))]
    exposure = named[0][1] if named else None
    indices = [(name, of) for name in sorted(there) if (of := index_file(name))]
    if exposure is None and len(indices) == 1:
        exposure = indices[0][1]
    return Products(
        images=images,
        psfcat=psfcat,
        finder=finder,
        header=_header(named) or images.get("science"),
        exposure=exposure,
        injections=tuple(name for name, _, rest in named if rest == "_inject.txt"),
        indices=tuple(name for name, found in indices if found == exposure),
        reference_indices=tuple(name for name, found in indices if found != exposure),
        missing=tuple(missing),
    )


def _images(there: set[str], family: str) -> tuple[dict[str, str], list[str]]:
    scorr = (SFFT_SCORR, SCORR) if family == "sfft" else (SCORR,)
    wanted = {"science": (SCIENCE,), "reference": (REFERENCE,), "difference": DIFFERENCES[family], "scorr": scorr}
    found = {
        role: next((f"{stem}.fits" for stem in stems if f"{stem}.fits" in there), None)
        for role, stems in wanted.items()
    }
    missing = [" or ".join(f"{stem}.fits" for stem in wanted[role]) for role, name in found.items() if name is None]
    return {role: name for role, name in found.items() if name is not None}, missing


def _catalogues(there: set[str], family: str) -> tuple[dict[int, str], dict[int, str]]:
    """psfcat and finder by sign, of one stem: the catalogues of two subtractions are never mixed."""
    for stem in CATALOGUES[family]:
        psfcat: dict[int, str] = {}
        finder: dict[int, str] = {}
        for sign, suffix in ((1, ""), (-1, NEGATIVE)):
            choices = [f"{stem}_psfcat{suffix}{ending}" for ending in (".parquet", ".txt")]
            name = next((choice for choice in choices if choice in there), None)
            if name is not None:
                psfcat[sign] = name
                if f"{stem}_psfcat_finder{suffix}.txt" in there:
                    finder[sign] = f"{stem}_psfcat_finder{suffix}.txt"
        if 1 in psfcat:
            return psfcat, finder
    return {}, {}


def _header(named: list[tuple[str, ExposureName, str]]) -> str | None:
    return next((name for rest in _HEADERS for name, _, found in named if found == rest), None)
