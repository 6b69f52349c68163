"""One owner of a path at a time, by filelock's lease: a marker file, made exclusively and kept fresh by a heartbeat.

What :class:`filelock.SoftFileLease` guarantees, from its source (from 4.1 on; earlier ones trust clocks):

- The marker is made with ``O_CREAT | O_EXCL``, so of several processes one makes it, over NFS 3 and later too. It names
  the owner's process, host, start and a random token.
- An owner of the same host that is dead is replaced at once; a number that another process got since is told by the
  start of the process. Containers with the same host name are told apart by their process namespace.
- Any other owner is replaced when the contender has *seen* the marker unchanged for ``LEASE`` seconds of its own
  monotonic clock. Clocks of hosts are never compared: skew neither steals a live lock nor keeps a dead one.
- Who takes a lock over changes the marker in one step where the file system can do so. Who leaves removes its own
  marker only.

What it does not guarantee: an owner that is stopped for longer than the lease (a suspended machine, SIGSTOP, a stalled
mount) is replaced and does not know it when it wakes. So whoever owns a lock asks :meth:`Claim.check` before each
rename: a lock that was lost publishes nothing. Between that question and the rename a moment stays in which the owner
may be stopped; there the rename itself decides, since a folder is never renamed onto one that is there
(:func:`astrid_ml.files.whole_folder`).
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from astrid_ml.errors import UserError
from astrid_ml.files import read_note
from astrid_ml.guards import guarded
from astrid_ml.ranks import say
from astrid_ml.temporaries import process_lives

LEASE, POLL = 30.0, 0.2
LOOKS, PAUSE = 5, 0.1  # a contender's look may move the marker aside for a moment, and a mount may stutter


class LockLostError(UserError):
    """This process owned a path, and no longer does: what it would publish may be another's by now.

    Args:
        expected: what the program needed.
        got: who owns it now.
        fix: what the user can do.
    """


@dataclass(frozen=True)
class Claim:
    """What an owner knows of its lock; it can be asked in every process that works for the owner.

    Args:
        path: the marker.
        token: of the owner, as it stands in the marker.
        what: named in the message.
    """

    path: Path
    token: str
    what: str

    def check(self) -> None:
        """Return if the marker still names this owner.

        Raises:
            LockLostError: it is gone, or names another.
        """
        for look in range(LOOKS):
            if look:
                time.sleep(PAUSE)
            owner = SoftFileLease(self.path, lease_duration=LEASE).owner
            if owner is not None and owner.token == self.token:
                return
        now = f"{owner_of(self.path)} took it over" if self.path.exists() else "its lock is gone"
        raise LockLostError(
            f"this process to be the only one that makes {self.what} until it is written",
            f"{now}: this process was stopped or silent for more than {LEASE:.0f} seconds",
            "run the same command again: it waits for the other process and keeps all that is finished",
        )


class Lock:
    """``with Lock(path, what) as lock:`` waits, with one message, until this process owns the path.

    Args:
        path: a file that exists only while it is owned.
        what: named in messages.
        guards: a folder in which nothing is published once the lock is lost, whoever writes there in this process.

    Raises:
        UserError: another version of this package, with another lease, owns it; at the end, the lock was lost.
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "locks" / "f00d.lock"
        >>> with Lock(path, "the dataset demo") as lock:
        ...     lock.check()
        ...     path.is_file(), lock.waited
        (True, False)
        >>> path.exists()
        False
    """

    def __init__(self, path: Path, what: str, guards: Path | None = None) -> None:
        self.path, self.what, self.guards = path, what, guards
        self.waited = False
        self._guard = ExitStack()
        self._lease = SoftFileLease(path, lease_duration=LEASE, thread_local=False)
        self._claim: Claim | None = None
        self._unsigned: tuple[tuple[int, int], float] | None = None

    @property
    def claim(self) -> Claim:
        """What is asked before each rename; it may be given to other processes."""
        if self._claim is None:
            raise ValueError("a lock has a claim only while it is held")
        return self._claim

    def check(self) -> None:
        """Return if this process still owns the path.

        Raises:
            LockLostError: it does not.
        """
        self.claim.check()

    def __enter__(self) -> Lock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        looked = 0
        while not self._take():
            looked += 1
            if looked > 1 and not self.waited:  # the first look may have cleared what a dead process left
                say(f"waiting: {owner_of(self.path)} is working on {self.what}")
                self.waited = True
            self._sign_for_the_dead()
            time.sleep(POLL)
        self._claim = Claim(self.path, str(self._lease.token), self.what)
        if self.guards is not None:
            self._guard.enter_context(guarded(self.guards, self._claim.check))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        claim, self._claim = self.claim, None
        self._guard.close()
        try:
            if value is None:
                claim.check()  # who was silent for too long learns it, also when the work is done
        finally:
            with suppress(OSError):  # a mount that is gone must not hide what went wrong inside
                self._lease.release()

    def _take(self) -> bool:
        try:
            self._lease.acquire(blocking=False)
        except Timeout:
            return False
        except LeaseSettingsMismatch as error:
            raise UserError(
                "one version of astrid_ml at work on a store",
                f"{self.path}, which another version owns",
                "wait until that one has ended, or run the same version",
            ) from error
        return True

    def _sign_for_the_dead(self) -> None:
        """Write into a marker that stays empty: its owner was killed before it signed.

        The library leaves an empty marker alone for ever. One with words that are no record is one that it clears, in
        its own safe way. An owner that was only slow writes its record over these words.
        """
        try:
            found = os.lstat(self.path)
        except OSError:
            return
        key = (found.st_ino, found.st_ctime_ns)
        if found.st_size or self._unsigned is None or self._unsigned[0] != key:
            self._unsigned = (key, time.monotonic())
            return
        if time.monotonic() - self._unsigned[1] > LEASE:
            with suppress(OSError), self.path.open("r+b") as stream:
                if os.fstat(stream.fileno()).st_ino == found.st_ino and not stream.read(1):
                    stream.write(b"abandoned\n")


def owner_of(path: Path) -> str:
    """Who owns a lock, in words."""
    owner = SoftFileLease(path, lease_duration=LEASE).owner
    if owner is None:
        return "another process"
    return f"process {owner.pid} on {owner.hostname.partition('?')[0]}"


def left_by_the_dead(path: Path) -> bool:
    """Whether a lock's owner was a process of this host that is gone; an owner elsewhere counts as alive.

    A folder is a lock of an earlier version, with its owner in ``owner.json``.
    """
    if path.is_dir():
        try:
            known = read_note(path / "owner.json")
            return known["host"] == socket.gethostname() and not process_lives(int(known["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return True
    owner = SoftFileLease(path, lease_duration=LEASE).owner
    return owner is not None and owner.hostname == socket.gethostname() and not process_lives(owner.pid)
