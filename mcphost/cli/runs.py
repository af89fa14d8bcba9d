"""`mcphost runs …`: what waits for an answer, and the answers."""

from __future__ import annotations

import getpass
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import click

from mcphost.cli import options, recall
from mcphost.cli.exits import DONE
from mcphost.cli.setup import Paths, configured
from mcphost.errors import Busy, UsageError
from mcphost.events import CallAnswered
from mcphost.frontends.asking import exact
from mcphost.text import one_line, safe

if TYPE_CHECKING:
    from mcphost.journal.claims import Claims
    from mcphost.journal.waits import OpenRun
    from mcphost.questions import Approval, WaitingCall

ID_CHARACTERS = 12
RUN = click.argument("run", metavar="RUN")
CALL = click.option("--call", "number", type=click.IntRange(min=1), help="Only the call with this number of `show`.")


@click.group(invoke_without_command=True)
@options.JSON
@click.pass_context
def runs(context: click.Context, as_json: bool) -> int:
    """List the runs that wait for an answer (`mcphost run --on-ask pause`) or were interrupted, the newest first.

    RUN is a run's id or how it begins. `mcphost run --resume RUN` goes on with one.
    """
    if context.invoked_subcommand is not None:
        return DONE
    with _opened() as (_, claims, found):
        rows = [run for run in found if run.waiting or claims.free(run.chat)]
    if as_json:
        click.echo(json.dumps([_json(run) for run in rows], indent=2))
        return DONE
    for run in rows:
        open_ = sum(call.answer is None for call in run.waiting)
        state = f"waits for {open_} answers" if open_ != 1 else "waits for an answer"
        state = "interrupted" if not run.waiting else state if open_ else "answered"
        click.echo(f"{run.id[:ID_CHARACTERS]}  {recall.when(run.started)}  {state:<20}  {one_line(run.title, 80)}")
    if not rows:
        click.echo("No run waits for an answer, and none was interrupted.", err=True)
    return DONE


@runs.command()
@RUN
@options.JSON
def show(run: str, as_json: bool) -> int:
    """Show a run with the calls that it waits for, whole."""
    with _opened() as (_, _, found):
        one = _named(found, run)
    if as_json:
        click.echo(json.dumps(_json(one), indent=2))
        return DONE
    click.echo(f"{one.id}\n{one_line(one.title, 200)}")
    for number, call in enumerate(one.waiting, 1):
        click.echo(f"\n{number}. {one_line(call.server)} is to run {one_line(call.tool)}{_answered(call.answer)}")
        click.echo(exact(call.arguments))
        click.echo(f"asked because {safe(call.why)}")
    if not one.waiting:
        click.echo(f"It was interrupted. `mcphost run --resume {one.id[:ID_CHARACTERS]}` goes on.")
    return DONE


@runs.command()
@RUN
@CALL
@click.option("--always", is_flag=True, help="And allow this tool, as it is now, for good.")
def approve(run: str, number: int | None, always: bool) -> int:
    """Allow the calls that RUN waits for, once it goes on, as `show` shows them."""
    from mcphost.questions import Approval

    return _answer(run, number, Approval(allowed=True, lasting="always" if always else "once"))


@runs.command()
@RUN
@CALL
@click.option("--reason", metavar="TEXT", help="Told to the model.")
def deny(run: str, number: int | None, reason: str | None) -> int:
    """Refuse the calls that RUN waits for; the model reads so when it goes on."""
    from mcphost.questions import Approval

    return _answer(run, number, Approval(allowed=False, reason=reason))


def _answer(handle: str, number: int | None, approval: Approval) -> int:
    from mcphost.journal import audit, waits

    decision: Literal["allow", "deny"] = "allow" if approval.allowed else "deny"
    with _opened() as (db, claims, found):
        run = _named(found, handle)
        if not claims.free(run.chat):
            raise Busy(f"run {run.id[:ID_CHARACTERS]} is going on in another process")
        calls = _chosen(run, number)
        for call in calls:
            waits.answer(db, run.id, call, approval)
            why = f"mcphost runs {'approve' if approval.allowed else 'deny'}, by {getpass.getuser()}"
            why += " for good" * (approval.lasting == "always") + (f": {approval.reason}" if approval.reason else "")
            event = CallAnswered(
                chat=run.chat,
                call=call.call,
                server=call.server,
                tool=call.tool,
                arguments=call.arguments,
                decision=decision,
                why=why,
            )
            audit.note(db, event, time.time())
    for call in calls:
        before = f" (before: {_answered(call.answer).strip(' ,')})" if call.answer else ""
        click.echo(f"{_answered(approval).strip(' ,')}: {one_line(f'{call.server}__{call.tool}')}{before}")
    left = sum(call.answer is None for call in run.waiting if call not in calls)
    going = f"mcphost run --resume {run.id[:ID_CHARACTERS]}"
    click.echo(f"Still open: {left}. `mcphost runs show {run.id[:ID_CHARACTERS]}`" if left else f"Go on with: {going}")
    return DONE


def _answered(answer: Approval | None) -> str:
    if answer is None:
        return ""
    return ", allowed for good" if answer.lasting == "always" else ", allowed" if answer.allowed else ", refused"


def _chosen(run: OpenRun, number: int | None) -> Sequence[WaitingCall]:
    if not run.waiting:
        raise UsageError(
            f"run {run.id[:ID_CHARACTERS]} waits for no answer", hint="`mcphost runs` lists those that do."
        )
    if number is None:
        return run.waiting
    if number > len(run.waiting):
        raise UsageError(f"run {run.id[:ID_CHARACTERS]} waits for {len(run.waiting)} calls, and so for no {number}")
    return run.waiting[number - 1 : number]


def _named(found: Sequence[OpenRun], handle: str) -> OpenRun:
    named = [run for run in found if handle in (run.id, run.chat)] or [
        run for run in found if len(handle) >= 4 and (run.id.startswith(handle) or run.chat.startswith(handle))
    ]
    if len(named) != 1:
        raise UsageError(f"{len(named) or 'no'} open runs are named {one_line(handle, 60)!r}", hint="See: mcphost runs")
    return named[0]


def _json(run: OpenRun) -> dict[str, Any]:
    from mcphost.messages import to_json

    return {
        "run": run.id,
        "chat": run.chat,
        "title": run.title,
        "directory": run.directory,
        "started": run.started.isoformat(timespec="milliseconds"),
        "waiting": [to_json(call) for call in run.waiting],
    }


@contextmanager
def _opened() -> Iterator[tuple[sqlite3.Connection, Claims, Sequence[OpenRun]]]:
    from mcphost.journal import waits

    with recall.opened(recall.file_of(configured(()), Paths.of_user())) as (db, claims):
        yield db, claims, waits.open_runs(db)
