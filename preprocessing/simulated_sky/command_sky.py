"""``astrid simulate what=sky``: pairs of FITS images of seven missions, their truth, and a manifest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.files import whole
from astrid_ml.missions import canonical
from astrid_ml.nearest import nearest
from astrid_ml.preprocessing.seeded import EACH_ALONE, named_as, seeded, settings_mark
from astrid_ml.preprocessing.simulated_sky.artefacts import Artefacts
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.files import SUFFIXES, write_image
from astrid_ml.preprocessing.simulated_sky.missions import (
    MISSIONS,
    SkyExposure,
    SkyMission,
    electron_zero_point,
    expose,
)
from astrid_ml.preprocessing.simulated_sky.pair import simulate_pair
from astrid_ml.progress import bar
from astrid_ml.types import Count, Filled, InUnits, Length, NonNegative, Ordered, Positive, Share


@dataclass(frozen=True)
class SimulateSky:
    """FITS pairs, one truth file each, and ``manifest.csv`` (``science, reference, truth, mission, filter``).

    Densities are per Mpx. Reference and science frame differ in PSF, depth, transparency, grid and, slightly, in scale.

    Args:
        n: pairs, shared out over the missions.
        missions: among ztf, ps1, swift, galex, roman, rubin, jwst.
        shape: (H, W) px.
        stars, galaxies: static sources.
        transients: new sources.
        in_galaxies: share of them in hosts.
        variables, vanished, moving: other sources that change.
        snr: range of ``snr_opt`` (log-uniform).
        shift, rotation: largest offset (px) and angle (degrees) of the reference's grid, told by its WCS.
        scale: largest relative difference of the pixel scales.
        distortion: px; largest misregistration that no WCS tells.
        artefacts: factor on the mission's cosmic rays, trails, hot and bad pixels.
        reference_fwhm: range of the reference's PSF width over the science image's.
        filters: how many of a mission's filters are used, in turn: so that few pairs see each several times, and
            what is tested was trained on. None draws from all.
    """

    domain: ClassVar[str] = "differencing"
    version: ClassVar[int] = 2  # what changes may lie at the edge, and is never rounded to none

    n: Count = 40
    missions: Annotated[tuple[str, ...] | list[str], Filled()] = ("ztf", "ps1", "swift", "galex")
    shape: Annotated[tuple[Count, Count] | list[Count], Length(2), InUnits("px")] = (384, 384)
    stars: NonNegative = 1500.0
    galaxies: NonNegative = 200.0
    transients: NonNegative = 120.0
    in_galaxies: Share = 0.5
    variables: NonNegative = 15.0
    vanished: NonNegative = 15.0
    moving: NonNegative = 5.0
    snr: Annotated[tuple[Positive, Positive] | list[Positive], Ordered()] = (4.0, 40.0)
    shift: Annotated[NonNegative, InUnits("px")] = 4.0
    rotation: Annotated[NonNegative, InUnits("deg")] = 0.3
    scale: NonNegative = 0.002
    distortion: Annotated[NonNegative, InUnits("px")] = 0.08
    artefacts: NonNegative = 1.0
    reference_fwhm: Annotated[tuple[Positive, Positive] | list[Positive], Ordered()] = (0.75, 1.05)
    filters: Count | None = None

    def column_values(self) -> dict[str, tuple[str, ...]]:
        """The missions."""
        return {"mission": tuple(map(canonical, self.missions))}

    def bytes_needed(self) -> int:
        """Both images of each pair."""
        return self.n * 2 * int(self.shape[0]) * int(self.shape[1]) * 4

    def run(self, output_dir: Path, seed: int) -> dict[str, Any]:
        """Write the files.

        Raises:
            UserError: an unknown mission, no pair, or images below 128 px.
        """
        self._check()
        output_dir.mkdir(parents=True, exist_ok=True)
        rows, counts = [], dict[str, int]()
        for number in bar(range(self.n), "simulating"):
            mission = MISSIONS[str(self.missions[number % len(self.missions)]).lower()]
            row, truth = self._pair(output_dir, mission, number, seed)
            rows.append(row)
            for kind, count in truth["kind"].value_counts().items():
                counts[str(kind)] = counts.get(str(kind), 0) + int(count)
        _write(output_dir / "manifest.csv", pd.DataFrame(rows))
        changes = sum(counts.values())
        made = {"pairs": self.n, "changes": changes, "kinds": counts, "missions": list(self.missions), "seed": seed}
        return {**made, "artefacts": self.artefacts}

    def _check(self) -> None:
        unknown = sorted({str(name) for name in self.missions if str(name).lower() not in MISSIONS})
        if unknown or not self.missions:
            fix = (nearest(unknown[0], MISSIONS) if unknown else "") or "choose some of them"
            raise UserError(f"simulate.missions among {', '.join(MISSIONS)}", ", ".join(unknown) or "none", fix)
        if self.n < 1 or len(self.shape) != 2 or min(self.shape) < 128:
            got = f"n={self.n}, shape={list(self.shape)}"
            raise UserError(
                "simulate.n of at least 1 and images of at least 128 x 128",
                got,
                "8 pairs of 384 x 384 px take seconds",
            )

    def _pair(self, folder: Path, mission: SkyMission, number: int, seed: int) -> tuple[dict[str, str], pd.DataFrame]:
        """Simulate and write one pair; returns its line of the manifest and its truth."""
        rng = np.random.default_rng([seed, number])
        band = str(rng.choice(mission.filters))
        if self.filters is not None:
            band = mission.filters[number // len(self.missions) % min(self.filters, len(mission.filters))]
        mjd = float(rng.uniform(58000, 60500))
        clear = float(rng.uniform(0.8, 1.0)) if mission.sky_subtracted or mission.name == "ztf" else 1.0
        science = expose(mission, band, mjd, 1, clear)
        reference = expose(mission, band, mjd - float(rng.uniform(60, 700)), mission.preset.depth)
        pair = simulate_pair(self.config(mission, science, reference, clear, rng), int(rng.integers(2**62)))
        word = seeded(mission.name, seed, settings_mark(self, seed, EACH_ALONE))
        stem, called = f"{mission.name}_{number:05d}", f"{word}_{number:05d}"
        tile = {"NUV": "-nd", "FUV": "-fd"}.get(band, "")
        names = [f"{stem}_{role}{tile}{SUFFIXES[mission.name]}" for role in ("science", "reference")]
        for name, image, exposure in zip(names, (pair.science, pair.reference), (science, reference), strict=True):
            write_image(folder / name, image, exposure)
        truth = pair.truth.assign(
            object_id=[f"{called}_{i}" for i in pair.truth["object_id"]],
            flux=pair.truth["flux"] / science.gain,
            host_distance=pair.truth["host_distance"] * mission.pixel_scale,
        )
        _write(folder / f"{stem}_truth.csv", truth)
        _write(folder / f"{stem}_artefacts.csv", pair.artefacts.round(2))
        row = {
            "science": names[0],
            "reference": names[1],
            "truth": f"{stem}_truth.csv",
            "artefacts": f"{stem}_artefacts.csv",
            "mission": mission.name,
            "filter": band,
            **({} if called == stem else {"name": named_as(names[0], mission.name, word)}),
        }
        return row, truth

    def config(
        self, mission: SkyMission, science: SkyExposure, reference: SkyExposure, clear: float, rng: np.random.Generator
    ) -> SkyConfig:
        """The sky of one pair of a mission.

        Args:
            mission: whose PSF, depth and noise it has.
            science, reference: its two images.
            clear: transparency of the science image.
            rng: draws what differs between pairs.
        """
        fwhm = float(rng.uniform(*mission.preset.fwhm))
        ref_fwhm = max(fwhm * float(rng.uniform(*self.reference_fwhm)), 0.9 * mission.preset.fwhm[0])
        # A source of this flux (e-) stands at about 2 sigma of the sky under the PSF.
        faint = 2 * fwhm * float(np.sqrt(mission.preset.sky + mission.preset.read_noise**2))
        return SkyConfig(
            shape=(int(self.shape[0]), int(self.shape[1])),
            fwhm=(fwhm, ref_fwhm),
            beta=mission.preset.beta,
            flux_ratio=clear / reference.frames,
            shift=(float(rng.uniform(-1, 1)) * self.shift, float(rng.uniform(-1, 1)) * self.shift),
            rotation=float(rng.uniform(-1, 1)) * self.rotation,
            pixel_scale=mission.pixel_scale,
            scale=1 + float(rng.uniform(-1, 1)) * self.scale,
            stars=self.stars,
            galaxies=self.galaxies,
            transients=self.transients,
            in_galaxies=self.in_galaxies,
            variables=self.variables,
            vanished=self.vanished,
            moving=self.moving,
            snr=(float(self.snr[0]), float(self.snr[1])),
            star_flux=(faint, 2000 * faint),
            galaxy_flux=(15 * faint, 400 * faint),
            galaxy_radius=(0.6 * fwhm, 2.5 * fwhm),
            sky=(mission.preset.sky, mission.preset.sky * reference.frames),
            read_noise=(science.read_noise, reference.read_noise),
            saturation=science.full_well,
            saturation_reference=reference.full_well,
            ellipticity=(
                float(rng.uniform(0, mission.preset.ellipticity)),
                float(rng.uniform(0, mission.preset.ellipticity)) / 2,
            ),
            variation=(
                float(rng.uniform(0, mission.preset.variation)),
                float(rng.uniform(0, mission.preset.variation)) / 2,
            ),
            distortion=self.distortion,
            margin=fwhm,  # as in a survey: a candidate at the edge is not bogus for that
            zero_point=electron_zero_point(mission, science.filter) + 2.5 * float(np.log10(clear)),
            centre=(float(rng.uniform(0, 360)), float(np.degrees(np.arcsin(rng.uniform(-0.85, 0.85))))),
            artefacts=_scaled(mission.preset.artefacts, self.artefacts),
        )


def _scaled(artefacts: Artefacts, factor: float) -> Artefacts:
    names = ("trails", "cosmic_rays", "hot_pixels", "bad_pixels", "bad_columns")
    return replace(artefacts, **{name: getattr(artefacts, name) * factor for name in names})


def _write(path: Path, table: pd.DataFrame) -> None:
    with whole(path) as part:
        table.to_csv(part, index=False)
