"""`mcphost demo-server`: the bundled MCP server, on stdio."""

from __future__ import annotations

import gc
from pathlib import Path

import click

from mcphost.errors import UsageError


@click.command("demo-server")
@click.option(
    "--notes",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep the notes in this SQLite file; without it they are forgotten at the end.",
)
def demo_server(notes: Path | None) -> None:
    """Be the bundled demo MCP server, on stdin and stdout: arithmetic, time zones, notes."""
    from mcphost.demo.notes import NoteStoreError
    from mcphost.demo.server import main

    gc.enable()
    try:
        main(notes)
    except NoteStoreError as error:
        raise UsageError(str(error)) from error
