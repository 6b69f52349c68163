"""Two PSFs that are known badly are of one kind; a good one stays as it is."""

from dataclasses import replace

import pytest
import torch

from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.stars.psf import PsfEstimate, moffat_of
from astrid_ml.preprocessing.differencing.stars.psf_pair import of_one_kind

STACK = PsfEstimate(0.9 * gaussian_stamp(1.2, 21) + 0.1 * gaussian_stamp(3.0, 21), 2.9, 9, "stars", width_error=0.01)
STANDS_IN = moffat_of(replace(STACK, n_stars=6), "6 usable stars")


@pytest.mark.parametrize("swapped", [False, True])
def test_a_stack_of_few_stars_beside_a_moffat_becomes_one(swapped: bool) -> None:
    pair = (STACK, STANDS_IN) if swapped else (STANDS_IN, STACK)
    out = of_one_kind(*pair)
    one, other = out[::-1] if swapped else out
    assert one is STANDS_IN and other.source == "moffat" and other.n_stars == 9
    assert torch.equal(other.psf, STANDS_IN.psf) and not torch.equal(other.psf, STACK.psf)
    assert "9 usable stars" in other.warnings[0] and other.width_error > STACK.width_error


@pytest.mark.parametrize(
    "other",
    [
        replace(STACK, n_stars=40),
        replace(STACK, source="given"),
        replace(STACK, psf=STACK.psf.expand(2, 2, -1, -1)),
        replace(STANDS_IN, n_stars=5),
    ],
)
def test_a_good_a_given_a_varying_psf_and_another_moffat_stay(other: PsfEstimate) -> None:
    assert of_one_kind(STANDS_IN, other)[1] is other and of_one_kind(STANDS_IN, other)[0] is STANDS_IN
    assert of_one_kind(other, STANDS_IN)[0] is other


def test_two_stacks_stay() -> None:
    first, second = of_one_kind(STACK, replace(STACK, n_stars=4))
    assert first is STACK and second.source == "stars"
