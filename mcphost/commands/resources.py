"""`/resources`: what there is to attach, how it begins, and which of it changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mcphost.commands.tables import table
from mcphost.errors import UsageError
from mcphost.frontends.preview import shortened, size_of
from mcphost.host import Chat
from mcphost.messages import Message, UserMessage
from mcphost.models.content import parts
from mcphost.plugins import Command, Offer
from mcphost.servers import Server
from mcphost.servers.wire import ResourceContents
from mcphost.text import one_line

NONE = "No resources: no server that is ready offers any."
MOST = 200  # rows at once
LINES = 20  # of a preview
CHANGED = "changed since it was read"
_VERBS = {"subscribe": "be told when it changes", "unsubscribe": "no longer be told when it changes"}
_READ = {"image": "an image", "pdf": "a PDF", "audio": "audio"}


async def resources(chat: Chat, line: str) -> str:
    """The resources of all servers, or those with `line` in their name or description; the beginning of one resource,
    or a subscription to it."""
    verb, _, what = line.partition(" ")
    if verb in _VERBS and what:
        return await _subscribe(*_named(chat, what.strip()), on=verb == "subscribe")
    if line.startswith(("@", *(f"{name}:" for name in chat.host.servers))):
        return await _preview(chat, *_named(chat, line))
    every = list(_every(chat))
    rows = [row for row in every if line.lower() in " ".join(row).lower()]
    if not rows:
        return f"None of {len(every)} resources has {one_line(line)!r} in its name." if every else NONE
    more = [f"… and {len(rows) - MOST:,} more: /resources PART lists those with it in their name."] * (len(rows) > MOST)
    return "\n".join([_table(rows[:MOST]), *more])


def listed(chat: Chat) -> str:
    """All resources and templates, a line each."""
    return _table(list(_every(chat))) or NONE


def offers(chat: Chat) -> Iterator[Offer]:
    """What may stand behind `@`, and what it is."""
    for server in chat.host.servers.values():
        yield from _listed(server)


async def completed(chat: Chat, line: str) -> Sequence[Offer]:
    verb, space, _ = line.partition(" ")
    if space and verb in _VERBS:
        return list(offers(chat))
    return [*((server.name, server.state) for server in chat.host.servers.values()), *_VERBS.items(), *offers(chat)]


COMMAND = Command(
    "resources",
    "the servers' resources and templates; how one begins; be told when one changes",
    resources,
    "[PART | [subscribe|unsubscribe] @SERVER:URI]",
    completed,
)


def weight(content: Mapping[str, Any]) -> str:
    """The type and the size of a resource's content, and whether a model can read it."""
    mime = one_line(str(content.get("mimeType") or ""), 100)
    if isinstance(text := content.get("text"), str):
        return f"{mime or 'text'}, {len(text):,} characters"
    data = str(content.get("blob") or "")
    (part,) = parts([{"type": "resource", "resource": dict(content)}])
    read = _READ.get(part.kind, "no text, image or PDF: the model is told only that it is there")
    return ", ".join(filter(None, [part.mime or mime, size_of(data), read]))


def attachments(messages: Iterable[Message]) -> Iterator[str]:
    """What a person attached to what they typed, of which type and size."""
    for message in messages:
        if isinstance(message, UserMessage) and message.origin != "prompt":
            yield from (_head(block["resource"]) for block in message.content if block["type"] == "resource")


def _head(content: Mapping[str, Any]) -> str:
    return f"{one_line(str(content.get('uri')), 300)}: {weight(content)}"


def _every(chat: Chat) -> Iterator[tuple[str, str]]:
    return (row for server in chat.host.servers.values() for row in _rows(server))


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return table([(one_line(name, 300), one_line(what, 150)) for name, what in rows])


def _rows(server: Server) -> Iterator[tuple[str, str]]:
    yield from _listed(server)
    for template in server.templates if server.state == "ready" else ():
        what = template.get("description") or template.get("title") or template["name"]
        yield f"@{server.name}:{template['uriTemplate']}", what


def _listed(server: Server) -> Iterator[tuple[str, str]]:
    """What it lists, and what else is subscribed to."""
    marks = dict.fromkeys(server.watched, "subscribed") | dict.fromkeys(server.changed, CHANGED)
    for resource in server.resources if server.state == "ready" else ():
        size = resource.get("size")
        words = [
            marks.pop(resource["uri"], ""),
            resource.get("title") or resource["name"],
            resource.get("mimeType"),
            f"{size:,} bytes" if isinstance(size, int) else "",
        ]
        yield f"@{server.name}:{resource['uri']}", " · ".join(filter(None, words))
    for uri in sorted(marks):
        yield f"@{server.name}:{uri}", marks[uri]


def _named(chat: Chat, what: str) -> tuple[Server, str]:
    name, _, uri = what.removeprefix("@").partition(":")
    if not uri or name not in chat.host.servers:
        raise UsageError(f"{one_line(what)!r} names no server's resource", hint="Write @SERVER:URI.")
    return chat.host.servers[name], uri


async def _preview(chat: Chat, server: Server, uri: str) -> str:
    contents = await server.read(uri, caller=chat.requests)
    return "\n\n".join(map(_shown, contents)) or f"@{server.name}:{one_line(uri, 300)} is empty."


def _shown(content: ResourceContents) -> str:
    head = _head(content)
    text = content.get("text")
    return head if text is None else f"{head}\n{shortened(text, LINES)}"


async def _subscribe(server: Server, uri: str, *, on: bool) -> str:
    if on:
        await server.subscribe(uri)
        return f"You are told when {server.name} changes {one_line(uri)}; /resources marks it."
    server.unsubscribe(uri)
    return f"You are no longer told when {server.name} changes {one_line(uri)}."
