"""The real/bogus task of a program that is not ours: scored, calibrated, judged and reported as any network."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from astrid_ml.contracts.columns import rows_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.programs import FittedProgram, Program
from astrid_ml.contracts.scoring import ModelData
from astrid_ml.errors import UserError
from astrid_ml.evaluation.calibration import logits_of
from astrid_ml.models.tasks.task import Batch, Task
from astrid_ml.types import Ints

ALIKE = 1e-4  # of a score: another number of samples may be summed in another order


def _noise(like: Tensor, count: int) -> Tensor:
    return torch.randn((count, *like.shape[1:]), generator=torch.Generator().manual_seed(1))


class ExternalTask(Task):
    """Asks a program for scores. Its checkpoint holds no weights, only the SHA-256 of the program's file.

    Args:
        program: see :class:`astrid_ml.contracts.programs.Program`.

    Example:
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from astrid_ml.models.external.estimator import Estimator
        >>> task = ExternalTask(Estimator(GaussianNB()))
        >>> [name for name, _ in task.named_parameters()], list(task.state_dict())
        ([], ['digest'])
    """

    purpose: ClassVar[str] = "binary"
    apart: ClassVar[str] = "a program that is not ours is in no checkpoint"
    predict_members = None  # type: ignore[assignment]  # what was fitted on a fold is in no checkpoint

    def __init__(self, program: Program) -> None:
        super().__init__(nn.Identity())
        if not isinstance(program, Program):
            got = type(program).__name__
            raise UserError("model.program with scores(images, features) and digest", got, "see docs/external.md")
        self.program = program
        self.digest: Tensor
        self.register_buffer("digest", torch.zeros(32, dtype=torch.uint8))
        self._data: ModelData | None = None
        self._tried = False
        self._fitted = not isinstance(program, FittedProgram)

    def prepare_for(self, datamodule: Any) -> None:
        """The fold on which it will be fitted, once somebody asks."""
        self._data = datamodule
        self.digest.copy_(torch.frombuffer(bytearray(self.program.digest()), dtype=torch.uint8))

    def fit_fold(self, datamodule: Any) -> None:
        """See :class:`astrid_ml.contracts.programs.FitsItself`."""
        if not isinstance(self.program, FittedProgram):
            return
        parts = [self._arrays(batch) for _, batch in datamodule.batches(datamodule.source, datamodule.rows["train"])]
        images = np.concatenate([part[0] for part in parts])
        given = [part[1] for part in parts if part[1] is not None]
        table = rows_of(datamodule.source, datamodule.rows["train"], ["label"])
        self.program.fit(images, np.concatenate(given) if given else None, table["label"].to_numpy(dtype=np.int64))
        self._fitted = True

    def try_on(self, batch: Batch) -> None:
        """See :class:`astrid_ml.contracts.programs.FitsItself`."""
        if self._fitted:
            # Of noise: what a network makes of a batch shows on samples that are not alike.
            noise: Batch = {name: _noise(batch[name], 4) for name in ("x", "features") if name in batch}
            self.scores(noise)
            self._check_alone(noise)

    def _check_alone(self, batch: Batch) -> None:
        """A sample's score is its own: nothing of it may come from the samples that stand beside it.

        Raises:
            UserError: it gets another one alone.
        """
        first = {name: value[:1] for name, value in batch.items() if name in ("x", "features")}
        among, alone = float(self.scores(batch)["score"][0]), float(self.scores(first)["score"][0])
        if abs(among - alone) > ALIKE:
            got = f"{alone:.4g} alone and {among:.4g} among {len(batch['x'])}, of {type(self.program).__name__}"
            fix = "export it for inference: no BatchNorm of training, no softmax or mean over the samples"
            raise UserError("the same score of a sample alone and among others", got, fix)

    @staticmethod
    def _arrays(batch: Batch) -> tuple[Any, Any]:
        if "x" not in batch or batch["x"].ndim != 4:
            got = ", ".join(f"{name} {tuple(value.shape)}" for name, value in batch.items())
            raise UserError("batches of stamps, x of (B, C, H, W)", got, "model=external is for real/bogus experiments")
        features = batch.get("features")
        return batch["x"].float().numpy(), None if features is None else features.float().numpy()

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        images, features = self._arrays(batch)
        found = np.asarray(self.program.scores(images, features), dtype=np.float64)
        name = type(self.program).__name__
        if lost := int((~np.isfinite(found)).sum()):
            got = f"{lost} of {found.size} that are no finite numbers, of {name}"
            fix = "try it on such stamps outside: they are scaled by the datamodule, and may be empty"
            raise UserError("scores that are finite, from 0 to 1", got, fix)
        if found.shape != (len(images),) or found.min(initial=0) < 0 or found.max(initial=0) > 1:
            got = f"{found.shape} from {found.min(initial=0):.3g} to {found.max(initial=0):.3g}, of {name}"
            fix = "give probabilities; of an ONNX file with logits write model.program.gives=logit"
            raise UserError(f"scores of shape ({len(images)},), finite, from 0 to 1", got, fix)
        return {"score": torch.from_numpy(found), "logit": torch.from_numpy(logits_of(found))}

    def predict_table(self, datamodule: Any, source: SampleSource, rows: Ints | None = None) -> pd.DataFrame:
        """See :class:`astrid_ml.contracts.scoring.Scorer`.

        Raises:
            UserError: it would have to be fitted, and there is no training fold; the file is another one.
        """
        if not self._fitted and self._data is None:
            got = "a checkpoint, which holds nothing of a program that is fitted in a run"
            fix = "use the predictions of its run, or score with the program itself"
            raise UserError("a program that can score without its training fold", got, fix)
        if not self._fitted:
            self.fit_fold(self._data)
        if bytes(self.digest.cpu().numpy()) != self.program.digest():
            fix = "put the file of the run back, or begin in another paths.run_dir"
            raise UserError("the program with which the run began", "another file (by its SHA-256)", fix)
        parts = []
        for chosen, batch in datamodule.batches(source, rows):
            if not self._tried:
                self._check_alone(batch)
                self._tried = True
            found = {name: value.float().numpy() for name, value in self.scores(batch).items()}
            parts.append(pd.DataFrame({"row": chosen, **found}))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"row": np.array([], dtype=np.int64)})
