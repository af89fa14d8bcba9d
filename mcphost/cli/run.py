"""`mcphost run`: one task, the answer alone on stdout."""

from __future__ import annotations

import os
import select
import stat
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from mcphost.cli import options, recall
from mcphost.cli.exits import Exit, report
from mcphost.cli.setup import (
    Boot,
    boot,
    keep_from_log,
    log_to_stderr,
    say_default_model,
    system_text,
    terminal,
    wants_color,
    warm,
)
from mcphost.errors import McpHostError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcphost.agent import OnUnknown
    from mcphost.approvals import Lock, Mode
    from mcphost.frontends.formats import Format
    from mcphost.journal import Record
    from mcphost.recording import Recorder

FIRST_BYTE_SECONDS = 3.0


@dataclass(frozen=True)
class Wish:
    """What the command line asked for, beyond what the configuration can say."""

    mode: Mode
    yolo: bool
    output_format: str
    output: Path | None
    timeout: float | None
    quiet: bool
    verbose: bool
    debug: bool
    color: bool
    guard: bool = False
    on_unknown: OnUnknown = "fail"
    pauses: bool = False
    record: Path | None = None

    @property
    def machine(self) -> bool:
        return self.output_format != "text"


@click.command()
@click.argument("task", required=False)
@options.apply(options.CONFIG, options.MODEL, options.SERVER, options.ALLOW, options.DENY)
@options.apply(options.TRUST_PROJECT, options.NO_PROJECT)
@options.apply(options.MODE, options.YOLO, options.GUARD)
@click.option("--locked", is_flag=True, envvar="MCPHOST_LOCKED", help="Refuse whatever is not as in mcphost.lock.")
@options.apply(options.OUTPUT_FORMAT, options.JSON_FORMAT, options.OUTPUT)
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what the model and the servers say to FILE, without secrets, for `mcphost replay`.",
)
@options.apply(options.SYSTEM, options.MAX_STEPS)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    envvar="MCPHOST_TIMEOUT",
    metavar="SECONDS",
    help="End the run after this long, with what there is.",
)
@click.option(
    "--resume",
    metavar="RUN|latest",
    help="Go on with a run that was interrupted, instead of a TASK; latest: the last one of this directory.",
)
@click.option(
    "--on-ask",
    type=click.Choice(["refuse", "pause"]),
    default="refuse",
    envvar="MCPHOST_ON_ASK",
    help="Where nobody can be asked about a call: refuse it, or end the run as paused until `mcphost runs approve` or "
    "`deny` answers and --resume goes on.",
)
@options.apply(options.ON_UNKNOWN, options.NO_JOURNAL)
@options.apply(options.QUIET, options.VERBOSE, options.DEBUG, options.NO_COLOR)
def run(
    task: str | None,
    configs: tuple[Path, ...],
    model: str | None,
    only: tuple[str, ...],
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    accepted: tuple[str, ...],
    no_project: bool,
    mode: Mode,
    yolo: bool,
    guard: bool,
    locked: bool,
    output_format: str,
    output: Path | None,
    record: Path | None,
    system: str | None,
    max_steps: int | None,
    timeout: float | None,
    resume: str | None,
    on_ask: Literal["refuse", "pause"],
    on_unknown: OnUnknown | None,
    no_journal: bool,
    quiet: bool,
    verbose: bool,
    debug: bool,
    no_color: bool,
) -> int:
    """Do one task and print the answer.

    TASK may come from stdin ("-"), or be joined by what is piped in. Progress, notices and questions go to stderr. It
    asks only when stdin and stderr are terminals; otherwise a call that needs consent is refused, the turn goes on, and
    the exit code is 6.
    """
    wish = Wish(
        mode,
        yolo,
        output_format,
        output,
        timeout,
        quiet,
        verbose,
        debug,
        color=wants_color(no_color),
        guard=guard,
        on_unknown=on_unknown or "fail",
        pauses=on_ask == "pause",
        record=record,
    )
    started: Boot | None = None
    try:
        if debug:
            log_to_stderr()
        text = system_text(system)
        lock = _lock() if locked else None
        started = boot(
            configs,
            only=only,
            allow=allow,
            deny=deny,
            max_steps=max_steps,
            model=model,
            lock=lock,
            untrusted="refuse",
            accepted=accepted,
            no_project=no_project,
        )
        keep_from_log(started.secrets)
        if no_journal:
            started.config = replace(started.config, journal=replace(started.config.journal, enabled=False))
        if wish.pauses and not started.config.journal.enabled:
            raise UsageError("a run can pause only if it is recorded", hint="Leave out --no-journal or --on-ask pause.")
        if resume is None:
            return _run(started, _whole_task(task), text, wish, lock)
        if task is not None:
            raise UsageError("--resume goes on with the task it had", hint="Leave TASK out.")
        if record is not None:
            raise UsageError("--record is about a whole run, and --resume about the rest of one", hint="Leave one out.")
        interrupted = recall.wanted(started, resume, model)
        assert interrupted is not None
        wish = replace(wish, pauses=wish.pauses or bool(interrupted.waiting))
        return _run(started, interrupted, text, wish, lock)
    except (McpHostError, BrokenPipeError, Exit) as error:
        return report(error, machine=wish.machine, debug=debug, secrets=started.secrets if started else None)
    finally:
        if started is not None:
            started.reaper.close()


