"""``astrid inject``: point sources of known flux in a FITS image, whose layout and header stay as they are."""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from astropy.io import fits

from astrid_ml.csv_text import marked
from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.formats import formats_of, write_described
from astrid_ml.errors import UserError
from astrid_ml.executors.within import within_memory
from astrid_ml.files import whole
from astrid_ml.preprocessing.differencing.frame.hdus import open_fits, split_name
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.preprocessing.differencing.frame.planes import linear_flux, stretched_flux
from astrid_ml.preprocessing.differencing.frame.truth import placed, truth_table
from astrid_ml.preprocessing.differencing.pixels.masks import grow
from astrid_ml.preprocessing.differencing.pixels.stamps import render_sources
from astrid_ml.preprocessing.differencing.sky.background import SubtractBackground
from astrid_ml.preprocessing.differencing.stars.psf import EmpiricalPsf
from astrid_ml.preprocessing.differencing.stars.select import SelectStars, find_sources
from astrid_ml.preprocessing.surveys.registry import Described
from astrid_ml.readable import reading
from astrid_ml.types import Array, Existing, InUnits, NonNegative, Ordered, Positive, Seed, Whole

LEAST = 0.1  # px: places nearer than this need no cells of their own
MOST_PHOTONS = 1e18  # that numpy can draw a Poisson number of
Pair = tuple[float, float] | list[float]
PositivePair = tuple[Positive, Positive] | list[Positive]


@dataclass(frozen=True)
class InjectCommand:
    """Add point sources to an image and write their truth.

    Args:
        science: the image; ``science.psf=FILE`` gives its PSF, else it comes from its stars.
        output_dir: gets ``injected_<name>`` in the layout of the input, ``truth.csv`` and ``truth.parquet``.
        n: sources at random places; not used with ``positions``.
        positions: CSV or parquet with x, y or ra, dec, and optionally flux (image units) or mag (AB).
        snr: range of S/N on blank sky, log-uniform.
        flux: range in image units, log-uniform; in the place of ``snr``.
        mag: range of AB magnitudes, uniform, in the place of both; it needs the image's zero point.
        spacing: px between random places.
        margin: px from random places to the edge.
        poisson: add the sources' photon noise.
        seed: of places, fluxes and noise.
        survey: whose image it is; None lets its header say it.
        format: of the truth beside CSV and parquet: ecsv, votable, fits.
    """

    science: Frame
    output_dir: str
    n: Whole = 50
    positions: Existing | None = None
    snr: Annotated[PositivePair, Ordered()] = (4.0, 40.0)
    flux: Annotated[PositivePair, Ordered()] | None = None
    mag: Annotated[Pair, Ordered(), InUnits("mag")] | None = None
    spacing: Annotated[NonNegative, InUnits("px")] = 16.0
    margin: Annotated[Whole, InUnits("px")] = 40
    poisson: bool = True
    seed: Seed = 1
    survey: Described = None
    format: str | list[str] | None = None

    def __post_init__(self) -> None:
        """Refuse keys of which one would have no effect beside another."""
        given = self._ranges()
        if len(given) > 1:
            raise UserError("one of snr, flux and mag", " and ".join(given), f"leave out {' and '.join(given[1:])}")
        if self.positions is not None and self.n != InjectCommand.n:
            got = f"n={self.n} beside positions={self.positions}"
            raise UserError("a table of places, or a number of random ones", got, "leave out one of the two")

    def _ranges(self) -> list[str]:
        """Which ranges of brightness were given."""
        said = {"snr": tuple(self.snr) != InjectCommand.snr, "flux": self.flux is not None, "mag": self.mag is not None}
        return [f"{name}=" for name, given in said.items() if given]

    def run(self) -> dict[str, Any]:
        """Inject and write.

        Raises:
            UserError: no gain for the photon noise, no zero point for magnitudes, no place, unreadable input, or a
                frame that takes more memory than there is.
        """
        fix = "cut out the part that you need into a file of its own, or use a machine with more memory"
        with within_memory(Path(split_name(self.science.file, self.science.ext)[0]).name, fix):
            return self._injected()

    def _injected(self) -> dict[str, Any]:
        formats = formats_of(self.format)
        for name in ("snr", "flux", "mag"):
            check_range(name, getattr(self, name))
        known = None if self.positions is None else truth_table(self.positions)
        if known is not None and {"flux", "mag"} & set(known.columns) and self._ranges():
            got = f"{' and '.join(self._ranges())} beside a table with its own"
            raise UserError("one brightness of each source", got, "leave it out, or remove the column of the table")
        image = LoadFits(need_wcs=False, survey=self.survey)(self.science)
        if self.poisson and not image.gain_known:
            fix = "give science.gain=..., or poisson=false for sources without noise of their own"
            raise UserError("a gain (e- per image unit) for the sources' photon noise", f"none in {image.name}", fix)
        psf = psf_of(image)
        rng = np.random.default_rng(self.seed)
        truth = self._truth(image, psf, rng, known)
        added, variance = photons(image, psf, truth, rng if self.poisson else None)
        folder, (path, ext) = Path(self.output_dir), split_name(self.science.file, self.science.ext)
        target = folder / f"injected_{Path(path).name}"
        folder.mkdir(parents=True, exist_ok=True)
        assert image.hdu is not None  # it was loaded from a file
        write_like(path, image.hdu, target, added, variance)
        with whole(folder / "truth.csv") as part:
            marked(truth).to_csv(part, index=False)
        meaning = TableMeaning("truth", image.unit, image.zero_point)
        write_described(truth, folder / "truth.parquet", meaning, formats)
        said = {"sources": len(truth), "image": str(target), "truth": str(folder / "truth.csv")}
        return said if ext is None else {**said, "hdu": ext}

    def _truth(
        self, image: Image, psf: torch.Tensor, rng: np.random.Generator, known: pd.DataFrame | None
    ) -> pd.DataFrame:
        """``object_id, x, y, ra, dec, flux, mag, snr, kind, injected`` of the sources."""
        error = math.sqrt(float(image.variance[~image.mask].median()) / float(psf.square().sum()))
        if known is None:
            most = most_places(image, self.spacing, self.margin)
            if self.n > most and min(image.shape) > 2 * self.margin + 1:
                got = f"n={self.n}, and {image.shape[0]} x {image.shape[1]} px with spacing={self.spacing:g}"
                raise UserError(f"at most {most} sources in this image", got, "lower n or the spacing")
            x, y = free_places(image, self.n, self.spacing, self.margin, rng)
            given = pd.DataFrame({"x": x, "y": y})
        else:
            given = placed(known, image)
        if given.empty:
            got = f"none (n={self.n}, spacing={self.spacing:g}, margin={self.margin} in {image.shape})"
            fix = "lower the margin or the spacing" if self.n else "set n, for instance n=50"
            raise UserError("at least one place for a source", got, fix)
        flux = self._flux(given, image, error, rng)
        x, y = given["x"].to_numpy(dtype=np.float64), given["y"].to_numpy(dtype=np.float64)
        sky = (np.full(len(x), np.nan),) * 2 if image.wcs is None else image.wcs.all_pix2world(x, y, 0)
        zero = np.nan if image.zero_point is None else image.zero_point
        named = given["object_id"] if "object_id" in given else [f"injected_{i}" for i in range(len(x))]
        columns: dict[str, Any] = {"object_id": named, "x": x, "y": y, "ra": sky[0], "dec": sky[1], "flux": flux}
        columns |= {
            "mag": zero - 2.5 * np.log10(np.abs(flux)),
            "snr": flux / error,
            "kind": "injected",
            "injected": True,
        }
        return pd.DataFrame(columns)

    def _flux(self, given: pd.DataFrame, image: Image, error: float, rng: np.random.Generator) -> Array:
        """Fluxes (image units): of the table, else drawn from ``mag``, ``flux`` or ``snr``, in this order."""
        if "flux" in given:
            return given["flux"].to_numpy(dtype=np.float64)
        if "mag" in given or self.mag is not None:
            if image.zero_point is None:
                raise UserError("a zero point for magnitudes", f"none in {image.name}", "give science.zero_point=...")
            mag = given["mag"].to_numpy(dtype=np.float64) if "mag" in given else _uniform(self.mag, len(given), rng)
            return np.asarray(10 ** (-0.4 * (mag - image.zero_point)))
        if self.flux is not None:
            return np.exp(_uniform(np.log(self.flux), len(given), rng))
        return error * np.exp(_uniform(np.log(self.snr), len(given), rng))


