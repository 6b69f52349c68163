"""Trackers that mirror a run. The run's own files are the truth: a tracker that breaks is dropped with one warning."""

from __future__ import annotations

import importlib.util
import logging
import netrc
import os
import secrets
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest
from astrid_ml.reasons import shortened
from astrid_ml.tracking.logged import Ids, Journal, Points, held

KNOWN = ("csv", "tensorboard", "wandb", "mlflow")
MLFLOW_ATTEMPTS = 4
MISSING = {
    "mlflow": "pip install 'astrid-ml[mlflow]' -c constraints.txt",
    "wandb": "pip install 'wandb<0.30' -c constraints.txt",
}


class SafeLogger(Logger):
    """A Lightning logger that never raises: at the first error it says why and falls silent.

    What it holds already of a run that was stopped is not logged again. Lightning ends a tracker when the fit ends; the
    run goes on after it, so that only :meth:`end` ends it, with the run's own status.

    Args:
        inner: the real logger.
        kind: its name for the message.
        journal: keeps what was given to a tracker that cannot be asked.
    """

    def __init__(self, inner: Logger, kind: str, journal: Journal | None = None) -> None:
        super().__init__()
        self.inner, self.kind, self.broken, self.prefix = inner, kind, "", ""
        self.journal = journal
        self.ended = False
        mine = journal is not None and (rank_zero_only.rank or 0) == 0  # type: ignore[attr-defined]
        self.held: Points = self.attempt(lambda: held(inner, journal)) or set() if mine else set()

    def attempt(self, action: Callable[[], Any]) -> Any:
        """Do it, unless the tracker is broken or breaks now."""
        if self.broken:
            return None
        try:
            return action()
        except Exception as error:  # whatever a tracker raises, the run goes on
            self.broken = shortened(f"{type(error).__name__}: {error}", 300)
            print(f"warning: the tracker {self.kind} is dropped, the run goes on ({self.broken})", file=sys.stderr)
            return None

    @property
    def name(self) -> str | None:
        return self.kind

    @property
    def version(self) -> int | str | None:
        found: int | str | None = self.attempt(lambda: self.inner.version)
        return found

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        named = {f"{self.prefix}{name}": value for name, value in metrics.items()}
        if step is not None:
            named = {name: value for name, value in named.items() if (name, step) not in self.held}
            if not set(named) - {f"{self.prefix}epoch"}:  # Lightning adds the epoch to every row
                return
            self.held |= {(name, step) for name in named}
        self.attempt(lambda: self.inner.log_metrics(named, step))
        if step is not None and self.journal is not None and self.kind == "wandb":
            self.journal.add(list(named), step)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        self.attempt(lambda: self.inner.log_hyperparams(params, *args, **kwargs))

    def save(self) -> None:
        self.attempt(lambda: self.inner.save())

    def finalize(self, status: str) -> None:
        self.save()

    def end(self, status: str) -> None:
        """End the tracker's run.

        Args:
            status: ``done``, ``failed`` or ``stopped``.
        """
        if self.ended:
            return
        self.ended = True
        self.save()
        self.attempt(lambda: self.inner.finalize("success" if status == "done" else "failed"))
        inner: Any = self.inner
        if self.kind == "mlflow" and status == "stopped":
            self.attempt(lambda: inner.experiment.set_terminated(inner.run_id, "KILLED"))
        if self.kind == "wandb":
            self.attempt(lambda: inner.experiment.finish(exit_code={"done": 0, "failed": 1}.get(status, 130)))


@contextmanager
def ended_trackers(loggers: Sequence[SafeLogger]) -> Iterator[None]:
    """A block at whose end by an error the trackers say so; one that ends well has ended them itself."""
    try:
        yield
    except BaseException as error:
        for logger in loggers:
            logger.end("failed" if isinstance(error, Exception) else "stopped")
        raise


def build_loggers(config: Mapping[str, Any], folder: Path, name: str) -> list[SafeLogger]:
    """The trackers that the configuration asks for, each with a run of its own in the run's folder.

    Args:
        config: the node ``logger``: ``trackers``, ``project``, ``wandb_mode``.
        folder: the run's folder; two jobs of a sweep have two.
        name: the experiment's name.

    Raises:
        UserError: see :func:`check_trackers`.
    """
    check_trackers(config)
    return [_safely(kind, config, folder, name) for kind in config["trackers"]]


def check_trackers(config: Mapping[str, Any]) -> None:
    """Refuse trackers that could not start, before there is anything to track.

    Args:
        config: the node ``logger``.

    Raises:
        UserError: an unknown tracker, one whose package is not installed, or wandb online without a key.
    """
    for kind in config["trackers"]:
        if kind not in KNOWN:
            raise UserError(
                f"logger.trackers among {', '.join(KNOWN)}", kind, nearest(str(kind), KNOWN) or "choose some of them"
            )
        if kind in MISSING and importlib.util.find_spec(kind) is None:
            raise UserError(f"the package {kind} for the tracker {kind}", "it is not installed", MISSING[kind])
        if kind == "wandb":
            _check_key(config)


