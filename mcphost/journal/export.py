"""A chat as a document to keep or to hand on: Markdown for people, JSON for programs (docs/chats.md has its schema)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from mcphost.journal.base import Record
from mcphost.journal.chats import Summary
from mcphost.messages import (
    AssistantMessage,
    Block,
    Message,
    Notice,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    ToolsChanged,
    UserMessage,
    to_json,
)
from mcphost.text import one_line, safe

VERSION = 1


def document(chat: Summary, record: Record) -> dict[str, Any]:
    """The whole conversation, contents unchanged."""
    return {
        "version": VERSION,
        "chat": {
            "id": chat.id,
            "title": chat.title,
            "directory": chat.directory,
            "created": chat.created.isoformat(),
            "updated": chat.updated.isoformat(),
            "model": chat.model,
            "stop": chat.stop,
        },
        "system": record.run.system,
        "tools": [to_json(tool) for tool in record.run.tools],
        "messages": [to_json(message) for message in record.messages],
    }


def markdown(chat: Summary, record: Record) -> str:
    """What was said and done, readable. Words from outside stay text: a result is fenced and cannot end its fence."""
    parts = [f"# {_inline(chat.title)}", f"{chat.created:%Y-%m-%d %H:%M} UTC · {_inline(chat.model)} · chat {chat.id}"]
    for number, message in enumerate(record.messages, 1):
        parts += _message(number, message)
    return "\n\n".join(parts) + "\n"


def plain(record: Record) -> Iterator[str]:
    """Each message as lines for a terminal, numbered as `chats.fork` counts them."""
    for number, message in enumerate(record.messages, 1):
        yield f"{number:4} {one_line(speaker(message), 300)}: {safe(said(message))}"


def _message(number: int, message: Message) -> list[str]:
    head = f"## {number}. {_inline(speaker(message))}"
    match message:
        case AssistantMessage(content):
            return [head, *map(_part, content)]
        case ToolResult(content=content):
            note = [f"*{_inline(message.note)}*"] if message.note else []
            return [head, _fenced(text_of(content)), *note]
        case UserMessage(content):
            return [head, _quoted(text_of(content))]
        case _:
            return [head, f"*{_inline(said(message))}*"]


def _part(part: Text | Reasoning | ToolCall) -> str:
    match part:
        case Text(text):
            return safe(text)
        case Reasoning(text):
            return f"<details><summary>Reasoning</summary>\n\n{_quoted(text)}\n\n</details>"
        case ToolCall(arguments=arguments):
            shown = part.text if arguments is None else json.dumps(arguments, indent=2, ensure_ascii=False)
            return f"**Calls** {_code(part.name)}\n\n{_fenced(shown, 'json')}"


def speaker(message: Message) -> str:
    """Who says it, for a heading."""
    match message:
        case UserMessage(origin=origin):
            return "Person" if origin == "typed" else f"Person ({origin})"
        case AssistantMessage(stop=stop):
            return "Model" if stop in ("end", "tools", "stop") else f"Model ({stop})"
        case ToolResult(origin=origin):
            name = f"{origin.server}__{origin.tool}" if origin else "a call"
            return f"{'Error' if message.is_error else 'Result'} of {name}"
        case _:
            return "Host"


def said(message: Message) -> str:
    """All of it that is words."""
    match message:
        case UserMessage(content) | ToolResult(content=content):
            return text_of(content)
        case AssistantMessage():
            calls = (f"[calls {call.name} {json.dumps(call.arguments, ensure_ascii=False)}]" for call in message.calls)
            return "\n".join(filter(None, (message.text, *calls)))
        case Notice(text):
            return text
        case ToolsChanged(added, removed):
            return f"tools added: {_names(tool.name for tool in added)}; removed: {_names(removed)}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def text_of(content: Iterable[Block]) -> str:
    """The words of these blocks; of what is none, a line that tells what it is."""
    return "\n".join(map(_block, content))


def _block(block: Block) -> str:
    if "text" in block:
        return block["text"]
    inner = block.get("resource", {})
    if "text" in inner:
        return f"[{inner.get('uri')}]\n{inner['text']}"
    size = len(block.get("data") or inner.get("blob") or "") * 3 // 4
    about = (
        block["type"],
        block.get("mimeType"),
        block.get("uri") or inner.get("uri"),
        f"{size} bytes" if size else "",
    )
    return f"[{' '.join(filter(None, about))}]"


def _inline(text: str) -> str:
    """One line in which nothing is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", one_line(text, 300))


def _code(text: str) -> str:
    return f"`{one_line(text, 300).replace('`', chr(39))}`"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in safe(text).replace("<", "&lt;").split("\n"))


def _fenced(text: str, language: str = "") -> str:
    cleaned = safe(text)
    longest = max((len(run) for run in re.findall(r"`+", cleaned)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{cleaned}\n{fence}"
