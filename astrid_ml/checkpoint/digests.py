"""Digests of what a checkpoint holds: what was written is what is read."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from typing import Any


def digest_of(value: Any) -> str:
    """SHA-256 of plain containers and tensors, whatever the order of their keys.

    >>> digest_of({"a": 1, "b": [2.0, None]}) == digest_of({"b": [2.0, None], "a": 1})
    True
    """
    found = hashlib.sha256()
    _feed(found, value)
    return found.hexdigest()


def _feed(found: Any, value: Any) -> None:
    torch = sys.modules.get("torch")  # where nothing has imported it there are no tensors
    if torch is not None and isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous()
        found.update(f"tensor {plain.dtype} {tuple(plain.shape)} ".encode())
        found.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
    elif isinstance(value, Mapping):
        found.update(f"mapping {len(value)} ".encode())
        for key in sorted(value, key=str):
            _feed(found, str(key))
            _feed(found, value[key])
    elif isinstance(value, list | tuple):
        found.update(f"list {len(value)} ".encode())
        for part in value:
            _feed(found, part)
    else:  # the kind too: 1 and 1.0 and True build other objects
        text = repr(value).encode()
        found.update(f"{type(value).__name__} {len(text)} ".encode() + text)


def rebuilt(value: Any, texts: dict[str, str] | None = None) -> Any:
    """The same content in containers of its own, each text one object: then it always has the same bytes as a pickle.

    A pickle says of a text or a container that it has seen before only where it was, so its bytes depend on what
    happens to be one object.

    >>> found = rebuilt({"x": "".join(["a", "b"]), "y": "".join(["a", "b"]), "z": (1, [2.0])})
    >>> found, found["x"] is found["y"]
    ({'x': 'ab', 'y': 'ab', 'z': (1, [2.0])}, True)
    """
    texts = {} if texts is None else texts
    if type(value) is str:
        return texts.setdefault(value, value)
    if type(value) is dict:
        return {rebuilt(key, texts): rebuilt(part, texts) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(rebuilt(part, texts) for part in value)
    return value
