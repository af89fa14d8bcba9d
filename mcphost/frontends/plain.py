"""The text format of `mcphost run`: the answer alone on stdout, once it is complete."""

from __future__ import annotations

from typing import TextIO

from mcphost.events import Event
from mcphost.frontends.base import Ending, Opening, RunFrontend
from mcphost.questions import A, Question
from mcphost.text import safe


class PlainFrontend:
    """Writes the answer to `out`; everything else is the narrator's."""

    def __init__(self, out: TextIO, narrator: RunFrontend) -> None:
        self._out = out
        self._narrator = narrator

    def begin(self, opening: Opening) -> None:
        self._narrator.begin(opening)

    async def show(self, event: Event) -> None:
        await self._narrator.show(event)

    async def ask(self, question: Question[A]) -> A:
        return await self._narrator.ask(question)

    def finish(self, ending: Ending) -> None:
        """Raises OSError where `out` cannot be written, BrokenPipeError above all."""
        self._narrator.finish(ending)
        if ending.result:
            self._out.write(safe(ending.result).rstrip("\n") + "\n")
            self._out.flush()
