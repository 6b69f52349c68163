"""Files that go back into pipelines: the corrected ramp with its bits, and the count rates with their variances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from astropy.io import fits

from astrid_ml.fits_headers import open_checked
from astrid_ml.preprocessing.ramps.exposure.dq import group_dq, kind_of_bits, pixel_bits
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.exposure.sanity import DECAYS
from astrid_ml.preprocessing.ramps.products.asdf_products import AsdfRamp, write_asdf_rate
from astrid_ml.preprocessing.ramps.products.fits_planes import FitsPlanes, ImagePlane
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, JUMP_DET, PERSISTENCE, SATURATED
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.steps.decays import decaying
from astrid_ml.types import Array, Floats32

FITS = (".fits", ".fits.gz", ".fits.fz", ".fit", ".fits.bz2")
# Keywords of an image's own form, which a copied header must not bring along.
OWN = frozenset(
    "SIMPLE XTENSION BITPIX NAXIS EXTEND PCOUNT GCOUNT BSCALE BZERO BLANK EXTNAME EXTVER CHECKSUM DATASUM TFIELDS"
    " NEXTEND DATAMODL FILENAME BUNIT".split()
)


@dataclass(frozen=True)
class PipelineFiles:
    """What is written beside lists and maps.

    Args:
        ramp: ``<name>_ramp``: reads as they were fitted, GROUPDQ, PIXELDQ.
        rate: ``<name>_rate``: count rates and variances, and ``<name>_rateints`` where there are several integrations.
        format: fits, asdf, or auto (asdf where the exposure is an ASDF file).
    """

    ramp: bool = True
    rate: bool = True
    format: Literal["auto", "fits", "asdf"] = "auto"

    def of(self, ramp: Ramp) -> str:
        """The format for an exposure."""
        own = "asdf" if ramp.file is not None and ramp.file.suffix.lower() == ".asdf" else "fits"
        return own if self.format == "auto" else self.format


@dataclass(frozen=True)
class Summary:
    """What the bits of an exposure's groups say of its pixels, each (n_ints, n_rows, n_cols) bool.

    Args:
        jump: any group has JUMP_DET.
        saturated: the first group is saturated.
    """

    jump: Array
    saturated: Array


def write_products(
    folder: Path, processed: Processed, cube: Array, products: PipelineFiles | None = None
) -> tuple[Path, ...]:
    """Write ``<name>_dq.fits``, and the ramp and the count rates that are asked for; each whole or not at all.

    Args:
        folder: where.
        processed: the exposure.
        cube: its processed reads, e-, (n_ints, n_groups, n_rows, n_cols).
        products: what is asked for.
    """
    products, ramp = products or PipelineFiles(), processed.exposure.ramp
    kind = products.of(ramp)
    written = [folder / f"{ramp.name}_dq.fits"]
    dq = FitsPlanes(written[0], [ImagePlane("GROUPDQ", ramp.shape, kind_of_bits(ramp))])
    target: RampFile | AsdfRamp | None = None
    if products.ramp:
        written.append(folder / f"{ramp.name}_ramp.{kind}")
        target = AsdfRamp(written[-1], ramp) if kind == "asdf" else RampFile(written[-1], ramp)
    shape = (ramp.shape[0], *ramp.shape[2:])
    found = Summary(np.zeros(shape, bool), np.zeros(shape, bool))
    for integration in range(ramp.shape[0]):
        for rows in processed.exposure.rows():
            bits = group_dq(processed, integration, rows)
            found.jump[integration, rows] = ((bits & JUMP_DET) != 0).any(axis=0)
            found.saturated[integration, rows] = (bits[0] & SATURATED) != 0
            dq.write("GROUPDQ", (integration, slice(None), rows), bits)
            if target is not None:
                first = processed.features["first_read"][integration, rows]
                reads = fitted_reads(processed.exposure, integration, rows, cube[integration, :, rows], first)
                target.write(integration, rows, reads, bits)
    pixels = pixel_bits(ramp, processed.features["slope"])
    dq.close(fits.ImageHDU(pixels, name="PIXELDQ"))
    if target is not None:
        target.close(pixels)
    if products.rate:
        written += _write_rates(folder, processed, found, pixels, kind)
    return tuple(written)


def fitted_reads(exposure: Exposure, integration: int, rows: slice, cube: Array, first: Floats32) -> Floats32:
    """Reads as the slope was fitted to them, in the unit of the ramp, (n_groups, h, n_cols); else as they were read.

    Args:
        exposure: whose reads they are.
        integration: 0-based.
        rows: of the strip.
        cube: processed reads of these rows, e-, (n_groups, h, n_cols); NaN where they cannot be used.
        first: what was taken off each, e-, (h, n_cols).
    """
    ramp = exposure.ramp
    out = np.asarray(cube, np.float32) + first
    if ramp.unit == "DN":
        out /= gain_of(ramp, rows)
    lost = ~np.isfinite(out)
    if lost.any():
        out[lost] = np.asarray(ramp.data[integration, :, rows], np.float32)[lost]
    return out


def gain_of(ramp: Ramp, rows: slice = slice(None)) -> Floats32:
    """e- in the unit of the ramp, a number or (h, n_cols)."""
    gain = np.asarray(ramp.gain if ramp.unit == "DN" else 1.0, np.float32)
    return gain if gain.ndim == 0 else gain[rows]


class RampFile:
    """A ramp as the JWST pipeline writes it after its jump step: SCI, PIXELDQ, GROUPDQ, and the times of all reads.

    Args:
        path: of the file.
        ramp: its exposure.
    """

    def __init__(self, path: Path, ramp: Ramp) -> None:
        self._ramp = ramp
        primary, science = copied_headers(ramp)
        primary.update(keywords(ramp) | {"DATAMODL": "RampModel", "FILENAME": path.name, "S_JUMP": "COMPLETE"})
        science["BUNIT"] = primary["BUNIT"] = "DN" if ramp.unit == "DN" else "ELECTRONS"
        primary.add_history("reads as slopes were fitted to them, and steps flagged in GROUPDQ, by astrid_ml")
        planes = [
            ImagePlane("SCI", ramp.shape, "float32", science),
            ImagePlane("GROUPDQ", ramp.shape, kind_of_bits(ramp)),
        ]
        self._file = FitsPlanes(path, planes, primary)

    def write(self, integration: int, rows: slice, reads: Floats32, bits: Array) -> None:
        """A strip of one integration, both (n_groups, h, n_cols)."""
        place = (integration, slice(None), rows)
        self._file.write("SCI", place, reads)
        self._file.write("GROUPDQ", place, bits)

    def close(self, pixels: Array) -> None:
        """Add PIXELDQ (n_rows, n_cols) and the times, and publish the file."""
        times = [(number, time) for number, group in enumerate(self._ramp.sampling.groups) for time in group]
        columns = [
            fits.Column("group", "J", array=np.array([number for number, _ in times], np.int32)),
            fits.Column("time", "D", unit="s", array=np.array([time for _, time in times])),
        ]
        self._file.close(fits.ImageHDU(pixels, name="PIXELDQ"), fits.BinTableHDU.from_columns(columns, name="READS"))


def copied_headers(ramp: Ramp) -> tuple[fits.Header, fits.Header]:
    """What the exposure's FITS file says, primary and SCI; empty where it is none."""
    primary, science = fits.Header(), fits.Header()
    if ramp.file is None or not ramp.file.is_file() or not ramp.file.name.endswith(FITS):
        return primary, science
    with open_checked(ramp.file) as hdus:
        for target, source in ((primary, hdus[0].header), (science, hdus["SCI"].header if "SCI" in hdus else None)):
            for card in source.cards if source is not None else ():
                if card.keyword not in OWN and not card.keyword.startswith(("NAXIS", "TTYPE", "TFORM", "Z")):
                    target.append(card)
    return primary, science


