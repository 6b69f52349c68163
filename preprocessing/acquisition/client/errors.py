"""What an archive may answer that is no answer."""

from __future__ import annotations

from astrid_ml.errors import UserError


class ArchiveError(UserError):
    """An archive that did not answer, or not as it says it does; asking later may help."""


class AbsentError(ArchiveError):
    """The archive does not have it (404, 410), or does not give it (401, 403): asking again does not help."""


class CorruptError(ArchiveError):
    """A file came, and is not what was promised: asking again may help."""


class HostError(ArchiveError):
    """A host that nobody allowed: of an address, or of a redirect. What stands there fails alone."""
