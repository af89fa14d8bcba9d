"""Registry: how models, commands, output formats and listeners enter. Built-ins come through the same door as plug-ins.

A plug-in is a Python module with `register(registry)`. Plug-ins are code: they are named in the *user* configuration
alone (`mcphost.plugins`: an entry point of the group `mcphost.plugins`, a module, or a path to a .py file), and nothing
is ever discovered in the working directory.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol, TypeAlias, TypeVar

from mcphost.errors import ConfigError, UsageError
from mcphost.events import Show
from mcphost.frontends.formats import FORMATS, Format
from mcphost.host import Chat
from mcphost.journal import Record
from mcphost.models import APIS, ModelFactory

T = TypeVar("T")


class Plugin(Protocol):
    def register(self, registry: Registry) -> None: ...


@dataclass(frozen=True, slots=True)
class Leave:
    """The person wants to leave the chat."""


@dataclass(frozen=True, slots=True)
class Help:
    """`text` says what can be typed; it is shown, with what the frontend's keys do."""

    text: str


@dataclass(frozen=True, slots=True)
class Copy:
    """`text` is wanted on the clipboard."""

    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """`text` is to be edited, and then to stand in the input line."""

    text: str


@dataclass(frozen=True, slots=True)
class Fill:
    """`line` is to stand in the input line, to be gone on with; `choose`: by one of its completions. `said` is shown
    before."""

    line: str
    said: str = ""
    choose: bool = False


@dataclass(frozen=True, slots=True)
class Shell:
    """`command` is to run in the person's shell, in their sight."""

    command: str


@dataclass(frozen=True, slots=True)
class GoOn:
    """The conversation goes on in `chat`, which `record` was read for, or which begins anew. `said` is shown first."""

    chat: Chat
    said: str
    record: Record | None = None


Act: TypeAlias = Leave | Help | Copy | Edit | Fill | Shell | GoOn
"""What a command may want of the frontend it runs in, beside showing text."""

Offer: TypeAlias = tuple[str, str]
"""A word that could be typed, and what it stands for."""


async def _nothing(chat: Chat, line: str) -> Sequence[Offer]:
    return ()


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command: it takes a Chat and the rest of the line, and returns text, so that it runs in any frontend, or
    what it wants of the frontend. `complete` gets the rest of the line as far as it is typed, and offers words for its
    last one."""

    name: str
    help: str
    run: Callable[[Chat, str], Awaitable[str | Act]]
    usage: str = ""
    complete: Callable[[Chat, str], Awaitable[Sequence[Offer]]] = _nothing


class Registry:
    """What a host can do, by name. A name that is taken is an error that names both owners."""

    def __init__(self) -> None:
        self.apis: dict[str, ModelFactory] = {}
        self.commands: dict[str, Command] = {}
        self.formats: dict[str, Format] = {}
        self.listeners: list[Show] = []
        self.closers: list[Callable[[], None]] = []
        self._owners: dict[tuple[str, str], str] = {}
        self._owner = "mcphost"
        for name, factory in APIS.items():
            self.api(name, factory)
        for name, make in FORMATS.items():
            self.format(name, make)

    def api(self, name: str, factory: ModelFactory) -> None:
        """Let `name` stand for a model API, in `-m NAME/MODEL` and as `api` in `mcphost.models`."""
        self._take("model API", name, self.apis, factory)

    def command(self, command: Command) -> None:
        """Add the slash command `/NAME`."""
        self._take("command", command.name, self.commands, command)

    def format(self, name: str, make: Format) -> None:
        """Add an output format of `mcphost run`: `--output-format NAME`."""
        self._take("output format", name, self.formats, make)

    def listener(self, listen: Show, *, close: Callable[[], None] | None = None) -> None:
        """Let `listen` see every event after the frontend; `close` is called once when the host is done."""
        self.listeners.append(listen)
        if close is not None:
            self.closers.append(close)

    def load(self, plugins: Iterable[str]) -> None:
        """Import each plug-in and let it register.

        Raises:
            ConfigError: there is no such plug-in, it has no `register`, or a name is taken.
        """
        for name in plugins:
            self._owner = name
            module = _import(name)
            if not callable(getattr(module, "register", None)):
                raise ConfigError(f"plug-in {name!r} has no register(registry) function")
            module.register(self)
        self._owner = "mcphost"

    def close(self) -> None:
        for close in self.closers:
            close()

    def _take(self, kind: str, name: str, table: dict[str, T], value: T) -> None:
        if name in table:
            raise UsageError(
                f"the {kind} {name!r} of plug-in {self._owner!r} is already taken by {self._owners[kind, name]!r}"
            )
        table[name] = value
        self._owners[kind, name] = self._owner


def _import(name: str) -> ModuleType:
    try:
        if name.endswith(".py"):
            return _import_file(Path(name))
        return importlib.import_module(_entry_point(name) or name)
    except ImportError as error:
        raise ConfigError(
            f"plug-in {name!r} cannot be imported: {error}",
            hint="mcphost.plugins takes a name of the entry point group mcphost.plugins, a module, or a .py file.",
        ) from error


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"mcphost_plugin_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ImportError(f"no such file: {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _entry_point(name: str) -> str | None:
    from importlib.metadata import entry_points

    return next((entry.value for entry in entry_points(group="mcphost.plugins", name=name)), None)
