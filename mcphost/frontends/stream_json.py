"""The stream-json format of `mcphost run`: one JSON object a line on stdout, as things happen.

Every line has `type`, `ts` (UTC), `session_id` and `seq` (0, 1, 2 …). The first is `init`, the last `result`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from mcphost import events
from mcphost.config.secrets import NONE, Secrets
from mcphost.frontends import machine
from mcphost.frontends.base import Ending, Opening, RunFrontend
from mcphost.messages import to_json
from mcphost.questions import A, ElicitationForm, ElicitationUrl, Question, SampleResult, SamplingReview, ToolApproval


def _now() -> datetime:
    return datetime.now(UTC)


class StreamJsonFrontend:
    """Writes the lines to `out`, each flushed; progress and questions are the narrator's too.

    What happens before `begin` is written after `init`. `show` raises OSError where `out` cannot be written,
    BrokenPipeError above all: nobody reads any more, so the run should end.
    """

    def __init__(
        self, out: TextIO, narrator: RunFrontend, *, secrets: Secrets = NONE, now: Callable[[], datetime] = _now
    ) -> None:
        self._out = out
        self._secrets = secrets
        self._narrator = narrator
        self._now = now
        self._ledger = machine.Ledger()
        self._opening: Opening | None = None
        self._early: list[dict[str, Any]] = []
        self._seq = 0

    def begin(self, opening: Opening) -> None:
        self._opening = opening
        self._narrator.begin(opening)
        self._write(_init(opening))
        for body in self._early:
            self._write(body)

    async def show(self, event: events.Event) -> None:
        self._ledger.note(event)
        for body in lines(event):
            self._write(body)
        await self._narrator.show(event)

    async def ask(self, question: Question[A]) -> A:
        """A question is shown to a person as it is, and written without secrets, as events are."""
        if body := _asked(question):
            self._write(self._secrets.redacted(body))
        return await self._narrator.ask(question)

    def finish(self, ending: Ending) -> None:
        """Raises OSError where `out` cannot be written."""
        self._narrator.finish(ending)
        opening = self._opening or Opening(session="", model="")
        if self._opening is None:
            self.begin(opening)
        if ending.error:
            self._write({"type": "error", "error": ending.error})
        self._write({"type": "result", **machine.document(opening, ending, self._ledger)})

    def _write(self, body: dict[str, Any]) -> None:
        if self._opening is None:
            self._early.append(body)
            return
        stamp = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"type": body["type"], "ts": stamp, "session_id": self._opening.session, "seq": self._seq}
        self._seq += 1
        self._out.write(machine.dumps({**head, **body}) + "\n")
        self._out.flush()


def _init(opening: Opening) -> dict[str, Any]:
    return {
        "type": "init",
        "version": machine.VERSION,
        "model": opening.model,
        "mode": opening.mode,
        "yolo": opening.yolo,
        "widening": opening.widening,
        "servers": [machine.server(row) for row in opening.servers],
    }


def lines(event: events.Event) -> list[dict[str, Any]]:
    """The lines that an event is written as: none for what only a screen needs."""
    match event:
        case events.TurnStarted():
            return [_message("user", "text", event.text)]
        case events.TextStreamed():
            return [_message("assistant", "text", event.text, partial=True)]
        case events.ReasoningStreamed():
            return [_message("assistant", "reasoning", event.text, partial=True)]
        case events.Replied():
            return _replied(event)
        case events.CallEnded():
            return [_tool_result(event)]
        case events.RequestAnswered():
            answer = {"server": event.server, "phase": "answered", "outcome": event.outcome, "why": event.why}
            used = {"usage": machine.usage(event.usage)} if event.kind == "sampling" else {}
            return [{"type": event.kind, **answer, **used}]
        case events.Noticed():
            return [{"type": "notice", "level": event.level, "text": event.text}]
        case _ if type(event) in _PLAIN:
            return [{"type": _PLAIN[type(event)], **_fields(event)}]
        case _:
            return []


# Events that are written field by field.
_PLAIN: Mapping[type[events.Event], str] = {
    events.CallDecided: "approval_decision",
    events.CallPaused: "approval_waiting",
    events.CallStarted: "tool_start",
    events.CallProgressed: "progress",
    events.ModelWaited: "model_wait",
    events.ServerChanged: "server_status",
    events.ServerLogged: "server_log",
}


def _fields(event: events.Event) -> dict[str, Any]:
    """An event's own fields, without the stamp that every event has; a call is known by its `id`."""
    body: dict[str, Any] = to_json(event)
    for stamp in ("type", "chat", "turn", "seq"):
        del body[stamp]
    return {"id" if key == "call" else key: value for key, value in body.items()}


def _message(role: str, kind: str, text: str, *, partial: bool = False) -> dict[str, Any]:
    return {"type": "message", "role": role, "kind": kind, "partial": partial, "text": text}


def _replied(event: events.Replied) -> list[dict[str, Any]]:
    message = event.message
    said = [_message("assistant", "text", message.text)] if message.text else []
    uses = [
        {"type": "tool_use", "id": call.id, "name": call.name, "arguments": call.arguments, "text": call.text}
        for call in message.calls
    ]
    return [*said, *uses, {"type": "usage", **machine.usage(message.usage)}]


def _tool_result(event: events.CallEnded) -> dict[str, Any]:
    result = event.result
    return {
        "type": "tool_result",
        "id": event.call,
        "name": event.name,
        "server": result.origin.server if result.origin else None,
        "tool": result.origin.tool if result.origin else None,
        "is_error": result.is_error,
        "content": result.content,
        "structured": result.structured,
        "note": result.note,
        "seconds": round(event.seconds, 3),
    }


def _asked(question: object) -> dict[str, Any] | None:
    match question:
        case ToolApproval():
            call = {"id": question.call, "server": question.server, "tool": question.tool}
            return {"type": "approval_request", **call, "arguments": question.arguments, "why": question.why}
        case SamplingReview():
            asked = {"server": question.server, "phase": "asked", "model": question.model}
            return {"type": "sampling", **asked, "messages": question.messages, "max_tokens": question.max_tokens}
        case SampleResult():
            return {"type": "sampling", "server": question.server, "phase": "sampled", "content": question.content}
        case ElicitationForm():
            asked = {"server": question.server, "phase": "asked", "mode": "form", "message": question.message}
            return {"type": "elicitation", **asked, "schema": question.schema, "problems": question.problems}
        case ElicitationUrl():
            asked = {"server": question.server, "phase": "asked", "mode": "url", "message": question.message}
            return {"type": "elicitation", **asked, "url": question.url}
        case _:
            return None
