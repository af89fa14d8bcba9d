"""`/servers`: how each server is, and what a person may want of one."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from mcphost.commands.complete import server_offers
from mcphost.commands.tables import table
from mcphost.errors import UsageError
from mcphost.host import Chat
from mcphost.plugins import Offer
from mcphost.servers import Server
from mcphost.text import one_line, safe

USAGE = "[restart|disable|enable|log NAME]"
PATIENCE = 5.0  # seconds to wait for a server that is started, before saying how it is
LOG_LINES = 40


async def servers(chat: Chat, line: str) -> str:
    """The servers, a row each; or one of them told what to do, and how it is then.

    Raises:
        UsageError: there is no such verb or server.
    """
    known = chat.host.servers
    if not line:
        rows = table([describe(server) for server in known.values()]) or "No servers are configured."
        down = any(server.state in ("failed", "needs-auth", "disabled") for server in known.values())
        return (
            f"{rows}\n`/servers restart NAME` starts one anew, `/servers log NAME` shows what it said."
            if down
            else rows
        )
    verb, _, name = line.partition(" ")
    if verb not in ("restart", "disable", "enable", "log"):
        raise UsageError(f"/servers does not know {one_line(verb)!r}", hint=f"/servers {USAGE}")
    if name not in known:
        raise UsageError(f"there is no server {one_line(name)!r}", hint=f"configured: {', '.join(known) or 'none'}")
    server = known[name]
    if verb == "log":
        return log(server)
    {"restart": server.restart, "disable": server.disable, "enable": server.enable}[verb]()
    with anyio.move_on_after(PATIENCE):
        await server.ready()
    return table([describe(server)])


async def verbs(chat: Chat, line: str) -> Sequence[Offer]:
    if " " in line:
        return server_offers(chat)
    return [
        ("restart", "start it anew"),
        ("disable", "stop it"),
        ("enable", "start it again"),
        ("log", "what it said, and how it is"),
    ]


def describe(server: Server) -> tuple[str, ...]:
    """A row about a server: name, state, how it is reached, what it offers or why it does not."""
    return one_line(server.name), server.state, " · ".join(_connection(server)), _offer(server) or _trouble(server)


def log(server: Server) -> str:
    """All that is known of its state: exit code, what to do, what was left out, and its last words on stderr."""
    status = server.status
    lines = [f"{one_line(server.name)} is {status.state}" + (f": {_trouble(server)}" if status.detail else "")]
    lines += [f"exit code {status.exit_code}"] if status.exit_code is not None else []
    lines += [safe(status.hint)] if status.hint else []
    lines += [f"left out: {one_line(problem, 300)}" for problem in server.problems]
    words = server.stderr_tail.splitlines()[-LOG_LINES:]
    lines += [f"stderr: {one_line(line, 500)}" for line in words]
    return "\n".join(lines if words else [*lines, "It wrote nothing to stderr."])


def _connection(server: Server) -> list[str]:
    known = [server.transport, server.era, server.version]
    if server.state == "ready":
        known.append(f"pid {server.pid}" if server.pid else None)
        known.append(f"last call {server.latency * 1000:.0f} ms" if server.latency is not None else None)
    return [part for part in known if part]


def _offer(server: Server) -> str:
    counts = {"tools": server.tools, "resources": server.resources, "prompts": server.prompts}
    return ", ".join(f"{len(items)} {kind}" for kind, items in counts.items() if items and server.state == "ready")


def _trouble(server: Server) -> str:
    status = server.status
    if status.next_start is not None:
        return f"{one_line(status.reason, 300)}; attempt {status.attempt} in {status.next_start:.0f} s"
    return one_line(status.detail, 300)
