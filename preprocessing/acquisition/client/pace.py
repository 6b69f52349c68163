"""How often and how long: a rate and a number of requests at once for each host, and pauses that grow."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

from astrid_ml.preprocessing.acquisition.client.stop import rest

UNANSWERED = 16  # requests in a row after which a host counts as one that nobody reaches


class HostPace:
    """Requests to one host: so many a second, so many at once.

    Args:
        rate: requests a second; starts lie 1 / rate apart.
        at_once: that run at the same time.
    """

    def __init__(self, rate: float, at_once: int) -> None:
        self._pause, self._places = 1.0 / rate, threading.BoundedSemaphore(at_once)
        self._lock, self._next = threading.Lock(), 0.0
        self.unanswered = 0  # requests in a row that got no answer with all their tries

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a place and for the moment."""
        with self._places:
            with self._lock:
                now = time.monotonic()
                begin = max(now, self._next)
                self._next = begin + self._pause
            rest(max(0.0, begin - now))
            yield

    def hold(self, seconds: float) -> None:
        """Nobody asks this host for so long: it said that it is too much."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


def pause(attempt: int, first: float, longest: float) -> float:
    """Seconds before the next attempt, up to twice as many each time; at random, so that clients do not come together.

    Full jitter of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/, from a quarter up.

    Args:
        attempt: that failed, from 0.
        first: seconds after the first.
        longest: seconds.
    """
    most = min(longest, first * 2.0**attempt)
    return random.uniform(0.25 * most, most)


def asked_to_wait(header: str | None) -> float | None:
    """``Retry-After``: seconds, or a date; None where it says nothing that can be read.

    >>> asked_to_wait("7"), asked_to_wait("soon"), asked_to_wait(None)
    (7.0, None, None)
    """
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
