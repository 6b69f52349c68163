"""A network in a file of ONNX, run by onnxruntime."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.special import expit

from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.reasons import shortened
from astrid_ml.types import Floats32

# In a file whose weights lie in another: the first key of a tensor's external_data, as protobuf writes it.
_ELSEWHERE = b"\n\x08location"
_KINDS: dict[str, Any] = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
EXTRA = "pip install 'astrid-ml[export]' -c constraints.txt"


@dataclass(frozen=True)
class OnnxFile:
    """A network that was trained elsewhere. Nothing of it is fitted here.

    It is data, not code: its operators are those of onnxruntime.

    Args:
        file: the ``.onnx`` file, with one input for images and, where the datamodule has features, a second one.
        layout: of the images that it takes: ``NCHW``, or ``NHWC`` of networks from TensorFlow.
        gives: ``probability`` in [0, 1], or the ``logit``; of two columns the second counts.
    """

    file: str
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    gives: Literal["probability", "logit"] = "probability"

    @cached_property
    def _content(self) -> bytes:
        path = Path(self.file)
        if not path.is_file():
            raise UserError("model.program.file=FILE.onnx", found(path), "give the file of the network")
        return path.read_bytes()

    def digest(self) -> bytes:
        """SHA-256 of the file."""
        return hashlib.sha256(self._content).digest()

    @cached_property
    def _session(self) -> Any:
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError("the extra export for a network in a file of ONNX", "no onnxruntime", EXTRA) from error
        if _ELSEWHERE in self._content:
            got = f"{self.file}, which names a file beside it for its weights"
            raise UserError("a whole network in one file of ONNX", got, "save it with its weights inside")
        try:
            # From its bytes: what it would name has no folder to lie in.
            return onnxruntime.InferenceSession(self._content, providers=["CPUExecutionProvider"])
        except Exception as error:  # a damaged file fails in whatever way its bytes lead to
            got = f"{self.file}, which onnxruntime refuses: {shortened(str(error).splitlines()[0], 160)}"
            raise UserError("a whole network in one file of ONNX", got, "export it again") from error

    def scores(self, images: Floats32, features: Floats32 | None) -> Any:
        """See :class:`astrid_ml.contracts.programs.Program`."""
        asked = self._session.get_inputs()
        size = asked[0].shape[0] if asked and asked[0].shape else None
        if size == 1 and len(images) > 1:  # as Keras, MATLAB and older exports of torch write it
            given: list[Any] = [None] * len(images) if features is None else [*features[:, None]]
            return np.concatenate(
                [self.scores(image, other) for image, other in zip(images[:, None], given, strict=True)]
            )
        if isinstance(size, int) and size != len(images):
            got = f"{self.file}, which takes {size} at a time and no other number"
            raise UserError("a network of any number of samples", got, "export it with a batch axis that is dynamic")
        values = [images if self.layout == "NCHW" else np.ascontiguousarray(images.transpose(0, 2, 3, 1))]
        values += [] if features is None else [features]
        if len(asked) != len(values):
            got = f"{len(asked)} in {self.file}: {', '.join(part.name for part in asked)}"
            raise UserError(f"a network with {len(values)} input(s)", got, "export it with these inputs")
        strange = next((part for part in asked if part.type not in _KINDS), None)
        if strange is not None:
            got = f"{strange.name} of {strange.type} in {self.file}"
            raise UserError(f"inputs of {', '.join(_KINDS)}", got, "export it with inputs of single precision")
        fed = {p.name: value.astype(_KINDS[p.type], copy=False) for p, value in zip(asked, values, strict=True)}
        try:
            answer = self._session.run(None, fed)[0]
        except Exception as error:  # onnxruntime's word for other shapes
            shapes = ", ".join(str(value.shape) for value in values)
            wants = ", ".join(f"{part.name} {part.shape}" for part in asked)
            fix = f"it takes {wants}: set channels= and channels.size=, or model.program.layout=NHWC"
            got = f"{self.file}, which refuses {shapes}: {shortened(str(error).splitlines()[0], 160)}"
            raise UserError("a network that takes the stamps of the datamodule", got, fix) from error
        out, shape = np.asarray(answer), np.shape(answer)
        if out.dtype.kind != "f" or shape[:1] != (len(images),) or out.size not in (len(images), 2 * len(images)):
            got = f"{out.dtype} of shape {shape} for {len(images)} samples, from {self.file}"
            raise UserError("a network with one number a sample, or two", got, "export its probability, a row a sample")
        out = out.astype(np.float64).reshape(len(images), -1)
        return expit(out[:, -1]) if self.gives == "logit" else out[:, -1]
