"""``astrid simulate what=pairs``: plain FITS pairs of one telescope, for measuring a subtraction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from astropy.io import fits

from astrid_ml.files import whole
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.seeded import EACH_ALONE, named_as, seeded, settings_mark
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.pair import simulate_pair
from astrid_ml.progress import bar
from astrid_ml.types import Count, InUnits, Length, NonNegative, Ordered, Positive, Range, Share


@dataclass(frozen=True)
class SimulatePairs:
    """Pairs with shift, rotation, another seeing and another depth; no artefacts. Densities are per Mpx.

    Args:
        n: pairs.
        shape: (H, W) px.
        fwhm: of science and reference, px.
        flux_ratio: science / reference.
        shift: of the reference's grid in x and y, px.
        rotation: of the reference's grid, degrees.
        stars, galaxies, transients: densities.
        in_galaxies: share of the transients that lie in a galaxy.
        snr: range of the optimal S/N of the transients, log-uniform.
    """

    domain: ClassVar[str] = "differencing"

    n: Count = 20
    shape: Annotated[Sequence[int], Length(2), Range(64), InUnits("px")] = (1024, 1024)
    fwhm: Annotated[Sequence[Positive], Length(2), InUnits("px")] = (3.4, 2.6)
    flux_ratio: Positive = 1.25
    shift: Annotated[Sequence[float], Length(2), InUnits("px")] = (0.37, -0.21)
    rotation: Annotated[float, InUnits("deg")] = 0.02
    stars: NonNegative = 1500.0
    galaxies: NonNegative = 120.0
    transients: NonNegative = 60.0
    in_galaxies: Share = 0.5
    snr: Annotated[Sequence[Positive], Ordered()] = (4.0, 40.0)

    def bytes_needed(self) -> int:
        """Both images of each pair."""
        return self.n * 2 * int(self.shape[0]) * int(self.shape[1]) * 4

    def run(self, output_dir: Path, seed: int) -> dict[str, Any]:
        """Write ``pair_<i>_{science,reference}.fits`` (image, PSF), ``pair_<i>_truth.csv`` and ``manifest.csv``."""
        config = SkyConfig(
            shape=(self.shape[0], self.shape[1]),
            fwhm=(self.fwhm[0], self.fwhm[1]),
            flux_ratio=self.flux_ratio,
            shift=(self.shift[0], self.shift[1]),
            rotation=self.rotation,
            stars=self.stars,
            galaxies=self.galaxies,
            transients=self.transients,
            in_galaxies=self.in_galaxies,
            snr=(self.snr[0], self.snr[1]),
        )
        rows, sources = [], 0
        word = seeded("pair", seed, settings_mark(self, seed, EACH_ALONE))
        for i in bar(range(self.n), "simulating"):
            pair = simulate_pair(config, int(np.random.SeedSequence([seed, i]).generate_state(1)[0]))
            stem = f"pair_{i:03d}"
            names = {side: f"{stem}_{side}.fits" for side in ("science", "reference")}
            _write(output_dir / names["science"], pair.science, pair.psfs[0].numpy(), 60001.0)
            _write(output_dir / names["reference"], pair.reference, pair.psfs[1].numpy(), 60000.0)
            named = [f"{word}-{i:03d}-{number}" for number in pair.truth["object_id"]]  # one object over all pairs
            truth = pair.truth.assign(injected=True, object_id=named)
            path = output_dir / f"{stem}_truth.csv"
            with whole(path) as at:
                truth.to_csv(at, index=False)
            rows.append(
                {
                    **names,
                    "truth": path.name,
                    **({} if word == "pair" else {"name": named_as(names["science"], "pair", word)}),
                }
            )
            sources += len(truth)
        manifest = pd.DataFrame(rows)
        with whole(output_dir / "manifest.csv") as at:
            manifest.to_csv(at, index=False)
        return {"pairs": self.n, "changes": sources, "seed": seed}


def _write(path: Path, image: Image, psf: Any, mjd: float) -> None:
    header = image.wcs.to_header() if image.wcs is not None else fits.Header()
    header["TELESCOP"], header["FILTER"], header["BUNIT"], header["EXPTIME"] = "SIMULATED", "r", "electron", 60.0
    header["GAIN"], header["READNOI"], header["MAGZP"], header["SATURATE"] = (
        1.0,
        image.read_noise,
        image.zero_point,
        1e5,
    )
    header["MJD-OBS"] = mjd
    hdus = fits.HDUList([fits.PrimaryHDU(image.data.numpy(), header), fits.ImageHDU(psf, name="PSF")])
    with whole(path) as at:
        hdus.writeto(at)
