"""`mcphost`: the chat. The prompt comes first; servers and imports follow while a person types."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from mcphost import __version__
from mcphost.cli import loop, options, recall
from mcphost.cli.exits import Exit, report
from mcphost.cli.setup import Boot, Paths, boot, keep_from_log, spawn_each, system_text, warm
from mcphost.config import private
from mcphost.errors import McpHostError, UsageError

if TYPE_CHECKING:
    from mcphost.approvals import Mode
    from mcphost.config.schema import Editing
    from mcphost.host import Host
    from mcphost.journal import Record
    from mcphost.journal.sqlite import SqliteJournal
    from mcphost.models.base import Model
    from mcphost.plugins import Registry
    from mcphost.questions import Frontend

PICK = "?"  # the value of `-r` without one
SWITCH = 0.001  # seconds after which the importing thread lets the keyboard's go on


class Voice(Protocol):
    """How the start of a chat is commented."""

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


@click.command()
@options.apply(options.CONFIG, options.MODEL, options.SERVER, options.ALLOW, options.DENY)
@options.apply(options.NO_PROJECT, options.MODE, options.YOLO, options.GUARD, options.SYSTEM, options.MAX_STEPS)
@click.option("-c", "--continue", "latest", is_flag=True, help="Go on with the latest chat of this directory.")
@click.option(
    "-r",
    "--resume",
    metavar="[ID]",
    is_flag=False,
    flag_value=PICK,
    help="Go on with a recorded chat; without ID, choose one from a list.",
)
@click.option(
    "--plain", is_flag=True, envvar="MCPHOST_PLAIN", help="Lines in, lines out: for screen readers and for pipes."
)
@options.apply(options.NO_JOURNAL, options.VERBOSE, options.DEBUG, options.NO_COLOR)
def chat(
    configs: tuple[Path, ...],
    model: str | None,
    only: tuple[str, ...],
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    no_project: bool,
    mode: Mode,
    yolo: bool,
    guard: bool,
    system: str | None,
    max_steps: int | None,
    latest: bool,
    resume: str | None,
    plain: bool,
    no_journal: bool,
    verbose: bool,
    debug: bool,
    no_color: bool,
) -> int:
    """Talk with a model that may use your servers' tools, with your consent.

    Type /help in the chat for what can be typed. Esc or Ctrl+C stops an answer, Ctrl+D on an empty line leaves.
    """
    started: Boot | None = None
    try:
        if not plain:
            _require_terminal()
        text = system_text(system)
        if not (configs or model or only or plain):
            _welcome_the_first_time(no_project)
        started = boot(
            configs,
            only=only,
            allow=allow,
            deny=deny,
            max_steps=max_steps,
            model=model,
            start=False,
            untrusted="ask",
            no_project=no_project,
        )
        if debug:
            _log_to_file(started.paths.state / "debug.log")
            keep_from_log(started.secrets)
        if no_journal:
            started.config = replace(started.config, journal=replace(started.config.journal, enabled=False))
        record = recall.wanted(started, "latest" if latest else resume, model)
        start = Start(started, text, record, mode, yolo, guard)
        if plain or os.environ.get("TERM", "dumb") in ("dumb", "unknown", ""):
            return loop.run(lambda: _plain(start, verbose))
        return loop.run(lambda: _on_screen(start, verbose, color=not no_color))
    except (McpHostError, Exit, BaseExceptionGroup) as error:
        return report(error, debug=debug, secrets=started.secrets if started else None)
    finally:
        if started is not None:
            started.reaper.close()


class Start:
    """From a configuration to a Host, while the prompt is live."""

    def __init__(self, started: Boot, system: str, record: Record | None, mode: Mode, yolo: bool, guard: bool) -> None:
        self._boot = started
        self._system = system
        self.record = record
        self.mode: Mode = mode
        self.yolo = yolo
        self._guard = guard
        self._journal: SqliteJournal | None = None
        self.registry: Registry | None = None

    @property
    def pictures(self) -> Path:
        return self._boot.paths.state / "pictures"

    @property
    def history(self) -> Path:
        return self._boot.paths.state / "history"

    @property
    def environ(self) -> Mapping[str, str]:
        return self._boot.environ

    @property
    def editing(self) -> Editing:
        return self._boot.config.editing

    async def host(self, frontend: Frontend, voice: Voice) -> tuple[Host, Registry]:
        """Spawn the servers, import everything heavy in one thread, and make the Host; not yet entered.

        Raises:
            McpHostError: a plug-in cannot be loaded.
        """
        for _ in spawn_each(self._boot):
            await asyncio.sleep(0)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH)
        try:
            await asyncio.to_thread(_import_app)
            host, self.registry = self._made(frontend)
            self._comment(voice)
            await asyncio.to_thread(warm, _model(host))
        finally:
            sys.setswitchinterval(interval)
        return host, self.registry

    def _made(self, frontend: Frontend) -> tuple[Host, Registry]:
        from mcphost import app
        from mcphost.approvals import Coverage, Remembered
        from mcphost.servers.eras import EraFile

        boot = self._boot
        if boot.config.journal.enabled:
            self._journal = recall.open_journal(boot.config, boot.paths, frontend.show)
        registry = app.registry(boot.config)
        return app.host(
            boot.config,
            registry,
            frontend,
            environ=boot.environ,
            mode=self.mode,
            yolo=self.yolo,
            guard=self._guard,
            remembered=Remembered(boot.paths.answers),
            coverage=Coverage(boot.paths.coverage),
            system=self._system,
            spill=boot.paths.state / "results",
            processes=boot.processes,
            reaper=boot.reaper,
            eras=EraFile(boot.paths.eras),
            journal=self._journal,
        ), registry

    def close(self) -> None:
        if self.registry is not None:
            self.registry.close()
        if self._journal is not None:
            self._journal.close()

    def _comment(self, voice: Voice) -> None:
        from mcphost.models import default_model

        if self.yolo:
            voice.warn("--yolo: every call runs unasked, but for what a deny rule forbids")
        for line in self._boot.config.widening:
            voice.warn(line)
        if self._boot.config.model is None:
            name, why = default_model(self._boot.environ, self._boot.config.endpoints)
            voice.note(f"model {name}: {why}")


async def _on_screen(start: Start, verbose: bool, *, color: bool) -> int:
    from prompt_toolkit.input import create_input

    from mcphost.terminal.ahead import keep_typed_ahead
    from mcphost.terminal.compose import on_screen
    from mcphost.terminal.scrollback import Terminal

    output = Terminal(sys.stdout, _size, os.environ["TERM"])
    keyboard = create_input(sys.stdin)
    keep_typed_ahead(keyboard)
    repl = on_screen(
        lambda frontend: start.host(frontend, frontend),
        output=output,
        input=keyboard,
        history=start.history,
        environ=start.environ,
        editing=start.editing,
        mode=start.mode,
        yolo=start.yolo,
        color=color,
        verbose=verbose,
        resume=start.record,
        pictures=start.pictures,
    )
    repl.frontend.note(f"mcphost {__version__} · /help says what can be typed · Ctrl+D leaves")
    return await _closing(start, repl.run)


async def _plain(start: Start, verbose: bool) -> int:
    from mcphost.frontends import Narrator
    from mcphost.terminal.plain import LineFrontend, PlainChat

    asked_at = sys.stdin.fileno() if sys.stdin.isatty() else None  # a pipe answers no question
    narrator = Narrator(sys.stdout, terminal=asked_at, environ=start.environ, verbose=verbose)
    frontend = LineFrontend(sys.stdout, narrator, pictures=start.pictures)
    frontend.note(f"mcphost {__version__}. /help says what can be typed, Ctrl+D leaves.")
    chat = PlainChat(
        lambda: start.host(frontend, frontend),
        frontend=frontend,
        source=sys.stdin.fileno(),
        environ=start.environ,
        resume=start.record,
    )
    return await _closing(start, chat.run)


async def _closing(start: Start, run: Callable[[], Coroutine[Any, Any, int]]) -> int:
    try:
        return await run()
    finally:
        start.close()


def _import_app() -> None:
    from mcphost import app, commands  # noqa: F401
    from mcphost.terminal import render  # noqa: F401


def _model(host: Host) -> Model | None:
    """The model, where it can be opened; the chat says why not."""
    try:
        return host.open_model()
    except McpHostError:
        return None


def _size() -> tuple[int, int]:
    """Columns and rows; what is usual where the terminal does not know."""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        return 80, 24
    return size.columns or 80, size.lines or 24


def _require_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "the chat needs a terminal, and stdin or stdout is none",
            hint='For scripts there is `mcphost run "…"`; `--plain` chats through a pipe.',
        )


def _welcome_the_first_time(no_project: bool) -> None:
    from mcphost.cli.welcome import is_first, welcome
    from mcphost.config import project

    paths = Paths.of_user()
    if is_first(paths, os.environ) and (no_project or not any(project.find(Path.cwd()))):
        welcome(paths, os.environ)


def _log_to_file(path: Path) -> None:
    """The screen belongs to the chat, so that `--debug` writes here."""
    private.make(path.parent)
    path.touch(mode=0o600)
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.DEBUG, filename=path, encoding="utf-8", format=form)
    print(f"debug log: {path}", file=sys.stderr)
