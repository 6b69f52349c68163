"""The one exception for a user's mistake: what was expected, what came, what to do."""

from __future__ import annotations


class PeerLostError(RuntimeError):
    """Another process of the same training is gone. The command line prints it without a traceback and exits with 1."""


class UserError(Exception):
    """A mistake that the user can fix. The command line prints it without a traceback and exits with 2.

    Args:
        expected: what the program needed, as a short sentence.
        got: what it found instead.
        fix: what the user can do now.

    Example:
        >>> print(UserError("radius above 0", "-1", "for instance radius=1.5"))
        expected radius above 0; got -1. To fix it: for instance radius=1.5
    """

    def __init__(self, expected: str, got: str, fix: str) -> None:
        self.expected, self.got, self.fix = expected, got, fix
        super().__init__(f"expected {expected}; got {got}. To fix it: {fix}")

    def __reduce__(self) -> tuple[type[UserError], tuple[str, str, str]]:
        """Keep the three parts when the error crosses a process border."""
        return (type(self), (self.expected, self.got, self.fix))


class MissingNameError(UserError, KeyError):
    """A column, an array or another part by a name that is not there; a :class:`KeyError` for code that asks for it.

    Example:
        >>> print(MissingNameError("a column: id, ra", "rra", "did you mean ra?"))
        expected a column: id, ra; got rra. To fix it: did you mean ra?
    """

    def __str__(self) -> str:
        return f"expected {self.expected}; got {self.got}. To fix it: {self.fix}"