def _uniform(limits: Any, size: int, rng: np.random.Generator) -> Array:
    low, high = (float(value) for value in limits)
    return rng.uniform(low, high, size)


def check_range(name: str, limits: Sequence[float] | None) -> None:
    """Refuse anything but two rising numbers.

    Raises:
        UserError: not two rising numbers.
    """
    if limits is not None and (len(limits) != 2 or not limits[0] < limits[1]):
        raise UserError(f"{name}=[low,high]", str(list(limits)), "give two numbers, the smaller first")


def psf_of(image: Image) -> torch.Tensor:
    """The image's PSF (k, k): the one that came with it, else from its stars."""
    if image.psf is not None:
        return image.psf if image.psf.ndim == 2 else image.psf.mean((0, 1))
    clean = SubtractBackground()(image)
    found = find_sources(clean)
    return EmpiricalPsf()(clean, found, SelectStars()(clean, found)).psf


def free_places(image: Image, n: int, spacing: float, margin: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """At most ``n`` places (x, y) off masked pixels, ``spacing`` px apart and ``margin`` px from the edge."""
    h, w = image.shape
    bad = grow(image.mask, 4).numpy()
    kept: list[tuple[float, float]] = []
    cells: dict[tuple[int, int], list[tuple[float, float]]] = {}  # of one spacing: only those next to a place are near
    side = max(spacing, LEAST)
    if min(h, w) <= 2 * margin + 1:
        return np.zeros(0), np.zeros(0)
    for _ in range(40 * min(n, most_places(image, spacing, margin))):
        if len(kept) == n:
            break
        x, y = rng.uniform(margin, w - 1 - margin), rng.uniform(margin, h - 1 - margin)
        row, column = int(y // side), int(x // side)
        near = (place for r in (-1, 0, 1) for c in (-1, 0, 1) for place in cells.get((row + r, column + c), ()))
        if not bad[round(y), round(x)] and all((x - a) ** 2 + (y - b) ** 2 >= spacing**2 for a, b in near):
            kept.append((x, y))
            cells.setdefault((row, column), []).append((x, y))
    places = np.array(kept).reshape(-1, 2)
    return places[:, 0].copy(), places[:, 1].copy()


def most_places(image: Image, spacing: float, margin: int) -> int:
    """No more places than so many can be ``spacing`` px apart: those of a hexagonal lattice, and its edge."""
    side = max(spacing, LEAST)
    h, w = (max(0.0, size - 1 - 2 * margin) + side for size in image.shape)
    return int(h * w / (np.sqrt(0.75) * side**2)) + 1


def photons(
    image: Image, psf: torch.Tensor, truth: pd.DataFrame, rng: np.random.Generator | None
) -> tuple[Array, Array]:
    """What the sources add to the pixels and to their variance (image units, squared), each (H, W).

    Negative fluxes take light away and add no noise. Without ``rng`` there is no photon noise.

    Raises:
        UserError: more light in a pixel than its noise can be drawn for.
    """
    x, y = (torch.from_numpy(truth[name].to_numpy(dtype=np.float64).copy()) for name in ("x", "y"))
    flux = torch.from_numpy(truth["flux"].to_numpy(dtype=np.float32).copy())
    light = render_sources(image.shape, psf, x, y, flux).double().numpy()
    if rng is None:
        return light, np.zeros_like(light)
    electrons = np.maximum(light, 0.0) * image.gain
    if not electrons.max() <= MOST_PHOTONS:
        got = f"a source of {float(electrons.max()):.3g} e- in one pixel of {image.name}"
        fix = "give smaller fluxes, or poisson=false"
        raise UserError(f"sources of at most {MOST_PHOTONS:.0e} e- in one pixel", got, fix)
    return np.where(light > 0, rng.poisson(electrons) / image.gain, light), electrons / image.gain**2


def write_like(path: str, index: int, target: Path, added: Array, variance: Array) -> None:
    """Write a copy of a FITS file with light added to HDU ``index`` and its noise to the variance planes beside it.

    Integer pixels stay integers (rounded, clipped to their range), PS1's stretched ones stretched, compressed HDUs
    compressed; the same input gives the same bytes.
    """
    with reading(Path(path)), open_fits(path) as hdus:
        out = []
        for i, hdu in enumerate(hdus):
            if i == index:
                out.append(_renewed(hdu, _brightened(hdu, added)))
            elif hdu.name in ("ERR", "VARIANCE", "VAR_POISSON") and hdu.shape == added.shape:
                old = np.asarray(hdu.data, dtype=np.float64)
                new = np.sqrt(old**2 + variance) if hdu.name == "ERR" else old + variance
                out.append(_renewed(hdu, new.astype(hdu.data.dtype.newbyteorder("="))))
            else:
                out.append(_renewed(hdu, hdu.data) if isinstance(hdu, fits.CompImageHDU) else hdu)
        buffer = io.BytesIO()
        fits.HDUList(out).writeto(buffer, output_verify="silentfix")
    content = buffer.getvalue()
    if target.suffix == ".gz":
        content = gzip.compress(content, compresslevel=1, mtime=0)
    with whole(target) as part:
        _save(part, content)


def _save(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _brightened(hdu: Any, added: Array) -> Array:
    """The HDU's pixels with the light, in its own type."""
    old = np.asarray(hdu.data)
    light = added.reshape(old.shape)
    if "BSOFTEN" in hdu.header:
        return stretched_flux(linear_flux(old.astype(np.float64), hdu.header) + light, hdu.header).astype(np.float32)
    new = old.astype(np.float64) + light
    if np.issubdtype(old.dtype, np.integer):
        limits = np.iinfo(old.dtype)
        return np.clip(np.rint(new), limits.min, limits.max).astype(old.dtype.newbyteorder("="))
    return new.astype(old.dtype.newbyteorder("="))


def _renewed(hdu: Any, data: Array) -> Any:
    """An HDU of the same kind, name and header with other pixels."""
    header = hdu.header.copy()
    if isinstance(hdu, fits.CompImageHDU):
        kind = {"quantize_level": 64.0, "dither_seed": 1} if np.issubdtype(data.dtype, np.floating) else {}
        return fits.CompImageHDU(data, header, name=hdu.name, compression_type=_compression(data), **kind)
    if isinstance(hdu, fits.PrimaryHDU):
        return fits.PrimaryHDU(data, header)
    return fits.ImageHDU(data, header, name=hdu.name)


def _compression(data: Array) -> str:
    """Rice but for 64-bit integers, which it does not know; both leave no clock in the file."""
    return "NOCOMPRESS" if data.dtype.itemsize == 8 and np.issubdtype(data.dtype, np.integer) else "RICE_1"
