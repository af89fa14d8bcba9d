"""What servers suggest for an argument that is being typed (`completion/complete`).

Law 4: a server that is slow, fails or cannot complete suggests nothing, and nobody waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import anyio

from mcphost.errors import ServerError
from mcphost.servers import Server

PATIENCE = 5.0  # seconds that an answer may take
FRESH = 60.0  # seconds that an answer holds
MOST = 100  # values of one answer, by the specification
MOST_ANSWERS = 500


class Suggestions:
    """Remembers the answers for one chat. `clock` is in seconds and never runs backwards."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answers: dict[object, tuple[float, tuple[str, ...]]] = {}

    async def of(
        self,
        server: Server,
        ref: Mapping[str, str],
        argument: str,
        value: str,
        given: Mapping[str, str],
        *,
        pause: float = 0,
        patience: float = PATIENCE,
    ) -> tuple[str, ...]:
        """What `server` makes of the beginning `value` of an argument of `ref` (as in `Server.complete`), where the
        arguments `given` are known already. It is asked after `pause` seconds, unless the answer is remembered: cancel
        this when more is typed."""
        key = (server.name, *sorted(ref.items()), argument, value, *sorted(given.items()))
        asked, values = self._answers.get(key, (-FRESH, ()))
        if self._clock() - asked < FRESH:
            return values
        await anyio.sleep(pause)
        try:
            with anyio.fail_after(patience):
                values = (await server.complete(ref, argument, value, given))[:MOST]
        except (ServerError, TimeoutError):
            return ()
        if len(self._answers) >= MOST_ANSWERS:
            self._answers.clear()
        self._answers[key] = self._clock(), values
        return values
