"""What a sweep varies: keys of the configuration and group choices, each with the values that it may take."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest

Value = float | int | str | bool | None
_PLAIN = re.compile(r"[A-Za-z_][\w.-]*")  # a text that Hydra reads as it stands
_NAME = re.compile(r"[A-Za-z_][\w./@-]*")
_KEYS = ("low", "high", "log", "step")
_FIX = "write {low: 1e-4, high: 1e-2, log: true}, or a list of values"


@dataclass(frozen=True)
class Parameter:
    """One key and its values: a list of them, or a range.

    Args:
        name: a key (``optimizer.lr``) or a group (``preprocessing/subtract``).
        choices: values to choose from; empty for a range.
        low, high: ends of the range, both of which may be taken.
        log: equal steps are equal ratios.
        step: between two values of a range; None: any number, or any whole number where both ends are whole.

    Example:
        >>> lr = Parameter("optimizer.lr", low=1e-4, high=1e-2, log=True)
        >>> round(lr.at(0.5), 6), Parameter("model.width", (16, 32)).at(0.99), Parameter("n", low=1, high=3).at(0.5)
        (0.001, 32, 2)
    """

    name: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers of a range."""
        ends = (self.low, self.high, *([] if self.step is None else [self.step]))
        return not self.choices and all(isinstance(end, int) for end in ends)

    def at(self, share: float) -> Value:
        """The value at a share of the way through its values.

        Args:
            share: from 0 to below 1; equal shares are equally many choices, or equally long parts of the range.
        """
        if self.choices:
            return self.choices[int(share * len(self.choices))]
        if self.whole or self.step is not None:
            return self._on_grid(share)
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = low + share * (high - low)
        return min(max(math.exp(value) if self.log else value, self.low), self.high)

    def _on_grid(self, share: float) -> Value:
        step = 1 if self.step is None else self.step
        if self.log:
            low, high = math.log(self.low - step / 2), math.log(self.high + step / 2)
            place = round((math.exp(low + share * (high - low)) - self.low) / step)
        else:
            place = int(share * (round((self.high - self.low) / step) + 1))
        value = self.low + step * min(max(place, 0), int((self.high - self.low) / step + 1e-9))
        return int(value) if self.whole else float(value)

    @property
    def said(self) -> str:
        """Its values in words.

        >>> Parameter("optimizer.lr", low=1e-4, high=1e-2, log=True).said, Parameter("loss", ("bce", "focal")).said
        ('optimizer.lr from 0.0001 to 0.01 (log)', 'loss of bce, focal')
        """
        if self.choices:
            return f"{self.name} of {', '.join(map(str, self.choices))}"
        step = "" if self.step is None else f" (by {self.step:g})"
        return f"{self.name} from {self.low:g} to {self.high:g}{' (log)' if self.log else step}"

    def distribution(self) -> Any:
        """As optuna writes it."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.choices:
            return CategoricalDistribution(self.choices)
        if self.whole:
            return IntDistribution(int(self.low), int(self.high), self.log, 1 if self.step is None else int(self.step))
        return FloatDistribution(float(self.low), float(self.high), self.log, self.step)

    def word(self, value: Value) -> str:
        """What is typed to set it.

        Args:
            value: one of its values.
        """
        plain = isinstance(value, str) and _PLAIN.fullmatch(value)
        return f"{self.name}={value if plain else json.dumps(value)}"

    def holds(self, value: Value) -> bool:
        """Whether it may take this value."""
        if self.choices:
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Space:
    """All that a sweep varies.

    Args:
        parameters: in the order of their names.
    """

    parameters: tuple[Parameter, ...]

    @classmethod
    def read(cls, tree: Any) -> Space:
        """From a mapping of names to lists, or to ``{low:, high:, log:, step:}``.

        Raises:
            UserError: there is nothing to vary, or a name or its values cannot be.
        """
        if not isinstance(tree, Mapping) or not tree:
            got = "an empty one" if not tree else type(tree).__name__
            raise UserError("sweep.space with something to vary", got, f"name a key, and {_FIX}")
        return cls(tuple(_parameter(str(name), said) for name, said in sorted(tree.items(), key=lambda it: str(it[0]))))

    def words(self, values: Mapping[str, Value]) -> list[str]:
        """What is typed to set all of them.

        Args:
            values: by name.
        """
        return [parameter.word(values[parameter.name]) for parameter in self.parameters]

    def point(self, given: Mapping[str, Any]) -> dict[str, Value]:
        """A point that somebody knows, whole and inside.

        Args:
            given: value by name.

        Raises:
            UserError: a name is none of the space, is absent, or has a value outside.
        """
        names = [parameter.name for parameter in self.parameters]
        for name in given:
            if name not in names:
                fix = nearest(str(name), names) or f"it has {', '.join(names)}"
                raise UserError("points of sweep.enqueue with names of sweep.space", str(name), fix)
        for parameter in self.parameters:
            if parameter.name not in given:
                raise UserError("points of sweep.enqueue that are whole", f"one without {parameter.name}", "add it")
            if not parameter.holds(given[parameter.name]):
                got = f"{parameter.name}: {given[parameter.name]!r}"
                raise UserError("points of sweep.enqueue inside sweep.space", got, "widen the space, or change it")
        return {name: given[name] for name in names}


def _parameter(name: str, said: Any) -> Parameter:
    if not _NAME.fullmatch(name):
        raise UserError("names of keys or groups in sweep.space", repr(name), "for instance optimizer.lr")
    if isinstance(said, Mapping):
        return _range(name, said)
    if isinstance(said, Sequence) and not said:
        raise UserError(f"values of sweep.space.{name}", "an empty list", _FIX)
    if not isinstance(said, Sequence) or isinstance(said, str):
        raise UserError(f"values of sweep.space.{name}", repr(said), _FIX)
    if not all(value is None or isinstance(value, str | bool | int | float) for value in said):
        raise UserError(f"values of sweep.space.{name} that are numbers, texts, true, false or null", repr(said), _FIX)
    if len({(type(value), value) for value in said}) < len(said):
        raise UserError(f"each value of sweep.space.{name} once", repr(list(said)), "leave out the others")
    return Parameter(name, tuple(said))


def _range(name: str, said: Mapping[Any, Any]) -> Parameter:
    strange = [str(key) for key in said if key not in _KEYS]
    if strange:
        fix = nearest(strange[0], _KEYS) or _FIX
        raise UserError(f"sweep.space.{name} of {', '.join(_KEYS)}", strange[0], fix)
    low, high, step = said.get("low"), said.get("high"), said.get("step")
    numbers = [low, high, *([] if step is None else [step])]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        raise UserError(f"finite numbers low and high of sweep.space.{name}", f"low={low!r} high={high!r}", _FIX)
    assert low is not None and high is not None
    log = said.get("log", False)
    if not isinstance(log, bool):
        raise UserError(f"sweep.space.{name}.log of true or false", repr(log), _FIX)
    if not low < high:
        raise UserError(f"sweep.space.{name} with low below high", f"low={low} high={high}", _FIX)
    if log and low <= 0:
        raise UserError(f"sweep.space.{name} with low above 0 where log=true", f"low={low}", _FIX)
    if step is not None and (step <= 0 or step > high - low):
        raise UserError(f"sweep.space.{name}.step above 0 and inside the range", f"{step}", _FIX)
    if log and step is not None:
        raise UserError(f"sweep.space.{name} with log or step", "both", "leave one out")
    return Parameter(name, low=low, high=high, log=log, step=step)
