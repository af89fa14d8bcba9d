"""The event loop of a command: signals become an orderly end, and a second one a quick end.

SIGINT, SIGTERM and SIGHUP cancel the command, which stops its servers and leaves with 130, 143 or 129. A second signal
leaves at once: the reaper ends what is left of the servers.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import anyio

from mcphost.cli.exits import HANGUP, INTERRUPTED, TERMINATED, Exit

_CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED, signal.SIGHUP: HANGUP}


def run(main: Callable[[], Awaitable[int]]) -> int:
    """Run `main` on a fresh event loop and return its exit code.

    Raises:
        Exit: a signal ended it; carries the signal's exit code.
    """
    return anyio.run(_guarded, main)


async def _guarded(main: Callable[[], Awaitable[int]]) -> int:
    received: list[signal.Signals] = []
    loop = asyncio.get_running_loop()
    with anyio.CancelScope() as scope:

        def on_signal(number: signal.Signals) -> None:
            if received:
                os._exit(_CODES[number])
            received.append(number)
            scope.cancel()

        for number in _CODES:
            loop.add_signal_handler(number, on_signal, number)
        try:
            return await main()
        except Exception:
            if not received:
                raise  # else it is what an ending turn left behind
        finally:
            if not received:
                _release(loop)
    raise Exit(_CODES[received[0]])


def _release(loop: asyncio.AbstractEventLoop) -> None:
    for number in _CODES:
        loop.remove_signal_handler(number)
