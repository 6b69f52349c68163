"""``device=``: what it says, and what is refused before any work."""

from __future__ import annotations

import pytest
import torch

from astrid_ml.devices import device_of, full_precision
from astrid_ml.errors import UserError


def seen(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(
    ("text", "count", "device"),
    [("auto", 0, "cpu"), ("auto", 2, "cuda:0"), ("cpu", 2, "cpu"), ("cuda", 1, "cuda:0"), ("cuda:1", 2, "cuda:1")],
)
def test_a_device_that_is_there(text: str, count: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen(monkeypatch, count)
    assert device_of(text) == device


@pytest.mark.parametrize(
    ("text", "count", "told"),
    [
        ("gpu", 1, "device=auto, cpu, cuda or cuda:N"),
        ("cuda:x", 1, "got device=cuda:x"),
        ("cuda", 0, "got none. To fix it: set device=cpu"),
        ("cuda:3", 2, "cuda:0 to cuda:1"),
        ("meta", 1, "for instance device=cpu"),
    ],
)
def test_one_that_is_not(text: str, count: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen(monkeypatch, count)
    with pytest.raises(UserError, match=told):
        device_of(text)


def test_a_gpu_multiplies_in_full_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with full_precision("cpu"):
        assert torch.backends.cudnn.allow_tf32
    with full_precision("cuda:0"):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32
