"""What servers suggest for an argument that is being typed (`completion/complete`).

Law 4: a server that is slow, fails or cannot complete suggests nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import anyio

from mcphost.errors import ServerError
from mcphost.servers import Server

PATIENCE = 5.0  # seconds that an answer may take
FRESH = 60.0  # seconds that an answer holds
MOST = 100  # values of one answer, by the specification
MOST_ANSWERS = 500


@dataclass(frozen=True, slots=True)
class Beginning:
    """The beginning `value` of an argument of a prompt, `of` by its name, or of a resource template, by its URI.
    `given` are the arguments that are known already."""

    server: Server
    kind: Literal["prompt", "resource"]
    of: str
    argument: str
    value: str = ""
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> object:
        return self.server.name, self.kind, self.of, self.argument, self.value, *sorted(self.given.items())

    async def complete(self) -> tuple[str, ...]:
        """Ask the server. Raises ServerError."""
        ref = {"type": f"ref/{self.kind}", "name" if self.kind == "prompt" else "uri": self.of}
        return await self.server.complete(ref, self.argument, self.value, self.given)


class Suggestions:
    """Remembers the answers for one chat. `clock` is in seconds and never runs backwards."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answers: dict[object, tuple[float, tuple[str, ...]]] = {}

    def known(self, beginning: Beginning) -> tuple[str, ...] | None:
        """What was answered not long ago; None: the server is to be asked."""
        asked, values = self._answers.get(beginning.key, (-FRESH, ()))
        return values if self._clock() - asked < FRESH else None

    async def ask(self, beginning: Beginning, *, patience: float = PATIENCE) -> tuple[str, ...]:
        """What is known, or what the server says within `patience` seconds."""
        known = self.known(beginning)
        if known is not None:
            return known
        try:
            with anyio.fail_after(patience):
                values = (await beginning.complete())[:MOST]
        except (ServerError, TimeoutError):
            return ()
        if len(self._answers) >= MOST_ANSWERS:
            self._answers.clear()
        self._answers[beginning.key] = self._clock(), values
        return values
