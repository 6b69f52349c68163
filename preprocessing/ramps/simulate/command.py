"""Simulated H2RG exposures with cosmic rays, telegraph noise and snowballs, and their truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.files import WholeFile, whole
from astrid_ml.preprocessing.ramps.ramp.codes import BACKGROUND, COSMIC_RAY, SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.preprocessing.ramps.ramp.patches_hdf5 import write_patches
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.simulate.events import Scene, cosmic_ray, snowball, telegraph, with_ipc
from astrid_ml.preprocessing.ramps.simulate.frames import Detector, common_noise, strip
from astrid_ml.preprocessing.seeded import EACH_ALONE, settings_mark
from astrid_ml.types import Count, Floats32, InUnits, Length, NonNegative, Ordered, Positive, Share, Whole

STRIP = 64  # rows made at once; fixed, so that the bytes do not depend on the memory at hand
KINDS = ("all", "cosmic_ray", "snowball", "rtn")
_PRIORITY = {BACKGROUND: 0, COSMIC_RAY: 1, TELEGRAPH_NOISE: 2, SNOWBALL: 3}


@dataclass(frozen=True)
class SimulateRamps:
    """Make raw exposures (FITS, DN) and truth. Ranges are uniform (low, high), counts per exposure include both ends.

    Args:
        n: number of exposures; None makes ``num_exposure_events + num_baseline_exposures`` for each gain and index.
        gain_library: detector -> gain, e-/DN; exposures go through the detectors in turn.
        image_shape: rows and columns, the reference border included.
        num_frames: groups of an integration (one read each).
        num_integrations: integrations of an exposure; persistence carries over.
        patch_size: size of the patches that ``write_patches`` cuts.
        overlap: overlap of those patches in pixels.
        write_patches: also write each exposure as HDF5 patches (see ``patches_hdf5``); one integration only.
        num_exposure_events: exposures with events in each round.
        num_baseline_exposures: exposures without events in each round.
        injection_type: all, cosmic_ray, snowball or rtn.
        num_classes: classes with background; 4.
        cosmic_ray_per_exp_range: cosmic rays per integration.
        snowballs_per_exp_range: snowballs per integration.
        rtn_per_exp_range: telegraph pixels per exposure.
        exp_time: seconds of one integration.
        saturation_dn: highest value, DN.
        dark_current_range: e-/s.
        flux_range: sky, e-/s.
        sources_per_exp_range: point sources, with total flux from ``source_flux_range``.
        source_flux_range: e-/s.
        read_noise_range: of one read, e-.
        gaussian_noise_range: further white noise of a read, e-.
        cosmic_ray_charge_range: total charge of a track, e-.
        rtn_offset_range: e-.
        rtn_period_range: mean length of a cycle, groups.
        rtn_duty_fraction_range: share of time in the high state.
        rtn_process: markov or square.
        snowball_radius_range: pixels.
        snowball_halo_amplitude_ratio_range: halo at the core's edge over the full well.
        snowball_halo_decay_scale_range: pixels.
        snowball_growth: growth of the core's radius, pixels per group, for five groups.
        ipc: share of charge that appears in each of four neighbours.
        nonlinearity: relative loss at saturation.
        bias: DN.
        ktc_noise: e-.
        drift: of a channel from group to group, e-.
        one_over_f: e-.
        even_odd: offset of odd columns, e-.
        reference_border: pixels.
        persistence_fraction: of the charge above half the full well, released in the next integration.
        start_index: first round.
        end_index: last round.
    """

    domain: ClassVar[str] = "ramps"

    gain_library: Annotated[Mapping[str, Positive], InUnits("e-/DN")]
    n: Count | None = None
    image_shape: Annotated[Sequence[Count], Length(2), InUnits("px")] = (2048, 2048)
    num_frames: Count = 450
    num_integrations: Count = 1
    patch_size: Annotated[Sequence[Count], Length(2), InUnits("px")] = (256, 256)
    overlap: Annotated[Whole, InUnits("px")] = 32
    write_patches: bool = False
    num_exposure_events: Whole = 1
    num_baseline_exposures: Whole = 1
    injection_type: str = "all"
    num_classes: Count = 4
    cosmic_ray_per_exp_range: Annotated[Sequence[Whole], Ordered()] = (100, 4000)
    snowballs_per_exp_range: Annotated[Sequence[Whole], Ordered()] = (0, 3)
    rtn_per_exp_range: Annotated[Sequence[Whole], Ordered()] = (100, 1500)
    exp_time: Annotated[Positive, InUnits("s")] = 45000.0
    saturation_dn: Annotated[Positive, InUnits("DN")] = 65535.0
    dark_current_range: Annotated[Sequence[NonNegative], Ordered(), InUnits("e-/s")] = (0.01, 0.02)
    flux_range: Annotated[Sequence[NonNegative], Ordered(), InUnits("e-/s")] = (0.0, 0.0)
    sources_per_exp_range: Annotated[Sequence[Whole], Ordered()] = (0, 0)
    source_flux_range: Annotated[Sequence[NonNegative], Ordered(), InUnits("e-/s")] = (0.1, 10.0)
    read_noise_range: Annotated[Sequence[NonNegative], Ordered(), InUnits("e-")] = (15.0, 25.0)
    gaussian_noise_range: Annotated[Sequence[NonNegative], Ordered(), InUnits("e-")] = (0.5, 10.0)
    cosmic_ray_charge_range: Annotated[Sequence[NonNegative], Ordered(), InUnits("e-")] = (200.0, 6000.0)
    rtn_offset_range: Annotated[Sequence[NonNegative], Ordered(), InUnits("e-")] = (30.0, 300.0)
    rtn_period_range: Annotated[Sequence[Positive], Ordered()] = (20.0, 200.0)
    rtn_duty_fraction_range: Annotated[Sequence[Share], Ordered()] = (0.1, 0.9)
    rtn_process: str = "markov"
    snowball_radius_range: Annotated[Sequence[Positive], Ordered(), InUnits("px")] = (5.0, 200.0)
    snowball_halo_amplitude_ratio_range: Annotated[Sequence[NonNegative], Ordered()] = (0.02, 0.15)
    snowball_halo_decay_scale_range: Annotated[Sequence[Positive], Ordered(), InUnits("px")] = (3.0, 30.0)
    snowball_growth: Annotated[NonNegative, InUnits("px")] = 0.2
    ipc: Share = 0.005
    nonlinearity: Share = 0.0
    bias: Annotated[NonNegative, InUnits("DN")] = 1000.0
    ktc_noise: Annotated[NonNegative, InUnits("e-")] = 20.0
    drift: Annotated[NonNegative, InUnits("e-")] = 2.0
    one_over_f: Annotated[NonNegative, InUnits("e-")] = 1.0
    even_odd: Annotated[float, InUnits("e-")] = 3.0
    reference_border: Annotated[Whole, InUnits("px")] = 4
    persistence_fraction: Share = 0.0
    start_index: Whole = 0
    end_index: Whole = 0

    def __post_init__(self) -> None:
        if self.injection_type not in KINDS:
            raise UserError(f"injection_type of {', '.join(KINDS)}", self.injection_type, "choose one of them")
        if self.rtn_process not in ("markov", "square"):
            raise UserError("rtn_process of markov or square", self.rtn_process, "choose one of them")
        if self.num_frames < 3:
            raise UserError("simulate.num_frames of 3 or more", str(self.num_frames), "a ramp needs at least 3 groups")
        if self.write_patches and self.num_integrations != 1:
            raise UserError(
                "simulate.num_integrations=1 for patches", str(self.num_integrations), "leave write_patches out"
            )
        if min(self.image_shape) <= 2 * self.reference_border + 2:
            least = 2 * self.reference_border + 3
            got = ",".join(str(side) for side in self.image_shape)
            fix = (
                f"the border is {self.reference_border} px on each side: simulate.image_shape=[{least},{least}] or more"
            )
            raise UserError("simulate.image_shape larger than its border", got, fix)

    def run(self, output_dir: Path, seed: int) -> dict[str, Any]:
        """Write ``<detector>_<number>.fits`` and its ``_truth.npz`` and ``_events.parquet`` for each exposure."""
        output_dir = Path(output_dir)
        output_dir.mkdir(parents=True, exist_ok=True)
        names = []
        for number, (detector, with_events) in enumerate(self.plan()):
            names.append(self._exposure(output_dir, seed, number, detector, with_events))
        settings = {"patch_size": list(self.patch_size), "overlap": self.overlap, "num_classes": self.num_classes}
        return {"exposures": len(names), "detectors": sorted(self.gain_library), **settings}

    def bytes_needed(self) -> int:
        """The raw counts of each exposure."""
        exposures = self.n if self.n is not None else len(self.plan())
        h, w = self.image_shape
        return exposures * self.num_integrations * self.num_frames * h * w * 2

    def plan(self) -> list[tuple[str, bool]]:
        """(detector, with events) of each exposure, rounds outermost."""
        per_detector = [True] * self.num_exposure_events + [False] * self.num_baseline_exposures
        rounds = self.end_index - self.start_index + 1
        if rounds < 1 or not per_detector:
            got = f"{self.start_index} to {self.end_index}, with {len(per_detector)} exposures each"
            fix = "for instance simulate.start_index=0 simulate.end_index=2"
            raise UserError("rounds of exposures, the first index not above the last", got, fix)
        whole = [(name, flag) for _ in range(rounds) for flag in per_detector for name in self.gain_library]
        return whole if self.n is None else [whole[i % len(whole)] for i in range(self.n)]

    def _exposure(self, folder: Path, seed: int, number: int, name: str, with_events: bool) -> str:
        random = np.random.default_rng([seed, self.start_index + number, 0])
        detector = self._detector(random, float(self.gain_library[name]))
        h, w = (int(v) for v in self.image_shape)
        scene = Scene(self.num_frames, h, w, self.reference_border, detector.full_well, self.ipc)
        stem = f"{name}_{self.start_index + number:04d}"
        sources = self._sources(random, h, w)
        persisted = np.zeros((h, w), np.float32)
        tables, records = [], []
        file = WholeFile(folder / f"{stem}.fits")
        cube = _open_fits(file.part, (self.num_integrations, self.num_frames, h, w), self._header(detector, name, seed))
        for integration in range(self.num_integrations):
            events, truth = self._events(scene, random, with_events)
            common = common_noise(detector, self.num_frames, h, w, random)
            for start in range(0, h, STRIP):
                rows = range(start, min(start + STRIP, h))
                part = slice(rows.start, rows.stop)
                own = np.random.default_rng([seed, self.start_index + number, 1 + integration, start])
                released = persisted[part] * np.float32(1.0 / self.exp_time)
                cube[integration, :, part], end = strip(
                    detector, rows, w, h, common[:, part], sources[part], truth, released=released, random=own
                )
                persisted[part] = self.persistence_fraction * np.clip(end - 0.5 * detector.full_well, 0, None)
            tables.append(truth.assign(integration=integration))
            records.append(events.assign(integration=integration))
        del cube  # closing the map writes it out
        file.publish()
        listed = pd.concat(records)
        _write_truth(folder, stem, pd.concat(tables), listed, (h, w), detector)
        if self.write_patches:
            kind = "events" if with_events else "baseline"
            ramp = replace(read_ramp(folder / f"{stem}.fits"), name=f"{name}_{kind}_{self.start_index + number:04d}")
            size = (int(self.patch_size[0]), int(self.patch_size[1]))
            known = {"dark_current": detector.dark, "gaussian_noise": 0.0}  # READNOIS holds all of the white noise
            write_patches(ramp, folder, size, self.overlap, listed, known)
        return stem

    def _detector(self, random: np.random.Generator, gain: float) -> Detector:
        draw = {
            key: float(random.uniform(*_pair(limits)))
            for key, limits in (
                ("dark", self.dark_current_range),
                ("flux", self.flux_range),
                ("read_noise", self.read_noise_range),
                ("extra_noise", self.gaussian_noise_range),
            )
        }
        return Detector(
            gain=gain,
            step=self.exp_time / self.num_frames,
            bias=self.bias,
            ktc=self.ktc_noise,
            drift=self.drift,
            one_over_f=self.one_over_f,
            even_odd=self.even_odd,
            nonlinearity=self.nonlinearity,
            saturation_dn=self.saturation_dn,
            border=self.reference_border,
            **draw,
        )

    def _sources(self, random: np.random.Generator, h: int, w: int) -> Floats32:
        """Point sources of FWHM 2.4 pixels, e-/s."""
        image = np.zeros((h, w), np.float32)
        low, high = self.sources_per_exp_range
        for _ in range(int(random.integers(low, high + 1))):
            y, x, flux = random.uniform(0, h), random.uniform(0, w), random.uniform(*_pair(self.source_flux_range))
            part = (slice(max(0, int(y) - 8), int(y) + 9), slice(max(0, int(x) - 8), int(x) + 9))
            gy, gx = np.mgrid[part[0].start : min(part[0].stop, h), part[1].start : min(part[1].stop, w)]
            image[part] += flux * np.exp(-((gy - y) ** 2 + (gx - x) ** 2) / 2) / (2 * np.pi)
        return image

    def _events(
        self, scene: Scene, random: np.random.Generator, with_events: bool
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Events of one integration and their deposits after IPC."""
        columns = ["event", "type", "group", "y", "x", "charge"]
        made: list[tuple[dict[str, Any], pd.DataFrame]] = []

        def number(kind: str, limits: Sequence[int]) -> int:
            drawn = int(random.integers(limits[0], limits[1] + 1))
            return drawn if with_events and self.injection_type in ("all", kind) else 0

        for _ in range(number("cosmic_ray", self.cosmic_ray_per_exp_range)):
            made.append(cosmic_ray(scene, random, len(made), _pair(self.cosmic_ray_charge_range)))
        for _ in range(number("rtn", self.rtn_per_exp_range)):
            ranges = (self.rtn_offset_range, self.rtn_period_range, self.rtn_duty_fraction_range)
            a, b, c = (_pair(limits) for limits in ranges)
            made.append(telegraph(scene, random, len(made), a, b, c, self.rtn_process == "square"))
        for _ in range(number("snowball", self.snowballs_per_exp_range)):
            radius = _pair(self.snowball_radius_range)
            halo = _pair(self.snowball_halo_amplitude_ratio_range)
            decay = _pair(self.snowball_halo_decay_scale_range)
            made.append(snowball(scene, random, len(made), radius, halo, decay, self.snowball_growth))
        if not made:
            empty = pd.DataFrame({name: np.array([], np.int64) for name in columns})
            return empty, empty.assign(charge=empty.charge.astype(float))
        records, tables = zip(*made, strict=True)
        return pd.DataFrame(list(records)), with_ipc(pd.concat(tables, ignore_index=True), scene)

    def _header(self, detector: Detector, name: str, seed: int) -> dict[str, Any]:
        return {
            "TELESCOP": "SIMULATION",
            "DETECTOR": name,
            "BUNIT": "DN",
            "GAIN": round(detector.gain, 6),
            "READNOIS": round(float(np.hypot(detector.read_noise, detector.extra_noise)), 6),
            "TGROUP": detector.step,
            "NFRAMES": 1,
            "REFPIX": self.reference_border,
            "SATURATE": detector.saturation_dn,
            # Parts of one simulation, made apart, are of the same settings.
            "SIMMARK": settings_mark(self, seed, (*EACH_ALONE, "start_index", "end_index")),
        }


