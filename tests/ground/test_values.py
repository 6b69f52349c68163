"""What a field accepts follows from its annotation alone."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import pytest

from astrid_ml.build import registry, resolve
from astrid_ml.types import Existing, InUnits, Length, Ordered, Positive, Range, Share
from astrid_ml.values import default_of, fields_of, fits, words_of


class Step(Protocol):
    def __call__(self, x: float) -> float: ...

    def name(self) -> str: ...


class Right:
    def __call__(self, x: float) -> float:
        return x

    def name(self) -> str:
        return "right"


@dataclass
class Wrong:
    x: float = 1.0


PARTIAL = {"_target_": "Wrong", "_partial_": True}
CLASSES: dict[str, Any] = {"Right": Right, "Wrong": Wrong}


def found(name: str) -> Any:
    return CLASSES[name]


@pytest.mark.parametrize(
    ("hint", "right", "wrong"),
    [
        (float, [1, 1.5, -2], ["1", True, None, [1], math.nan]),
        (int, [0, 7], [1.0, True, "7", None]),
        (bool, [True, False], [0, 1, "true", None]),
        (str, ["a"], [1, None, ["a"], "a\0b", "", " "]),
        (Existing, [__file__], ["", "nowhere", ".", 1]),
        (int | None, [None, 3], ["none", 2.5]),
        (Literal["sep", "photutils"], ["sep"], ["SEP", None, 1]),
        (bool | Literal["warn"], [True, "warn"], ["on", 1]),
        (Share, [0, 1, 0.5], [-0.1, 1.1, "0.5", True]),
        (Positive | None, [None, 1e-9], [0, -1]),
        (Sequence[float], [[], [1, 2.5], (1,)], [1, "12", [1, "2"], None]),
        (tuple[int, int], [[1, 2]], [[1], [1, 2, 3], [1, 2.5]]),
        (tuple[float, ...], [[], [1.0]], [["a"]]),
        (Annotated[Sequence[float], Ordered()], [[1, 2], [1, 1]], [[2, 1], [1], [1, 2, 3]]),
        (Annotated[Sequence[Positive], Length(2), InUnits("px")], [[1, 2]], [[0, 1], [1]]),
        (Mapping[str, float], [{}, {"g": 0.5}], [{"g": "x"}, [0.5]]),
        (Sequence[Sequence[int]] | None, [None, [[1, 2, 2]]], [[1, 2]]),
        (Any, [None, 1, "x", []], []),
        (Step, [{"_target_": "Right"}], [{"_target_": "Wrong"}, "Right", 1, None, {"x": 1}]),
        (Right, [{"_target_": "Right"}], [{"_target_": "Wrong"}, None]),
        (Callable[[float], float], [{"_target_": "Right"}, PARTIAL], [{"_target_": "Wrong"}]),
    ],
    ids=str,
)  # fmt: skip
def test_right_values_fit_and_wrong_ones_do_not(hint: Any, right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not fits(value, hint, found)] == []
    assert [value for value in wrong if fits(value, hint, found)] == []


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Annotated[float, Range(0.0, 1.0, open_low=True)], "a number above 0 and at most 1"),
        (Annotated[int, Range(1)], "a whole number of at least 1"),
        (Annotated[int, Range(high=5)], "a whole number of at most 5"),
        (Annotated[float, Range(-1.0, 1.0), InUnits("deg")], "a number from -1 to 1 in deg"),
        (Annotated[Sequence[float], Ordered()], "a list as [low, high], each a number"),
        (Right | None, "an option that makes a Right or null"),
        (Mapping[str, float], "names with a value each, a number"),
    ],
)
def test_words_say_what_is_accepted(hint: Any, words: str) -> None:
    assert words_of(hint) == words


OURS = sorted(target for target in registry() if target.startswith("astrid_ml."))


def test_every_name_that_may_be_built_is_one() -> None:
    """Not those of comments, whose examples are nobody's."""
    assert all(callable(resolve(target)) for target in registry())


def test_every_field_of_ours_can_be_read_and_takes_its_own_default() -> None:
    wrong = []
    for target in OURS:
        kind = resolve(target)
        for name, hint in fields_of(kind).items():
            default = default_of(kind, name)
            if default is not inspect.Parameter.empty and not fits(default, hint, resolve):
                wrong.append(f"{target}.{name}: {default!r} is not {words_of(hint)}")
    assert not wrong, "\n".join(wrong)


# Numbers that may be any: a sign or zero has a meaning there.
FREE = {
    "pad_value", "zero_point", "mapping", "threshold", "sharplo", "sharphi", "spike_angles", "mag", "magnitudes",
    "rtn_fit_quality_threshold", "nonlinearity", "group_times", "fields", "mag_limit", "shift", "rotation", "even_odd",
    "positive", "ext", "enqueue",
}  # fmt: skip


def numbers_without_range(hint: Any) -> bool:
    """Whether an annotation has a plain ``float`` or ``int`` in it."""
    if typing.get_origin(hint) is Annotated:
        inner, *parts = typing.get_args(hint)
        return not any(isinstance(part, Range) for part in parts) and numbers_without_range(inner)
    if hint in (int, float):
        return True
    if typing.get_origin(hint) in (Callable, Literal) or inspect.isclass(hint):
        return False
    return any(numbers_without_range(part) for part in typing.get_args(hint))


def test_every_number_of_ours_says_its_range() -> None:
    wrong = [
        f"{target}.{name}"
        for target in OURS
        for name, hint in fields_of(resolve(target)).items()
        if name not in FREE and numbers_without_range(hint)
    ]
    assert not wrong, "\n".join(wrong)
