"""Answers of archives that were kept on disk: each whole, with the digest of its bytes, for a while."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

from astrid_ml.files import write_bytes

KEPT_HEADERS = ("content-type",)


@dataclass(frozen=True)
class Answer:
    """What a server said.

    Args:
        status: of HTTP.
        headers: those that say how the body is to be read.
        body: decoded of its transfer, as it is parsed.
        url: that answered, after redirects.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    url: str


class KeptAnswers:
    """A folder of answers: a line of JSON, then the body.

    Args:
        folder: made when the first answer comes; None keeps nothing.
        days: after so many an answer is asked for again.
    """

    def __init__(self, folder: Path | None, days: float) -> None:
        self.folder, self.days = folder, days

    def key(self, method: str, url: str, body: bytes | str | None) -> str:
        """The name of a question: a digest of all that decides its answer.

        >>> len(KeptAnswers(None, 1).key("GET", "http://a/b?c=1", None))
        40
        """
        asked = body.encode() if isinstance(body, str) else body or b""
        return hashlib.sha256(b"\0".join([method.encode(), url.encode(), asked])).hexdigest()[:40]

    def get(self, key: str) -> Answer | None:
        """An answer that is whole and not too old; one that is damaged goes, as if it had never been asked for."""
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        try:
            head, _, body = path.read_bytes().partition(b"\n")
            said = json.loads(head)
            whole = hashlib.sha256(body).hexdigest() == said["sha256"]
            old = time.time() - float(said["time"]) > self.days * 86400
            answer = Answer(int(said["status"]), dict(said["headers"]), body, str(said["url"]))
        except (OSError, ValueError, KeyError, TypeError):
            whole, old = False, False
        if not whole or old:
            path.unlink(missing_ok=True)
            return None
        return answer

    def keep(self, key: str, answer: Answer) -> None:
        """Keep an answer."""
        path = self._path(key)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(answer.body).hexdigest()
        headers = {name: text for name, text in answer.headers.items() if name.lower() in KEPT_HEADERS}
        said = {"status": answer.status, "headers": headers, "url": answer.url, "time": time.time(), "sha256": digest}
        write_bytes(path, json.dumps(said).encode() + b"\n" + answer.body)

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / key[:2] / key
