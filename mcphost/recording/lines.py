"""The lines of a recording: JSON objects with sorted keys, a `kind` each, and `at`, seconds since the recording began.

The first is the header. The others stand in the order in which things happened:

| kind | whose act | what |
|---|---|---|
| turn | the host's | messages were sent to a chat |
| request, reply | the host's, the model's | a model request by what it adds to an earlier one; the reply in pieces |
| call, outcome | the host's, a server's | one verb (call, read, prompt, complete) |
| progress | a server's | during a call |
| asked, answered | a server's, the host's | sampling or elicitation during a call |
| question, answer | the host's, a person's | what the Frontend was asked |
| judged, shown, left | the host's | a judgement of the policy; an event of a chat; the end of the servers |
| server | a server's | what changed in its description |
| event | a server's | an event outside every chat |
| message | both | an MCP message as it passed the wire; nothing is replayed from it |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mcphost.errors import UsageError
from mcphost.messages import from_json, to_json
from mcphost.models.base import ModelRequest

FORMAT, VERSION = "mcphost-recording", 1

Line: TypeAlias = Mapping[str, Any]
Redact: TypeAlias = Callable[[str], str]

# What answers a line, by the key under which it names that line's id.
ANSWERS: Mapping[str, str] = {
    "reply": "request",
    "outcome": "call",
    "progress": "call",
    "asked": "call",
    "answer": "question",
}


@dataclass(frozen=True, slots=True)
class Recording:
    header: Line
    lines: tuple[Line, ...]

    @property
    def turns(self) -> tuple[tuple[Any, ...], ...]:
        """The messages that were sent, turn by turn."""
        return tuple(tuple(map(from_json, line["messages"])) for line in self.lines if line["kind"] == "turn")


def read(path: Path) -> Recording:
    """The recording in this file; a last line that was cut off is left out.

    Raises:
        UsageError: it cannot be read, or is no recording that this version knows.
    """
    try:
        header, *lines = _parsed(path.read_text(encoding="utf-8").split("\n"))
        if header["format"] != FORMAT:
            raise ValueError("its first line is no header of one")
        if header["version"] != VERSION:
            raise ValueError(f"its format is version {header['version']}, this mcphost reads version {VERSION}")
        if not all(isinstance(line, dict) and "kind" in line for line in lines):
            raise ValueError("a line has no kind")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        hint = "`mcphost run --record FILE` makes one."
        raise UsageError(f"{path} is no recording: {error}", hint=hint) from error
    return Recording(header, tuple(lines))


def _parsed(texts: Sequence[str]) -> Iterator[Any]:
    for index, text in enumerate(texts):
        try:
            if text:
                yield json.loads(text)
        except ValueError:
            if index < len(texts) - 1:
                raise


def dumps(value: Any) -> str:
    # ASCII alone: no text of a server plays tricks on whoever looks at the file.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def redacted(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(key): redacted(item, redact) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, redact) for item in value]
    return value


class Requests:
    """Model requests told by what each adds to an earlier one, so that a recording grows with its conversation."""

    def __init__(self) -> None:
        self._known: list[tuple[int, str, ModelRequest]] = []

    def told(self, model: str, request: ModelRequest) -> dict[str, Any]:
        wishes = {"max_tokens": request.max_tokens, "options": to_json(request.options)}
        for id, name, known in reversed(self._known):
            if name == model and _extends(request, known):
                added = request.messages[len(known.messages) :]
                return {"model": model, "after": id, "messages": to_json(added), **wishes}
        whole = {"system": request.system, "tools": to_json(request.tools), "messages": to_json(request.messages)}
        return {"model": model, **whole, **wishes}

    def add(self, id: int, model: str, request: ModelRequest) -> None:
        self._known.append((id, model, request))


def _extends(request: ModelRequest, known: ModelRequest) -> bool:
    length = len(known.messages)
    if length > len(request.messages) or (length and known.messages[-1] is not request.messages[length - 1]):
        return False
    same = request.system == known.system and request.tools == known.tools
    return same and request.messages[:length] == known.messages
