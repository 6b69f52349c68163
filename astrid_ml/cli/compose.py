"""Runs a verb through Hydra: overrides in, a composed configuration out, Hydra's complaints made readable."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from astrid_ml.cli.check import check_early, check_values
from astrid_ml.cli.effects import check_effects, note_unused, refuse_twice, refuse_untaken
from astrid_ml.cli.explain import explain, explain_before
from astrid_ml.cli.given import flags_first, whole_flags
from astrid_ml.cli.outputs import enter_job, folders_of_jobs, owned_output
from astrid_ml.cli.overrides import rewrite
from astrid_ml.cli.typed import WORDS, check_typed, is_sweep, named
from astrid_ml.cli.verbs.catalogue import Verb
from astrid_ml.cli.verbs.keys import keys_of
from astrid_ml.cli.verbs.misfit import shown
from astrid_ml.errors import UserError
from astrid_ml.layers import Folder
from astrid_ml.progress import waiting
from astrid_ml.run.survey import settle_given
from astrid_ml.start import importing

# Exit codes of the jobs that ran in this process, and the failures that a sweep's callback counted.
_codes: list[int] = []
_starting: list[ExitStack] = []


def report_failures(count: int) -> None:
    """Let a sweep that ended with failed jobs end with exit code 1."""
    _codes.append(1 if count else 0)


def run_verb(verb: Verb, arguments: Sequence[str], conf: Folder, aloud: bool = False) -> int:
    """Compose the configuration of a verb and run it, once or as a sweep.

    Args:
        verb: that was typed.
        arguments: after it.
        conf: the folder of the configuration.
        aloud: say that it goes on while libraries are loaded.

    Returns:
        The largest exit code of the jobs.
    """
    with ExitStack() as starting:
        starting.enter_context(importing())  # both until the first job works
        starting.enter_context(waiting("loading libraries", aloud))
        _starting.append(starting)
        try:
            return _run(verb, arguments, conf)
        finally:
            _starting.clear()
            forget_command()


def work_begins() -> None:
    """End what lasts until the first job works. A job in another process has nothing to end."""
    while _starting:
        _starting.pop().close()


def _run(verb: Verb, arguments: Sequence[str], conf: Folder) -> int:
    """The jobs of a verb. What a job holds must go to other processes: launchers send it there."""
    words = named(whole_flags(arguments), WORDS.get(verb.config, ()))
    overrides = _for_hydra(words, verb, conf)
    of_its_own, more = folders_of_jobs(overrides, verb, conf)
    command: Callable[[Any], int] = importlib.import_module(f"astrid_ml.cli.{verb.module}").command
    import hydra

    from astrid_ml.searchpath import announce

    announce()
    _look_at_jobs(overrides, verb, conf, words)
    original, stopped = list(sys.argv), list[Exception]()

    def job(cfg: Any) -> None:
        # Lightning starts further DDP processes from sys.argv: give it back what the user typed.
        with _argv(relaunch_arguments(original, verb.name, arguments)):
            try:
                _refuse_first(cfg, words)
                if of_its_own:
                    enter_job(cfg)
                settle_given(cfg, conf)
                check_early(cfg, verb, keys := keys_of(verb.config, conf))
                check_values(cfg, lambda key: keys[key])
                with owned_output(cfg, verb, conf):
                    _note_shard(cfg, verb, conf)
                    work_begins()
                    _codes.append(command(cfg))
            except Exception as error:
                if in_sweep():
                    _failed(cfg, explain(error, conf, verb, words) or error)  # and the other jobs go on
                else:
                    stopped.append(error)  # raised below: Hydra would print its own lines first

    _codes.clear()
    job.__module__ = f"astrid_ml.cli.{verb.module}"
    entry = hydra.main(version_base="1.3", config_path="pkg://astrid_ml.conf", config_name=verb.config)(job)
    with _argv([original[0], *flags_first([*overrides, *more])]):
        try:
            entry()
            if stopped:
                raise stopped[0]
        except (UserError, KeyboardInterrupt):
            raise
        except Exception as error:
            explained = (explain if stopped else explain_before)(error, conf, verb, words)
            if explained is None:
                raise
            raise explained from error
    return max(_codes, default=0)


def _for_hydra(words: Sequence[str], verb: Verb, conf: Folder) -> list[str]:
    """The words as Hydra reads them, where each can mean something and has an effect."""
    check_typed(words, verb, conf)
    check_effects(words, verb, conf)
    overrides = rewrite(words, verb.config, conf)
    refuse_twice(words, overrides)
    note_unused(words, verb)
    return overrides


def _refuse_first(cfg: Any, words: Sequence[str]) -> None:
    """What the words cannot do to the configuration that they compose."""
    from omegaconf import OmegaConf

    refuse_own_trust(cfg, words)
    raw = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(raw, dict)
    refuse_untaken({str(key): value for key, value in raw.items()}, words)


def _look_at_jobs(overrides: Sequence[str], verb: Verb, conf: Folder, words: Sequence[str]) -> None:
    if not is_sweep(overrides):
        return
    from astrid_ml.cli.jobs import check_jobs

    try:
        check_jobs(overrides, verb, conf)
    except UserError:
        raise
    except Exception as error:
        explained = explain_before(error, conf, verb, words)
        if explained is None:
            raise
        raise explained from error


def _failed(cfg: Any, error: Exception) -> None:
    """A job of a sweep failed."""
    from astrid_ml.cli.jobs import record_failed_job

    _codes.append(1)
    record_failed_job(cfg, error)


def _note_shard(cfg: Any, verb: Verb, conf: Folder) -> None:
    if cfg.get("shard") is not None:
        from astrid_ml.cli.shards import note_command

        note_command(cfg, verb, conf)


def refuse_own_trust(cfg: Any, words: Sequence[str]) -> None:
    """Only what is typed trusts a class: a file that came from elsewhere cannot."""
    if cfg.get("trust") and not any(word.lstrip("+").startswith("trust=") for word in words):
        fix = f"if you trust them, type trust={shown(list(cfg.trust))}"
        raise UserError("trust= on the command line", f"trust in a file of the configuration: {list(cfg.trust)}", fix)


def forget_command() -> None:
    """Let nothing that runs later in this process take Hydra's note of this command for its own."""
    from hydra.core.hydra_config import HydraConfig

    HydraConfig.instance().cfg = None


def in_sweep() -> bool:
    """Whether this job is one of a multirun."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)


def relaunch_arguments(argv: Sequence[str], verb: str, arguments: Sequence[str]) -> list[str]:
    """``sys.argv`` as it was typed, with paths quoted again by the new process itself."""
    script_has_verb = Path(argv[0]).name in ("train.py", "predict.py")
    return [argv[0], *([] if script_has_verb else [verb]), *arguments]


@contextmanager
def _argv(arguments: list[str]) -> Iterator[None]:
    before, sys.argv = sys.argv, arguments
    try:
        yield
    finally:
        sys.argv = before
