"""``astrid board runs=[DIR,...] output_dir=O``: a site over many runs, without a network."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from astrid_ml.board.find import RunFolders, look
from astrid_ml.board.library import check_library
from astrid_ml.board.serve import HOST, Server, watch
from astrid_ml.board.site import Known, Site, open_folder, state, write_site
from astrid_ml.errors import UserError
from astrid_ml.found import none_in
from astrid_ml.ranks import say
from astrid_ml.types import Positive, Range, Whole

EVERY = 3.0  # seconds between two looks at the runs


@dataclass(frozen=True)
class BoardCommand:
    """Show all runs below some folders in one page that asks the network for nothing.

    Args:
        runs: folders; runs, evaluations, sweeps and matrices are found at any depth.
        output_dir: gets ``index.html`` and what it loads.
        compared: the best runs of one set of samples that are compared with each other, pair by pair.
        watts: of one busy core, for an estimate of the energy from processor time; None for no estimate.
        serve: show it on this machine's own address and build it again when runs change, until Ctrl-C.
        port: of that address; 0 for any that is free.
    """

    runs: tuple[str, ...] | list[str]
    output_dir: str
    compared: Whole = 6
    watts: Positive | None = None
    serve: bool = False
    port: Annotated[int, Range(0, 65535)] = 8765

    def run(self) -> dict[str, Any]:
        """Build the site; with ``serve`` again at each change.

        Raises:
            UserError: no run is there, the folder holds other files, the plotting library is not installed.
        """
        check_library()
        found = look(self.runs)
        if found == RunFolders() and not self.serve:
            raise UserError("runs=[DIR,...] with runs below", none_in(list(self.runs)), "name folders of runs")
        folder = Path(self.output_dir)
        open_folder(folder)
        site, known = Site(self.runs, folder, self.compared, self.watts, self.serve), Known()
        before = _now(self.runs)
        told = write_site(site, known)
        if self.serve:
            self._serve(site, known, before)
        return told

    def _serve(self, site: Site, known: Known, before: Any) -> None:
        try:
            server = Server(site.folder, self.port)
        except OSError as error:
            got = f"{HOST}:{self.port}: {error.strerror}"
            raise UserError("port=N, one that is free", got, "set another port, or port=0 for any") from error
        say(f"board: {server.address} (Ctrl-C ends it)")
        try:
            watch(before, lambda: _now(self.runs), lambda: _again(site, known), threading.Event(), EVERY)
        except KeyboardInterrupt:
            say("board: ended; the site stays in its folder")
        finally:
            server.close()


def _now(runs: Sequence[str]) -> Any:
    """What changes when runs change; a folder that is gone for a while ends nothing."""
    try:
        return state(runs)
    except (UserError, OSError) as error:
        return str(error)


def _again(site: Site, known: Known) -> None:
    try:
        say(f"board: {write_site(site, known)['runs']}")
    except (UserError, OSError) as error:
        say(f"board: not built again: {error}")
