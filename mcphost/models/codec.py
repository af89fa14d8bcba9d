"""What the three codecs share: the protocol they follow, and the reading and writing of calls.

Law: a codec does no I/O. `encode` turns a request into a body, a `Decoder` turns (event, data) pairs into pieces.
Law 11: the body of request N+1 begins with the tools, system text and messages of request N as they were.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from mcphost.errors import ModelError
from mcphost.messages import AssistantMessage, Message, Stop, ToolCall, ToolDefinition, ToolResult, ToolsChanged
from mcphost.models.base import ModelRequest, Piece
from mcphost.models.content import host_note
from mcphost.models.schemas import Accepted, Hopeless, accept
from mcphost.text import encodable

INVALID_JSON = "INVALID_JSON"
"""The key under which an API that wants an object gets back call arguments that were none."""

_ROOM = 32  # characters of an id that leave room for a number; the strictest API takes 40
_PORTABLE_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class Offer:
    """The tools of one request. `quarantined` says of each that was left out why."""

    tools: tuple[Accepted, ...]
    quarantined: Mapping[str, str]

    def restored(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """`arguments` of a call, under the property names that the tool itself uses."""
        restore = next((tool.restore for tool in self.tools if tool.name == name), {})
        return {restore.get(key, key): value for key, value in arguments.items()}


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request as its API takes it, and what its decoder needs to know. `body["tools"]` stand in `offer`'s order."""

    body: Mapping[str, Any]
    offer: Offer
    call_ids: frozenset[str]
    stop: tuple[str, ...] = ()


class Decoder(Protocol):
    """Reads one reply. `done` is set by the event after which nothing comes."""

    done: bool

    def feed(self, event: str, data: str) -> Iterable[Piece]:
        """Raises ModelError if the API reports a failure, or sends what it should not."""

    def finish(self) -> AssistantMessage:
        """The whole reply. Raises ModelCut if it never came to a proper end."""


class Codec(Protocol):
    """One wire format. `path` is where its requests go below the base URL, `model` the name on the wire."""

    api: str
    path: str
    model: str

    def encode(self, request: ModelRequest, *, refused: Mapping[str, str]) -> Encoded:
        """`refused` names tools that the API would not take, and why; they are left out."""

    def decoder(self, encoded: Encoded) -> Decoder: ...


# -- requests ----------------------------------------------------------------------------------------------------------


def offered(request: ModelRequest) -> tuple[ToolDefinition, ...]:
    """The request's tools, then those that came later, in order of appearance. A definition that changed takes its
    old place; tools that went stay, for the model knows from the history that they are gone."""
    tools = {tool.name: tool for tool in request.tools}
    for message in request.messages:
        if isinstance(message, ToolsChanged):
            tools.update((tool.name, tool) for tool in message.added)
    return tuple(tools.values())


def offer(
    request: ModelRequest, refused: Mapping[str, str], *, description_limit: int | None = None, grammar: bool = False
) -> Offer:
    tools: list[Accepted] = []
    quarantined: dict[str, str] = {}
    for tool in offered(request):
        if tool.name in refused:
            quarantined[tool.name] = refused[tool.name]
            continue
        try:
            tools.append(accept(tool, description_limit=description_limit, grammar=grammar))
        except Hopeless as error:
            quarantined[tool.name] = str(error)
    return Offer(tuple(tools), quarantined)


def change_note(change: ToolsChanged) -> str:
    """What the model reads where its tools changed."""
    said = []
    if change.added:
        said.append(f"Tools now available: {', '.join(tool.name for tool in change.added)}.")
    if change.removed:
        said.append(f"Tools no longer available: {', '.join(change.removed)}.")
    return host_note(" ".join(said))


def steps(messages: Sequence[Message]) -> Iterable[Message | list[ToolResult]]:
    """`messages` with the results of each step, which stand together, as one list."""
    results: list[ToolResult] = []
    for message in messages:
        if isinstance(message, ToolResult):
            results.append(message)
            continue
        if results:
            yield results
            results = []
        yield message
    if results:
        yield results


def native_items(message: AssistantMessage, api: str, model: str) -> tuple[Mapping[str, Any], ...]:
    """The items that go back verbatim: those of the same api and model."""
    native = message.native
    return native.items if native and (native.api, native.model) == (api, model) else ()


