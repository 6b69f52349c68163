"""The kernel that turns one image into the other: least squares on stamps around stars, bad stamps thrown out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from astrid_ml.preprocessing.differencing.pixels.stamps import stamps_at
from astrid_ml.preprocessing.differencing.subtract.kernel_basis import n_terms, polynomials
from astrid_ml.stats import MAD_TO_SIGMA

_SMOOTHNESS = tuple(10.0**e for e in range(-6, 2))  # tried where none is given
# The source's own noise in the equations draws the kernel towards nothing at the frequencies where it rules. Of its
# expectation as much is taken out as does no harm: never the whole of it, so that the equations stay positive.
_SHARES = (0.8, 0.5, 0.0)
_HARM = 1.03  # of the chi-square of stamps that were not fitted
_RIDGE = 1e-10  # of the diagonal: Gaussians that nearly repeat each other stay solvable


@dataclass(frozen=True)
class Equations:
    """Normal equations of n stamps before the polynomials: m = basis functions, and a constant sky as the last.

    Args:
        matrix: (n, m, m).
        vector: (n, m).
        power: (n,), weighted sum of squares.
        pixels: (n,) that count.
        noise: (n,) weighted sum of the source's variance.
        kernel_terms: (n, s) polynomials at the stamps, for the kernel.
        sky_terms: (n, t) the same, for the sky.
        products: (m - 1, m - 1) of ``noise_products``.
    """

    matrix: Tensor
    vector: Tensor
    power: Tensor
    pixels: Tensor
    noise: Tensor
    kernel_terms: Tensor
    sky_terms: Tensor
    products: Tensor

    def part(self, chosen: Tensor) -> Equations:
        """Some of the stamps."""
        names = ("matrix", "vector", "power", "pixels", "noise", "kernel_terms", "sky_terms")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})


@dataclass(frozen=True)
class KernelModel:
    """A kernel that varies over the field, and the sky that it leaves: target = kernel * source + sky.

    Args:
        kernels: (s, k, k) float32, one for each polynomial term.
        sky: (t,) coefficients.
        order, sky_order: of the polynomials of the kernel and of the sky.
        shape: (H, W) of the frame.
        used, rejected: how many stamps.
        chi2: median of the used stamps' chi-square per pixel.
        smoothness: of the penalty.
        share: of the source's noise that was taken out of the equations.
    """

    kernels: Tensor
    sky: Tensor
    order: int
    sky_order: int
    shape: tuple[int, int]
    used: int
    rejected: int
    chi2: float
    smoothness: float
    share: float

    def at(self, x: float, y: float) -> Tensor:
        """(k, k) kernel at a position."""
        terms = polynomials(torch.tensor(x), torch.tensor(y), self.shape, self.order)
        return torch.einsum("s,sij->ij", terms.to(self.kernels), self.kernels)


def _basis_images(source: Tensor, x: Tensor, y: Tensor, basis: Tensor, size: int) -> Tensor:
    k = basis.shape[-1]
    patches, _ = stamps_at(source, x, y, size + k - 1)
    columns = functional.unfold(patches[:, None].double(), k)
    if basis.shape[0] == k * k + 1:  # the delta basis: nothing to multiply, only the order is reversed
        return torch.cat([columns.flip(1), columns[:, k * k // 2, None]], 1)
    return basis.flip(-2, -1).flatten(1) @ columns


def stamp_equations(
    images: tuple[Tensor, Tensor],
    weight: Tensor,
    source_variance: Tensor,
    products: Tensor,
    stars: Tensor,
    basis: Tensor,
    size: int,
    orders: tuple[int, int],
) -> Equations:
    """Equations of all stamps.

    Args:
        images: target and source (H, W), background-free.
        weight: (H, W), 1 / variance, 0 where masked.
        source_variance: (H, W).
        products: (b, b) of ``noise_products`` for the source's noise.
        stars: (n, 2) x, y px.
        basis: (b, k, k).
        size: side of a stamp, px, odd.
        orders: of the polynomials of the kernel and of the sky.
    """
    matrices, vectors, powers, pixels, noises = [], [], [], [], []
    for part in torch.split(stars, 16):
        x, y = part[:, 0], part[:, 1]
        data, inside = stamps_at(images[0], x, y, size)
        w = (stamps_at(weight, x, y, size)[0] * inside).flatten(1).double()
        d = data.flatten(1).double()
        rows = torch.cat([_basis_images(images[1], x, y, basis, size), torch.ones_like(d)[:, None]], 1)
        weighted = rows * w[:, None]
        matrices.append(weighted @ rows.transpose(1, 2))
        noises.append((w * stamps_at(source_variance, x, y, size)[0].flatten(1)).sum(1))
        vectors.append((weighted @ d[:, :, None])[:, :, 0])
        powers.append((w * d.square()).sum(1))
        pixels.append((w > 0).sum(1))
    shape = (images[0].shape[-2], images[0].shape[-1])
    terms = [polynomials(stars[:, 0], stars[:, 1], shape, order) for order in orders]
    return Equations(
        matrix=torch.cat(matrices),
        vector=torch.cat(vectors),
        power=torch.cat(powers),
        pixels=torch.cat(pixels),
        noise=torch.cat(noises),
        kernel_terms=terms[0],
        sky_terms=terms[1],
        products=products,
    )


def _assemble(e: Equations, share: float) -> tuple[Tensor, Tensor]:
    """The whole matrix and vector; unknowns in the order (term, basis function), then the sky's terms."""
    m, b = e.matrix.shape[0], e.matrix.shape[1] - 1
    p, q = e.kernel_terms, e.sky_terms
    s, t = p.shape[1], q.shape[1]
    squares = (p[:, :, None] * p[:, None, :]).view(m, -1).T
    inner = squares @ e.matrix[:, :b, :b].reshape(m, -1)
    inner = inner - share * torch.outer(squares @ e.noise, e.products.flatten())
    inner = inner.view(s, s, b, b).permute(0, 2, 1, 3).reshape(s * b, s * b)
    side = torch.einsum("ns,nt,ni->sit", p, q, e.matrix[:, :b, b]).reshape(s * b, t)
    corner = torch.einsum("ns,nt,n->st", q, q, e.matrix[:, b, b])
    whole = torch.cat([torch.cat([inner, side], 1), torch.cat([side.T, corner], 1)])
    vector = torch.cat(
        [torch.einsum("ns,ni->si", p, e.vector[:, :b]).flatten(), torch.einsum("nt,n->t", q, e.vector[:, b])]
    )
    return whole, vector


