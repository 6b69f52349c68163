"""Per-pixel features of a ramp in time, on the CPU."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.steps import Steps
from astrid_ml.types import Floats32


def temporal_features(
    reads: Tensor, noise: Tensor, sampling: Sampling, steps: Steps, sigmas: float
) -> dict[str, Floats32]:
    """Maps of (h, w) for a strip.

    A read is raised where it stands more than ``sigmas`` noise of a difference above the cleaned ramp that starts
    at the first read.

    Args:
        reads: (n_groups, h, w), e-; NaN unusable.
        noise: of one read, e-, (h, w).
        sampling: times and reads.
        steps: jumps and cleaned count rates of the strip.
        sigmas: threshold.

    Returns:
        first_appearance (-1: never raised), persistence_count, max_intensity and intensity_variance (e-, about the
        cleaned ramp), transition_count; slope, slope_variance (e-/s), chi2 (reduced, candidates only),
        largest_step_group (-1: none), largest_step_amplitude (e-), largest_step_snr.
    """
    since = (sampling.times - sampling.times[0]).to(reads)[:, None, None]
    excess = reads - reads[0] - steps.rate.nan_to_num(0.0) * since
    inverse = 1.0 / sampling.reads.to(reads)  # the noise of a mean of reads
    raised = excess > sigmas * noise * (inverse + inverse[0]).sqrt()[:, None, None]
    ever = raised.any(0)
    first = torch.where(ever, raised.to(torch.uint8).argmax(0), -1)
    count = excess.isfinite().sum(0).clamp(min=1)
    filled = excess.nan_to_num(0.0)
    mean = filled.sum(0) / count
    variance = (filled.square().sum(0) / count - mean.square()).clamp(min=0)
    highest = torch.where(excess.isfinite(), excess, -torch.inf).amax(0)
    out = {
        "first_appearance": first,
        "persistence_count": raised.sum(0),
        "max_intensity": torch.where(highest.isfinite(), highest, torch.nan),
        "intensity_variance": variance,
        "transition_count": (raised[1:] != raised[:-1]).sum(0),
        "slope": steps.rate,
        "slope_variance": steps.rate_variance,
        "chi2": steps.chi2,
    }
    group, amplitude, snr = (torch.full_like(steps.rate, value) for value in (-1.0, 0.0, 0.0))
    order = torch.argsort(steps.snr.abs())  # the strongest is written last
    y, x = steps.y[order], steps.x[order]
    for target, value in ((group, steps.group.float()), (amplitude, steps.amplitude), (snr, steps.snr)):
        target.numpy()[y.numpy(), x.numpy()] = value[order].numpy()
    out |= {"largest_step_group": group, "largest_step_amplitude": amplitude, "largest_step_snr": snr}
    return {name: value.numpy().astype(np.float32) for name, value in out.items()}
