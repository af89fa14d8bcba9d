"""What Tab offers: commands and their arguments, servers' prompts and their arguments, resources, tools.

Law 5: a name that could act on a terminal is not offered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from mcphost.terminal.suggesting import LineCompleter, Suggest

if TYPE_CHECKING:
    from mcphost.commands.prompts import Typing
    from mcphost.host import Chat
    from mcphost.plugins import Offer, Registry
    from mcphost.servers import Server
    from mcphost.servers.wire import WirePrompt

MOST_TEMPLATES = 5  # that are asked about for one URI

_MENTION = re.compile(r"""(?<!\S)@(?:"[^"\n]*|\S*)$""")


class ChatCompleter(LineCompleter):
    """Asks for what there is whenever something was typed: servers come and go."""

    def __init__(self, chat: Callable[[], Chat | None], registry: Callable[[], Registry | None]) -> None:
        super().__init__()
        self._chat = chat
        self._registry = registry

    async def offers(self, before: str, *, asked: bool) -> Sequence[tuple[str, Sequence[Offer]]]:
        from mcphost.commands import best, command_offers, file_offers

        chat, registry = self._chat(), self._registry()
        if chat is None or registry is None:
            return ()
        suggest = partial(self.known, chat.suggestions)
        word = before.split()[-1] if before and not before[-1].isspace() else ""
        if before.startswith("/"):
            if found := _prompt(chat, registry, before):
                server, prompt, typing = found
                begun = (one for one in _arguments(prompt, typing.given) if one[0].startswith(typing.word))
                names = best(begun, typing.word)
                return [(typing.word, [*names, *best(_values(server, prompt, typing, suggest), "")])]
            offers = await command_offers(chat, registry, before)
            return [(word, offers if " " in before else best([*offers, *_prompts(chat)], word))]
        if mention := _MENTION.search(before):
            word = mention[0].replace('"', "")
            files = [(f"@{path}", what) for path, what in await file_offers(word[1:])]
            listed = best([*files, *_resources(chat)], word)
            suggested = best(_from_templates(chat, word, suggest), "")
            return [(mention[0], [(_quoted(name), what) for name, what in (*listed, *suggested)])]
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


def _values(server: Server, prompt: WirePrompt, typing: Typing, suggest: Suggest) -> Iterator[Offer]:
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


def _quoted(mention: str) -> str:
    """It as it is to stand in a message; behind a directory it goes on, and its quotes stay open."""
    if " " not in mention:
        return mention
    return f'@"{mention[1:]}' + ("" if mention.endswith("/") else '"')


def _from_templates(chat: Chat, word: str, suggest: Suggest) -> Iterator[Offer]:
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
