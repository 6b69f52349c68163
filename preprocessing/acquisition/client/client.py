"""The client that archives share: its hosts, its pace, its kept answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.client.answers import KeptAnswers
from astrid_ml.preprocessing.acquisition.client.errors import AbsentError, ArchiveError
from astrid_ml.preprocessing.acquisition.client.pace import HostPace
from astrid_ml.printable import printable
from astrid_ml.reasons import shortened
from astrid_ml.types import Count, NonNegative, Positive

if TYPE_CHECKING:
    from requests import Response, Session

    from astrid_ml.preprocessing.acquisition.client.adapter import PoliteAdapter

# Requests a second. Archives ask for restraint without a number, but for MAST: at most 50 calls a second (its FAQ).
HOSTS: Mapping[str, float] = {
    "mast.stsci.edu": 5.0,
    "archive.stsci.edu": 5.0,
    "ps1images.stsci.edu": 5.0,
    "skyview.gsfc.nasa.gov": 1.0,
    "irsa.ipac.caltech.edu": 5.0,
}


REDIRECTS = 5


@dataclass(frozen=True)
class ArchiveClient:
    """How archives are asked.

    Args:
        hosts: that may be asked, also by a redirect -> requests a second.
        at_once: requests to one host at the same time.
        tries: of one request: 429, 5xx, lost connections and answers cut short are tried again.
        first_wait, longest_wait: seconds between tries, at random up to twice as many each time.
        connect_timeout, read_timeout: seconds to connect, and between two pieces of an answer.
        answers: folder of answers to queries that were kept; None keeps none. Files are not kept here.
        answers_days: after so many an answer is asked for again.
        deadline: seconds for one answer or one file with all its tries; a later run goes on with what has come.
        contact: an address that administrators of an archive may write to, sent with each request.

    Example:
        >>> ArchiveClient(hosts={"archive.example.org": 2.0}, contact="me@example.org").agent.split()[-1]
        '(me@example.org)'
    """

    hosts: Mapping[str, Positive] = field(default_factory=lambda: dict(HOSTS))
    at_once: Count = 8
    tries: Count = 6
    first_wait: NonNegative = 1.0
    longest_wait: NonNegative = 60.0
    connect_timeout: Positive = 10.0
    read_timeout: Positive = 60.0
    answers: str | None = None
    answers_days: NonNegative = 30.0
    deadline: Positive = 3600.0
    contact: str | None = None

    def __post_init__(self) -> None:
        for name in ("at_once", "tries"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} of at least 1", str(getattr(self, name)), f"for instance {name}=4")
        slow = next((f"{host}={rate}" for host, rate in self.hosts.items() if not rate > 0), None)
        if slow is not None:
            raise UserError("hosts with more than 0 requests a second", slow, "leave out the host to forbid it")
        if self.contact is not None and not self.contact.isprintable():
            raise UserError("a contact that fits into a line", repr(self.contact), "give a mail address")

    @cached_property
    def paces(self) -> dict[str, HostPace]:
        """The pace of each host, shared by all sessions of this client."""
        return {host.lower(): HostPace(rate, self.at_once) for host, rate in self.hosts.items()}

    @cached_property
    def agent(self) -> str:
        """Who asks: name, version and contact."""
        return f"astrid_ml/{version('astrid-ml')}" + (f" ({self.contact})" if self.contact else "")

    def adapter(self, keep: bool = True) -> PoliteAdapter:
        """A way out for the sessions of another library.

        Args:
            keep: answers in the folder of this client.
        """
        from astrid_ml.preprocessing.acquisition.client.adapter import Patience, PoliteAdapter

        return PoliteAdapter(
            self.paces,
            KeptAnswers(Path(self.answers) if self.answers and keep else None, self.answers_days),
            Patience(
                self.tries,
                self.first_wait,
                self.longest_wait,
                self.connect_timeout,
                self.read_timeout,
                self.deadline,
            ),
        )

    def guard(self, session: Session, keep: bool = True) -> Session:
        """Lead all requests of a session through this client: those of astroquery, and their redirects.

        Args:
            session: changed in place.
            keep: answers; not those that name what does not last.
        """
        session.adapters.clear()
        session.mount("", self.adapter(keep))  # whatever the scheme: only http and https come through
        session.max_redirects = REDIRECTS
        session.headers["User-Agent"] = f"{self.agent} {session.headers.get('User-Agent', '')}".strip()
        return session

    @cached_property
    def session(self) -> Session:
        """The session of :meth:`get`."""
        import requests

        return self.guard(requests.Session())

    def get(self, url: str, parameters: Mapping[str, str | float | int] | None = None) -> Response:
        """Ask a question that is answered by a short text.

        Args:
            url: of a service.
            parameters: of the query.

        Raises:
            AbsentError: the archive does not have it.
            ArchiveError: no answer, or one that is an error.
            HostError: a host that is not allowed.
        """
        with self.asking(url):
            return answered(self.session.get(url, params=parameters))

    @contextmanager
    def asking(self, url: str) -> Iterator[None]:
        """Tell what goes wrong on the way (a loop of redirects, an address that is none) as what it is.

        Args:
            url: that is asked for.

        Raises:
            ArchiveError: in the place of an error of the HTTP library.
        """
        from requests import RequestException

        try:
            yield
        except RequestException as error:
            got = f"{type(error).__name__} of {shortened(printable(url), 120)}"
            raise ArchiveError("an answer of the archive", got, "try again later, or leave this archive out") from error


def answered(response: Response) -> Response:
    """An answer that is one.

    Args:
        response: of any status.

    Raises:
        AbsentError: 404 or 410; 401, 403, 407 or 451.
        ArchiveError: another status than 200 and 206.
    """
    where, status = shortened(printable(response.url), 120), response.status_code
    if status in (401, 403, 407, 451):
        fix = "it may be public later: retry_absent=true asks again"
        raise AbsentError("a file that the archive gives to everyone", f"HTTP {status} of {where}", fix)
    if status in (404, 410):
        raise AbsentError("something at this address of the archive", f"HTTP {status} of {where}", "leave it out")
    if status not in (200, 206):
        raise ArchiveError("an answer of the archive", f"HTTP {status} of {where}", "look at what was asked for")
    return response