def keywords(ramp: Ramp) -> dict[str, Any]:
    """Numbers and times of a ramp as keywords; times of groups that are not even stand in the table READS alone."""
    n_ints, n_groups = ramp.shape[:2]
    out: dict[str, Any] = {"NINTS": n_ints, "NGROUPS": n_groups}
    if np.ndim(ramp.gain) == 0:
        out["GAIN"] = float(ramp.gain) if ramp.unit == "DN" else 1.0
    if np.ndim(ramp.read_noise) == 0:
        out["READNOIS"] = float(ramp.read_noise)
    names = {"TELESCOP": ramp.mission, "DETECTOR": ramp.detector, "FILTER": ramp.filter}
    out |= {key: value for key, value in names.items() if value is not None}
    steps, reads = ramp.steps, ramp.reads_per_group
    if np.allclose(steps, steps[0], rtol=1e-6) and (reads == reads[0]).all():
        out |= {"TGROUP": float(steps[0]), "NFRAMES": int(reads[0])}
        group = ramp.sampling.groups[0]
        frame = group[1] - group[0] if len(group) > 1 else float(steps[0])
        out |= {"TFRAME": frame, "GROUPGAP": round(float(steps[0]) / frame) - len(group)}
    return out


@dataclass(frozen=True)
class Rates:
    """Count rates of one image or several, as the JWST pipeline has them, each (..., n_rows, n_cols).

    Args:
        rate: in the unit of the ramp, a second; NaN where there is none.
        poisson: its variance by photons, and by what may be hidden steps in proportion.
        read: its variance by read noise, likewise.
        dq: uint32.
        cards: more keywords.
    """

    rate: Floats32
    poisson: Floats32
    read: Floats32
    dq: Array
    cards: Mapping[str, Any] = field(default_factory=dict)

    @property
    def error(self) -> Floats32:
        """Standard deviation."""
        out: Floats32 = np.sqrt(self.poisson + self.read)
        return out

    @property
    def planes(self) -> dict[str, Array]:
        """By the names of the pipeline's extensions."""
        named = {"SCI": self.rate, "ERR": self.error, "DQ": self.dq}
        return named | {"VAR_POISSON": self.poisson, "VAR_RNOISE": self.read}