def _safely(kind: str, config: Mapping[str, Any], folder: Path, name: str) -> SafeLogger:
    from pytorch_lightning.loggers.logger import DummyLogger

    try:
        made = _make(kind, config, folder, name)
        return SafeLogger(made, kind, Journal(folder / f"{kind}.logged"))
    except Exception as error:  # no write access, no network: the run goes on without it
        dropped = SafeLogger(DummyLogger(), kind)
        dropped.broken = shortened(f"{type(error).__name__}: {error}", 300)
        print(f"warning: the tracker {kind} could not start, the run goes on ({dropped.broken})", file=sys.stderr)
        return dropped


def _make(kind: str, config: Mapping[str, Any], folder: Path, name: str) -> Logger:
    """The real logger. All of them call the run ``<experiment>-<its folder>``."""
    from pytorch_lightning import loggers

    folder.mkdir(parents=True, exist_ok=True)
    if kind == "csv":
        return loggers.CSVLogger(str(folder), name="csv", version="")
    if kind == "tensorboard":
        return loggers.TensorBoardLogger(str(folder), name="tensorboard", version="", default_hp_metric=False)
    label = f"{name}-{folder.name}"
    return _wandb(config, folder, label) if kind == "wandb" else _mlflow(config, folder, label)


def _wandb(config: Mapping[str, Any], folder: Path, label: str) -> Logger:
    # Set before wandb is imported: no report of errors goes out, and nothing is printed.
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb
    from pytorch_lightning.loggers import WandbLogger

    # System statistics would ask the cloud's metadata address; what the machine is stands in run.json.
    settings = wandb.Settings(
        silent=True, console="off", disable_git=True, x_disable_stats=True, x_disable_machine_info=True, init_timeout=30
    )
    ids = Ids(folder)
    known = ids["wandb"] or secrets.token_hex(4)
    ids["wandb"] = known
    online = config["wandb_mode"] == "online"
    made = WandbLogger(
        name=label,
        id=known,
        project=config["project"],
        save_dir=str(folder),
        offline=not online,
        resume="allow" if online else None,  # two offline folders of one name are one run once they are sent
        # A run of its own even where several live in one process, as the jobs of a sweep do.
        reinit="create_new",
        settings=settings,
    )
    # Lightning always passes an argument on that wandb has given up, and wandb warns of it in each run.
    vars(made).get("_wandb_init", {}).pop("anonymous", None)
    return made


def _mlflow(config: Mapping[str, Any], folder: Path, label: str) -> Logger:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow  # noqa: F401  sets up its logging, which the next lines quieten
    from pytorch_lightning.loggers import MLFlowLogger

    # They tell of every table of a new store, and that its experiment is new.
    for name in ("alembic", "mlflow", "mlflow.store.db.utils", "pytorch_lightning.loggers.mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    store = Path(config["mlflow_store"] or folder / "mlflow").absolute()
    store.mkdir(parents=True, exist_ok=True)
    ids = Ids(folder)
    for attempt in range(MLFLOW_ATTEMPTS):
        try:
            made = MLFlowLogger(
                run_id=_known_run(ids["mlflow"], f"sqlite:///{store / 'mlflow.db'}"),
                experiment_name=config["project"],
                run_name=label,
                tracking_uri=f"sqlite:///{store / 'mlflow.db'}",
                artifact_location=(store / "artifacts").as_uri(),
            )
            client: Any = made.experiment  # creates the tables, the experiment and the run
            if made.run_id is not None:
                ids["mlflow"] = made.run_id
                client.update_run(made.run_id, status="RUNNING")  # a killed one still says so, an interrupted one not
            return made
        except Exception:
            # Two jobs of a sweep that share a store may create its tables at once: the later one tries again.
            if attempt == MLFLOW_ATTEMPTS - 1:
                raise
            time.sleep(0.5 * 2**attempt)
    raise AssertionError("unreachable")


def _known_run(name: str | None, uri: str) -> str | None:
    """The run of that name, if the store still has it."""
    if name is None:
        return None
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        return name if MlflowClient(uri).get_run(name).info.lifecycle_stage == "active" else None
    except MlflowException:
        return None


def _check_key(config: Mapping[str, Any]) -> None:
    """wandb would ask for a key on the terminal; a run must never wait there."""
    if config["wandb_mode"] not in ("online", "offline"):
        got = str(config["wandb_mode"])
        fix = nearest(got, ("online", "offline")) or "choose one of them"
        raise UserError("logger.wandb_mode=online or offline", got, fix)
    if config["wandb_mode"] == "offline" or os.environ.get("WANDB_API_KEY"):
        return
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        known = netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        known = False
    if not known:
        raise UserError(
            "a key for wandb, since logger.wandb_mode=online",
            f"no WANDB_API_KEY and none for {host} in .netrc",
            "run wandb login once, or keep logger.wandb_mode=offline and send the run later with wandb sync",
        )
