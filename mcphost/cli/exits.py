"""Exit codes, and what stderr says when a command fails.

| code | meaning |
|---|---|
| 0 | done |
| 1 | error; an empty, refused or cut answer |
| 2 | usage or configuration |
| 3 | sign-in needed, at a server or a model API |
| 4 | a required server is not available |
| 5 | the tool failed (`call`) |
| 6 | a call was refused, or waits (paused), as nobody could be asked; or something is not what was locked or trusted |
| 7 | a limit was reached: steps or time |
| 75 | transient: rate limit, overload, timeout of a model API or server; try again later |
| 129, 130, 141, 143 | SIGHUP, SIGINT, a closed stdout, SIGTERM |
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from mcphost.errors import (
    Drift,
    McpHostError,
    ModelBusy,
    NotTrusted,
    ServerTimeout,
    ServerUnavailable,
    SignInNeeded,
    UsageError,
)
from mcphost.text import safe

if TYPE_CHECKING:
    from mcphost.config.secrets import Secrets

DONE, ERROR, USAGE, SIGN_IN, UNAVAILABLE, TOOL_FAILED, REFUSED, LIMIT, TRANSIENT = 0, 1, 2, 3, 4, 5, 6, 7, 75
HANGUP, INTERRUPTED, PIPE, TERMINATED = 129, 130, 141, 143

_CODES: tuple[tuple[type[McpHostError], int], ...] = (
    (UsageError, USAGE),
    (Drift, REFUSED),
    (NotTrusted, REFUSED),
    (SignInNeeded, SIGN_IN),
    (ServerUnavailable, UNAVAILABLE),
    (ServerTimeout, TRANSIENT),
    (ModelBusy, TRANSIENT),
)


class Exit(Exception):
    """Leave with this code; everything worth saying has been said."""

    def __init__(self, code: int) -> None:
        self.code = code


def code_of(error: McpHostError) -> int:
    return next((code for kind, code in _CODES if isinstance(error, kind)), ERROR)


def report(error: BaseException, *, machine: bool = False, debug: bool = False, secrets: Secrets | None = None) -> int:
    """Say on stderr what went wrong, once and without `secrets`, and return the exit code. `machine`: as JSON."""
    redact = secrets.redact if secrets else str
    match error:
        case Exit(code=code):
            return code
        case KeyboardInterrupt() | click.Abort():
            return INTERRUPTED
        case BrokenPipeError():
            # Python flushes stdout at exit, and would fail once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE
        case click.ClickException():
            return _usage(error, machine)
        case McpHostError():
            if debug:
                print(_traceback(error, redact), end="", file=sys.stderr)
            if machine:
                print(safe(redact(json.dumps(error.envelope(), ensure_ascii=False))), file=sys.stderr)
            else:
                print(f"mcphost: {safe(redact(str(error)))}", file=sys.stderr)
            return code_of(error)
        case BaseExceptionGroup() if len(error.exceptions) == 1:
            return report(error.exceptions[0], machine=machine, debug=debug, secrets=secrets)
        case SystemExit(code=code):
            return code if isinstance(code, int) else ERROR
    print(_traceback(error, redact), end="", file=sys.stderr)  # a bug of ours, whose words may be anybody's
    return ERROR


def _traceback(error: BaseException, redact: Callable[[str], str]) -> str:
    return safe(redact("".join(traceback.format_exception(error))))


def _usage(error: click.ClickException, machine: bool) -> int:
    if machine:
        envelope = {"error": {"code": "usage", "message": error.format_message()}}
        print(json.dumps(envelope, ensure_ascii=False), file=sys.stderr)
    else:
        error.show(file=sys.stderr)
    return USAGE