class CallIds:
    """Call ids as they go on the wire: those of native items unchanged, others made fit for every API."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.taken = frozenset(
            call.id for message in messages if isinstance(message, AssistantMessage) for call in message.calls
        )
        self._native: set[str] = set()

    def keep(self, message: AssistantMessage) -> None:
        """`message` goes out as the native items it came as."""
        self._native.update(call.id for call in message.calls)

    def __getitem__(self, call_id: str) -> str:
        if call_id in self._native or _PORTABLE_ID.fullmatch(call_id):
            return call_id
        digest = hashlib.blake2s(call_id.encode("utf-8", "replace"), digest_size=4).hexdigest()
        return f"{re.sub('[^a-zA-Z0-9_-]', '_', call_id)[:31]}_{digest}"


def arguments_object(call: ToolCall) -> Mapping[str, Any]:
    return call.arguments if call.arguments is not None else {INVALID_JSON: call.text}


def arguments_text(call: ToolCall) -> str:
    return json.dumps(arguments_object(call), ensure_ascii=False, separators=(",", ":"))


def encodable_json(value: Any) -> Any:
    """JSON `value` without unpaired surrogates, which no wire carries."""
    written = json.dumps(value, ensure_ascii=False)
    return value if (clean := encodable(written)) == written else json.loads(clean)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


# NaN and infinities are no JSON, though Python reads and writes them.
_STRICT = json.JSONDecoder(parse_constant=_finite, parse_float=_finite)


# -- replies -----------------------------------------------------------------------------------------------------------


def read_event(data: str) -> dict[str, Any]:
    """An event's data as the object that every API sends.

    Raises:
        ModelError: it is none.
    """
    try:
        value = _STRICT.decode(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ModelError("The model API sent an event that is no JSON object.", hint="Check the endpoint's base URL.")
    return cast(dict[str, Any], value)


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` where an object should be, else an empty one."""
    return value if isinstance(value, dict) else {}


def string(value: Any) -> str:
    """`value` where a text should be, else an empty one."""
    return value if isinstance(value, str) else ""


def count(value: Any) -> int:
    """`value` where a number of tokens should be, else 0."""
    return value if isinstance(value, int) else 0


class Calls:
    """Makes the calls of one reply from what the model wrote; their ids are unique in the whole conversation."""

    def __init__(self, encoded: Encoded) -> None:
        self._offer = encoded.offer
        self._taken = set(encoded.call_ids)

    def unique(self, call_id: str) -> str:
        """`call_id`, or the next free one made from it."""
        base, free, number = call_id[:_ROOM] or "call", call_id, 0
        while not free or free in self._taken:
            number += 1
            free = f"{base}_{number}"
        self._taken.add(free)
        return free

    def call(self, call_id: str, name: str, text: str) -> ToolCall:
        """The call with this (already unique) id. No text at all means no arguments."""
        arguments = parse_object(text) if text.strip() else {}
        if arguments is not None:
            arguments = self._offer.restored(name, arguments)
        return ToolCall(encodable(call_id), name, arguments, encodable(text))


def fit_name(name: Any) -> str:
    """The tool's name as a model wrote it, in characters that every API takes back."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", string(name))[:64] or "unnamed"


def parse_object(text: str) -> dict[str, Any] | None:
    """`text` as a JSON object; None: it is none."""
    try:
        value = _STRICT.decode(text)
        return encodable_json(value) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def runnable(stop: Stop, calls: Iterable[ToolCall]) -> Stop:
    """`stop`, corrected for a reply that ended to have tools called and names none."""
    return "end" if stop == "tools" and not any(True for _ in calls) else stop


class StopCutter:
    """Cuts streamed text at the first of some stop sequences, for APIs that know none."""

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.cut = False

    def feed(self, text: str) -> str:
        """What of the text so far may be shown: nothing that may yet turn out to begin a stop sequence."""
        if self.cut:
            return ""
        text, self._held = self._held + text, ""
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.cut = True
            return text[: min(found)]
        hold = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - hold :]
        return text[: len(text) - hold]

    def rest(self) -> str:
        """What was held back when the text ended."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` begin `stop`."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