def _lock() -> Lock:
    from mcphost.approvals import lock

    return lock.Lock.read(Path(lock.NAME))


def _run(started: Boot, task: str | Record, system: str, wish: Wish, lock: Lock | None) -> int:
    from mcphost import app
    from mcphost.approvals import Coverage, Remembered
    from mcphost.cli import loop
    from mcphost.cli import task as tasks
    from mcphost.frontends.formats import Output
    from mcphost.servers.eras import EraFile

    registry = app.registry(started.config)
    output = Output(
        sys.stdout,
        sys.stderr,
        terminal=terminal(),
        quiet=wish.quiet,
        verbose=wish.verbose,
        color=wish.color,
        environ=started.environ,
        secrets=started.secrets,
    )
    frontend = chosen_format(registry.formats, wish.output_format)(output)
    recorder = _recorder(wish.record, started) if wish.record else None
    journal = None
    if started.config.journal.enabled:
        journal = recall.open_journal(started.config, started.paths, frontend.show)
    host = app.host(
        started.config,
        registry,
        frontend,
        environ=started.environ,
        mode=wish.mode,
        yolo=wish.yolo,
        origin="run",
        remembered=Remembered(started.paths.answers),
        coverage=Coverage(started.paths.coverage),
        lock=lock,
        guard=wish.guard,
        pauses=wish.pauses,
        system=system,
        spill=started.paths.state / "results",
        processes=started.processes,
        reaper=started.reaper,
        eras=None if lock else EraFile(started.paths.eras),  # a lock is about what servers say now
        journal=journal,
        edges=recorder,
    )
    if not wish.quiet:
        say_default_model(started)
    warm(host.open_model())
    try:
        return loop.run(lambda: tasks.do(host, frontend, task, wish))
    finally:
        registry.close()
        if recorder is not None:
            recorder.close()
            if recorder.problem:
                print(f"mcphost: the recording is incomplete: {recorder.problem}", file=sys.stderr)
        if journal is not None:
            journal.close()


def _recorder(file: Path, started: Boot) -> Recorder:
    from mcphost.config.secrets import Secrets
    from mcphost.recording import Recorder

    return Recorder(file, redact=Secrets.of(started.config, started.environ).redact)


def _whole_task(task: str | None) -> str:
    """TASK, stdin, or TASK followed by what is piped in.

    Raises:
        UsageError: there is no task at all, or stdin is no text.
    """
    piped = ""
    if task == "-" or (task is None and not sys.stdin.isatty()) or (task and _speaks(sys.stdin.fileno())):
        try:
            piped = sys.stdin.read()
        except UnicodeDecodeError as error:
            raise UsageError(f"stdin is no UTF-8 text: {error}") from None
    whole = "\n\n".join(part for part in (None if task == "-" else task, piped.strip("\n")) if part)
    if not whole.strip():
        raise UsageError("there is no task", hint='Give one: mcphost run "…", or pipe it in.')
    return whole


def _speaks(stdin: int) -> bool:
    """Whether something is being piped in: a file, or a pipe whose first byte comes soon enough."""
    kind = os.fstat(stdin).st_mode
    if stat.S_ISREG(kind):
        return True
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return False
    readable, _, _ = select.select([stdin], [], [], FIRST_BYTE_SECONDS)
    return bool(readable)


def chosen_format(formats: Mapping[str, Format], name: str) -> Format:
    """The format of this name: plug-ins add their own, so that only now all of them are known."""
    if name not in formats:
        raise UsageError(f"there is no output format {name!r}", hint=f"There are {', '.join(formats)}.")
    return formats[name]
