"""The question about a call, whoever asks it: which keys there are, what they mean, and how arguments are edited."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mcphost.questions import Approval, ElicitationAnswer, ElicitationUrl, Lasting, ToolApproval
from mcphost.text import one_line

REFUSALS: Mapping[str, tuple[str, ElicitationAnswer]] = {
    "n": ("decline", ElicitationAnswer("decline")),
    "c": ("cancel", ElicitationAnswer("cancel")),
    "d": ("decline all that it asks in this chat", ElicitationAnswer("decline", lasting="chat")),
}
"""How a server's form or address is refused: key -> what it does."""

GRACE = 0.35  # seconds in which a key cannot be meant for a question that has just appeared

_KEYS: Mapping[str, Lasting] = {
    "y": "once",
    "w": "alike",
    "s": "chat",
    "a": "always",
    "p": "arguments",
    "v": "server",
}


def choices(question: ToolApproval, *, edited: bool = False) -> dict[str, str]:
    """What may be answered: keys and what they do, in the order to show them. What was edited is allowed once."""
    labels: Mapping[Lasting, str] = {
        "once": "yes, once",
        "alike": f"yes, this and {len(question.alike)} more shown",
        "chat": "yes, this tool in this whole chat",
        "always": "yes, always this tool",
        "arguments": "yes, always this tool with these arguments",
        "server": f"yes, always all {question.listed} tools that {one_line(question.server, 60)} lists now",
    }
    offered = ("once",) if edited else question.lasting
    keys = {key: labels[lasting] for key, lasting in _KEYS.items() if lasting in offered}
    keys["n"] = "no"
    keys["e"] = "edit the arguments first"
    if question.disable and not edited:
        keys["d"] = "no, and never this tool"
    return keys


def own_words(question: ToolApproval) -> str:
    """What the tool does by its server's word: title, description, annotations, as they came; empty: nothing."""
    hints = ", ".join(f"{name}: {value}" for name, value in question.annotations.items())
    return "\n".join(filter(None, [question.title, question.description, hints]))


def approval(key: str | None, *, reason: str = "", arguments: Mapping[str, Any] | None = None) -> Approval:
    """The answer that a key stands for; None: no more keys will come. `arguments`: as the person edited them."""
    if key is not None and key in _KEYS:
        return Approval(allowed=True, lasting=_KEYS[key], arguments=arguments)
    return Approval(allowed=False, reason=reason or None, disable=key == "d")


def edit(question: ToolApproval, text: str) -> ToolApproval:
    """The question with what was typed: a whole JSON object, or NAME=VALUE for one argument, where VALUE is JSON or,
    failing that, plain text.

    Raises:
        ValueError: it is neither; the message says what is expected.
    """
    name, equals, value = text.partition("=")
    if text.lstrip().startswith("{"):
        arguments = _parse(text)
        if not isinstance(arguments, dict):
            raise ValueError("expected a JSON object, or NAME=VALUE")
    elif equals and name.strip():
        arguments = {**question.arguments, name.strip(): _parse(value.strip(), plain=True)}
    else:
        raise ValueError("expected a JSON object, or NAME=VALUE")
    return replace(question, arguments=arguments, alike=())


def editable(question: ToolApproval) -> str:
    """The arguments on one line, to be edited there; nothing in it acts on a terminal."""
    return json.dumps(question.arguments)


def page(line: str) -> str:
    """`line` as a page for an editor: JSON laid out, anything else as it is."""
    try:
        return json.dumps(json.loads(line), indent=2)
    except (ValueError, RecursionError):
        return line


def spelled(question: ElicitationUrl) -> str:
    """What the host of an address may look like in a browser, where that is not how it is written."""
    return f" (which a browser may show as {one_line(question.shown_as)})" if question.shown_as else ""


def _parse(text: str, *, plain: bool = False) -> Any:
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)  # Python reads NaN and Infinity; no call carries them
        return value
    except (ValueError, RecursionError) as error:
        if plain:
            return text
        raise ValueError(f"that is no JSON: {error}") from None