def rates_of(processed: Processed, found: Summary, pixels: Array) -> Rates:
    """Of each integration.

    Args:
        processed: the exposure.
        found: what its groups' bits say.
        pixels: PIXELDQ.
    """
    gain, maps = gain_of(processed.exposure.ramp), processed.features
    total = maps["slope_variance"] / gain**2
    dq = np.broadcast_to(pixels, found.jump.shape).astype(np.uint32)
    dq[found.jump] |= JUMP_DET
    dq[found.saturated] |= SATURATED
    dq[_decaying(maps["decay_snr"])] |= PERSISTENCE
    dq[np.isnan(maps["slope"])] |= DO_NOT_USE
    share = maps["photon_share"]
    return Rates(maps["slope"] / gain, total * share, total * (1 - share), dq)


def _decaying(snr: Floats32) -> Array:
    """Where a pixel's rate decays, or those around it do together: its slope holds what was released, bool."""
    around = [decaying(torch.from_numpy(one)).numpy() for one in snr]
    found: Array = np.stack(around) | (snr > DECAYS)
    return found


def combined(each: Rates) -> Rates:
    """All integrations as one image: weighted by their variances, as the JWST pipeline does.

    DO_NOT_USE and SATURATED stand where they do in every integration, other bits where they do in any.
    """
    if len(each.rate) == 1:
        return Rates(each.rate[0], each.poisson[0], each.read[0], each.dq[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(np.isfinite(each.rate), 1 / (each.poisson + each.read), 0)
        share = weight / weight.sum(axis=0)
        rate = np.where(share > 0, share * np.nan_to_num(each.rate), 0).sum(axis=0)
        poisson, read = ((share**2 * np.nan_to_num(part)).sum(axis=0) for part in (each.poisson, each.read))
    lost = weight.sum(axis=0) == 0
    for image in (rate, poisson, read):
        image[lost] = np.nan
    both = np.uint32(DO_NOT_USE | SATURATED)
    dq = (np.bitwise_or.reduce(each.dq, axis=0) & ~both) | (np.bitwise_and.reduce(each.dq, axis=0) & both)
    return Rates(rate.astype(np.float32), poisson.astype(np.float32), read.astype(np.float32), dq)


def _write_rates(folder: Path, processed: Processed, found: Summary, pixels: Array, kind: str) -> list[Path]:
    ramp = processed.exposure.ramp
    each = rates_of(processed, found, pixels)
    images = {"rate": combined(each)} | ({"rateints": each} if len(each.rate) > 1 else {})
    written = [folder / f"{ramp.name}_{name}.{kind}" for name in images]
    for path, rates in zip(written, images.values(), strict=True):
        if kind == "asdf":
            write_asdf_rate(path, ramp, rates.planes)
            continue
        primary, science = copied_headers(ramp)
        model = "ImageModel" if rates.rate.ndim == 2 else "CubeModel"
        primary.update(keywords(ramp) | {"DATAMODL": model, "FILENAME": path.name, "S_RAMP": "COMPLETE"})
        unit = "DN/s" if ramp.unit == "DN" else "ELECTRONS/S"
        units = {"SCI": unit, "ERR": unit, "VAR_POISSON": f"({unit})^2", "VAR_RNOISE": f"({unit})^2"}
        planes = []
        for name, image in rates.planes.items():
            cards = science.copy() if name == "SCI" else fits.Header()
            cards.update({"BUNIT": units[name]} if name in units else {})
            planes.append(ImagePlane(name, image.shape, "uint32" if name == "DQ" else "float32", cards))
        file = FitsPlanes(path, planes, primary)
        for name, image in rates.planes.items():
            file.write(name, ..., image)
        file.close()
    return written
