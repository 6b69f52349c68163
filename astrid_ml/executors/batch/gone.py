"""The error of machines that do not answer any more."""

from __future__ import annotations


class GoneError(RuntimeError):
    """The machines that did the work do not answer any more.

    Args:
        text: says which.
        start: what to do before the same command is typed again.
    """

    def __init__(self, text: str, start: str = "start the cluster") -> None:
        super().__init__(text)
        self.start = start
