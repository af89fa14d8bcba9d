"""Values that are no part of a conversation, as the JSON of a recording and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mcphost import errors, events, questions
from mcphost.errors import McpHostError
from mcphost.messages import to_json
from mcphost.models.base import CallDelta, Piece, ReasoningDelta, TextDelta, ToolQuarantined, Waiting
from mcphost.recording.lines import Redact
from mcphost.servers.wire import CallOutcome


def pieces_to_json(pieces: Sequence[Piece], redact: Redact) -> list[list[Any]]:
    """The pieces of a stream; texts in which a secret would be found once they are joined are joined."""
    told: list[list[Any]] = []
    run: list[list[Any]] = []
    for piece in pieces:
        one = _piece_to_json(piece)
        if run and (one[0] != run[-1][0] or one[0] not in ("text", "reasoning")):
            told += _joined(run, redact)
            run = []
        run.append(one)
    return told + _joined(run, redact)


def _joined(run: Sequence[list[Any]], redact: Redact) -> list[list[Any]]:
    if len(run) < 2:
        return list(run)
    whole = "".join(text for _, text in run)
    return list(run) if redact(whole) == whole else [[run[0][0], redact(whole)]]


def _piece_to_json(piece: Piece) -> list[Any]:
    match piece:
        case TextDelta(text):
            return ["text", text]
        case ReasoningDelta(text):
            return ["reasoning", text]
        case CallDelta(id, name):
            return ["call", id, name]
        case Waiting(seconds, why):
            return ["waiting", seconds, why]
        case ToolQuarantined(name, why):
            return ["quarantined", name, why]
    raise TypeError(f"{piece!r} is no piece before the end")


def piece_from_json(body: Sequence[Any]) -> Piece:
    kind, *rest = body
    piece: Piece = _PIECES[kind](*rest)
    return piece


_PIECES: Mapping[str, Callable[..., Piece]] = {
    "text": TextDelta,
    "reasoning": ReasoningDelta,
    "call": CallDelta,
    "waiting": Waiting,
    "quarantined": ToolQuarantined,
}


def error_to_json(error: McpHostError) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "detail": to_json(error.detail),
    }


def error_from_json(body: Mapping[str, Any]) -> McpHostError:
    kind = getattr(errors, body["type"], McpHostError)
    error: McpHostError = kind(body["message"], hint=body["hint"], **body["detail"])
    return error


def outcome_from_json(verb: str, body: Any) -> Any:
    if verb != "call":
        return tuple(body)
    rest = {key: value for key, value in body.items() if key not in ("type", "content")}
    return CallOutcome(tuple(body["content"]), **rest)


def answer_from_json(body: Any) -> Any:
    return _made(questions, body) if isinstance(body, Mapping) else body


def event_from_json(body: Mapping[str, Any]) -> events.Event:
    event: events.Event = _made(events, body)
    return event


def _made(module: Any, body: Mapping[str, Any]) -> Any:
    """The flat dataclass of `module` that `to_json` wrote; fields it does not have any more are left out."""
    kind = getattr(module, "".join(word.capitalize() for word in body["type"].split("_")))
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{key: value for key, value in body.items() if key in names})