def solve(e: Equations, penalty: Tensor | None, smoothness: float, share: float) -> Tensor:
    """Coefficients, kernel terms first.

    Args:
        e: equations of the stamps.
        penalty: (b, b) roughness of the basis; None for no penalty.
        smoothness: strength of the penalty, relative to the mean diagonal of the kernel's equations.
        share: of the source's noise that is taken out of them.
    """
    matrix, vector = _assemble(e, share)
    if penalty is not None:
        s, b = e.kernel_terms.shape[1], penalty.shape[0]
        scale = smoothness * matrix.diagonal()[: s * b].mean() / penalty.diagonal().mean()
        matrix[: s * b, : s * b] += torch.kron(torch.eye(s, dtype=matrix.dtype, device=matrix.device), scale * penalty)
    norm = matrix.diagonal().clamp_min(1e-30).rsqrt()
    scaled = matrix * norm[:, None] * norm[None, :] + _RIDGE * torch.eye(
        len(norm), dtype=matrix.dtype, device=matrix.device
    )
    solution: Tensor = torch.linalg.solve(scaled, vector * norm)
    return solution * norm


def chi_square(e: Equations, solution: Tensor) -> Tensor:
    """(n,) chi-square per pixel of each stamp."""
    b = e.matrix.shape[1] - 1
    s = e.kernel_terms.shape[1]
    kernel = e.kernel_terms @ solution[: s * b].view(s, b)
    u = torch.cat([kernel, (e.sky_terms @ solution[s * b :])[:, None]], 1)
    total = e.power - 2 * (u * e.vector).sum(1) + torch.einsum("ni,nij,nj->n", u, e.matrix, u)
    return total / e.pixels.clamp_min(1)


def held_out(e: Equations, penalty: Tensor | None, smoothness: float, share: float) -> float:
    """Mean chi-square per pixel of stamps that were not fitted: odd ones from even ones and the reverse."""
    index, parts = torch.arange(len(e.power)), []
    for parity in (0, 1):
        solution = solve(e.part(index % 2 == parity), penalty, smoothness, share)
        parts.append(chi_square(e.part(index % 2 != parity), solution))
    return float(torch.cat(parts).mean())


def choose(e: Equations, penalty: Tensor | None, smoothness: float | None) -> tuple[float, float]:
    """The smoothness that predicts stamps best, where it is not given, and the largest share that does no harm."""
    scores = [held_out(e, penalty, smoothness if smoothness is not None else 1e-2, share) for share in _SHARES]
    share = next(s for s, score in zip(_SHARES, scores, strict=True) if score <= _HARM * min(scores))
    if penalty is None or smoothness is not None:
        return smoothness or 0.0, share
    scores = [held_out(e, penalty, trial, share) for trial in _SMOOTHNESS]
    return _SMOOTHNESS[min(range(len(scores)), key=scores.__getitem__)], share


def fit_kernel(
    e: Equations,
    basis: Tensor,
    shape: tuple[int, int],
    orders: tuple[int, int],
    penalty: Tensor | None = None,
    smoothness: float | None = None,
    clip: float = 4.0,
    rounds: int = 5,
) -> KernelModel:
    """Fit, throw out stamps whose chi-square stands out by ``clip`` robust deviations, fit again.

    Args:
        e: equations of all stamps.
        basis: (b, k, k).
        shape: (H, W) of the frame.
        orders: of the polynomials of the kernel and of the sky.
        penalty: (b, b) or None.
        smoothness: None chooses by cross-validation over stamps.
        clip: robust deviations of the chi-square beyond which a stamp is thrown out.
        rounds: how often it is fitted at most.
    """
    kept = torch.ones(len(e.power), dtype=torch.bool, device=e.power.device)
    strength, share = smoothness if smoothness is not None else _SMOOTHNESS[0], 0.5
    solution = chi2 = torch.zeros(0)
    for i in range(rounds):
        chosen = e.part(kept)
        if i > 0 and len(chosen.power) > 3:  # not in the first round, when outliers would choose
            strength, share = choose(chosen, penalty, smoothness)
        solution = solve(chosen, penalty, strength, share)
        chi2 = chi_square(e, solution)
        middle = chi2[kept].median()
        spread = MAD_TO_SIGMA * (chi2[kept] - middle).abs().median()
        good = chi2 <= middle + clip * torch.maximum(spread, 0.1 * middle)
        # never so few stamps that the polynomial hangs in the air
        if int(good.sum()) < 2 * n_terms(orders[0]) or (i > 0 and bool((good == kept).all())):
            break
        kept = good
    s, b = e.kernel_terms.shape[1], basis.shape[0]
    kernels = torch.einsum("sb,bij->sij", solution[: s * b].view(s, b), basis).float()
    used = int(kept.sum())
    middle_chi2 = float(chi2[kept].median())
    return KernelModel(
        kernels, solution[s * b :].float(), *orders, shape, used, len(kept) - used, middle_chi2, strength, share
    )
