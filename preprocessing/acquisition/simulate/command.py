"""``astrid simulate what=archive``: the images of an archive, its table of observations, a catalogue of supernovae."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from astropy.coordinates import SkyCoord
from astropy.time import Time

from astrid_ml.errors import UserError
from astrid_ml.files import whole
from astrid_ml.missions import canonical
from astrid_ml.nearest import nearest
from astrid_ml.preprocessing.acquisition.archives.archive import Observation
from astrid_ml.preprocessing.acquisition.simulate.fields import FieldImage, Night, SkyField
from astrid_ml.preprocessing.simulated_sky.command_sky import SimulateSky
from astrid_ml.preprocessing.simulated_sky.files import SUFFIXES, write_image
from astrid_ml.preprocessing.simulated_sky.missions import MISSIONS, SkyMission
from astrid_ml.progress import bar
from astrid_ml.types import Count, Filled, InUnits, Length, NonNegative, Positive, Range, Whole

OBSERVATIONS, CATALOGUE, KNOWN, TRUTH = "observations.csv", "supernovae.csv", "known.csv", "truth.csv"
MOVING = "moving.csv"
FILES = "files"
PLACES = ("name", "mjd", "ra", "dec")  # of moving.csv
REFERENCES = (Night(-420.0), Night(800.0))
FADED = Night(250.0, 3.0)  # too faint to be looked for, too bright for a reference


@dataclass(frozen=True)
class SimulateArchive:
    """Images of supernovae as an archive of several missions has them, to be served by :class:`ArchiveServer`.

    Every fourth supernova has science images of one mission and references of another alone: no pair. The others have
    a mission with both, every second one of them science images of a further mission too. ``supernovae.csv`` also holds
    a row without a date, ``known.csv`` the variable stars, asteroids and vanished sources of the fields;
    ``moving.csv`` the places of the asteroids in each science image.

    Args:
        n: supernovae.
        missions: among ztf, ps1, swift, galex, roman, rubin, jwst.
        shape: (H, W) px.
        nights: science images of a supernova within its light curve.
        brightest: S/N of the supernova in the first of them; each further one has 0.75 of it.
        stars, galaxies: per Mpx.
        variables, moving, vanished: in each field.
        artefacts: factor on the mission's cosmic rays, trails, hot and bad pixels.

    Example:
        >>> import tempfile
        >>> made = SimulateArchive(n=1, nights=1, shape=(128, 128)).run(Path(tempfile.mkdtemp()), seed=1)
        >>> made["supernovae"], made["images"]
        (1, 4)
    """

    domain: ClassVar[str] = "acquisition"

    n: Count = 12
    missions: Annotated[tuple[str, ...] | list[str], Filled()] = ("swift", "galex", "ps1")
    shape: Annotated[tuple[Count, Count] | list[Count], Length(2), Range(128), InUnits("px")] = (320, 320)
    nights: Count = 6
    brightest: Positive = 25.0
    stars: NonNegative = 1500.0
    galaxies: NonNegative = 200.0
    variables: Whole = 2
    moving: Whole = 1
    vanished: Whole = 1
    artefacts: NonNegative = 1.0

    def __post_init__(self) -> None:
        unknown = [str(name) for name in self.missions if canonical(str(name)) not in MISSIONS]
        if unknown:
            fix = nearest(unknown[0], MISSIONS) or "choose some of them"
            raise UserError(f"missions among {', '.join(MISSIONS)}", ", ".join(unknown), fix)
        if len(self.missions) < 2:
            raise UserError("two missions or more: some supernovae have no pair of one", str(self.missions), "name two")

    def bytes_needed(self) -> int:
        """Half of what the images take unpacked."""
        return self.n * (self.nights + 2) * int(self.shape[0]) * int(self.shape[1]) * 2

    def run(self, output_dir: Path, seed: int) -> dict[str, Any]:
        """Write ``files/``, ``observations.csv``, ``supernovae.csv``, ``known.csv``, ``moving.csv``, ``truth.csv``."""
        (output_dir / FILES).mkdir(parents=True, exist_ok=True)
        observed, known, truth, catalogue, moving = [], [], [], [], []
        for number in bar(range(self.n), "simulating"):
            rng = np.random.default_rng([seed, number])
            place = (float(rng.uniform(0, 360)), float(np.degrees(np.arcsin(rng.uniform(-0.85, 0.85)))))
            discovered = float(np.round(rng.uniform(54000, 56500)))
            name = _name_of(number, discovered)
            catalogue.append(_row(name, place, discovered))
            for mission, nights in self._seen(number):
                band = str(rng.choice(mission.filters))
                field = SkyField(self._sky(), mission, band, place, discovered, int(rng.integers(2**31)))
                for made in field.images(nights):
                    one = _written(made, output_dir, name)
                    observed.append(one)
                    known += _known(made, place)
                    moving += _moving(made, f"{name} {mission.name}")
                    truth += _true(made, place, name, str(one["id"]))
        catalogue.append({**catalogue[0], "name": "SN 1999zz", "discoverydate": ""})
        tables = {OBSERVATIONS: observed, CATALOGUE: catalogue, KNOWN: known, TRUTH: truth, MOVING: moving}
        for file, rows in tables.items():
            with whole(output_dir / file) as part:
                pd.DataFrame(rows, columns=PLACES if file == MOVING else None).drop_duplicates().to_csv(
                    part, index=False
                )
        size = sum(int(one["bytes"]) for one in observed)
        counts = {"supernovae": self.n, "images": len(observed), "bytes": size, "seed": seed}
        return {**counts, "artefacts": self.artefacts}

    def _seen(self, number: int) -> Iterator[tuple[SkyMission, list[Night]]]:
        """Which missions see a supernova, and when."""
        first, second = (MISSIONS[canonical(str(self.missions[(number + k) % len(self.missions)]))] for k in (0, 1))
        science = [Night(4.0 + 28.0 * k, self.brightest * 0.75**k) for k in range(self.nights)]
        if number % 4 == 3:
            yield first, science
            yield second, [*REFERENCES]
            return
        yield first, [*REFERENCES, *science, FADED]
        if number % 2 == 1:
            yield second, science[:2]

    def _sky(self) -> SimulateSky:
        """Densities of a field with one transient."""
        area = int(self.shape[0]) * int(self.shape[1]) / 1e6
        return SimulateSky(
            shape=(int(self.shape[0]), int(self.shape[1])),
            stars=self.stars,
            galaxies=self.galaxies,
            transients=1.0 / area,
            in_galaxies=1.0,
            variables=self.variables / area,
            vanished=self.vanished / area,
            moving=self.moving / area,
            artefacts=self.artefacts,
        )


def _name_of(number: int, discovered: float) -> str:
    """The year of its discovery and letters, as supernovae are called.

    >>> _name_of(0, 54000.0), _name_of(27, 56000.0)
    ('SN 2006a', 'SN 2012ab')
    """
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return f"SN {str(Time(discovered, format='mjd').isot)[:4]}{letters}"


def _row(name: str, place: tuple[float, float], discovered: float) -> dict[str, str]:
    """A line of the catalogue, sexagesimal to a hundredth of an arcsecond."""
    at = SkyCoord(*place, unit="deg")
    ra = at.ra.to_string(unit="hourangle", sep=":", precision=4, pad=True)
    dec = at.dec.to_string(unit="deg", sep=" ", precision=3, pad=True, alwayssign=True)
    day = str(Time(discovered, format="mjd").isot)[:10]
    return {"name": name, "ra": ra, "dec": dec, "discoverydate": day, "type": "Ia", "host": ""}


def _written(made: FieldImage, folder: Path, name: str) -> dict[str, Any]:
    """Write an image; returns its line of the table of observations."""
    mission, exposure = made.exposure.mission, made.exposure
    tile = {"NUV": "-nd", "FUV": "-fd"}.get(exposure.filter, "")
    stem = f"{name.replace(' ', '')}_{mission.name}_{exposure.filter}_{made.night.days:+.0f}"
    path = folder / FILES / f"{stem}{tile}{SUFFIXES[mission.name]}"
    write_image(path, made.image, exposure)
    content = path.read_bytes()
    h, w = made.image.shape
    assert made.image.wcs is not None
    corners = made.image.wcs.all_pix2world([[-0.5, -0.5], [w - 0.5, -0.5], [w - 0.5, h - 0.5], [-0.5, h - 0.5]], 0)
    ra, dec = (float(value) for value in made.image.wcs.all_pix2world((w - 1) / 2, (h - 1) / 2, 0))
    observation = Observation(
        archive="served",
        mission=mission.name,
        filter=exposure.filter,
        id=stem,
        ra=ra,
        dec=dec,
        start=exposure.mjd - exposure.seconds / 172800,
        end=exposure.mjd + exposure.seconds / 172800,
        exposure=exposure.seconds,
        footprint="POLYGON ICRS " + " ".join(f"{value:.6f}" for value in np.asarray(corners).ravel()),
        bytes=len(content),
    )
    said = {key: value for key, value in asdict(observation).items() if key not in ("archive", "url", "key")}
    return {**said, "file": path.name, "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}"}


def _known(made: FieldImage, place: tuple[float, float]) -> list[dict[str, Any]]:
    """What changes in an image beside the supernova; asteroids are there in that night alone."""
    rows = []
    for row in made.changes.to_dict("records"):
        if row["kind"] in ("variable", "moving", "vanished"):
            night = made.exposure.mjd if row["kind"] == "moving" else None
            rows.append({"ra": round(row["ra"], 6), "dec": round(row["dec"], 6), "kind": row["kind"], "mjd": night})
    return rows


def _moving(made: FieldImage, field: str) -> list[dict[str, Any]]:
    """Where the asteroids of a field are in a science image; each stands still while the field is observed."""
    changes = made.changes
    there = changes[(changes["kind"] == "moving") & (changes["flux"] > 0)]
    return [
        {"name": f"{field} asteroid {number}", "mjd": made.exposure.mjd, "ra": round(ra, 6), "dec": round(dec, 6)}
        for number, ra, dec in zip(
            there["object_id"].tolist(), there["ra"].tolist(), there["dec"].tolist(), strict=True
        )
    ]


def _true(made: FieldImage, place: tuple[float, float], name: str, image: str) -> list[dict[str, Any]]:
    """The S/N of the supernova in an image."""
    new = made.changes[made.changes["kind"].isin(["isolated", "galaxy", "nucleus"])]
    return [
        {"name": name, "image": image, "snr": float(snr), "ra": place[0], "dec": place[1]} for snr in new["snr_opt"]
    ]
