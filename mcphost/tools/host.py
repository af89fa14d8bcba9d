"""The host's own tools, as the server "mcphost": what reaches every server, and so is offered by none.

Law 2: they pass the Gate like all others, where rules name them as `mcphost__TOOL`. Law 11: their definitions never
change; they come with the first server that gives them something to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mcphost.messages import Block, text_block
from mcphost.servers import Server
from mcphost.servers.wire import Caller, CallOutcome, Progress, WireTool
from mcphost.text import one_line
from mcphost.tools.definitions import HOST

READ_RESOURCE: WireTool = {
    "name": "read_resource",
    "title": "Read a resource",
    "description": "Read a resource of a server by its URI: one that a result links to, or that the server tells of. "
    "A URI belongs to the server whose tool or instructions gave it.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "server": {"type": "string", "description": "The server's name: its tools' names begin with it."},
            "uri": {"type": "string", "description": "The URI, exactly as the server gave it."},
        },
        "required": ["server", "uri"],
        "additionalProperties": False,
    },
}
_TOOLS = (READ_RESOURCE,)


class HostServer:
    """The host's tools in the shape of a server, so that nothing treats them apart. `servers` are those they reach."""

    name = HOST
    state = "ready"
    config = None

    def __init__(self, servers: Callable[[], Mapping[str, Server]]) -> None:
        self._servers = servers

    @property
    def tools(self) -> tuple[WireTool, ...]:
        return _TOOLS if self._having_resources() else ()

    async def ready(self) -> None:
        return None

    async def call(
        self, tool: str, arguments: Mapping[str, Any], *, caller: Caller | None, progress: Progress | None
    ) -> CallOutcome:
        server = self._servers().get(arguments["server"])
        if server is None:
            having = ", ".join(self._having_resources()) or "none"
            words = f"There is no server {one_line(arguments['server'], 60)!r}. Those with resources: {having}."
            return CallOutcome((text_block(words),), is_error=True)
        contents = await server.read(arguments["uri"], caller=caller)
        blocks: list[Block] = [{"type": "resource", "resource": dict(content)} for content in contents]
        return CallOutcome(tuple(blocks))

    def _having_resources(self) -> list[str]:
        return [
            server.name
            for server in self._servers().values()
            if server.state == "ready" and (server.resources or server.templates)
        ]
