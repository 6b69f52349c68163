"""The client against a server with every fault: what is allowed, how often, what is kept."""

from __future__ import annotations

import time
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from made.archive_server import Clients, PlayedArchive, Reply

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.client.adapter import PASSING, allowed_host
from astrid_ml.preprocessing.acquisition.client.answers import Answer, KeptAnswers
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.download import fetch
from astrid_ml.preprocessing.acquisition.client.errors import AbsentError, ArchiveError, HostError
from astrid_ml.preprocessing.acquisition.client.pace import UNANSWERED, HostPace, asked_to_wait, pause
from astrid_ml.preprocessing.acquisition.client.stop import StoppedError, asking_threads


def page(method: str, query: dict[str, list[str]], body: str) -> Reply:
    return 200, {"Content-Type": "text/plain"}, f"{method} {query}".encode()


@pytest.mark.parametrize("status", PASSING)
def test_what_passes_is_tried_again(status: int, played: PlayedArchive, client_of: Clients) -> None:
    played.pages["/q"] = page
    played.faults["/q"] = [status, status]
    assert client_of().get(f"{played.url}/q", {"a": 1}).text == "GET {'a': ['1']}"
    assert played.asked["/q"] == 3


def test_it_gives_up_in_words(played: PlayedArchive, client_of: Clients) -> None:
    played.faults["/q"] = [503] * 9
    with pytest.raises(ArchiveError, match=r"HTTP 503 of 127.* after 4 tries"):
        client_of().get(f"{played.url}/q")
    assert played.asked["/q"] == 4
    with pytest.raises(AbsentError, match="404"):
        client_of().get(f"{played.url}/absent")
    assert played.asked["/absent"] == 1


def test_nobody_listens() -> None:
    client = ArchiveClient(hosts={"127.0.0.1:9": 100.0}, tries=2, first_wait=0.01, longest_wait=0.01)
    with pytest.raises(ArchiveError, match="ConnectionError"):
        client.get("http://127.0.0.1:9/")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://me:secret@127.0.0.1:1/",
        "http://127.0.0.1.evil/",
    ],
)
def test_other_hosts_are_refused(url: str) -> None:
    with pytest.raises(HostError) as refused:
        allowed_host(url, {"127.0.0.1": 1, "127.0.0.1:1": 1})
    assert "secret" not in str(refused.value)


def test_a_redirect_out_is_refused(played: PlayedArchive, client_of: Clients) -> None:
    played.redirects["/q"] = "http://example.org/elsewhere"
    with pytest.raises(HostError, match=r"example\.org"):
        client_of().get(f"{played.url}/q")
    played.pages["/end"] = page
    played.redirects["/q"] = "/end"
    assert client_of().get(f"{played.url}/q").text == "GET {}"


def test_answers_are_kept_and_damaged_ones_asked_again(
    played: PlayedArchive, client_of: Clients, tmp_path: Path
) -> None:
    played.pages["/q"] = page
    client = client_of(answers=str(tmp_path / "kept"))
    texts = [client.get(f"{played.url}/q", {"a": 1}).text for _ in range(2)]
    assert texts[0] == texts[1] and played.asked["/q"] == 1
    client.get(f"{played.url}/q", {"a": 2})
    assert played.asked["/q"] == 2
    for path in (tmp_path / "kept").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1])
    assert client.get(f"{played.url}/q", {"a": 1}).text == texts[0]
    assert played.asked["/q"] == 3
    assert client_of(answers=str(tmp_path / "kept"), answers_days=0.0).get(f"{played.url}/q", {"a": 1}).text == texts[0]
    assert played.asked["/q"] == 4


def test_errors_in_answers_of_200_are_not_kept(played: PlayedArchive, client_of: Clients, tmp_path: Path) -> None:
    played.pages["/q"] = lambda method, query, body: (200, {}, b'{"status": "ERROR"}')
    client = client_of(answers=str(tmp_path / "kept"))
    assert [client.get(f"{played.url}/q").text for _ in range(2)] == ['{"status": "ERROR"}'] * 2
    assert played.asked["/q"] == 2


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"[]\nabc", b"\xff\xfe"])
def test_a_kept_answer_that_is_none(damage: bytes, tmp_path: Path) -> None:
    kept = KeptAnswers(tmp_path, 1.0)
    key = kept.key("GET", "http://a", None)
    kept.keep(key, Answer(200, {"Content-Type": "text/plain"}, b"abc\ndef", "http://a"))
    found = kept.get(key)
    assert found is not None and found.body == b"abc\ndef"
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    path.write_bytes(damage)
    assert kept.get(key) is None and not path.exists()


def test_the_pace_of_a_host() -> None:
    pace, begun = HostPace(rate=50.0, at_once=1), time.monotonic()
    for _ in range(4):
        with pace.turn():
            pass
    assert time.monotonic() - begun >= 3 / 50
    pace.hold(0.1)
    with pace.turn():
        assert time.monotonic() - begun >= 3 / 50 + 0.1


def test_pauses_grow_and_differ() -> None:
    first, later = ([pause(attempt, 1.0, 60.0) for _ in range(200)] for attempt in (0, 9))
    assert min(first) >= 0.25 and max(first) <= 1.0 and len(set(first)) > 100
    assert min(later) >= 15 and max(later) <= 60
    assert asked_to_wait("Fri, 31 Dec 1999 23:59:59 GMT") == 0


