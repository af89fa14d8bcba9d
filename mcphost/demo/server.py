"""The demo server over stdio. stdout carries the protocol and nothing else.

Everything here is written once for both protocol eras: what needs the client's model or user is a resolver, which
the SDK turns into a request of its own on a legacy connection and into an `input_required` round on a modern one.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from importlib.metadata import version
from pathlib import Path

from mcp.server import MCPServer

from mcphost.demo import arithmetic, chart, clock, completion, meeting, notebook
from mcphost.demo.notes import NoteStore

_INSTRUCTIONS = """\
A demo server: exact arithmetic, time zones, a notebook with full-text search, bar charts and a meeting planner.
Notes are numbered; list_notes and search_notes give the numbers that delete_note and notes://{id} take."""

_ABOUT = """\
# mcphost demo server

A small MCP server that offers one of everything, so that a host can be tried without any other server:

- tools that compute, that change something, that report progress, that draw, that ask the client's model and that
  ask the user
- resources (`notes://all`, this text), a template (`notes://{id}`) and prompts, with completion of their arguments

It keeps its notes in memory unless it was started with `--notes PATH`, and touches nothing else.
"""


def create_server(store: NoteStore) -> MCPServer[NoteStore]:
    """The server, not yet running, over `store`, which stays the caller's to close."""

    @asynccontextmanager
    async def lifespan(_: MCPServer[NoteStore]) -> AsyncIterator[NoteStore]:
        yield store

    server = MCPServer(
        "mcphost-demo",
        title="mcphost demo",
        version=version("mcphost"),
        instructions=_INSTRUCTIONS,
        log_level="ERROR",
        lifespan=lifespan,
    )
    for part in (arithmetic, clock, chart, meeting):
        part.register(server)
    notebook.register(server, store)
    completion.register(server, store)
    server.resource("demo://about", name="about", title="About this server", mime_type="text/markdown")(about)
    return server


def about() -> str:
    """What the demo server offers and what it keeps."""
    return _ABOUT


async def serve(notes: Path | None = None) -> None:
    """Serve one client over stdin and stdout until stdin ends; notes live in the file `notes`, or in memory.

    Raises NoteStoreError if that file cannot be used.
    """
    with closing(NoteStore(notes)) as store:
        await create_server(store).run_stdio_async()


def main(notes: Path | None = None) -> None:
    """`serve` as a command. Raises NoteStoreError."""
    # The thread that reads stdin cannot be interrupted: an orderly Ctrl+C would wait for one more line of input.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(serve(notes))
