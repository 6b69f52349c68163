"""``KILL_AT=STEP python killed.py words of astrid``: the command, which kills itself at the start of a step.

``STEP@HOOK`` kills at another place: the step's end, the start of a validation, or half-way through a checkpoint.
``KILLED_BY`` names the signal, SIGKILL if none.
"""

from __future__ import annotations

import os
import signal
from typing import Any

import torch

from astrid_ml.cli.main import main
from astrid_ml.run.training.guard import Finite
from astrid_ml.run.training.keep import Keeper

PLACES = {
    "start": (Finite, "on_train_batch_start"),
    "end": (Keeper, "on_train_batch_end"),
    "validation": (Keeper, "on_validation_epoch_start"),
}


def arm(step: int, hook: str, number: int) -> None:
    """Send this process a signal at the given call."""
    owner, name = (torch, "save") if hook == "checkpoint" else PLACES[hook]
    real: Any = getattr(owner, name)
    calls = [0]

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == step:
            if hook == "checkpoint":
                with open(args[1], "wb") as half:
                    half.write(b"half of it")
                    half.flush()
            os.kill(os.getpid(), number)
        return real(*args, **kwargs)

    setattr(owner, name, counted)


if __name__ == "__main__":
    place, _, name = os.environ["KILL_AT"].partition("@")
    arm(int(place), name or "start", signal.Signals[os.environ.get("KILLED_BY", "SIGKILL")])
    main()
