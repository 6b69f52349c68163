"""Copies of a stamp are found whatever was done to them, in one channel too; stamps that only look alike are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from astrid_ml.audit.alignment import Aligned, correlations
from astrid_ml.audit.duplicates import Duplicate, DuplicateSearch
from astrid_ml.audit.fingerprints import Rings, projected, spectra
from astrid_ml.audit.texture import texture
from astrid_ml.types import Array, Floats32, Ints

SIZE, N, COPIES = 63, 400, 60


class Stamps:
    """Stamps of several sizes in memory."""

    channels = ("science", "reference", "difference")

    def __init__(self, stamps: list[Floats32]) -> None:
        self.stamps = stamps

    def groups(self, kind: str, rows: Ints) -> list[tuple[Ints, Array]]:
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for place, row in enumerate(rows.tolist()):
            by_shape.setdefault(self.stamps[row].shape, []).append(place)
        return [
            (np.array(places), np.stack([self.stamps[int(rows[place])] for place in places]))
            for places in by_shape.values()
        ]


def field(n: int, seed: int, edges: bool = False) -> Floats32:
    """Stamps of noise with a star of any brightness, an edge of the detector in some."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    star = np.exp(-(y**2 + x**2) / 5.0) * 10 ** random.uniform(0, 3.5, (n, 1, 1, 1))
    stamps = random.normal(size=(n, 3, SIZE, SIZE)) + star * np.array([1, 0.8, 0.2]).reshape(1, 3, 1, 1)
    for number in range(0, n if edges else 0, 7):
        stamps[number, :2, :, : random.integers(5, 25)] += 40
    return np.asarray(stamps, dtype=np.float32)


