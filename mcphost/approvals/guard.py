"""The data-flow guard: what one server answered does not reach another, nor a secret any, without a word to the person.

A rule allows a tool, not everything that a poisoned result may put into its arguments.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mcphost.config.secrets import Secrets
from mcphost.messages import ToolResult
from mcphost.text import one_line
from mcphost.tools import Tool

LENGTH = 32  # characters, white space and case folded, that are no coincidence
MOST = 4_000_000  # characters remembered of one server
_STRIDE = 16
_WINDOW = LENGTH - _STRIDE + 1  # every text of LENGTH holds one whole window that begins at a multiple of the stride
_MEDIA = ("data", "blob")  # where a block of a result holds a picture or sound
_PLACES = 64  # of one window: text that repeats itself needs no more


@dataclass(frozen=True, slots=True)
class Flow:
    """Text in a call's arguments that came from elsewhere: `source` is a server, or names the secret."""

    source: str
    why: str
    secret: bool = False


class Guard:
    """What the servers of one chat answered. `accepts(server)` names those whose answers that server may be given;
    `strict` refuses a flow where nobody can be asked."""

    def __init__(
        self,
        *,
        accepts: Callable[[str], Collection[str]] = lambda server: (),
        secrets: Secrets = Secrets(),  # noqa: B008 - there are none in it
        strict: bool = False,
    ) -> None:
        self.strict = strict
        self._accepts = accepts
        self._secrets = secrets
        self._known: dict[str, _Known] = {}

    def saw(self, result: ToolResult) -> None:
        """Take note of a result."""
        if result.origin is None:
            return
        known = self._known.setdefault(result.origin.server, _Known())
        structured = (*_texts(result.structured), *_names(result.structured))
        for text in (*_texts(result.content, but=_MEDIA), *structured):
            known.add(text, result.origin.tool)

    def flow(self, tool: Tool, arguments: Mapping[str, Any]) -> Flow | None:
        """Where these arguments hold what they should not without a question; a secret before anything else. Text is
        also found that is spread over several of them."""
        stretches = [joint.join(texts(arguments)) for texts in (_texts, _names) for joint in (" ", "")]
        secret = self._secrets.found(stretches)
        if secret is not None:
            return Flow(secret, f"its arguments hold a secret: {secret}", secret=True)
        destination = tool.destination(arguments)
        for server, known in self._known.items():
            if server == destination or server in self._accepts(destination):
                continue
            for text in stretches:
                if found := known.find(text):
                    came, words = found
                    name = one_line(f"{server}__{came}", 100)
                    return Flow(server, f'its arguments hold text that came from {name}: "{one_line(words, 80)}"')
        return None


class _Known:
    """The texts of one server, found again by any stretch of `LENGTH` characters in time linear in what is searched."""

    def __init__(self) -> None:
        self._texts: list[tuple[str, str]] = []  # folded, tool
        self._places: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._size = 0

    def add(self, text: str, tool: str) -> None:
        folded = _folded(text)
        if len(folded) < LENGTH or self._size + len(folded) > MOST:
            return
        self._size += len(folded)
        self._texts.append((folded, tool))
        for at in range(0, len(folded) - _WINDOW + 1, _STRIDE):
            places = self._places[folded[at : at + _WINDOW]]
            if len(places) < _PLACES:
                places.append((len(self._texts) - 1, at))

    def find(self, text: str) -> tuple[str, str] | None:
        """The tool that gave a stretch of `text`, and the stretch."""
        folded = _folded(text)
        for start in range(len(folded) - LENGTH + _STRIDE):
            for number, at in self._places.get(folded[start : start + _WINDOW], ()):
                source, tool = self._texts[number]
                first, last = _common(folded, start, source, at)
                if last - first >= LENGTH:
                    return tool, folded[first:last]
        return None


def _common(text: str, start: int, source: str, at: int) -> tuple[int, int]:
    """The stretch of `text` around the window at `start` that `source` has around the one at `at`."""
    first, last = start, start + _WINDOW
    while first and at - (start - first) and text[first - 1] == source[at - (start - first) - 1]:
        first -= 1
    end = at + _WINDOW
    while last < len(text) and end < len(source) and text[last] == source[end]:
        last, end = last + 1, end + 1
    return first, last


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _texts(value: Any, but: Collection[str] = ()) -> Iterator[str]:
    """The texts of JSON values, without what stands under the names in `but`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if name not in but:
                yield from _texts(item, but)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item, but)


def _names(value: Any) -> Iterator[str]:
    """The names of members of JSON values: a tool may take any."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield name
            yield from _names(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _names(item)
