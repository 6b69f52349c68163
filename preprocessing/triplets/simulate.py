"""``astrid simulate what=triplets``: labelled triplets of four missions at any number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.files import whole, write_array
from astrid_ml.missions import canonical
from astrid_ml.nearest import nearest
from astrid_ml.preprocessing.seeded import seeded, settings_mark
from astrid_ml.preprocessing.triplets.artefacts import ARTEFACTS
from astrid_ml.preprocessing.triplets.missions import MISSIONS
from astrid_ml.preprocessing.triplets.render import SIZE
from astrid_ml.preprocessing.triplets.scene import add_sky, draw_fields, simulate_batch
from astrid_ml.types import Count, Filled, Level, Ordered, Positive

BATCH = 250  # triplets drawn at once


# The columns of samples: of the truth first, then those of the pipeline.
COLUMNS = (
    "id", "group_id", "label", "artefact", "mission", "mjd", "ra", "dec", "snr", "filter", "host_distance", "fwhm",
    "stamp_h", "stamp_w", "injected", "label_source", "peak_snr", "source",
)  # fmt: skip


@dataclass(frozen=True)
class SimulateTriplets:
    """Triplets and their truth, a pair of files for each mission and part.

    Args:
        n: triplets in all, shared out over the missions.
        missions: among ztf, ps1, swift, galex.
        prevalence: share of transients; the rest are artefacts.
        snr: range of the matched filter's S/N, drawn log-uniformly, alike for both classes.
        part: triplets in a file.
        sky: ``included`` leaves in science and reference what the mission's own stamps keep of it (ZTF's do).
    """

    domain: ClassVar[str] = "triplets"
    version: ClassVar[int] = 2  # hosts fainter, what registration leaves counts as noise

    n: Count = 12000
    missions: Annotated[tuple[str, ...] | list[str], Filled()] = ("ztf", "ps1", "swift", "galex")
    prevalence: Level = 0.10
    snr: Annotated[tuple[Positive, Positive] | list[Positive], Ordered()] = (4.0, 40.0)
    part: Count = 1000
    sky: Literal["subtracted", "included"] = "subtracted"

    def __post_init__(self) -> None:
        # Held as they were first spelt: the raw files of before are found again by the same fingerprint.
        spelt = {canonical(name): name for name in MISSIONS}
        object.__setattr__(self, "missions", tuple(spelt.get(canonical(name), name) for name in self.missions))

    def column_values(self) -> dict[str, tuple[str, ...]]:
        """The missions."""
        return {"mission": tuple(map(canonical, self.missions))}

    def column_names(self) -> tuple[str, ...]:
        """Those of the truth, and what the pipeline measures."""
        return COLUMNS if self.sky == "subtracted" else (*COLUMNS, "sky")

    @property
    def stamp_size(self) -> int:
        """Pixels on a side."""
        return SIZE

    def bytes_needed(self) -> int:
        """The stamps; the tables beside them are small."""
        return self.n * 3 * SIZE * SIZE * 4

    def run(self, output_dir: Path, seed: int) -> dict[str, Any]:
        """Write ``triplets_<mission>_<part>.npy`` and ``.parquet``.

        Raises:
            UserError: an unknown mission, or numbers that make no sense.
        """
        unknown = sorted(set(self.missions) - set(MISSIONS))
        if unknown or not self.missions:
            raise UserError(
                f"simulate.missions among {', '.join(map(canonical, MISSIONS))}",
                ", ".join(unknown) or "none",
                (nearest(str(unknown[0]), MISSIONS) if unknown else "") or "choose some of them",
            )
        if len(set(self.missions)) < len(self.missions):
            got = ", ".join(map(canonical, self.missions))
            raise UserError("simulate.missions, each once", got, "leave out the repeated ones")
        if self.n < 1 or not 0 < self.prevalence < 1:
            raise UserError(
                "simulate.n of at least 1 and a prevalence between 0 and 1",
                f"{self.n} and {self.prevalence}",
                "give values in that range",
            )
        counts = {"triplets": 0, "real": 0}
        for place, mission in enumerate(self.missions):
            share = self.n // len(self.missions) + (place < self.n % len(self.missions))
            for part, start in enumerate(range(0, share, self.part)):
                size = min(self.part, share - start)
                table = self._write(output_dir, mission, part, size, seed)
                counts["triplets"] += size
                counts["real"] += int(table["label"].sum())
        summary = {**counts, "missions": [canonical(name) for name in self.missions], "seed": seed}
        lacking = [
            name for name, number in (("real", counts["real"]), ("bogus", self.n - counts["real"])) if not number
        ]
        return summary | (
            {"note": f"no {lacking[0]} triplet: raise simulate.n for some of both kinds"} if lacking else {}
        )

    def _write(self, folder: Path, name: str, part: int, size: int, seed: int) -> pd.DataFrame:
        mission, random = MISSIONS[name], np.random.default_rng([seed, MISSIONS[name].stream, part])
        table = self._objects(name, f"{seeded(name, seed, settings_mark(self, seed))}-{part:03d}", size, random)
        table["filter"] = random.choice(mission.filters, size)
        owner, _ = pd.factorize(table["group_id"])
        around = draw_fields(int(owner.max()) + 1, mission, random).take(owner)
        kinds, snr = table["artefact"].to_numpy(object), table["snr"].to_numpy(np.float32)
        parts = []
        for start in range(0, size, BATCH):
            rows = np.arange(start, min(start + BATCH, size))
            parts.append(simulate_batch(mission, kinds[rows], snr[rows], around.take(rows), random))
        table = pd.concat([table, pd.concat([facts for _, facts in parts], ignore_index=True)], axis=1)
        table["host_distance"] *= mission.pixel_scale
        stamps = np.concatenate([some for some, _ in parts])
        if self.sky == "included":
            add_sky(stamps, mission, random)
            table["sky"] = "included" if mission.kept else "subtracted"
        stem = folder / f"triplets_{name}_{part:03d}"
        # Written whole or not at all, the stamps last: a pair that has its stamps is complete.
        with whole(stem.with_suffix(".parquet")) as draft:
            table.to_parquet(draft, index=False)
        write_array(stem.with_suffix(".npy"), stamps)
        return table

    def _objects(self, mission: str, stem: str, size: int, random: np.random.Generator) -> pd.DataFrame:
        """Objects of one to three epochs, of one field and one kind of artefact; each epoch has its own S/N."""
        epochs = random.choice([1, 2, 3], size, p=[0.6, 0.25, 0.15])
        owner = np.repeat(np.arange(size), epochs)[:size]
        objects = int(owner.max()) + 1
        label = (random.random(objects) < self.prevalence).astype(np.int8)
        artefact = np.where(label == 1, "", random.choice(list(ARTEFACTS), objects)).astype(object)
        snr = np.exp(random.uniform(np.log(self.snr[0]), np.log(self.snr[1]), size))
        ra, dec = random.uniform(0, 360, objects), np.degrees(np.arcsin(random.uniform(-0.5, 0.9, objects)))
        names = np.array([f"{stem}-{number:05d}" for number in range(objects)])
        epoch = pd.Series(owner).groupby(owner).cumcount().to_numpy()
        return pd.DataFrame(
            {
                "id": [f"{names[o]}-{e}" for o, e in zip(owner, epoch, strict=True)],
                "group_id": names[owner],
                "label": label[owner],
                "artefact": artefact[owner],
                "mission": mission,
                "mjd": np.round(59000 + random.uniform(0, 700, objects)[owner] + 4.0 * epoch, 5),
                "ra": ra[owner],
                "dec": dec[owner],
                "snr": snr.astype(np.float32),
            }
        )