def mapped(stamp: Floats32, angle: float = 0.0, zoom: float = 1.0, shift: tuple[float, float] = (0, 0)) -> Floats32:
    """As torchvision or scipy would augment it: linear interpolation about the centre."""
    turn = np.radians(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / zoom
    centre = np.full(2, (SIZE - 1) / 2)
    offset = centre - matrix @ centre - np.array(shift)
    planes = [ndimage.affine_transform(plane, matrix, offset, order=1, mode="nearest") for plane in stamp]
    return np.stack(planes).astype(np.float32)


KINDS: dict[str, Callable[[Floats32], Floats32]] = {
    "turned by 10": lambda x: mapped(x, angle=10),
    "turned by 37": lambda x: mapped(x, angle=37),
    "turned and mirrored": lambda x: mapped(x, angle=200)[..., ::-1],
    "zoomed by 0.9": lambda x: mapped(x, zoom=0.9),
    "zoomed by 1.1": lambda x: mapped(x, zoom=1.1),
    "shifted by 2": lambda x: np.roll(x, (2, -1), (1, 2)),
    "shifted by 8": lambda x: np.roll(x, (-8, 0), (1, 2)),
    "half a pixel": lambda x: mapped(x, shift=(0.5, 0.5)),
    "cropped": lambda x: x[:, 3:-3, 3:-3],
    "smoothed": lambda x: np.asarray(ndimage.gaussian_filter(x, (0, 0.5, 0.5))),
}


def found_among(stamps: list[Floats32], copies: list[Floats32]) -> tuple[int, list[Duplicate]]:
    """How many copies are found as those of the first stamps, and what else is found."""
    count = len(stamps)
    source = Stamps([*stamps, *copies])
    pairs = DuplicateSearch().find(
        source,  # type: ignore[arg-type]
        np.arange(count, dtype=np.int64),
        np.arange(count, count + len(copies), dtype=np.int64),
    )
    right = {pair.second for pair in pairs if pair.second - pair.first == count}
    return len(right), [pair for pair in pairs if pair.second - pair.first != count]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_copies_of_each_kind_are_found_and_nothing_else(name: str) -> None:
    stamps = field(N, 1, edges=True)
    copies = [KINDS[name](stamp) for stamp in stamps[:COPIES]]
    right, others = found_among(list(stamps), copies)
    assert right >= 57
    assert others == []


@pytest.mark.parametrize("name", ["turned by 37", "zoomed by 1.1", "cropped"])
def test_some_kinds_quickly(name: str) -> None:
    stamps = field(60, 2)
    right, others = found_among(list(stamps), [KINDS[name](stamp) for stamp in stamps[:6]])
    assert (right, others) == (6, [])


def test_stamps_of_which_a_large_source_leaves_only_the_corners_are_not_alike() -> None:
    stamps = field(49, 5)  # few enough that all pairs are compared
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    stamps += (1e4 * np.exp(-np.hypot(y, x) / 3.0)).astype(np.float32)
    assert np.median([Aligned(one, Rings(SIZE)).numbers for one in texture(stamps)]) == 0
    assert found_among(list(stamps[:24]), list(stamps[24:])) == (0, [])


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_shared_channel_is_found_and_named(channel: int) -> None:
    stamps, other = field(60, 3), field(6, 4)
    other[:, channel] = np.roll(stamps[:6, channel], (3, -4), (1, 2))
    source = Stamps([*stamps, *other])
    pairs = DuplicateSearch().find(source, np.arange(60), np.arange(60, 66))  # type: ignore[arg-type]
    assert [(pair.first, pair.second, pair.channels, pair.all_channels) for pair in pairs] == [
        (k, 60 + k, (channel,), False) for k in range(6)
    ]


def test_stamps_that_are_too_small_or_blank_are_counted() -> None:
    small = np.random.default_rng(1).normal(size=(9, 3, 11, 11)).astype(np.float32)
    [part] = DuplicateSearch().describe(Stamps(list(small)), np.arange(9))  # type: ignore[arg-type]
    assert part.small == 9
    blank = np.zeros((4, 3, SIZE, SIZE), np.float32)
    blank[3] = np.nan
    [part] = DuplicateSearch().describe(Stamps(list(blank)), np.arange(4))  # type: ignore[arg-type]
    assert (part.blank, part.small) == (4, 0)
    rings = Rings(SIZE)
    one, other = (Aligned(each, rings) for each in texture(blank[:2]))
    assert correlations(one, other).tolist() == [-1.0, -1.0, -1.0]


def test_stamps_at_the_border_of_an_image_are_compared_by_the_pixels_that_they_have() -> None:
    """Filled with one value, four in ten pixels made noise look like sources, and the border line like a copy."""
    random = np.random.default_rng(7)
    stamps = random.normal(size=(80, 3, SIZE, SIZE)).astype(np.float32)
    cut = random.integers(20, 30, len(stamps))
    for stamp, columns in zip(stamps, cut, strict=True):
        stamp[:, :, :columns] = np.nan
    assert ((texture(stamps) != 0).mean(axis=(1, 2, 3)) > 0.4).all()
    source = Stamps([*stamps, np.flip(stamps[3], 2).copy()])
    found = DuplicateSearch().find(source, np.arange(0, 40), np.arange(40, 81))  # type: ignore[arg-type]
    assert [(pair.first, pair.second) for pair in found] == [(3, 80)]


def test_what_each_number_does_not_see() -> None:
    """A turn and a mirror leave the products of rings, a symmetry of the square the folded spectrum."""
    stamp = texture(field(2, 6)[1:])[0]
    rings = Rings(SIZE)
    turned = np.ascontiguousarray(np.rot90(stamp, 1, axes=(1, 2)))
    for ours, theirs in zip(rings.turned(stamp), rings.turned(turned[..., ::-1].copy()), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    even = stamp[:, :-1, :-1]
    np.testing.assert_allclose(spectra(even, SIZE)[1], spectra(np.rot90(even, 1, axes=(1, 2)), SIZE)[1], rtol=0.2)
    many = np.random.default_rng(2).normal(size=(50, 900)).astype(np.float32)
    near = projected(many, 200)
    assert near.shape == (50, 200)
    assert np.corrcoef((many @ many.T)[np.triu_indices(50, 1)], (near @ near.T)[np.triu_indices(50, 1)])[0, 1] > 0.3
    assert projected(many, 900) is many
