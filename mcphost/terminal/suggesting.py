"""Completions that a server may have to be asked for.

Law 4: nobody waits for a server. It is asked beside the line that is typed, which is completed once more when there is
an answer; a completion that waited itself would keep the next one waiting.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from mcphost.text import one_line

if TYPE_CHECKING:
    from mcphost.host import Chat
    from mcphost.host.suggestions import Beginning, Suggestions
    from mcphost.plugins import Offer
    from mcphost.questions import PromptArgument

PAUSE = 0.15  # seconds without a key before a server is asked

Suggest: TypeAlias = "Callable[[Beginning], Sequence[str]]"


class LineCompleter(Completer):
    """One completion at a time."""

    def __init__(self) -> None:
        self._wanted: list[Callable[[], Awaitable[Sequence[str]]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @abstractmethod
    async def offers(self, before: str, *, asked: bool) -> Sequence[tuple[str, Sequence[Offer]]]:
        """What could stand in place of a word at the end of `before`, with that word; `asked`: by Tab."""

    def known(self, suggestions: Suggestions, beginning: Beginning) -> Sequence[str]:
        """What is suggested as far as that is known; the server is asked for what is not."""
        values = suggestions.known(beginning)
        if values is None:
            self._wanted.append(partial(suggestions.ask, beginning))
        return values or ()

    async def tab(self, buffer: Buffer) -> None:
        """Take the first completion of what stands in `buffer`, also of one that is under way."""
        document = buffer.document
        await asyncio.sleep(0)
        while not self._idle.is_set():
            await self._idle.wait()
        if buffer.document != document:
            return
        if buffer.complete_state is not None and buffer.complete_state.completions:
            buffer.go_to_completion(0)
        else:
            buffer.start_completion(select_first=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        return ()  # they are awaited, below

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        if self._asking is not None:
            self._asking.cancel()
        self._wanted.clear()
        self._idle.clear()
        try:
            asked = complete_event.completion_requested
            for word, offers in await self.offers(document.text_before_cursor, asked=asked):
                for text, what in offers:
                    yield Completion(text, -len(word), display=one_line(text, 80), display_meta=one_line(what, 60))
        finally:
            self._idle.set()
        if self._wanted:
            app = get_app()
            self._asking = app.create_background_task(self._ask(app.current_buffer, document, now=asked))

    async def _ask(self, buffer: Buffer, document: Document, *, now: bool) -> None:
        await asyncio.sleep(0 if now else PAUSE)
        answers = await asyncio.gather(*(ask() for ask in self._wanted))
        if any(answers) and buffer.document == document:
            self._asking = None  # what begins now does not cancel itself
            buffer.complete_state = None
            buffer.start_completion(select_first=now)


class ArgumentCompleter(LineCompleter):
    """For a line that is the value of an argument."""

    def __init__(self, chat: Chat, question: PromptArgument) -> None:
        super().__init__()
        self._chat = chat
        self._question = question

    async def offers(self, before: str, *, asked: bool) -> Sequence[tuple[str, Sequence[Offer]]]:
        from mcphost.commands import best
        from mcphost.host.suggestions import Beginning

        question = self._question
        server = self._chat.host.servers[question.server]
        beginning = Beginning(server, "prompt", question.prompt, question.argument, before, question.given)
        return [(before, best([(value, "") for value in self.known(self._chat.suggestions, beginning)], ""))]
