"""What a line means that a person typed: a command, a server's prompt, a shell command of their own, or a message with
resources attached."""

from __future__ import annotations

import re
from collections.abc import Sequence

import anyio

from mcphost.commands import prompts
from mcphost.commands.local import attached
from mcphost.commands.nearest import nearest
from mcphost.errors import UsageError
from mcphost.host import Chat
from mcphost.messages import Block, Message, UserMessage, text_block
from mcphost.plugins import Act, Registry, Shell
from mcphost.text import one_line

# Words of other hosts for commands of ours.
ALIASES = {"?": "help", "exit": "quit", "cost": "usage"}

_MENTION = re.compile(r"""(?<!\S)@(?:"([^"\n]+)"|(\S+))""")


async def interpret(
    chat: Chat, registry: Registry, line: str, *, pasted: Sequence[range] = ()
) -> str | Act | Sequence[Message]:
    """The text that a command answers, what it wants of the frontend, or the messages to send. `pasted` says where in
    `line` pasted text stands.

    Raises:
        UsageError: no such command, prompt, server or argument; says which is nearest.
        ServerError: the server did not deliver the prompt or resource.
    """
    if line[:1] not in ("/", "!") or _within(0, pasted):
        return [await _with_resources(chat, line, pasted)]
    if line.startswith("!"):
        return _shell(line[1:].strip())
    name, rest = command_of(line)
    if name in registry.commands:
        return await registry.commands[name].run(chat, rest)
    if found := prompts.find(chat, line[1:]):
        return await prompts.filled_in(chat, *found)
    if ":" in name:
        raise prompts.unknown(chat, name)
    known = [f"/{known}" for known in (*registry.commands, *ALIASES, *_prompt_names(chat))]
    raise UsageError(f"there is no command /{one_line(name)}{nearest(f'/{name}', known)}", hint="/help lists them all.")


def command_of(line: str) -> tuple[str, str]:
    """The name of the command in `line`, which begins with "/", and what stands behind it."""
    name, _, rest = line[1:].partition(" ")
    return ALIASES.get(name, name), rest.strip()


def _shell(command: str) -> Shell:
    if not command:
        raise UsageError("! needs a command", hint="!ls runs ls in your shell; the model does not see what it says.")
    return Shell(command)


async def _with_resources(chat: Chat, line: str, pasted: Sequence[range]) -> UserMessage:
    """`line`, followed by what its `@server:uri` and `@path` words name; a path with spaces stands in quotes. Other `@`
    words are left alone."""
    blocks: list[Block] = [text_block(line)]
    for mention in _MENTION.finditer(line):
        if _within(mention.start(), pasted):
            continue
        word = mention[1] or mention[2].rstrip(".,;!?)")
        name, colon, uri = word.partition(":")
        if colon and name in chat.host.servers:
            contents = await chat.host.servers[name].read(uri, caller=chat.requests)
            blocks += [{"type": "resource", "resource": dict(content)} for content in contents]
        elif block := await anyio.to_thread.run_sync(attached, word):
            blocks.append(block)
    return UserMessage(tuple(blocks))


def _within(index: int, spans: Sequence[range]) -> bool:
    return any(index in span for span in spans)


def _prompt_names(chat: Chat) -> list[str]:
    return [f"{server.name}:{prompt['name']}" for server in chat.host.servers.values() for prompt in server.prompts]
