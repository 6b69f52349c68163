"""The Braai networks on one thread: plain fp32 NCHW against channels_last, with and without bf16 autocast.

Claims, batch 256, VGG6: a training step at least 4 times plain where the processor has AVX512-BF16 (2 times
elsewhere), inference at least 3 times; scores differ by at most 1e-6 in fp32 and 1e-2 in bf16.
Run: ``python benchmarks/braai.py``.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Mapping
from statistics import median

import torch
from torch import Tensor, nn

from astrid_ml.devices import cpu_has_bf16
from astrid_ml.models.braai.network import BraaiVGG6, BraaiWide

torch.set_num_threads(1)
BATCH, REPEATS, WARM_UP = 256, 7, 2
WAYS = {"plain fp32": (False, False), "channels_last fp32": (True, False), "channels_last bf16": (True, True)}


def precision(bf16: bool) -> contextlib.AbstractContextManager[object]:
    """Autocast to bfloat16, or nothing."""
    return torch.autocast("cpu", dtype=torch.bfloat16) if bf16 else contextlib.nullcontext()


def prepared(network: nn.Module, images: Tensor, channels_last: bool) -> tuple[nn.Module, Tensor]:
    """A copy of the network and the images in one memory format."""
    form = torch.channels_last if channels_last else torch.contiguous_format
    return copy.deepcopy(network).to(memory_format=form), images.contiguous(memory_format=form)  # type: ignore[call-overload]


def training(network: nn.Module, images: Tensor, labels: Tensor, bf16: bool) -> Callable[[], None]:
    """One step: forward, binary cross-entropy, backward, Adam."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    loss = nn.BCEWithLogitsLoss()

    def step() -> None:
        network.train()
        optimizer.zero_grad(set_to_none=True)
        with precision(bf16):
            value = loss(network(images), labels)
        value.backward()
        optimizer.step()

    return step


def scoring(network: nn.Module, images: Tensor, bf16: bool) -> Callable[[], Tensor]:
    """Scores of a batch, float64."""
    network.eval()

    @torch.inference_mode()
    def score() -> Tensor:
        with precision(bf16):
            return torch.sigmoid(network(images).double())

    return score


def interleaved(ways: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each way, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(WARM_UP + REPEATS):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if repeat >= WARM_UP:
                times[name].append(time.perf_counter() - started)
    return {name: median(values) for name, values in times.items()}


def report(name: str, network: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Print times, ratios and differences of one network."""
    steps, scores = {}, {}
    for way, (channels_last, bf16) in WAYS.items():
        steps[way] = training(*prepared(network, images, channels_last), labels, bf16)
        scores[way] = scoring(*prepared(network, images, channels_last), bf16)
    # Scores are compared before any step, on the same weights.
    reference = scores["plain fp32"]()
    differences = {way: float((score() - reference).abs().max()) for way, score in scores.items()}
    for kind, times in (("training step", interleaved(steps)), ("inference", interleaved(scores))):
        for way, seconds in times.items():
            ratio = times["plain fp32"] / seconds
            line = f"{name:9s} {kind:13s} {way:18s} {1e3 * seconds:8.1f} ms  ratio {ratio:4.1f}"
            print(line + (f"  largest score difference {differences[way]:.1e}" if kind == "inference" else ""))


def main() -> None:
    """Both networks, on noise: the time does not depend on what the pixels show."""
    torch.manual_seed(0)
    print(f"processor computes in bf16: {cpu_has_bf16()}; batch {BATCH}")
    images, labels = torch.randn(BATCH, 3, 63, 63), torch.randint(0, 2, (BATCH,)).float()
    report("VGG6", BraaiVGG6(), images, labels)
    report("BraaiWide", BraaiWide(), images, labels)


if __name__ == "__main__":
    main()
