"""What both machine formats share: how a value is written, and the document a run ends with.

`docs/machine-output.md` describes it; whoever changes a key there raises VERSION. Every line is ASCII, so that it does
nothing to a terminal and decodes everywhere; unpaired surrogates become U+FFFD, and numbers JSON lacks become null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from mcphost.events import CallDecided, CallEnded, CallStarted, Event, Replied
from mcphost.frontends.base import Denied, Ending, Opening, ServerRow
from mcphost.messages import Usage
from mcphost.questions import WaitingCall
from mcphost.text import encodable

VERSION = 1


def dumps(value: Any, *, indent: int | None = None) -> str:
    """JSON text of values, mappings and sequences."""
    return json.dumps(_clean(value), indent=indent, allow_nan=False)


def _clean(value: Any) -> Any:
    match value:
        case str():
            return encodable(value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {encodable(str(key)): _clean(item) for key, item in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
        case _:
            return value


class Ledger:
    """Gathers from the events of a run what became of each call."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self._known: dict[str, dict[str, Any]] = {}

    def note(self, event: Event) -> None:
        match event:
            case Replied():
                for call in event.message.calls:
                    self._known[call.id] = {"server": None, "tool": None, "arguments": call.arguments}
            case CallDecided() | CallStarted():
                self._known[event.call] = {
                    "server": event.server,
                    "tool": event.tool,
                    "arguments": event.arguments,
                }
            case CallEnded():
                self.calls.append(
                    {
                        "id": event.call,
                        "name": event.name,
                        **self._known.pop(event.call, {}),
                        "is_error": event.result.is_error,
                        "seconds": round(event.seconds, 3),
                    }
                )
            case _:
                pass


def document(opening: Opening, ending: Ending, ledger: Ledger) -> dict[str, Any]:
    """The whole run as one JSON object."""
    return {
        "version": VERSION,
        "session_id": opening.session,
        "model": opening.model,
        "result": ending.result,
        "structured": ending.structured,
        "is_error": ending.is_error,
        "error": ending.error,
        "stop_reason": ending.stop,
        "num_steps": ending.steps,
        "usage": usage(ending.usage),
        "cost_usd": None,
        "tool_calls": ledger.calls,
        "denied": [_denied(entry) for entry in ending.denied],
        "waiting": [_waiting(call) for call in ending.waiting],
        "run": ending.run,
        "servers": [server(row) for row in ending.servers or opening.servers],
    }


def usage(tokens: Usage) -> dict[str, int]:
    return {
        "input": tokens.input,
        "output": tokens.output,
        "cache_read": tokens.cache_read,
        "cache_creation": tokens.cache_creation,
    }


def server(row: ServerRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "state": row.state,
        "detail": row.detail,
        "transport": row.transport,
        "era": row.era,
        "version": row.version,
        "tools": row.tools,
        "pid": row.pid,
        "latency_seconds": None if row.latency is None else round(row.latency, 4),
    }


def _waiting(call: WaitingCall) -> dict[str, Any]:
    return {
        "id": call.call,
        "name": call.name,
        "server": call.server,
        "tool": call.tool,
        "arguments": call.arguments,
        "why": call.why,
    }


def _denied(entry: Denied) -> dict[str, Any]:
    return {
        "id": entry.id,
        "name": entry.name,
        "why": entry.why,
        "unasked": entry.unasked,
        "suggestion": entry.suggestion,
    }
