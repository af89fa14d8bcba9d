"""What Tab offers: commands, servers' prompts and their arguments, resources, tools.

Law 5: a name that could act on a terminal is not offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from mcphost.text import one_line, safe

if TYPE_CHECKING:
    from mcphost.host import Chat
    from mcphost.plugins import Registry
    from mcphost.servers.wire import WirePrompt

MOST = 200

# A word that could stand here, and what it is.
Offer = tuple[str, str]


class ChatCompleter(Completer):
    """Asks for what there is whenever something was typed: servers come and go."""

    def __init__(self, chat: Callable[[], Chat | None], registry: Callable[[], Registry | None]) -> None:
        self._chat = chat
        self._registry = registry

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        chat, registry = self._chat(), self._registry()
        if chat is None or registry is None:
            return
        before = document.text_before_cursor
        word = before.split()[-1] if before and not before[-1].isspace() else ""
        offers = self._offers(chat, registry, before, word, asked=complete_event.completion_requested)
        for text, what in _matching(offers, word):
            yield Completion(text, -len(word), display=one_line(text, 80), display_meta=one_line(what, 60))

    def _offers(self, chat: Chat, registry: Registry, before: str, word: str, *, asked: bool) -> Iterator[Offer]:
        if before.startswith("/"):
            name, space, _ = before[1:].partition(" ")
            yield from _arguments(chat, registry, name, before) if space else _commands(chat, registry)
        elif word.startswith("@"):
            yield from _resources(chat)
        elif "__" in word or (asked and word):
            yield from ((tool.name, tool.for_model().description) for tool in chat.toolbox.snapshot().values())


def _commands(chat: Chat, registry: Registry) -> Iterator[Offer]:
    for command in registry.commands.values():
        yield f"/{command.name}", command.help
    for server in chat.host.servers.values():
        for prompt in server.prompts:
            yield f"/{server.name}:{prompt['name']}", prompt.get("description") or prompt.get("title") or ""


def _arguments(chat: Chat, registry: Registry, name: str, before: str) -> Iterator[Offer]:
    prompt = _prompt(chat, name)
    if prompt is not None:
        for argument in prompt.get("arguments") or ():
            if f" {argument['name']}=" not in before:
                needed = "needed" if argument.get("required") else "may be left out"
                yield f"{argument['name']}=", f"{argument.get('description') or ''} ({needed})".strip()
    elif name in registry.commands and "SERVER" in registry.commands[name].usage:
        yield from ((server.name, server.state) for server in chat.host.servers.values())


def _resources(chat: Chat) -> Iterator[Offer]:
    for server in chat.host.servers.values():
        for resource in server.resources:
            yield f"@{server.name}:{resource['uri']}", resource.get("title") or resource["name"]
        for template in server.templates:
            yield f"@{server.name}:{template['uriTemplate']}", template.get("title") or template["name"]


def _matching(offers: Iterable[Offer], word: str) -> list[Offer]:
    """Those that begin with `word`, then those that hold it."""
    wanted = word.lower()
    begin: list[Offer] = []
    hold: list[Offer] = []
    for offer in offers:
        text = offer[0].lower()
        if text.startswith(wanted):
            begin.append(offer)
        elif wanted.lstrip("/@") in text:
            hold.append(offer)
    return [offer for offer in (begin + hold)[:MOST] if safe(offer[0]) == offer[0] and "\n" not in offer[0]]


def _prompt(chat: Chat, name: str) -> WirePrompt | None:
    server_name, _, prompt_name = name.partition(":")
    server = chat.host.servers.get(server_name)
    return next((prompt for prompt in server.prompts if prompt["name"] == prompt_name), None) if server else None
