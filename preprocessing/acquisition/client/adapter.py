"""The one way out: every request of ours, of astroquery and of its redirects passes here.

requests is the client, because astroquery asks through it: an adapter that is mounted in its sessions holds the list of
hosts, the pace, the patience and the kept answers for both. Another client would leave astroquery's traffic outside.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError, Timeout
from urllib3 import HTTPResponse

from astrid_ml.preprocessing.acquisition.client.answers import Answer, KeptAnswers
from astrid_ml.preprocessing.acquisition.client.coding import BROKEN as BROKEN_BODY
from astrid_ml.preprocessing.acquisition.client.coding import as_they_come
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError, HostError
from astrid_ml.preprocessing.acquisition.client.pace import UNANSWERED, HostPace, asked_to_wait, pause
from astrid_ml.preprocessing.acquisition.client.stop import rest
from astrid_ml.printable import printable
from astrid_ml.reasons import shortened

PASSING = (429, 500, 502, 503, 504)  # another attempt may succeed
BROKEN = (*BROKEN_BODY, ConnectionError, Timeout)
_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")  # the body is decoded already
LARGEST = 1 << 28  # bytes of an answer that is not a file


@dataclass(frozen=True)
class Patience:
    """How long an answer is waited for.

    Args:
        tries: of one request.
        first_wait, longest_wait: seconds between tries.
        connect, read: seconds to connect, and between two pieces of an answer.
        deadline: seconds for one answer with all tries.
    """

    tries: int
    first_wait: float
    longest_wait: float
    connect: float
    read: float
    deadline: float


class PoliteAdapter(HTTPAdapter):
    """Sends requests to allowed hosts, at their pace, again where that may help.

    Args:
        paces: host (``mast.stsci.edu``, ``127.0.0.1:8000``) -> its pace: the hosts that are allowed.
        answers: that were kept.
        patience: how long, and how often.
    """

    def __init__(self, paces: Mapping[str, HostPace], answers: KeptAnswers, patience: Patience) -> None:
        self.paces, self.answers, self.patience = paces, answers, patience
        super().__init__(pool_maxsize=32)

    def send(self, request: PreparedRequest, stream: bool = False, *args: Any, **settings: Any) -> Response:
        """Send a request, or give the answer that was kept; a redirect is sent here too.

        Args:
            request: prepared.
            stream: the body is read by the caller, piece by piece: nothing of it is kept.
            args: as requests has them; ours go before them.
            settings: the same, by name.

        Raises:
            HostError: a host that is not allowed, or a scheme.
            ArchiveError: no answer after all tries or in all the time, or one that is too long.
        """
        url = str(request.url)
        host = allowed_host(url, self.paces)
        key = self.answers.key(str(request.method), url, _plain(request.body))
        kept = None if stream else self.answers.get(key)
        if kept is not None:
            return self._answered(request, kept)
        settings["timeout"] = (self.patience.connect, self.patience.read)
        names = ("timeout", "verify", "cert", "proxies")
        settings = {**dict(zip(names, args, strict=False)), **settings}
        pace = self.paces[host]
        if pace.unanswered >= UNANSWERED:
            got = f"no answer of {printable(host)} to the {UNANSWERED} requests before"
            raise ArchiveError("a host that can be reached", got, "run it again when it answers: what was done is kept")
        said, until = "no answer", time.monotonic() + self.patience.deadline
        for attempt in range(self.patience.tries):
            wait = pause(attempt, self.patience.first_wait, self.patience.longest_wait)
            try:
                with pace.turn():
                    response = super().send(request, stream=True, **settings)
                    pace.unanswered = 0
                    if response.is_redirect or response.status_code in PASSING:
                        response.close()  # nothing in it is worth reading, and it may have no end
                        answer = Answer(response.status_code, dict(response.headers), b"", url)
                    elif stream:
                        return response
                    else:
                        answer = _read(response, url, until)
            except BROKEN as error:
                said = type(error).__name__
            else:
                if answer.status not in PASSING:
                    if _is_final(answer):
                        self.answers.keep(key, answer)
                    return self._answered(request, answer)
                said = f"HTTP {answer.status}"
                asked = asked_to_wait(answer.headers.get("Retry-After"))
                if asked is not None:
                    wait = min(max(wait, asked), self.patience.longest_wait)
                    pace.hold(wait)
            if time.monotonic() + wait > until:
                said += f", {self.patience.deadline:g} s are over"
                break
            if attempt + 1 < self.patience.tries:
                rest(wait)
        pace.unanswered += 1
        got = f"{said} of {printable(host)} after {attempt + 1} tries"
        raise ArchiveError("an answer of the archive", got, "try again later: what was done is kept")

    def _answered(self, request: PreparedRequest, answer: Answer) -> Response:
        body = HTTPResponse(
            io.BytesIO(answer.body),
            {name: text for name, text in answer.headers.items() if name.lower() not in _OF_THE_WIRE},
            answer.status,
            preload_content=False,
        )
        response = self.build_response(request, body)
        response.url = answer.url
        return response


def allowed_host(url: str, hosts: Mapping[str, Any]) -> str:
    """The host of an address, as the list of allowed ones has it.

    Args:
        url: http or https.
        hosts: that are allowed, with their port where it is not the usual one.

    Raises:
        HostError: another host, another scheme, a name or a password in the address.

    Example:
        >>> allowed_host("https://mast.stsci.edu/api", {"mast.stsci.edu": 1})
        'mast.stsci.edu'
    """
    parts = urlsplit(url)
    place = parts.netloc.lower()
    if parts.scheme not in ("http", "https") or "@" in place or place not in hosts:
        shown = f"{parts.scheme}://{place.rpartition('@')[2]}"
        listed = ", ".join(sorted(hosts)) or "none"
        raise HostError(
            f"an address at one of the allowed hosts ({listed})", shortened(printable(shown), 80), "allow it, or not"
        )
    return place


def _plain(body: Any) -> bytes | str | None:
    return body if isinstance(body, bytes | str) else None


def _is_final(answer: Answer) -> bool:
    """MAST says in an answer of 200 that it is still working, or that something went wrong: neither is kept."""
    return answer.status == 200 and not any(word in answer.body for word in (b'"EXECUTING"', b'"ERROR"'))


def _read(response: Response, url: str, until: float) -> Answer:
    """The whole body; urllib3 raises where it is shorter than it was said to be.

    Raises:
        ArchiveError: it is too long, or takes too long.
    """
    parts, size = [], 0
    for part in as_they_come(response, 1 << 16, decode=True):
        parts.append(part)
        size += len(part)
        if size > LARGEST or time.monotonic() > until:
            response.close()
            if size > LARGEST:
                got = f"more from {shortened(printable(url), 80)}"
                raise ArchiveError(f"an answer of at most {LARGEST >> 20} MiB", got, "ask for less")
            got = f"{size} bytes of {shortened(printable(url), 80)} and no end"
            raise ArchiveError("an answer in the time that a client waits", got, "try later, or with a longer deadline")
    return Answer(response.status_code, dict(response.headers), b"".join(parts), response.url or url)