def test_who_asks_is_said(played: PlayedArchive, client_of: Clients) -> None:
    played.pages["/q"] = page
    client_of(contact="a@b.org").get(f"{played.url}/q")
    (agent,) = played.agents
    assert agent.startswith("astrid_ml/") and "a@b.org" in agent


@pytest.mark.parametrize("settings", [{"tries": 0}, {"at_once": 0}, {"hosts": {"a": 0.0}}, {"contact": "a\nb"}])
def test_a_client_that_cannot_be(settings: dict[str, object]) -> None:
    with pytest.raises(UserError):
        ArchiveClient(**settings)  # type: ignore[arg-type]


def test_a_loop_of_redirects_ends(played: PlayedArchive, client_of: Clients) -> None:
    played.redirects |= {"/a": "/b", "/b": "/a"}
    with pytest.raises(ArchiveError, match="TooManyRedirects"):
        client_of().get(f"{played.url}/a")
    assert played.asked["/a"] + played.asked["/b"] <= 7


@pytest.mark.parametrize(
    "place", ["ftp://127.0.0.1/a", "file:///etc/passwd", "gopher://x/", "HTTP://evil.example/", "//evil/x"]
)
def test_a_redirect_to_another_scheme_is_refused(place: str, played: PlayedArchive, client_of: Clients) -> None:
    played.redirects["/q"] = place
    with pytest.raises(HostError):
        client_of().get(f"{played.url}/q")


@pytest.mark.parametrize("drop", [2, 5000])
def test_an_answer_without_an_end_is_left(drop: int, played: PlayedArchive, client_of: Clients) -> None:
    """A body that drips for ever: the deadline ends it, not the pause between two pieces."""
    played.pages["/q"] = page
    played.drips["/q"], played.drop = 100.0, drop
    begun = time.monotonic()
    with pytest.raises(ArchiveError, match="no end"):
        client_of(deadline=0.4).get(f"{played.url}/q")
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("status", [301, 302, 503])
def test_endless_bodies_of_what_is_no_answer_are_not_read(
    status: int, played: PlayedArchive, client_of: Clients, tmp_path: Path
) -> None:
    played.pages["/end"] = page
    played.pages["/q"] = lambda *_: (status, {"Location": "/end"}, b"x")
    played.drips["/q"] = 100.0
    begun = time.monotonic()
    ends = pytest.raises(ArchiveError, match="503") if status == 503 else nullcontext()
    for stream in (True, False):
        with ends:
            client_of(tries=2).session.get(f"{played.url}/q", stream=stream)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("status", [401, 403, 407, 451])
def test_what_an_archive_does_not_give_is_not_asked_for_twice(
    status: int, played: PlayedArchive, client_of: Clients
) -> None:
    played.faults["/q"] = [status] * 4
    with pytest.raises(AbsentError, match=f"HTTP {status}.*retry_absent"):
        client_of().get(f"{played.url}/q")
    assert played.asked["/q"] == 1


def test_threads_end_soon_where_the_command_is_stopped(
    played: PlayedArchive, client_of: Clients, tmp_path: Path
) -> None:
    """Ctrl-C beside a server that drips for ever, and one that never answers: nobody waits for either."""
    played.pages["/a.fits"], played.drips["/a.fits"], played.drop = page, 60.0, 2
    client = client_of(deadline=60.0, first_wait=30.0, longest_wait=30.0)
    begun = time.monotonic()
    played.faults["/q"] = [503] * 9
    work: list[Future[object]] = []
    with suppress(KeyboardInterrupt), asking_threads(2) as threads:
        work.append(threads.submit(fetch, client, f"{played.url}/a.fits", tmp_path / "a.fits"))
        work.append(threads.submit(client.get, f"{played.url}/q"))
        time.sleep(0.5)
        raise KeyboardInterrupt
    assert time.monotonic() - begun < 5
    assert [type(one.exception()) for one in work] == [StoppedError] * 2


def test_a_host_that_nobody_reaches_is_asked_no_more(client_of: Clients) -> None:
    client = client_of(tries=1, first_wait=0.0, hosts={"127.0.0.1:9": 1000.0})
    for _ in range(UNANSWERED):
        with pytest.raises(ArchiveError, match="after 1 tries"):
            client.get("http://127.0.0.1:9/q")
    with pytest.raises(ArchiveError, match="a host that can be reached"):
        client.get("http://127.0.0.1:9/q")


def test_a_host_that_is_busy_is_one_that_answers(played: PlayedArchive, client_of: Clients) -> None:
    played.faults["/q"] = [503] * (UNANSWERED + 1)
    played.pages["/q"] = page
    client = client_of(tries=1)
    for _ in range(UNANSWERED + 1):
        with pytest.raises(ArchiveError, match="HTTP 503"):
            client.get(f"{played.url}/q")
    assert client.get(f"{played.url}/q").status_code == 200


def test_two_threads_that_want_one_file_bring_it_once(
    played: PlayedArchive, client_of: Clients, image: bytes, tmp_path: Path
) -> None:
    played.files["/a.fits"], played.delay, client = image, 0.1, client_of()
    with asking_threads(8) as threads:
        done = [threads.submit(fetch, client, f"{played.url}/a.fits", tmp_path / "a.fits") for _ in range(8)]
    assert [one.exception() for one in done] == [None] * 8
    assert played.asked["/a.fits"] == 1 and (tmp_path / "a.fits").read_bytes() == image
