"""What one server offers: tools, resources, templates and prompts, listed again when it says that something changed.

Law: a list that could not be read leaves the previous one in place; changes are coalesced, one listing is in flight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import anyio

from mcphost.errors import ServerError
from mcphost.servers.wire import WirePrompt, WireResource, WireTemplate, WireTool

if TYPE_CHECKING:
    from mcphost.servers.adapter.connection import Connection

Kind: TypeAlias = Literal["tools", "resources", "templates", "prompts"]
Announced: TypeAlias = Literal["tools", "resources", "prompts"]

QUIET = 0.5  # seconds that changes are gathered for before listing again
MAX_QUIET = 30.0  # the same for a server that never stops announcing changes
_KINDS: tuple[Kind, ...] = ("tools", "resources", "templates", "prompts")
_METHOD_NOT_FOUND = -32601


class Offer:
    """The lists of one server. `revision` grows whenever its tools change."""

    def __init__(self) -> None:
        self.revision = 0
        self._lists: dict[Kind, tuple[dict[str, Any], ...]] = dict.fromkeys(_KINDS, ())
        self._problems: dict[Kind, tuple[str, ...]] = {}
        self._stale: set[Announced] = set()
        self._changed = anyio.Event()

    @property
    def tools(self) -> tuple[WireTool, ...]:
        return cast("tuple[WireTool, ...]", self._lists["tools"])

    @property
    def resources(self) -> tuple[WireResource, ...]:
        return cast("tuple[WireResource, ...]", self._lists["resources"])

    @property
    def templates(self) -> tuple[WireTemplate, ...]:
        return cast("tuple[WireTemplate, ...]", self._lists["templates"])

    @property
    def prompts(self) -> tuple[WirePrompt, ...]:
        return cast("tuple[WirePrompt, ...]", self._lists["prompts"])

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for each piece of a list that was left out, and for each list that could not be read."""
        return tuple(line for kind in _KINDS for line in self._problems.get(kind, ()))

    def has_tool(self, name: str) -> bool:
        return any(tool["name"] == name for tool in self.tools)

    async def load(self, connection: Connection) -> None:
        """List everything the server declares, all lists at once.

        Raises:
            ServerError: the tools could not be listed; any other list that fails is a problem.
        """
        self._stale.clear()  # before: what changes from now on may be missing in what is listed
        await self._list(connection, _KINDS)

    def clear(self) -> None:
        """The server is gone for good."""
        for kind in _KINDS:
            self._put(kind, (), ())

    def restore(self, lists: Mapping[Kind, Sequence[dict[str, Any]]]) -> None:
        """These are the lists, as they were written down once."""
        for kind, found in lists.items():
            if tuple(found) != self._lists[kind]:
                self._put(kind, tuple(found), ())

    def announce(self, kind: Announced) -> None:
        """The server says that `kind` changed."""
        self._stale.add(kind)
        self._changed.set()

    async def follow(self, connection: Connection, listed: Callable[[Announced], None]) -> None:
        """List again what was announced, for ever; `listed` hears of each kind afterwards."""
        quiet = QUIET
        while True:
            await self._changed.wait()
            await anyio.sleep(quiet)
            stale, self._stale, self._changed = self._stale, set(), anyio.Event()
            kinds: list[Kind] = [*stale]
            if "resources" in stale:
                kinds.append("templates")
            try:
                await self._list(connection, kinds)
            except ServerError as error:
                self._problems["tools"] = (error.message,)
            for kind in sorted(stale):
                listed(kind)
            quiet = min(quiet * 2, MAX_QUIET) if self._stale else QUIET

    async def _list(self, connection: Connection, kinds: Iterable[Kind]) -> None:
        failures: dict[Kind, ServerError] = {}

        async def load(kind: Kind) -> None:
            try:
                self._put(kind, *await connection.listing(kind))
            except ServerError as error:
                failures[kind] = error

        async with anyio.create_task_group() as listing:
            for kind in kinds:
                if connection.offers(kind):
                    listing.start_soon(load, kind)
        for kind, error in failures.items():
            missing = kind == "templates" and error.detail.get("rpc_code") == _METHOD_NOT_FOUND
            self._problems[kind] = () if missing else (error.message,)
        if "tools" in failures:
            raise failures["tools"]

    def _put(self, kind: Kind, found: tuple[dict[str, Any], ...], problems: tuple[str, ...]) -> None:
        if kind == "tools" and found != self._lists["tools"]:
            self.revision += 1
        self._lists[kind] = found
        self._problems[kind] = problems
