"""`mcphost audit`: who allowed what, and what became of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from mcphost.cli import options, recall
from mcphost.cli.exits import DONE
from mcphost.cli.setup import Paths, configured
from mcphost.errors import UsageError
from mcphost.text import one_line

if TYPE_CHECKING:
    from mcphost.journal.audit import Entry

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.command()
@click.option("--server", metavar="NAME", help="Only what concerns this server.")
@click.option("--since", metavar="TIME", help="Only since then: 2026-01-31, 2026-01-31T12:00, or 30m, 12h, 7d, 2w ago.")
@options.JSON
def audit(server: str | None, since: str | None, as_json: bool) -> int:
    """Say who allowed or refused which call, by which rule or answer, and what became of it; the oldest first.

    With --json one object a line. `pin` is the SHA-256 of the tool's definition that the decision was about.
    """
    from mcphost.journal import audit

    with recall.opened(recall.file_of(configured(()), Paths.of_user())) as (db, _):
        found = list(audit.entries(db, server=server, since=_moment(since) if since else None))
    for entry in found:
        click.echo(json.dumps(_json(entry)) if as_json else _line(entry))
    return DONE


def _json(entry: Entry) -> dict[str, Any]:
    head = {"at": entry.at.isoformat(timespec="milliseconds"), "chat": entry.chat, "kind": entry.kind}
    return {**head, "server": entry.server, **{key: entry.body[key] for key in entry.body if key != "server"}}


def _line(entry: Entry) -> str:
    local = entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"{local}  {entry.chat}  {one_line(_words(entry, entry.body), 500)}"


def _words(entry: Entry, body: Mapping[str, Any]) -> str:
    match entry.kind:
        case "call_decided":
            verdict = "allowed" if body["decision"] == "allow" else "refused"
            pin = f" [{body['pin'][:12]}]" if body.get("pin") else ""
            arguments = json.dumps(body["arguments"], ensure_ascii=False)
            return f"{verdict} {entry.server}__{body['tool']} {arguments}{pin}: {body['why']}"
        case "call_paused":
            return f"paused for {entry.server}__{body['tool']}: {body['why']}"
        case "call_answered":
            verdict = "allowed" if body["decision"] == "allow" else "refused"
            return f"{verdict} {entry.server}__{body['tool']} for when its run goes on: {body['why']}"
        case "call_started":
            return f"started {entry.server}__{body['tool']}"
        case "call_ended":
            how = "failed" if body["result"]["is_error"] else "done"
            return f"{how} {body['name']} after {body['seconds']:.2f} s"
        case _:
            return f"{body['outcome']} a request of {entry.server} for {body['kind']} {body['why']}"


def _moment(text: str) -> datetime:
    if ago := re.fullmatch(r"(\d+)([mhdw])", text):
        return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise UsageError(
            f"--since {text}: no time", hint="Write 2026-01-31, 2026-01-31T12:00, or 30m, 12h, 7d."
        ) from None
