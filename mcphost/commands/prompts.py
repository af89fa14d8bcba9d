"""Servers' prompts as commands: which one a line means, its arguments, what is asked, what is sent.

Law: what a person did not say yes to where they could be asked is not sent; nothing that a server made is left out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mcphost.commands.nearest import nearest
from mcphost.errors import McpHostError, ServerUnavailable, UsageError
from mcphost.host import Chat
from mcphost.host.suggestions import Beginning
from mcphost.messages import AssistantMessage, Message, Text, UserMessage
from mcphost.questions import PromptArgument, PromptPreview
from mcphost.servers import Server
from mcphost.servers.wire import PromptMessage, WireArgument, WirePrompt
from mcphost.text import one_line

SOON = 0.5  # seconds that a question waits for the server's suggestions

LEFT = "Nothing was sent."

_KEY = re.compile(r"([\w.-]+)=")
# A word with what stands in its quotes, of which the last need not be closed.
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.?|"(?:[^"\\]|\\.?)*(?:"|$)|'[^']*(?:'|$))+""")


@dataclass(frozen=True, slots=True)
class Typing:
    """Arguments that are being typed: `word` is the last one as it stands there, and means `value` of `argument` (""
    for none); `given` are those before it."""

    word: str
    argument: str
    value: str
    given: Mapping[str, str]
    whole: bool = False

    def spelled(self, value: str) -> str:
        """What is to stand there in place of `word` to mean `value`."""
        if self.whole:
            return value
        key = f"{self.argument}="
        named = self.word.startswith(key) or _KEY.match(value)
        return (key if named else "") + (shlex.quote(value) if re.search(r"""[\s"'\\]""", value) else value)


def find(chat: Chat, line: str) -> tuple[Server, WirePrompt, str] | None:
    """The prompt that `line`, without its "/", begins with, as SERVER:PROMPT or as PROMPT, and what stands behind it.

    Raises:
        UsageError: several servers have a prompt of this name.
    """
    full: dict[str, list[tuple[Server, WirePrompt]]] = {}
    short: dict[str, list[tuple[Server, WirePrompt]]] = {}
    for server in chat.host.servers.values():
        for prompt in server.prompts:
            full.setdefault(f"{server.name}:{prompt['name']}", []).append((server, prompt))
            short.setdefault(prompt["name"], []).append((server, prompt))
    for names in (full, short):
        name = max((name for name in names if _begins(line, name)), key=len, default="")
        if not name:
            continue
        if len(names[name]) > 1:
            choices = ", ".join(one_line(f"/{server.name}:{name}") for server, _ in names[name])
            raise UsageError(f"several servers have a prompt {one_line(name)!r}", hint=f"Say which: {choices}")
        server, prompt = names[name][0]
        return server, prompt, line[len(name) :].lstrip()
    return None


def unknown(chat: Chat, name: str) -> McpHostError:
    """Why there is no prompt `name`, SERVER:PROMPT."""
    server_name, _, prompt_name = name.partition(":")
    server = chat.host.servers.get(server_name)
    if server is None:
        near = nearest(server_name, chat.host.servers)
        return UsageError(f"there is no server {one_line(server_name)!r}{near}", hint="/servers")
    if server.state != "ready":
        why = f": {server.detail}" if server.detail else ""
        return ServerUnavailable(f"{server.name} is {server.state}{why}", server=server.name)
    near = nearest(prompt_name, [prompt["name"] for prompt in server.prompts])
    return UsageError(f"{server.name} has no prompt {one_line(prompt_name)!r}{near}", hint="/prompts lists them.")


async def filled_in(chat: Chat, server: Server, prompt: WirePrompt, line: str) -> Sequence[Message] | str:
    """The messages of a prompt with the arguments in `line`, once the person filled in the others and saw it; or that
    nothing is sent. Where nobody can be asked it is sent as it is.

    Raises:
        UsageError: an argument is wrong, or missing and nobody can be asked; the server made nothing of the prompt.
        ServerError: the server did not deliver it.
    """
    arguments = prompt_arguments(prompt, line.strip())
    for argument in missing(prompt, arguments):
        value = await _asked(chat, server, prompt, argument, arguments)
        if value is None:
            return LEFT
        arguments[argument["name"]] = value
    made = chat.host.secrets.redacted(await server.get_prompt(prompt["name"], arguments, caller=chat.requests))
    if not made:
        raise UsageError(f"{server.name} made no message of {one_line(prompt['name'])}")
    decision = await chat.frontend.ask(PromptPreview(server.name, prompt["name"], tuple(dict(one) for one in made)))
    return prompt_messages(made) if decision.send or not decision.asked else LEFT


