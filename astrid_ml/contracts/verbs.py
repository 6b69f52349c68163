"""What stands behind verbs: what makes raw files, and the commands of a science domain."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from astrid_ml.contracts.pipeline import Unit


@runtime_checkable
class MakesRaw(Protocol):
    """A simulator that says whose raw files it makes."""

    domain: ClassVar[str]


@runtime_checkable
class TellsValues(Protocol):
    """A simulator that says which values some columns of the samples can hold, before it makes a file."""

    def column_values(self) -> Mapping[str, Collection[str]]:
        """Column of the index -> all values that can occur in it."""


@runtime_checkable
class TellsColumns(Protocol):
    """A pipeline or a simulator that says which columns samples can have, before there are any."""

    def column_names(self) -> Collection[str] | None:
        """All columns of the index; None where only the raw files tell."""


@runtime_checkable
class TellsSize(Protocol):
    """A simulator that says how much room its files take, before it makes one."""

    def bytes_needed(self) -> int:
        """A lower bound of all files together."""


@runtime_checkable
class ChecksFirst(Protocol):
    """A part that can refuse its own values, or a file of its own, before there are samples.

    A split, a labeller or a pipeline may have this beside what its contract asks for; it is called before raw files are
    opened or simulated.
    """

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse what cannot work.

        Args:
            known: column of the index -> all values that can occur in it, for the columns of which that is known.

        Raises:
            UserError: names the key.
        """


@runtime_checkable
class ChecksUnits(Protocol):
    """A labeller that can tell from the units alone that none of their samples will have a label."""

    def check_units(self, units: Sequence[Unit]) -> None:
        """Refuse what cannot work; called when the raw files are listed and none is opened.

        Args:
            units: of the preparation.

        Raises:
            UserError: names what is missing.
        """


class Simulator(Protocol):
    """Makes raw files of one kind and their truth: ``build(cfg.simulate).run(output_dir, seed)``.

    Args:
        n: how many samples, pairs or exposures are made.

    Example:
        >>> import tempfile
        >>> from dataclasses import dataclass
        >>> import numpy as np
        >>> import pandas as pd
        >>> from astrid_ml.plugins import write_table
        >>> @dataclass(frozen=True)
        ... class Fluxes:
        ...     n: int = 3
        ...     def run(self, output_dir, seed):
        ...         fluxes = np.random.default_rng(seed).normal(size=self.n)
        ...         write_table(pd.DataFrame({"flux": fluxes}), output_dir / "fluxes.parquet")
        ...         return {"sources": self.n, "seed": seed}
        >>> Fluxes().run(Path(tempfile.mkdtemp()), seed=1)
        {'sources': 3, 'seed': 1}
    """

    n: int

    def run(self, output_dir: Path, seed: int) -> dict[str, Any]:
        """Write the files whole and return a JSON-able summary. The same seed gives the same bytes."""


class Command(Protocol):
    """A verb of one science domain (``astrid difference``): ``conf/<verb>.yaml`` names it under ``command``.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class CountCommand:  # in commands/count.py; conf/count.yaml names it
        ...     input: str
        ...     def run(self):
        ...         return {"files": len(list(Path(self.input).glob("*.fits"))), "failed": 0}
        >>> CountCommand("an/empty/folder").run()
        {'files': 0, 'failed': 0}
    """

    def run(self) -> dict[str, Any]:
        """Do the work. Return a JSON-able summary to print; ``failed`` > 0 in it means exit code 1."""
