"""The questions about a server's prompt, whoever asks them, and a content block as a few lines that a person can read.

Law 5: all of it is safe for a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcphost.questions import PromptArgument, PromptPreview
from mcphost.text import one_line, safe

LINES = 200
CHARACTERS = 10_000
SUGGESTED = 20


def described(block: Mapping[str, Any], lines: int = LINES) -> str:
    """Text with its first lines, anything else by its type, name and size."""
    match block.get("type"):
        case "text":
            return shortened(str(block.get("text", "")), lines)
        case "image" | "audio" as kind:
            return f"[{kind} {_kind(block)}{size_of(str(block.get('data', '')))}]"
        case "resource":
            resource = block.get("resource") or {}
            text, blob = resource.get("text"), str(resource.get("blob"))
            size = f"{len(text):,} characters" if isinstance(text, str) else size_of(blob)
            return f"[resource {one_line(str(resource.get('uri')), 500)}, {_kind(resource)}{size}]"
        case "resource_link":
            return f"[link to {one_line(str(block.get('uri')), 500)}]"
        case kind:
            return f"[{one_line(str(kind))}]"


def shortened(text: str, lines: int) -> str:
    """The first `lines` of `text`, and how much more there is."""
    every = safe(text).strip("\n").split("\n")
    head = "\n".join(every[:lines])[:CHARACTERS]
    cut = len("\n".join(every)) - len(head)
    return f"{head}\n… {cut:,} more characters" if cut else head


def wanted(question: PromptArgument) -> str:
    prompt, server, argument = map(one_line, (question.prompt, question.server, question.argument))
    return f"The prompt {prompt} of server {server} needs {argument}"


def about(question: PromptArgument) -> list[str]:
    """What the server says about the argument, and what the others are."""
    lines = [f"{one_line(name)}={one_line(value)}" for name, value in question.given.items()]
    if question.description:
        lines.append(f"{one_line(question.server)} describes it: {one_line(question.description, 500)}")
    more = ["…"] * (len(question.suggestions) > SUGGESTED)
    suggested = [*(one_line(value, 80) for value in question.suggestions[:SUGGESTED]), *more]
    return [*lines, f"It suggests: {', '.join(suggested)}"] if suggested else lines


def title(question: PromptPreview) -> str:
    return f"Send this? Server {one_line(question.server)} made it of its prompt {one_line(question.prompt)}"


def parts(question: PromptPreview) -> list[tuple[str, str]]:
    """Who says what: the role of each message, and its content."""
    return [(one_line(str(one.get("role"))), described(one.get("content") or {})) for one in question.messages]


def _kind(content: Mapping[str, Any]) -> str:
    return f"{one_line(str(content['mimeType']))}, " if content.get("mimeType") else ""


def size_of(data: str) -> str:
    """How many bytes this base64 stands for, in words."""
    return f"{len(data) * 3 // 4 - data[-2:].count('='):,} bytes"
