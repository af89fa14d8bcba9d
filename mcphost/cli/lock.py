"""`mcphost lock`: write down what the servers are and offer now, for `mcphost run --locked`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcphost.cli import options
from mcphost.cli.exits import DONE
from mcphost.cli.look import look

if TYPE_CHECKING:
    from mcphost.approvals import Locked
    from mcphost.host import Chat


@click.command()
@options.apply(options.CONFIG, options.SERVER, options.DEBUG)
def lock(configs: tuple[Path, ...], only: tuple[str, ...], debug: bool) -> int:
    """Write mcphost.lock: servers, programs, tool definitions and instructions as they are now.

    `mcphost run --locked` ends with exit code 6, and says what is different, where any of it has changed.
    """

    async def write(chat: Chat) -> int:
        from mcphost.approvals import Lock
        from mcphost.approvals.lock import NAME

        enabled = [server.name for server in chat.host.servers.values() if server.state != "disabled"]
        await chat.host.settled(0, required=enabled)
        found = offers(chat)
        Lock(found).write(Path(NAME))
        tools = sum(len(one.tools) for one in found.values())
        click.echo(f"{NAME}: {len(found)} servers, {tools} tools")
        return DONE

    return look(configs, only, write, debug=debug, met_anew=True)


def offers(chat: Chat) -> Mapping[str, Locked]:
    """What each server that is ready is and lists now."""
    from mcphost.approvals import Locked

    tools = chat.toolbox.snapshot().values()
    return {
        server.name: Locked.of(
            chat.host.definition(server.config),
            server.instructions,
            (tool for tool in tools if tool.server == server.name),
        )
        for server in chat.host.servers.values()
        if server.state == "ready"
    }