async def _asked(
    chat: Chat, server: Server, prompt: WirePrompt, argument: WireArgument, given: Mapping[str, str]
) -> str | None:
    name, description = argument["name"], argument.get("description") or ""
    beginning = Beginning(server, "prompt", prompt["name"], name, given=given)
    suggested = await chat.suggestions.ask(beginning, patience=SOON)
    question = PromptArgument(server.name, prompt["name"], name, description, dict(given), suggested)
    answer = await chat.frontend.ask(question)
    if answer.value is None and not answer.asked:
        needed = missing(prompt, given)
        raise UsageError(
            f"{one_line(prompt['name'])} needs {', '.join(one_line(one['name']) + '=…' for one in needed)}",
            hint="; ".join(
                one_line(f"{one['name']}: {one['description']}") for one in needed if one.get("description")
            ),
        )
    return answer.value


def missing(prompt: WirePrompt, given: Mapping[str, str]) -> list[WireArgument]:
    """The arguments that the prompt needs and does not have."""
    arguments = prompt.get("arguments") or ()
    return [argument for argument in arguments if argument.get("required") and argument["name"] not in given]


def prompt_arguments(prompt: WirePrompt, line: str) -> dict[str, str]:
    """The arguments in `line`, by name (`key=value`) or by position, quotes as in a shell; the last one takes the rest.
    A prompt with one argument takes the whole line.

    Raises:
        UsageError: an unknown key, or more than the prompt takes.
    """
    names = [argument["name"] for argument in prompt.get("arguments") or ()]
    if len(names) == 1 and line and not line.startswith(f"{names[0]}="):
        return {names[0]: _unquoted(line)}
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"the arguments cannot be read: {error}", hint="Check the quotes.") from None
    arguments: dict[str, str] = {}
    latest = ""
    for word in words:
        name, value = argument_of(names, word, arguments)
        if name:
            arguments[name] = value
        elif latest and latest == names[-1] and not _KEY.match(word):
            arguments[latest] += f" {word}"
        else:
            raise _surplus(prompt["name"], word, names)
        latest = name or latest
    return arguments


def typing(prompt: WirePrompt, line: str) -> Typing | None:
    """What is typed at the end of `line`, the arguments of `prompt`; None: they cannot be read."""
    names = [argument["name"] for argument in prompt.get("arguments") or ()]
    if len(names) == 1 and not line.startswith(f"{names[0]}="):
        return Typing(line, names[0], line, {}, whole=True)
    match = next((match for match in _WORD.finditer(line) if match.end() == len(line)), None)
    word = match[0] if match else ""
    try:
        given = prompt_arguments(prompt, line.removesuffix(word))
    except UsageError:
        return None
    return Typing(word, *argument_of(names, _closed(word), given), given)


def argument_of(names: Sequence[str], word: str, given: Mapping[str, str]) -> tuple[str, str]:
    """The argument that `word` is for, and its value there; "": there is none."""
    key, equals, value = word.partition("=")
    if equals and key in names:
        return key, value
    free = next((name for name in names if name not in given), "")
    return ("", word) if _KEY.match(word) else (free, word)


def prompt_messages(messages: Sequence[PromptMessage]) -> list[Message]:
    """A prompt's messages as they enter a conversation. Models take anything but text from a person alone: what is none
    of an assistant's part is the person's."""
    entered: list[Message] = []
    for message in messages:
        content = message["content"]
        if message["role"] == "assistant" and content["type"] == "text":
            entered.append(AssistantMessage((Text(content.get("text", "")),)))
        else:
            entered.append(UserMessage((content,), origin="prompt"))
    return entered


def _begins(line: str, name: str) -> bool:
    return line == name or (line.startswith(name) and line[len(name)].isspace())


def _unquoted(line: str) -> str:
    """`line`, without the quotes that stand around the whole of it."""
    if line[0] not in "\"'":
        return line
    try:
        words = shlex.split(line)
    except ValueError:
        return line
    return words[0] if len(words) == 1 else line


def _closed(word: str) -> str:
    """What a word means whose last quotes need not be closed."""
    for end in ("", '"', "'"):
        try:
            return "".join(shlex.split(word + end))
        except ValueError:
            continue
    return word


def _surplus(prompt: str, word: str, names: Sequence[str]) -> UsageError:
    near = nearest(word.partition("=")[0], names)
    takes = ", ".join(f"{name}=…" for name in names) or "none"
    return UsageError(
        f"{one_line(word)!r} is no argument of {one_line(prompt)}{near}", hint=f"It takes {one_line(takes, 500)}."
    )