def _pair(limits: Sequence[float]) -> tuple[float, float]:
    low, high = limits
    return float(low), float(high)


def _open_fits(path: Path, shape: tuple[int, ...], cards: Mapping[str, Any]) -> Floats32:
    """A FITS file of float32 of this shape, opened as a writable memory map, so that no cube is ever whole."""
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", len(shape))])
    for axis, length in enumerate(reversed(shape), start=1):
        header[f"NAXIS{axis}"] = length
    header.update(cards)
    text = header.tostring(padding=True).encode("ascii")
    size = int(np.prod(shape)) * 4
    with path.open("wb") as file:
        file.write(text)
        file.truncate(len(text) + -(-size // 2880) * 2880)
    return np.memmap(path, dtype=">f4", mode="r+", offset=len(text), shape=shape)


def _write_truth(
    folder: Path, stem: str, truth: pd.DataFrame, events: pd.DataFrame, shape: tuple[int, int], detector: Detector
) -> None:
    """Sparse truth and the 2D class map without charges below 2 read noises (``.npz``); events (``.parquet``)."""
    truth = truth[truth.group > 0]  # what stands at the first read is no jump
    noise = float(np.hypot(detector.read_noise, detector.extra_noise))
    mask = np.zeros(shape, np.uint8)
    clear = truth[truth.charge.abs() >= 2 * noise]
    for code in sorted(_PRIORITY, key=lambda kind: _PRIORITY[kind])[1:]:
        chosen = clear[clear.type == code]
        mask[chosen.y.to_numpy(int), chosen.x.to_numpy(int)] = code
    arrays: dict[str, Any] = {
        "integration": truth.integration.to_numpy(np.int32),
        "group": truth.group.to_numpy(np.int32),
        "y": truth.y.to_numpy(np.int32),
        "x": truth.x.to_numpy(np.int32),
        "type": truth.type.to_numpy(np.uint8),
        "event": truth.event.to_numpy(np.int32),
        "charge": truth.charge.to_numpy(np.float32),
        "mask": mask,
        "read_noise": np.float32(noise),
        "settings": np.array(json.dumps({"gain": detector.gain, "dark": detector.dark, "flux": detector.flux})),
    }
    with whole(folder / f"{stem}_truth.npz") as part:
        np.savez_compressed(part, allow_pickle=False, **arrays)
    with whole(folder / f"{stem}_events.parquet") as part:
        events.to_parquet(part, index=False)
