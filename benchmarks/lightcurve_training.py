"""Training and scoring light curves: objects a second, packed against padded to 500 epochs.

Speeds are per second of processor time of one thread, so that a busy machine measures the same.
Run: ``python benchmarks/lightcurve_training.py [objects] [repeats]``. Training is one pass of loss, gradients and
optimizer step over batches of 256 curves with eleven windows and three random epochs each, on the length distribution
of ``lightcurves_sim`` (most curves short, a quarter of 113 epochs and more), for the GRU on packed sequences and for
the same GRU on curves padded to 500. Claim: scoring of whole curves by the GRU at a mean of 60 epochs on one core,
packed, reaches 1,500 objects/s; the figures at 150 and 500 epochs stand beside it.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from astrid_ml.models.lightcurves.encoding import N_FEATURES
from astrid_ml.models.lightcurves.network import CurveGRU, CurveTransformer
from astrid_ml.models.lightcurves.packing import pad
from astrid_ml.models.losses.hierarchy import WHXE
from astrid_ml.taxonomy import load_taxonomy

STATIC = tuple(f"s{k}" for k in range(13))
LONGEST, WINDOWS, BOUND = 500, 14, 1500.0
Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def batch(lengths: Tensor, windows: int) -> Batch:
    """Random curves of these lengths; the last question is about the whole curve."""
    n = len(lengths)
    share = torch.rand(n, windows) ** 2
    queries = (share * lengths[:, None]).long().clamp(min=1)
    queries[:, -1] = lengths
    values = torch.randn(int(lengths.sum()), N_FEATURES)
    return values, lengths, torch.randn(n, 2 * len(STATIC)), queries, torch.full((n, windows), 64.0)


def simulated_lengths(n: int) -> Tensor:
    """Lengths like those of ``lightcurves_sim``: quartiles near 8, 19 and 113, a mean near 51."""
    short = torch.distributions.Exponential(1 / 13.0).sample((n,)) + 2
    long = 110 + 40 * torch.rand(n)
    return torch.where(torch.rand(n) < 0.68, short, long).long()


class PaddedGRU(CurveGRU):
    """The same network and weights on curves that are filled up to 500 epochs."""

    def forward(
        self,
        values: Tensor,
        lengths: Tensor,
        static: Tensor,
        queries: Tensor,
        elapsed: Tensor,
        features: Tensor | None = None,
    ) -> Tensor:
        padded, _ = pad(values, lengths, LONGEST)
        return super().forward(padded.flatten(0, 1), torch.full_like(lengths, LONGEST), static, queries, elapsed)


def train(network: torch.nn.Module, batches: list[Batch]) -> float:
    """Objects a second of training steps."""
    loss, labels = WHXE(load_taxonomy("elasticc2")), torch.full((256,), 8)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    network.train()
    started = time.process_time()
    for values in batches:
        optimizer.zero_grad()
        out = network(*values).flatten(0, 1)
        torch.autograd.backward(loss(out, labels[: len(values[1])].repeat_interleave(WINDOWS)))
        optimizer.step()
    return sum(len(values[1]) for values in batches) / (time.process_time() - started)


def score(network: torch.nn.Module, batches: list[Batch]) -> float:
    """Objects a second of forward passes."""
    network.eval()
    with torch.inference_mode():
        started = time.process_time()
        for values in batches:
            network(*values)
    return sum(len(values[1]) for values in batches) / (time.process_time() - started)


def interleaved(runs: dict[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Medians of runs that take turns."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            found[name].append(run())
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    """Print the figures."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    gru, transformer = CurveGRU(STATIC, "elasticc2"), CurveTransformer(STATIC, "elasticc2")
    padded = PaddedGRU(STATIC, "elasticc2")
    padded.load_state_dict(gru.state_dict())
    parts = [batch(lengths, WINDOWS) for lengths in torch.split(simulated_lengths(objects), 256)]
    with torch.no_grad():
        same = torch.allclose(gru.eval()(*parts[0]), padded.eval()(*parts[0]), atol=1e-4)
    print(f"packed and padded give equal answers: {same}")
    training = interleaved(
        {
            "GRU, packed": lambda: train(gru, parts),
            "transformer, in pieces of like length": lambda: train(transformer, parts),
            "GRU, padded to 500": lambda: train(padded, parts[:1]),
        },
        repeats,
    )
    for name, speed in training.items():
        print(f"training, {name}: {speed:,.0f} objects/s ({speed * WINDOWS:,.0f} windows/s)")
    print(f"packed is {training['GRU, packed'] / training['GRU, padded to 500']:.1f}x padded")
    for mean in (60, 150, 500):
        spread = torch.randint(mean // 2, mean + mean // 2 + 1, (max(256, objects * 60 // mean),))
        curves = [batch(lengths, 1) for lengths in torch.split(spread, 512)]
        runs = {"GRU": lambda c=curves: score(gru, c), "transformer": lambda c=curves: score(transformer, c)}
        speeds = interleaved(runs, repeats)  # type: ignore[arg-type]
        bound = f" (bound {BOUND:,.0f} for the GRU)" if mean == 60 else ""
        shown = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
        print(f"scoring, one core, packed, mean of {mean} epochs: {shown} objects/s{bound}")


if __name__ == "__main__":
    main()
