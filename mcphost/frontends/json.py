"""The json format of `mcphost run`: one document on stdout when the run has ended, however it ended."""

from __future__ import annotations

from typing import TextIO

from mcphost.events import Event
from mcphost.frontends import machine
from mcphost.frontends.base import Ending, Opening, RunFrontend
from mcphost.questions import A, Question


class JsonFrontend:
    """Writes the document to `out`; progress and questions are the narrator's."""

    def __init__(self, out: TextIO, narrator: RunFrontend) -> None:
        self._out = out
        self._narrator = narrator
        self._ledger = machine.Ledger()
        self._opening = Opening(session="", model="")

    def begin(self, opening: Opening) -> None:
        self._opening = opening
        self._narrator.begin(opening)

    async def show(self, event: Event) -> None:
        self._ledger.note(event)
        await self._narrator.show(event)

    async def ask(self, question: Question[A]) -> A:
        return await self._narrator.ask(question)

    def finish(self, ending: Ending) -> None:
        """Raises OSError where `out` cannot be written, BrokenPipeError above all."""
        self._narrator.finish(ending)
        self._out.write(machine.dumps(machine.document(self._opening, ending, self._ledger), indent=2) + "\n")
        self._out.flush()
