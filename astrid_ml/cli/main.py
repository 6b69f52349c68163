"""``astrid VERB key=value ...``: finds the verb, reports errors, sets the exit code.

Exit codes: 0 all done; 1 ran, but units or jobs failed; 2 the user's mistake; 130 interrupted.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress

from astrid_ml.errors import PeerLostError, UserError
from astrid_ml.footprint import footprint
from astrid_ml.interrupts import asked, bounded, ignore_signals, interruptible
from astrid_ml.printable import printable
from astrid_ml.ranks import first_process, one_training, rank_in_words
from astrid_ml.start import ending, threads_that_give_way

DONE, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130
# Words with which Hydra shows something and does no work.
SHOWING = frozenset(("--cfg", "-c", "--info", "-i", "--resolve", "--package", "-p"))


def main(arguments: Sequence[str] | None = None, verb: str | None = None) -> None:
    """Entry point of ``astrid``, ``python -m astrid_ml``, ``train.py`` and ``predict.py``; ends the process.

    Args:
        arguments: without the program's name; ``sys.argv[1:]`` by default.
        verb: fixed by the scripts at the project's root.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    threads_that_give_way()
    with interruptible(), bounded(_give_up):
        try:
            code = run([verb, *given] if verb else given, aloud=True)
        except KeyboardInterrupt:  # between the end of the command and here
            code = INTERRUPTED
        ignore_signals(for_good=True)
        if asked():  # at once: what libraries do at the end (processes that wait for each other) may take for ever
            _leave(code)
        ending()
        sys.exit(code)


def run(arguments: Sequence[str], aloud: bool = False) -> int:
    """Do what the arguments ask and return the exit code.

    Args:
        arguments: the verb and what follows it.
        aloud: say at once what begins.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us, not to Hydra's own printer
    with interruptible(), one_training(list(arguments[:1]) == ["train"]), footprint() as made:
        try:
            return _dispatch(list(arguments), aloud)
        except BaseException as error:
            code = _code_of(error, arguments)
            if code == MISTAKE:
                made.remove_empty()
            return code


def _code_of(error: BaseException, arguments: Sequence[str]) -> int:
    """Say what ended a command and give its exit code; an error of ours goes on as it is."""
    if asked() or isinstance(error, KeyboardInterrupt):
        ignore_signals()  # what the signal asked for is done
        return _interrupted()
    if isinstance(error, BrokenPipeError):
        return DONE
    rank = rank_in_words()
    if isinstance(error, PeerLostError):
        print(f"astrid: {rank}: {error}" if rank else f"astrid: {error}", file=sys.stderr, flush=True)
        return FAILED
    told = error if isinstance(error, UserError) else of_the_machine(error)
    if told is None:
        if of_a_guest(error, arguments):
            return FAILED
        if rank:
            print(f"astrid: {rank} ends with {type(error).__name__}", file=sys.stderr, flush=True)
        raise error
    said = f"astrid: expected {told.expected}\n        got {told.got}\n        {told.fix}"
    print(printable(f"astrid: {rank}: {told}" if rank else said), file=sys.stderr, flush=True)
    return MISTAKE


def of_a_guest(error: BaseException, arguments: Sequence[str]) -> bool:
    """Print an error that arose in a class of a plugin or of the user's own, and name that class; False for others."""
    import traceback

    from astrid_ml.installed import guest_of

    trusted = [word.partition("=")[2].strip("[]") for word in arguments if word.lstrip("+").startswith("trust=")]
    name = guest_of(error, ",".join(trusted).split(","))
    if name:
        traceback.print_exception(error)
        got = f"{type(error).__name__}: {error}"
        said = f"astrid: expected {name} to end without an error\n        got {got}\n        repair it there: astrid"
        print(printable(f"{said} only called it"), file=sys.stderr, flush=True)
    return bool(name)


def _interrupted() -> int:
    """Say it, and give the exit code."""
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return DONE  # Lightning would kill the main process at once, before it has said a word
    if not first_process():
        return INTERRUPTED
    with suppress(OSError):  # nobody may be there to read it
        print("astrid: interrupted; run the same command again to carry on", file=sys.stderr, flush=True)
    return INTERRUPTED


def _give_up() -> None:
    _leave(_interrupted())


def _leave(code: int) -> None:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def of_the_machine(error: BaseException) -> UserError | None:
    """A full disk, a missing right, a lost mount: what the user can do; None for anything else."""
    from astrid_ml.pipeline.machine import of_command

    return of_command(error)


def _say_broken_plugins() -> None:
    from astrid_ml.installed import broken

    if first_process():
        for plugin in broken():
            print(printable(f"astrid: {plugin.said()}"), file=sys.stderr)


def _dispatch(arguments: list[str], aloud: bool) -> int:
    if arguments[:1] == ["completion"]:
        from astrid_ml.cli.completion import completion

        print(completion(arguments[1:]), end="")
        return DONE
    from astrid_ml.cli.given import configuration_of
    from astrid_ml.cli.help import of_verb, overview
    from astrid_ml.cli.verbs.catalogue import all_verbs

    conf = configuration_of(arguments)
    _say_broken_plugins()
    if not arguments or arguments[0] in ("-h", "--help") or list(arguments) == ["help"]:
        print(printable(overview(conf)))
        return DONE
    if arguments[0] == "--version":
        from astrid_ml import __version__

        print(__version__)
        return DONE
    verbs = all_verbs(conf)
    if arguments[0] == "help":
        arguments = [*arguments[1:], "--help"]
    name, rest = arguments[0], arguments[1:]
    if name.startswith("-") and (typed := [word for word in rest if word in verbs]):
        words = [typed[0], *(word for word in arguments if word != typed[0])]
        raise UserError("astrid VERB ..., flags behind the verb", name, f"write astrid {shlex.join(words)}")
    if name not in verbs:
        from astrid_ml.nearest import nearest

        raise UserError(
            f"a command: {', '.join(verbs)}", name, nearest(name, [*verbs, "completion"]) or "see astrid --help"
        )
    if any(argument in ("-h", "--help") for argument in rest):
        print(printable(of_verb(verbs[name], conf, rest)))
        return DONE
    if aloud:
        announce(name, rest)
    from astrid_ml.cli.compose import run_verb

    return run_verb(verbs[name], rest, conf, aloud)


def announce(verb: str, arguments: Sequence[str]) -> None:
    """Say at once, on standard error, what begins: reading the configuration and loading libraries takes seconds.

    Further processes of a training say nothing, nor a command that only shows what Hydra has composed.

    Args:
        verb: as typed.
        arguments: after it.
    """
    if not first_process() or any(argument.split("=")[0] in SHOWING for argument in arguments):
        return
    choices = [argument for argument in arguments if argument.startswith(("experiment=", "what="))]
    chosen = choices[-1] if choices else ""
    said = f"astrid {verb} {chosen}".rstrip()
    print(printable(f"{said}: reading the configuration and loading libraries"), file=sys.stderr, flush=True)
