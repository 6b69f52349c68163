"""What executors that submit SLURM jobs need: its programs, options that exist, words for a refusal."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest


def need_programs(*names: str) -> None:
    """Refuse a machine without SLURM.

    Args:
        names: of the programs that are called.

    Raises:
        UserError: names those that are absent.
    """
    absent = [name for name in names if shutil.which(name) is None]
    if absent:
        raise UserError(
            f"the program{'s' if len(absent) > 1 else ''} {' and '.join(absent)} of SLURM for executor.cluster=slurm",
            "none on PATH",
            "type the command on a machine of the cluster, or choose executor.cluster=local",
        )


def need_options(given: Mapping[str, Any], known: Collection[str], needed: Sequence[str] = ()) -> None:
    """Refuse options that the library does not know, and those that it cannot do without.

    Args:
        given: what the user set.
        known: names that the library takes.
        needed: names that must be set.

    Raises:
        UserError: names the first that is wrong.
    """
    strange = sorted(set(given) - set(known))
    if strange:
        fix = nearest(strange[0], sorted(known)) or f"it takes {', '.join(sorted(known))}"
        raise UserError("names in executor.options that the library knows", strange[0], fix)
    absent = [name for name in needed if given.get(name) is None]
    if absent:
        what = " and ".join(f"executor.options.{name}" for name in absent)
        raise UserError(f"{what} with executor.cluster=slurm", "none", f"for instance +executor.options.{absent[0]}=4")


def refused(expected: str, error: Exception) -> UserError:
    """What to say where SLURM, or the library that speaks to it, refuses.

    Args:
        expected: in words.
        error: its own.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else type(error).__name__)
    return UserError(expected, told[:300], "change executor.options: queue or partition, account, time, memory")
