"""``astrid simulate what=roman``: RAPID job folders with images, catalogues, injections and index truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.roman.simulate import files
from astrid_ml.preprocessing.roman.simulate.field import (
    EXPOSURES,
    Field,
    Pointing,
    counts_zero_point,
    draw_field,
    expected,
    observe,
)
from astrid_ml.preprocessing.roman.simulate.products import Subtracted, find, fit, subtract
from astrid_ml.preprocessing.seeded import EACH_ALONE, USUAL, as_offset, settings_mark
from astrid_ml.preprocessing.simulated_sky.artefacts import cosmic_rays
from astrid_ml.preprocessing.simulated_sky.psf import Psf
from astrid_ml.progress import bar
from astrid_ml.types import Count, Filled, Floats, InUnits, Length, NonNegative, Ordered, Positive, Share

_SPAN = (62000.0, 62120.0)  # MJD of the science epochs
_REFERENCE_MJD = 61980.0
_REFERENCE_POINTING = 7001


@dataclass(frozen=True)
class SimulateRoman:
    """Job folders of a small survey: fields recur over epochs and filters, so that a supernova is seen several times.

    Densities are per Mpx.

    Args:
        n: jobs.
        shape: (H, W) px; 4089 x 4089 is the survey's size.
        fields: patches of sky, 0.3 degrees apart.
        bands: filters, in turn.
        generation: ``old`` (until 2025-09), ``new`` (2026) or ``both``, in turn.
        families: subtractions whose products are written: zogy, sfft, naive.
        stars, galaxies, transients, injections, cosmic_rays: densities.
        magnitudes: AB range of injections.
        threshold: sigma, of the finder.
        seeing: the subtraction's PSF is wrong by up to this share in width.
        registration: px, rms error of the reference's position.
        double_references: share of jobs whose reference is float64.
    """

    domain: ClassVar[str] = "roman"

    n: Count = 24
    shape: Annotated[tuple[Count, Count] | list[Count], Length(2), InUnits("px")] = (384, 384)
    fields: Count = 8
    bands: Annotated[tuple[str, ...] | list[str], Filled()] = ("R062", "Y106", "H158")
    generation: str = "both"
    families: Annotated[tuple[str, ...] | list[str], Filled()] = ("zogy",)
    stars: NonNegative = 400.0
    galaxies: NonNegative = 900.0
    transients: NonNegative = 250.0
    injections: NonNegative = 150.0
    cosmic_rays: NonNegative = 2500.0
    magnitudes: Annotated[tuple[float, float] | list[float], Ordered(), InUnits("mag")] = (22.0, 26.8)
    threshold: Positive = 5.0
    seeing: NonNegative = 0.05
    registration: Annotated[NonNegative, InUnits("px")] = 0.05
    double_references: Share = 0.2

    def bytes_needed(self) -> int:
        """Science, reference and difference image of each job."""
        return self.n * 3 * int(self.shape[0]) * int(self.shape[1]) * 4

    def run(self, output_dir: Path, seed: int) -> dict[str, Any]:
        """Write ``<procdate>/jid<N>/`` and ``<BAND>_fields.txt``.

        Raises:
            UserError: a value that makes no survey.
        """
        self._check()
        output_dir.mkdir(parents=True, exist_ok=True)
        shape = (int(self.shape[0]), int(self.shape[1]))
        densities = (self.stars, self.galaxies, self.transients)
        mark = settings_mark(self, seed, EACH_ALONE)
        sky = [draw_field(number, shape, densities, _SPAN, seed, mark) for number in range(self.fields)]
        rows = [
            self._job(output_dir, number, sky[number % self.fields], seed, mark)
            for number in bar(range(self.n), "simulating")
        ]
        table = pd.DataFrame(rows)
        for band, part in table.groupby("band"):
            listed = part[["FIELD", "MJD", "JOB"]].to_csv(sep=" ", index=False)
            files.write_text(output_dir / f"{band}_fields.txt", listed)
        totals = {name: int(table[name].sum()) for name in ("detections", "injections", "transients")}
        return {"jobs": self.n, "fields": min(self.n, self.fields), **totals, "seed": seed}

    def _check(self) -> None:
        unknown = [band for band in self.bands if band not in EXPOSURES]
        if unknown or not self.bands:
            raise UserError(f"simulate.bands among {', '.join(EXPOSURES)}", f"{unknown or 'none'}", "choose among them")
        if self.generation not in ("old", "new", "both"):
            raise UserError("simulate.generation of old, new or both", self.generation, "choose one of them")
        if self.n < 1 or self.fields < 1 or len(self.shape) != 2 or min(self.shape) < 96:
            got = f"n={self.n}, fields={self.fields}, shape={list(self.shape)}"
            raise UserError(
                "simulate.n and simulate.fields of at least 1, images of at least 96 px",
                got,
                "for instance simulate.n=24 simulate.fields=8 simulate.shape=[384,384]",
            )
        if "zogy" not in self.families or set(self.families) - {"zogy", "sfft", "naive"}:
            raise UserError(
                "simulate.families of zogy, sfft, naive, with zogy",
                f"{list(self.families)}",
                "for instance simulate.families=[zogy]",
            )

    def _job(self, output_dir: Path, number: int, field: Field, seed: int, mark: str) -> dict[str, Any]:
        """Simulate and write one job; returns its line of the field list and its counts."""
        rng = np.random.default_rng([seed, 2, number])
        new = self.generation == "new" or (self.generation == "both" and number % 2 == 1)
        band = str(self.bands[(number + number // self.fields) % len(self.bands)])  # a field is seen in several
        mjd = float(rng.uniform(*_SPAN))
        scene = _Scene(self, field, band, mjd, rng, [seed, 3, number])
        job = f"jid{90821 + number + 1_000_000 * (seed - USUAL) + as_offset(mark, 10**9)}"
        folder = output_dir / ("20260722" if new else "20250617") / job
        folder.mkdir(parents=True, exist_ok=True)
        found = _Writer(folder, scene, new, number % 4 == 3, 10_000 + number, 1 + number % 18).write(
            self, float(rng.random()) < self.double_references
        )
        files.write_text(folder.parent / f"product_config_{job}.ini", f"[JOB_PARAMS]\njid = {job[3:]}\n")
        counts = {"injections": len(scene.injections), "transients": int(np.isfinite(scene.visible).sum())}
        return {"FIELD": field.name, "MJD": round(mjd, 5), "JOB": job, "band": band, "detections": found, **counts}


class _Scene:
    """The images of one job and what is in them."""

    def __init__(
        self, config: SimulateRoman, field: Field, band: str, mjd: float, rng: np.random.Generator, seed: list[int]
    ) -> None:
        self.field, self.band, self.mjd, self.rng = field, band, mjd, rng
        self.shift = (float(rng.uniform(-24, 24)), float(rng.uniform(-24, 24)))
        fwhm = float(rng.uniform(1.7, 2.0))
        self.pointing = Pointing(self.shift, Psf(fwhm, 3.5), 150.0, 10.0)
        error = rng.normal(0, config.registration, 2)
        shifted = (self.shift[0] + float(error[0]), self.shift[1] + float(error[1]))
        self.reference_pointing = Pointing(shifted, Psf(fwhm * float(rng.uniform(1.0, 1.15)), 3.5), 150.0, 10.0, 9)
        zero = counts_zero_point(band)
        self.visible, self.past = field.magnitudes(mjd, band), field.magnitudes(_REFERENCE_MJD, band)
        self.injections = self._draw_injections(config, zero)
        self.transient_flux, self.past_flux = (10 ** (-0.4 * (mag - zero)) for mag in (self.visible, self.past))
        x, y = field.transients["x"].to_numpy(), field.transients["y"].to_numpy()
        place, past_place = self.pointing.place(x, y), self.reference_pointing.place(x, y)
        self.clean_mean = expected(field, self.pointing, [(*place, self.transient_flux)])
        added = [self.injections[name].to_numpy() for name in ("x", "y", "flux")]
        self.mean = expected(field, self.pointing, [(*place, self.transient_flux), (added[0], added[1], added[2])])
        reference_mean = expected(field, self.reference_pointing, [(*past_place, self.past_flux)])
        self.science = observe(self.mean, self.pointing, [*seed, 0])
        self.science += cosmic_rays(field.shape, config.cosmic_rays, (150.0, 5000.0), rng)[0]
        self.reference = observe(reference_mean, self.reference_pointing, [*seed, 1])
        noise = self.pointing.read_noise**2 + self.pointing.sky
        self.variances = (self.mean + noise, (reference_mean + noise) / self.reference_pointing.frames)
        wrong = 1 + rng.uniform(-config.seeing, config.seeing, 2)
        self.psfs = (
            self.pointing.psf.scaled(float(wrong[0])).stamp(),
            self.reference_pointing.psf.scaled(float(wrong[1])).stamp(),
        )
        self.uncovered = int(rng.integers(0, 7))

    def _draw_injections(self, config: SimulateRoman, zero: float) -> pd.DataFrame:
        """Half in galaxies, the rest anywhere, up to 20 px off the image."""
        h, w = self.field.shape
        m = int(self.rng.poisson(config.injections * h * w / 1e6))
        x, y = self.rng.uniform(-20, w + 20, m), self.rng.uniform(-20, h + 20, m)
        if len(self.field.galaxies):
            hosts = self.field.galaxies.iloc[self.rng.integers(0, len(self.field.galaxies), m)]
            gx, gy = self.pointing.place(hosts["x"].to_numpy(), hosts["y"].to_numpy())
            offset = self.rng.normal(0, 1, (2, m)) * hosts["r_e"].to_numpy()
            hosted = self.rng.random(m) < 0.5
            x, y = np.where(hosted, gx + offset[0], x), np.where(hosted, gy + offset[1], y)
        mag = self.rng.uniform(config.magnitudes[0], config.magnitudes[1], m)
        return pd.DataFrame({"x": x, "y": y, "flux": 10 ** (-0.4 * (mag - zero))})

    def index(self, mags_flux: Floats, pointing: Pointing) -> pd.DataFrame:
        """Rows of an index file: galaxies, stars and what shines of the transients, on the detector and off it."""
        parts = []
        for kind, table, flux in (
            ("galaxy", self.field.galaxies, self.field.galaxies["flux"].to_numpy()),
            ("star", self.field.stars, self.field.stars["flux"].to_numpy()),
            ("transient", self.field.transients, mags_flux),
        ):
            x, y = pointing.place(table["x"].to_numpy(), table["y"].to_numpy())
            first = {"galaxy": 10_430_000_000_000, "star": 30_300_000_000, "transient": 0}[kind]
            number = table["object_id"].to_numpy() if kind == "transient" else first + np.arange(len(table))
            parts.append(pd.DataFrame({"object_id": number, "x": x, "y": y, "flux": flux, "obj_type": kind}))
        out = pd.concat(parts, ignore_index=True)
        out = out[out["flux"] > 0].reset_index(drop=True)
        wcs = files.image_wcs(self.field, pointing.shift)
        out["ra"], out["dec"] = wcs.all_pix2world(out["x"], out["y"], 0)
        return out


@dataclass(frozen=True)
class _Writer:
    """A job folder's files."""

    folder: Path
    scene: _Scene
    new: bool
    rimtimsim: bool
    pointing: int
    sca: int

    @property
    def stem(self) -> str:
        """``<SCI>``."""
        if self.rimtimsim:
            return f"rimtimsim_WFI_{self.scene.band}_SCA{self.sca:02d}_{self.pointing:09d}"
        return f"Roman_TDS_simple_model_{self.scene.band}_{self.pointing}_{self.sca}"

    def index_name(self, pointing: int) -> str:
        if self.rimtimsim:
            return f"rimtimsim_index_WFI_{self.scene.band}_SCA{self.sca:02d}_{pointing:09d}.txt"
        return f"Roman_TDS_index_{self.scene.band}_{pointing}_{self.sca}.txt"

    def write(self, config: SimulateRoman, double: bool) -> int:
        """Write everything; returns the number of detections of the first family."""
        scene = self.scene
        wcs = files.image_wcs(scene.field, scene.shift)
        header = files.science_header(scene.band, self.sca, scene.mjd, wcs)
        self._inputs(header, wcs, double)
        self._truth(scene.rng)
        counts = [self._family(family, config, header) for family in config.families]
        return counts[0]

    def _inputs(self, header: Any, wcs: Any, double: bool) -> None:
        """Science and reference in the forms that RAPID leaves, and their uncertainties."""
        scene, folder = self.scene, self.folder
        raw = scene.science + scene.pointing.sky
        files.write_image(folder / f"{self.stem}_lite_inject_reformatted.fits", raw, header)
        files.write_image(folder / f"{self.stem}_lite_inject_reformatted_unc.fits", np.sqrt(scene.variances[0]), header)
        files.write_image(folder / "bkg_subbed_science_image.fits", scene.science, header)
        mosaic = files.reference_header(
            scene.band, scene.field, _REFERENCE_MJD, [self.index_name(_REFERENCE_POINTING)], wcs
        )
        name = "awaicgen_output_mosaic_{}_resampled.fits".format
        files.write_image(folder / "awaicgen_output_mosaic_image_resampled_gainmatched.fits", scene.reference, mosaic,
                          "f8" if double else "f4")  # fmt: skip
        files.write_image(folder / name("image"), scene.reference, mosaic)
        files.write_image(folder / name("uncert_image"), np.sqrt(scene.variances[1]), mosaic)
        coverage = np.full(scene.field.shape, float(scene.reference_pointing.frames))
        coverage[:, : scene.uncovered] = 0.0
        files.write_image(folder / name("cov_map"), coverage, mosaic)

    def _truth(self, rng: np.random.Generator) -> None:
        """The injection list, the index file of the exposure, and that of the reference's."""
        scene = self.scene
        files.write_text(self.folder / f"{self.stem}_lite_inject.txt", files.injection_text(scene.injections))
        here = scene.index(scene.transient_flux, scene.pointing)
        files.write_text(self.folder / self.index_name(self.pointing), files.index_text(here, scene.band, rng))
        if self.new:
            elsewhere = Pointing(
                (30.0, -20.0), scene.pointing.psf, 0.0, 0.0
            )  # the reference's exposure has a grid of its own
            past = scene.index(scene.past_flux, elsewhere)
            text = files.index_text(past, scene.band, rng)
            files.write_text(self.folder / self.index_name(_REFERENCE_POINTING), text)

    def _family(self, family: str, config: SimulateRoman, header: Any) -> int:
        """One subtraction's images and catalogues; negatives are products of the 2026 runs."""
        scene = self.scene
        done = subtract(scene.science, scene.reference, scene.variances, scene.psfs, family)
        for part in (done.difference, done.scorr, done.uncertainty):
            part[:, : scene.uncovered] = np.nan
        stem, counts = files.STEMS[(family, self.new)], []
        for sign in (1, -1) if self.new else (1,):
            suffix = "" if sign > 0 else "_negative"
            self._images(family, stem, suffix, sign, done, header)
            found = find(sign * done.difference, config.threshold)
            psfcat = fit(
                sign * done.difference, np.nan_to_num(done.uncertainty, nan=1e9), found, scene.pointing.psf.fwhm
            )
            wcs = files.image_wcs(scene.field, scene.shift)
            sky = wcs.all_pix2world(psfcat["x_fit"], psfcat["y_fit"], 0) if len(psfcat) else ([], [])
            psfcat = psfcat.assign(ra=sky[0], dec=sky[1])
            files.write_catalogues(self.folder, stem, self.new, psfcat, found, sign < 0)
            files.write_text(self.folder / f"{stem}{suffix}.txt", files.sextractor_text(found))
            counts.append(len(psfcat))
        return counts[0]

    def _images(self, family: str, stem: str, suffix: str, sign: int, done: Subtracted, header: Any) -> None:
        if family == "sfft":
            pairs = [("sfftdiffimage_dconv_masked", done.difference), ("sfftdiffimage_cconv_masked", done.scorr)]
        else:
            pairs = [(stem, done.difference)] + ([("scorrimage_masked", done.scorr)] if family == "zogy" else [])
        for name, data in pairs:
            files.write_image(self.folder / f"{name}{suffix}.fits", sign * data, header)
        if sign > 0 and family == "zogy":
            files.write_image(
                self.folder / f"{stem.replace('_masked', '_uncert_masked')}.fits", done.uncertainty, header
            )
            files.write_image(self.folder / "diffpsf.fits", done.psf, header)
