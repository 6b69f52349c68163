"""A noisy PSF drawn towards the Moffat that it resembles."""

from __future__ import annotations

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.profiles import fit_profile, gaussian_stamp

_BLUR = 0.7  # px
_NO_MOFFAT = 0.25  # of a Moffat's norm; what differs by more is none


def shrink(stack: Tensor, error: Tensor, own: bool = True) -> Tensor:
    """A noisy stack (k, k) drawn towards its best Moffat where their difference is not more than noise.

    The share that is kept, 1 - error^2 / mean square difference over 5 x 5 pixels, is the empirical Bayes one
    (James & Stein 1961); a constant is removed with the fit. The difference is smoothed, but where no Moffat is like
    the stack and it may have a shape of its own (``own``): a ring, two cores.
    """
    model, _ = fit_profile("moffat", stack, error)
    basis = torch.stack([model.flatten(), torch.ones(model.numel())], 1).double()
    w = 1 / error.flatten().double().clamp_min(1e-12)
    scale, constant = torch.linalg.lstsq(basis * w[:, None], (stack.flatten().double() * w)[:, None]).solution[:, 0]
    model = float(scale) * model
    difference = stack - float(constant) - model
    power = torch.nn.functional.avg_pool2d(difference.square()[None, None], 5, 1, 2, count_include_pad=False)[0, 0]
    kept = (1 - error.square() / power.clamp_min(1e-30)).clamp(0, 1)
    half = stack.shape[-1] // 2
    t = (torch.arange(stack.shape[-1]) - half).float()
    # towards the rim the model alone: an edge there would make the subtraction's filters long
    window = ((half - (t[:, None] ** 2 + t[None, :] ** 2).sqrt()) / (0.4 * half)).clamp(0, 1)
    smooth = _blurred(kept * difference, _BLUR)
    if own and unlike(kept * difference, model):
        smooth = kept.square() * difference + (1 - kept) * smooth
    return model + window * smooth


def unlike(difference: Tensor, model: Tensor) -> bool:
    """Whether a model (k, k) misses so much that it is none."""
    return float(difference.norm() / model.norm()) > _NO_MOFFAT


def _blurred(stamp: Tensor, sigma: float) -> Tensor:
    """(k, k) convolved with a Gaussian of ``sigma`` px: no optics make structure finer than this."""
    row = gaussian_stamp(sigma, 7)[3]
    row = row / row.sum()
    out = torch.nn.functional.conv2d(stamp[None, None], row.view(1, 1, 1, -1), padding=(0, 3))
    return torch.nn.functional.conv2d(out, row.view(1, 1, -1, 1), padding=(3, 0))[0, 0]
