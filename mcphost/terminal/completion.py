"""What Tab offers: commands and their arguments, servers' prompts and their arguments, resources, tools.

Law 5: a name that could act on a terminal is not offered.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from mcphost.text import one_line

if TYPE_CHECKING:
    from mcphost.host import Chat
    from mcphost.plugins import Offer, Registry
    from mcphost.servers.wire import WirePrompt


class ChatCompleter(Completer):
    """Asks for what there is whenever something was typed: servers come and go."""

    def __init__(self, chat: Callable[[], Chat | None], registry: Callable[[], Registry | None]) -> None:
        self._chat = chat
        self._registry = registry

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        return ()  # they are awaited, below

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        chat, registry = self._chat(), self._registry()
        if chat is None or registry is None:
            return
        before = document.text_before_cursor
        word = before.split()[-1] if before and not before[-1].isspace() else ""
        for text, what in await _offers(chat, registry, before, word, asked=complete_event.completion_requested):
            yield Completion(text, -len(word), display=one_line(text, 80), display_meta=one_line(what, 60))


async def _offers(chat: Chat, registry: Registry, before: str, word: str, *, asked: bool) -> Sequence[Offer]:
    from mcphost.commands import best, command_offers, file_offers

    if before.startswith("/"):
        name, space, _ = before[1:].partition(" ")
        prompt = _prompt(chat, name)
        if space and prompt is not None:
            return best(_arguments(prompt, before), word)
        offers = await command_offers(chat, registry, before)
        return offers if space else [*offers, *best(_prompts(chat), word)]
    if word.startswith("@"):
        files = [(f"@{path}", what) for path, what in await file_offers(word[1:]) if " " not in path]
        return best([*files, *_resources(chat)], word)
    if "__" in word or (asked and word):
        return best(((tool.name, tool.for_model().description) for tool in chat.toolbox.snapshot().values()), word)
    return ()


def _prompts(chat: Chat) -> Iterator[Offer]:
    for server in chat.host.servers.values():
        for prompt in server.prompts:
            yield f"/{server.name}:{prompt['name']}", prompt.get("description") or prompt.get("title") or ""


def _arguments(prompt: WirePrompt, before: str) -> Iterator[Offer]:
    for argument in prompt.get("arguments") or ():
        if f" {argument['name']}=" not in before:
            needed = "needed" if argument.get("required") else "may be left out"
            yield f"{argument['name']}=", f"{argument.get('description') or ''} ({needed})".strip()


def _resources(chat: Chat) -> Iterator[Offer]:
    for server in chat.host.servers.values():
        for resource in server.resources:
            yield f"@{server.name}:{resource['uri']}", resource.get("title") or resource["name"]
        for template in server.templates:
            yield f"@{server.name}:{template['uriTemplate']}", template.get("title") or template["name"]


def _prompt(chat: Chat, name: str) -> WirePrompt | None:
    server_name, _, prompt_name = name.partition(":")
    server = chat.host.servers.get(server_name)
    return next((prompt for prompt in server.prompts if prompt["name"] == prompt_name), None) if server else None
