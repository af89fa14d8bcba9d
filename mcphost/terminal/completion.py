"""What Tab offers: commands and their arguments, servers' prompts and their arguments, resources, tools.

Law 5: a name that could act on a terminal is not offered. Law 4: nobody waits for a server's suggestions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from mcphost.text import one_line

if TYPE_CHECKING:
    from mcphost.commands.prompts import Typing
    from mcphost.host import Chat
    from mcphost.host.suggestions import Beginning, Suggestions
    from mcphost.plugins import Offer, Registry
    from mcphost.questions import PromptArgument
    from mcphost.servers import Server
    from mcphost.servers.wire import WirePrompt

PAUSE = 0.15  # seconds without a key before a server is asked
MOST_TEMPLATES = 5  # that are asked about for one URI


class ChatCompleter(Completer):
    """Asks for what there is whenever something was typed: servers come and go."""

    def __init__(self, chat: Callable[[], Chat | None], registry: Callable[[], Registry | None]) -> None:
        self._chat = chat
        self._registry = registry
        self._later = _Later()

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        return ()  # they are awaited, below

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        self._later.cancel()
        chat, registry = self._chat(), self._registry()
        if chat is None or registry is None:
            return
        wanted: list[Beginning] = []
        suggest = partial(_known, chat.suggestions, wanted)
        asked = complete_event.completion_requested
        for word, offers in await _offers(chat, registry, document.text_before_cursor, suggest, asked=asked):
            for text, what in offers:
                yield Completion(text, -len(word), display=one_line(text, 80), display_meta=one_line(what, 60))
        self._later.ask(chat.suggestions, wanted, document, now=asked)


def for_argument(chat: Chat | None, question: PromptArgument) -> Completer | None:
    """What a line is completed by that is the value of one argument."""
    from mcphost.host.suggestions import Beginning

    server = chat.host.servers.get(question.server) if chat else None
    if chat is None or server is None:
        return None
    return _ArgumentCompleter(
        chat.suggestions,
        lambda typed: Beginning(server, "prompt", question.prompt, question.argument, typed, question.given),
    )


class _ArgumentCompleter(Completer):
    def __init__(self, suggestions: Suggestions, beginning: Callable[[str], Beginning]) -> None:
        self._suggestions = suggestions
        self._beginning = beginning
        self._later = _Later()

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        from mcphost.commands import best

        typed = document.text_before_cursor
        wanted: list[Beginning] = []
        values = _known(self._suggestions, wanted, self._beginning(typed))
        for value, _ in best([(value, "") for value in values], ""):
            yield Completion(value, -len(typed), display=one_line(value, 80))
        self._later.ask(self._suggestions, wanted, document, now=complete_event.completion_requested)


class _Later:
    """Asks servers beside the line that is typed, and has it completed once more when they have answered: a completion
    that waited itself would keep the next one waiting."""

    def __init__(self) -> None:
        self._asking: asyncio.Task[None] | None = None

    def ask(self, suggestions: Suggestions, wanted: Sequence[Beginning], document: Document, *, now: bool) -> None:
        """In place of what was asked before; `now`: do not wait until nothing more is typed."""
        self.cancel()
        if wanted:
            app = get_app()
            asking = self._ask(suggestions, wanted, app.current_buffer, document, now)
            self._asking = app.create_background_task(asking)

    def cancel(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(
        self, suggestions: Suggestions, wanted: Sequence[Beginning], buffer: Buffer, document: Document, now: bool
    ) -> None:
        await asyncio.sleep(0 if now else PAUSE)
        answers = await asyncio.gather(*map(suggestions.ask, wanted))
        if any(answers) and buffer.document == document:
            self._asking = None  # what begins now does not cancel itself
            buffer.complete_state = None
            buffer.start_completion(select_first=now)


def _known(suggestions: Suggestions, wanted: list[Beginning], beginning: Beginning) -> Sequence[str]:
    """What is suggested as far as that is known; what is not becomes `wanted`."""
    values = suggestions.known(beginning)
    if values is None:
        wanted.append(beginning)
    return values or ()


async def _offers(
    chat: Chat, registry: Registry, before: str, suggest: Callable[[Beginning], Sequence[str]], *, asked: bool
) -> Sequence[tuple[str, Sequence[Offer]]]:
    """What could stand in place of a word at the end of `before`, with that word."""
    from mcphost.commands import best, command_offers, file_offers

    word = before.split()[-1] if before and not before[-1].isspace() else ""
    if before.startswith("/"):
        if found := _prompt(chat, registry, before):
            typing = found[2]
            return [
                (typing.word, best(_arguments(found[1], typing.given), typing.word)),
                (typing.word, best(_values(*found, suggest), "")),
            ]
        offers = await command_offers(chat, registry, before)
        return [(word, offers if " " in before else [*offers, *best(_prompts(chat), word)])]
    if word.startswith("@"):
        files = [(f"@{path}", what) for path, what in await file_offers(word[1:]) if " " not in path]
        return [(word, best([*files, *_resources(chat)], word)), (word, best(_from_templates(chat, word, suggest), ""))]
    if "__" in word or (asked and word):
        tools = chat.toolbox.snapshot().values()
        return [(word, best(((tool.name, tool.for_model().description) for tool in tools), word))]
    return ()


def _prompts(chat: Chat) -> Iterator[Offer]:
    for server in chat.host.servers.values():
        for prompt in server.prompts:
            yield f"/{server.name}:{prompt['name']}", prompt.get("description") or prompt.get("title") or ""


def _prompt(chat: Chat, registry: Registry, before: str) -> tuple[Server, WirePrompt, Typing] | None:
    """The prompt whose arguments are being typed."""
    from mcphost.commands import command_of, prompts
    from mcphost.errors import UsageError

    if command_of(before)[0] in registry.commands:
        return None
    try:
        found = prompts.find(chat, before[1:])
    except UsageError:
        return None
    if found is None or not (found[2] or before[-1].isspace()):
        return None
    server, prompt, line = found
    typing = prompts.typing(prompt, line)
    return (server, prompt, typing) if typing else None


def _arguments(prompt: WirePrompt, given: Mapping[str, str]) -> Iterator[Offer]:
    for argument in prompt.get("arguments") or ():
        if argument["name"] not in given:
            needed = "needed" if argument.get("required") else "may be left out"
            yield f"{argument['name']}=", f"{argument.get('description') or ''} ({needed})".strip()


def _values(
    server: Server, prompt: WirePrompt, typing: Typing, suggest: Callable[[Beginning], Sequence[str]]
) -> Iterator[Offer]:
    from mcphost.host.suggestions import Beginning

    if typing.argument:
        beginning = Beginning(server, "prompt", prompt["name"], typing.argument, typing.value, typing.given)
        for value in suggest(beginning):
            yield typing.spelled(value), f"{typing.argument}, {server.name} suggests"


def _resources(chat: Chat) -> Iterator[Offer]:
    from mcphost.commands.resources import offers

    yield from offers(chat)
    for server in chat.host.servers.values():
        for template in server.templates:
            what = f"{template.get('title') or template['name']}: {template['uriTemplate']}"
            yield f"@{server.name}:{template['uriTemplate'].partition('{')[0]}", what


def _from_templates(chat: Chat, word: str, suggest: Callable[[Beginning], Sequence[str]]) -> Iterator[Offer]:
    """What a URI could become that begins like one of a template."""
    from mcphost.commands import templates
    from mcphost.host.suggestions import Beginning

    name, _, uri = word[1:].partition(":")
    server = chat.host.servers.get(name)
    if server is None:
        return
    matching = templates.matching(uri, (template["uriTemplate"] for template in server.templates))
    for template, typing in islice(matching, MOST_TEMPLATES):
        beginning = Beginning(server, "resource", template.text, typing.variable, typing.value, typing.given)
        for value in suggest(beginning):
            begun = template.begun({**typing.given, typing.variable: value})
            yield f"@{name}:{begun}", f"{typing.variable}, {name} suggests"
