"""What a line means that a person typed: a command, a server's prompt, a shell command of their own, or a message with
resources attached."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping, Sequence

import anyio

from mcphost.commands.local import attached
from mcphost.errors import UsageError
from mcphost.host import Chat
from mcphost.messages import AssistantMessage, Block, Message, Text, UserMessage, text_block
from mcphost.plugins import Act, Registry, Shell
from mcphost.servers import Server
from mcphost.servers.wire import PromptMessage, WirePrompt
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
    if ":" in name:
        return await _prompt(chat, name, rest)
    known = [f"/{known}" for known in (*registry.commands, *ALIASES, *_prompt_names(chat))]
    near = _nearest(f"/{name}", known)
    raise UsageError(f"there is no command /{one_line(name)}{near}", hint="/help lists them all.")


def command_of(line: str) -> tuple[str, str]:
    """The name of the command in `line`, which begins with "/", and what stands behind it."""
    name, _, rest = line[1:].partition(" ")
    return ALIASES.get(name, name), rest.strip()


def _shell(command: str) -> Shell:
    if not command:
        raise UsageError("! needs a command", hint="!ls runs ls in your shell; the model does not see what it says.")
    return Shell(command)


async def _prompt(chat: Chat, name: str, rest: str) -> Sequence[Message]:
    server_name, _, prompt_name = name.partition(":")
    server = _server(chat, server_name)
    prompt = next((prompt for prompt in server.prompts if prompt["name"] == prompt_name), None)
    if prompt is None:
        near = _nearest(prompt_name, [prompt["name"] for prompt in server.prompts])
        raise UsageError(f"{server.name} has no prompt {one_line(prompt_name)!r}{near}", hint="/prompts lists them.")
    arguments = prompt_arguments(prompt, rest)
    return prompt_messages(await server.get_prompt(prompt_name, arguments, caller=chat.requests))


def prompt_arguments(prompt: WirePrompt, rest: str) -> dict[str, str]:
    """`key=value` words, quotes as in a shell. A prompt with one argument takes the whole rest without its key.

    Raises:
        UsageError: an unknown key, or a required argument is missing.
    """
    declared = {argument["name"]: argument for argument in prompt.get("arguments") or ()}
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise UsageError(f"the arguments cannot be read: {error}", hint="Check the quotes.") from None
    if len(declared) == 1 and words and not words[0].startswith(f"{next(iter(declared))}="):
        return {next(iter(declared)): " ".join(words)}
    arguments: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in declared:
            raise UsageError(
                f"{one_line(word)!r} is no argument of {prompt['name']}{_nearest(key, declared)}",
                hint=f"It takes {', '.join(f'{name}=…' for name in declared) or 'none'}.",
            )
        arguments[key] = value
    missing = [name for name, argument in declared.items() if argument.get("required") and name not in arguments]
    if missing:
        raise UsageError(
            f"{prompt['name']} needs {', '.join(f'{name}=…' for name in missing)}",
            hint="; ".join(f"{name}: {one_line(declared[name].get('description', ''))}" for name in missing),
        )
    return arguments


def prompt_messages(messages: Sequence[PromptMessage]) -> list[Message]:
    """A prompt's messages as they enter a conversation: what it has the assistant say is text only."""
    entered: list[Message] = []
    for message in messages:
        if message["role"] == "assistant":
            entered.append(AssistantMessage((Text(message["content"].get("text", "")),)))
        else:
            entered.append(UserMessage((message["content"],), origin="prompt"))
    return entered


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
            contents = await _server(chat, name).read(uri, caller=chat.requests)
            blocks += [{"type": "resource", "resource": dict(content)} for content in contents]
        elif block := await anyio.to_thread.run_sync(attached, word):
            blocks.append(block)
    return UserMessage(tuple(blocks))


def _within(index: int, spans: Sequence[range]) -> bool:
    return any(index in span for span in spans)


def _server(chat: Chat, name: str) -> Server:
    if name not in chat.host.servers:
        raise UsageError(f"there is no server {one_line(name)!r}{_nearest(name, chat.host.servers)}", hint="/servers")
    return chat.host.servers[name]


def _prompt_names(chat: Chat) -> list[str]:
    return [f"{server.name}:{prompt['name']}" for server in chat.host.servers.values() for prompt in server.prompts]


def _nearest(word: str, known: Mapping[str, object] | Sequence[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
