"""What a model may call now, and the way from a call to its result.

Law 10: a tool's failure is a result for the model. Law 2: only the very definition that was allowed is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from mcphost.config.schema import Limits, ServerConfig
from mcphost.config.secrets import NONE, Secrets
from mcphost.errors import McpHostError, ServerError, ServerLost, ServerTimeout, ServerUnavailable, SignInNeeded
from mcphost.messages import Origin, ToolCall, ToolResult, text_block
from mcphost.servers.dial import limits_of
from mcphost.servers.wire import Caller, CallOutcome, Progress, WireTool
from mcphost.text import one_line
from mcphost.tools.arguments import ArgumentChecker
from mcphost.tools.definitions import Hopeless, Tool, pin_of
from mcphost.tools.local import LocalServer, LocalTool
from mcphost.tools.names import Pair, model_names
from mcphost.tools.results import capped

REPEATED = "the server was lost while it ran; it was repeated by itself, as it only reads or may run twice"


class ToolServer(Protocol):
    """What the toolbox needs of a server. `tools` is a new tuple whenever they have been listed again."""

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def tools(self) -> tuple[WireTool, ...]: ...

    @property
    def config(self) -> ServerConfig | None: ...

    async def ready(self) -> None:
        """Wait until it is ready, or cannot become so."""

    async def call(
        self, tool: str, arguments: Mapping[str, Any], *, caller: Caller | None, progress: Progress | None
    ) -> CallOutcome: ...


@dataclass(frozen=True, slots=True)
class _Listing:
    """What one server lists, as far as the snapshot depends on it."""

    server: str
    tools: tuple[WireTool, ...]
    config: ServerConfig | None

    def same(self, other: _Listing) -> bool:
        return self.server == other.server and self.config is other.config and self.tools is other.tools


class Toolbox:
    """The tools of `servers` that are ready, and `local` Python functions as the server "local".

    `hidden(server, tool)` leaves tools out of sight. Results longer than `limits.result_tokens` are cut, and
    saved under the directory `spill` where one is given. `entry` gives a server's canonical definition. `secrets`
    do not come back in a result.
    """

    def __init__(
        self,
        servers: Callable[[], Iterable[ToolServer]],
        local: Sequence[LocalTool] = (),
        *,
        limits: Limits,
        spill: Path | None = None,
        hidden: Callable[[str, str], bool] = lambda server, tool: False,
        entry: Callable[[ServerConfig | None], Mapping[str, Any]] = lambda config: {},
        secrets: Secrets = NONE,
    ) -> None:
        self._configured = servers
        self._local = LocalServer(local)
        self._limits = limits
        self._spill = spill
        self._hidden = hidden
        self._entry = entry
        self._secrets = secrets
        self._checker = ArgumentChecker()
        self._listings: list[_Listing] = []
        self._tools: Mapping[str, Tool] = MappingProxyType({})
        self._unseen: tuple[Tool, ...] = ()
        self._left_out: tuple[str, ...] = ()

    def snapshot(self) -> Mapping[str, Tool]:
        """What may be called now by model-side name, sorted by (server, tool): the order servers list in is no news.

        The same object until a server comes, goes or lists again.
        """
        listings = [
            _Listing(server.name, server.tools, server.config)
            for server in sorted(self._servers(), key=lambda server: server.name)
            if server.state == "ready"
        ]
        if len(listings) != len(self._listings) or not all(map(_Listing.same, listings, self._listings)):
            self._listings = listings
            self._tools, self._unseen, self._left_out = self._sorted_out(listings)
        return self._tools

    @property
    def unseen(self) -> tuple[Tool, ...]:
        """Those of the last snapshot's servers that `hidden` left out."""
        return self._unseen

    @property
    def problems(self) -> tuple[str, ...]:
        """Tools of the last snapshot that were left out, and tools whose arguments nobody here checks, with the why."""
        unchecked = (
            f"{one_line('__'.join(pair), 100)}: its arguments are left for the server to check: {why}"
            for pair, why in self._checker.unchecked.items()
        )
        return (*self._left_out, *unchecked)

    def check(self, tool: Tool, arguments: Mapping[str, Any]) -> str | None:
        """What is wrong with these arguments, in words for the model; None if nothing is, or nobody can tell."""
        return self._checker.check(tool, arguments)

    async def call(
        self,
        call: ToolCall,
        tool: Tool,
        *,
        pin: str,
        caller: Caller | None = None,
        progress: Progress | None = None,
    ) -> ToolResult:
        """Run an allowed call. `pin` is that of the definition the consent was given for; any other one is refused.

        Whatever the tool or its server does wrong is in the result; only a bug raises.
        """
        try:
            outcome = await self._outcome(call, tool, pin, caller, progress)
        except (ServerError, SignInNeeded) as error:
            words = self._secrets.redact(_what_happened(error, tool))
            outcome = CallOutcome((text_block(words),), is_error=True)
        origin = Origin(tool.destination(call.arguments or {}), tool.tool)
        return ToolResult(call.id, outcome.content, outcome.structured, outcome.is_error, origin, outcome.note)

    async def _outcome(
        self, call: ToolCall, tool: Tool, pin: str, caller: Caller | None, progress: Progress | None
    ) -> CallOutcome:
        import anyio.to_thread

        server = self._listed(tool, pin)
        if call.arguments is None:
            raise ServerUnavailable("The call did not run: its arguments are not a JSON object.")
        try:
            outcome = await server.call(tool.tool, call.arguments, caller=caller, progress=progress)
        except ServerLost as loss:
            server = await self._again(server, tool, pin, loss)
            outcome = await server.call(tool.tool, call.arguments, caller=caller, progress=progress)
            outcome = replace(outcome, note="; ".join(filter(None, [REPEATED, outcome.note])))
        # In a thread: looking through megabytes of it would stop the loop, and files may be written.
        tokens = limits_of(server.config, self._limits).result_tokens
        return await anyio.to_thread.run_sync(self._at_the_door, outcome, tokens)

    def _at_the_door(self, outcome: CallOutcome, tokens: int) -> CallOutcome:
        """Secrets first: what is cut or saved may hold none either."""
        return capped(self._secrets.redacted(outcome), tokens, self._spill)

    async def _again(self, server: ToolServer, tool: Tool, pin: str, loss: ServerLost) -> ToolServer:
        """The server once it is back, for a call that may be repeated: by the word of the user, or of a server whose
        annotations the user trusts. Raises `loss` where it may not, or the server stays away."""
        import anyio

        if not tool.repeatable:
            raise loss
        with anyio.move_on_after(self._limits.connect):
            await server.ready()
        if server.state != "ready":
            raise loss
        return self._listed(tool, pin)

    def _servers(self) -> list[ToolServer]:
        return [*self._configured(), self._local]

    def _listed(self, tool: Tool, pin: str) -> ToolServer:
        """The server that lists exactly this definition now.

        Raises:
            ServerUnavailable: none does.
        """
        server = next((server for server in self._servers() if server.name == tool.server), None)
        if server is None:
            raise ServerUnavailable(f"The call did not run: there is no server {tool.server} any more.")
        definition = next((listed for listed in server.tools if listed["name"] == tool.tool), None)
        if definition is None:
            raise ServerUnavailable(
                f"The call did not run: the server {tool.server} ({server.state}) does not offer this tool now."
            )
        if not _is_pinned(definition, pin):
            raise ServerUnavailable(
                f"The call did not run: the server {tool.server} changed this tool after the call was allowed. "
                "Read its new definition before you call it again."
            )
        return server

    def _sorted_out(self, listings: Sequence[_Listing]) -> tuple[Mapping[str, Tool], tuple[Tool, ...], tuple[str, ...]]:
        found: dict[Pair, tuple[_Listing, WireTool, str]] = {}
        unseen: list[Tool] = []
        left_out = []
        for listing in listings:
            for definition in listing.tools:
                pair = (listing.server, definition["name"])
                try:
                    pin = pin_of(definition)
                    if pair in found:
                        raise Hopeless("its server lists another tool of this name")
                    if self._hidden(*pair):
                        unseen.append(self._tool("__".join(pair), listing, definition, pin))
                    else:
                        found[pair] = (listing, definition, pin)
                except Hopeless as why:
                    left_out.append(f"{one_line('__'.join(pair), 100)} is left out: {why}")
        names = model_names(found)
        tools = {names[pair]: self._tool(names[pair], *found[pair]) for pair in sorted(found)}
        return MappingProxyType(tools), tuple(unseen), tuple(left_out)

    def _tool(self, name: str, listing: _Listing, definition: WireTool, pin: str) -> Tool:
        return Tool.of(name, listing.server, listing.config, definition, pin, self._entry(listing.config))


def _is_pinned(definition: WireTool, pin: str) -> bool:
    try:
        return pin_of(definition) == pin
    except Hopeless:
        return False


def _what_happened(error: McpHostError, tool: Tool) -> str:
    if not isinstance(error, (ServerLost, ServerTimeout)):
        return error.message
    doubt = "; it may or may not have run" if isinstance(error, ServerTimeout) else ""
    return f"{error.message}{doubt}. {'It can be repeated.' if tool.repeatable else 'Look before you repeat it.'}"
