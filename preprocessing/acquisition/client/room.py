"""Room on the disk: looked at before a download and while it runs."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from astrid_ml.errors import UserError

LOOKED_AT = 1 << 24  # bytes between two looks at the disk


class DiskRoom:
    """A budget of bytes, and room that must stay free.

    Args:
        folder: that is written to.
        budget: bytes that may be downloaded in all; None: as much as fits.
        keep_free: bytes that must stay free on the disk.
    """

    def __init__(self, folder: Path, budget: int | None = None, keep_free: int = 1 << 30) -> None:
        self.folder, self.budget, self.keep_free = folder, budget, keep_free
        self.taken, self._unseen, self._lock = 0, 0, threading.Lock()

    def ask(self, needed: int) -> None:
        """Refuse work that will not fit.

        Args:
            needed: bytes still to come, as the archive says.

        Raises:
            UserError: beyond the budget, or no room on the disk.
        """
        if self.budget is not None and self.taken + needed > self.budget:
            got = f"{(self.taken + needed) / 1e6:.1f} MB to download, {self.budget / 1e6:.1f} MB allowed"
            raise UserError("a download within its budget", got, "allow more, or choose fewer targets")
        self._refuse_full(needed)

    def take(self, count: int) -> None:
        """Account for bytes that have come.

        Args:
            count: bytes.

        Raises:
            UserError: the budget is spent, or the disk fills up.
        """
        with self._lock:
            self.taken += count
            self._unseen += count
            look = self._unseen >= LOOKED_AT
            if look:
                self._unseen = 0
        if self.budget is not None and self.taken > self.budget:
            got = f"more than {self.budget / 1e6:.1f} MB, of files whose size the archive did not say"
            raise UserError("a download within its budget", got, "allow more, or choose fewer targets")
        if look:
            self._refuse_full(0)

    def give(self, count: int) -> None:
        """Give back bytes of a file that is fetched again.

        Args:
            count: bytes.
        """
        with self._lock:
            self.taken -= count

    def _refuse_full(self, needed: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if free - needed < self.keep_free:
            wanted = f"{_amount(needed + self.keep_free)} free at {self.folder}"
            raise UserError(wanted, _amount(free), "make room, or choose fewer targets: what has come is kept")


def _amount(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
