"""Real pairs: JWST with its noise maps and PSFs, Rubin stamps, frames without WCS."""

from pathlib import Path

import numpy as np
import pytest
import torch
from astropy.io import fits
from scipy.ndimage import fourier_shift
from scipy.signal import fftconvolve

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.grid.align import AlignNone
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.stars.psf import GivenPsf
from astrid_ml.preprocessing.differencing.subtract.refine import RefineNone
from astrid_ml.preprocessing.differencing.subtract.zogy import zogy
from astrid_ml.types import Floats, Mask

pytestmark = pytest.mark.real_data
SCIENCE = "jw02561001002-02561-o001_t003_nircam_clear-f200w_i2d_stamp"
REFERENCE = "jw01324001001-01324-o001_t001_nircam_clear-f200w_i2d_stamp"
BOTH = (SCIENCE, REFERENCE)


def _plane(path: Path) -> Floats:
    with fits.open(path) as hdus:
        return np.asarray(next(h.data for h in hdus if h.data is not None), dtype=float)


def _frames(folder: Path) -> list[Frame]:
    named = ((str(folder / f"{n}.fits"), str(folder / f"{n}.noise.fits"), folder / f"{n}.WebbPSF.fits") for n in BOTH)
    return [Frame(file, noise=noise, psf=str(psf)) for file, noise, psf in named]


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_nircam_noise_is_trusted_and_the_published_map_is_met(real_data: Path) -> None:
    folder = real_data / "nircam"
    published = _plane(folder / f"{SCIENCE}.crossConvd.sfftdiff.DeCorrelated.SNR.fits")
    objects = _plane(folder / f"{SCIENCE}.mask4sfft.fits") != 0
    noise = np.hypot(*(_plane(folder / f"{n}.noise.fits") for n in BOTH))
    science, reference = (np.nan_to_num(_plane(folder / f"{n}.fits")) for n in BOTH)
    inner = np.isfinite(published)
    inner[:50] = inner[-50:] = False  # the published map fades towards its border
    inner[:, :50] = inner[:, -50:] = False

    def like(diff: Floats, sky: Mask) -> float:
        return float(np.corrcoef((diff / noise)[sky], published[sky])[0, 1])

    # the published map leaves the reference's pixels where they are: so it is met where nothing is moved
    still = DifferencingPipeline(psf=GivenPsf(), refine=RefineNone(), realign=0.0).difference(*_frames(folder))
    sky = inner & ~objects & ~still.result.mask.numpy()
    raw = float((still.result.significance.numpy() * still.quality.significance.scale)[sky].std())
    assert raw == pytest.approx(0.975, abs=0.01) and still.quality.significance.std_raw == pytest.approx(
        0.975, abs=0.01
    )
    assert like(still.result.diff.numpy(), sky) >= 0.97
    assert like(science - reference, sky) == pytest.approx(0.959, abs=0.002)
    # 70 sources put it 0.2 px off: moved there its noise is elsewhere too, in a plain difference more than in ours
    done = DifferencingPipeline(psf=GivenPsf()).difference(*_frames(folder))
    sky &= ~done.result.mask.numpy()
    moved = np.fft.ifft2(fourier_shift(np.fft.fft2(reference), (0.13, 0.16))).real
    lost = like(still.result.diff.numpy(), sky) - like(done.result.diff.numpy(), sky)
    assert lost < like(science - reference, sky) - like(science - moved, sky)
    assert done.quality.significance.std_raw == pytest.approx(0.975, abs=0.01)
    sources = inner & objects & ~done.result.mask.numpy() & ~still.result.mask.numpy()
    left = [np.clip(d.result.significance.numpy()[sources], -6, 6).std() for d in (done, still)]
    assert left[0] < 1.08 and left[1] > 1.1


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_psfs_that_are_named_are_used_without_another_key(real_data: Path) -> None:
    done = DifferencingPipeline().difference(*_frames(real_data / "nircam"))
    quality = done.quality
    assert len(done.candidates) <= 47 and quality.significance.std_raw == pytest.approx(0.975, abs=0.005)
    assert np.allclose([quality.science.fwhm, quality.reference.fwhm], [2.17, 2.15], atol=0.01)


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_stars_of_a_field_of_galaxies_have_the_missions_psf(real_data: Path) -> None:
    folder = real_data / "nircam"
    frames = [Frame(str(folder / f"{n}.fits"), noise=str(folder / f"{n}.noise.fits")) for n in BOTH]
    done = DifferencingPipeline().difference(*frames)
    # 5.7 and 5.8 with galaxies for stars; WebbPSF has 2.15, which is sharper than what a drizzle makes of it
    assert np.allclose([done.quality.science.fwhm, done.quality.reference.fwhm], 2.4, atol=0.1)
    given = DifferencingPipeline().difference(*_frames(folder))
    for side in ("science", "reference"):
        ours, theirs = (getattr(d.quality, side).psf_chi2 for d in (done, given))
        assert ours < 2 and theirs > 4  # the stars' reduced chi-square: they are as wide as ours
    unflagged, known = ((d.candidates["flags"] == 0).sum() for d in (done, given))
    assert unflagged <= 2 * known and known <= 12


def test_rubin_stamps_agree_with_the_official_difference(real_data: Path) -> None:
    pipeline, writer = AlertsPipeline(), MemoryUnitWriter()
    [unit] = pipeline.plan([real_data / "rubin"])
    pipeline.process(unit, writer, 0)
    source, rows = writer.source(), np.arange(25)
    stamps, variances, psfs = (np.nan_to_num(source.gather(k, rows)) for k in ("stamps", "variance", "psf"))
    found = []
    for planes, variance, psf in zip(stamps, variances, psfs, strict=True):
        levels = [float(np.median(v[v > 0])) for v in variance[:2]]
        maps = [torch.from_numpy(np.where(v > 0, v, n)) for v, n in zip(variance[:2], levels, strict=True)]
        images, stamps_ = (torch.from_numpy(a.copy()) for a in (planes[:2], psf[:2]))
        z = zogy(images[0], images[1], (stamps_[0], stamps_[1]), (levels[0], levels[1]), (maps[0], maps[1]))
        # both at the template's resolution: pixel noise of two whitenings is not the same
        ours, official = (
            fftconvolve(d, psf[1], "same")[3:-3, 3:-3].ravel() for d in ((z.d / z.flux_scale).numpy(), planes[2])
        )
        found.append(float(np.corrcoef(ours, official)[0, 1]))
    assert sum(r >= 0.98 for r in found) >= 18 and np.median(found) > 0.995


def test_frames_without_wcs_are_refused_or_taken_as_aligned(real_data: Path) -> None:
    frames = [Frame(str(real_data / "properimage" / f"aligned_eso085-030-00{n}.fit")) for n in (4, 5)]
    with pytest.raises(UserError, match="align=none"):
        DifferencingPipeline().difference(*frames)
    done = DifferencingPipeline(align=AlignNone()).difference(*frames)
    assert (done.candidates["flags"] == 0).sum() <= 5 and len(done.candidates) < 40
