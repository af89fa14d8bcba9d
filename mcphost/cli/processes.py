"""`mcphost ps|gc`: the server processes of every mcphost of this user, and the end of those that were left behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from mcphost.cli import options
from mcphost.cli.exits import DONE, ERROR
from mcphost.text import one_line

if TYPE_CHECKING:
    from mcphost.servers.census import Found


@click.command()
@options.JSON
def ps(as_json: bool) -> int:
    """List the live server processes of every mcphost of yours, in this and in other terminals.

    A server may have several processes, as npx and uvx do: PID is the oldest of them.
    """
    from mcphost.commands.tables import table
    from mcphost.servers.census import census

    groups = _servers(census())
    if as_json:
        click.echo(json.dumps([_row_json(group) for group in groups], indent=2))
    elif groups:
        header = ("PID", "SERVER", "AGE", "HOST", "PROCESSES", "CONFIG")
        click.echo(table([header, *map(_row, groups)]))
    else:
        click.echo("No mcphost of yours runs a server process.")
    return DONE


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be ended.")
def gc(dry_run: bool) -> int:
    """End the server processes whose mcphost is gone, for example killed together with its reaper."""
    from mcphost.servers.census import census, end

    orphans = [found for found in census() if found.orphaned]
    for group in _servers(orphans):
        pids = ", ".join(str(found.pid) for found in group)
        click.echo(f"{'would end' if dry_run else 'ending'} {one_line(group[0].server, 60)}: {pids}")
    left = [] if dry_run else end(orphans)
    for found in left:
        click.echo(f"{found.pid} does not end, not even by KILL", err=True)
    if not orphans:
        click.echo("Nothing to end: every server process has its mcphost.")
    return ERROR if left else DONE


def _servers(found: Sequence[Found]) -> list[list[Found]]:
    return [list(group) for _, group in groupby(found, key=lambda one: (one.run, one.server))]


def _row(group: Sequence[Found]) -> tuple[str, ...]:
    first = group[0]
    host = f"{first.host} (gone)" if first.orphaned else str(first.host)
    config = one_line(first.config) if first.config else "-"
    return str(first.pid), one_line(first.server, 60), _age(first.age), host, str(len(group)), config


def _row_json(group: Sequence[Found]) -> dict[str, object]:
    first = group[0]
    return {
        "pid": first.pid,
        "server": first.server,
        "config": first.config,
        "age_seconds": round(first.age, 1),
        "host": first.host,
        "orphaned": first.orphaned,
        "processes": [found.pid for found in group],
    }


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
