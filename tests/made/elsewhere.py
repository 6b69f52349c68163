"""A second device for machines that have none: tensors that say they are elsewhere, and mix with no others.

What torch does with them is done on the processor. As on a GPU, an operation on one tensor from here and one from
there fails, unless one is a single number; what goes there or comes back is counted, and so is each number that is
asked for in between: on a GPU the program waits for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

THERE = torch.device("meta")  # the only device of torch that every build knows and that nothing else uses here
_FREE = ("aten::index", "aten::index_put", "aten::copy_")  # may take places from here, also on a GPU


class TwoDevicesError(RuntimeError):
    """One tensor is here and one is there."""


class Elsewhere(Tensor):
    """A tensor that is there; ``held`` has its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Elsewhere:
        out = Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            layout=inner.layout, device=THERE, requires_grad=False,
        )  # fmt: skip
        out.held = inner
        return out

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return done(func, args, kwargs or {}, Counter())


class Spy(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Does operations, and counts what goes there (``in``), comes back (``out``) and is asked for (``asked``)."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return done(func, args, kwargs or {}, self.counts)


def done(func: Any, args: Any, kwargs: dict[str, Any], counts: Counter[str]) -> Any:
    """The result of an operation, on the device on which its tensors are."""
    name = func._schema.name
    tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    there = [value for value in tensors if isinstance(value, Elsewhere)]
    wanted = next((value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.device)), None)
    target = bool(there) if wanted is None else wanted == THERE
    if there and name not in _FREE:
        mixed = [value for value in tensors if not isinstance(value, Elsewhere) and value.ndim > 0]
        if mixed:
            raise TwoDevicesError(f"{name}: {tuple(mixed[0].shape)} is here, {tuple(there[0].shape)} is there")
    if tensors and target != bool(there):
        counts["in" if target else "out"] += 1
    counts["asked"] += name == "aten::_local_scalar_dense" and bool(there)
    counts["there"] += bool(there)
    args, kwargs = tree_map_only(Elsewhere, lambda value: value.held, (args, kwargs))
    args, kwargs = tree_map_only(torch.device, lambda _: torch.device("cpu"), (args, kwargs))
    out = func(*args, **kwargs)
    if target and name.endswith("_") and there and out is there[0].held:
        return there[0]
    return tree_map_only(Tensor, Elsewhere, out) if target else out


def move(module: torch.nn.Module) -> torch.nn.Module:
    """A module whose weights and buffers are there."""
    for part in module.modules():
        for name, value in part._parameters.items():
            if value is not None:
                part._parameters[name] = torch.nn.Parameter(Elsewhere(value.detach()), requires_grad=False)
        part._buffers.update({n: Elsewhere(v) for n, v in part._buffers.items() if v is not None})
    return module


@contextmanager
def watched() -> Iterator[Counter[str]]:
    """A block whose operations are watched; constants that are made there are counted apart (``constants``)."""
    made = torch.as_tensor
    with Spy() as spy, pytest.MonkeyPatch.context() as patch:

        def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
            if device != THERE:
                return made(data, dtype=dtype, device=device)
            spy.counts["constants"] += 1
            return Elsewhere(made(data, dtype=dtype))

        patch.setattr(torch, "as_tensor", as_tensor)
        yield spy.counts
