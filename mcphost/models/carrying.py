"""What of a conversation another model does not get to see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mcphost.messages import AssistantMessage, Message, Reasoning, ToolResult, UserMessage
from mcphost.models.base import Model
from mcphost.models.content import (
    Part,
    anthropic_block,
    chat_part,
    responses_part,
    result_parts,
    user_parts,
)

_FORMS: Mapping[str, Callable[[Part], dict[str, Any]]] = {
    "anthropic": anthropic_block,
    "openai-responses": responses_part,
    "openai-chat": chat_part,
}


def not_carried(messages: Sequence[Message], model: Model) -> list[str]:
    """What `model` will not be sent of `messages`, a phrase each. Words, calls and results always are; the reasoning of
    a reply only goes back to the model that wrote it."""
    if not messages:
        return []
    if not model.info.is_llm:
        return ["everything but the words of your next message: it reads no history"]
    found = (
        [f"the reasoning in {count} {'reply' if count == 1 else 'replies'}"]
        if (count := sum(_foreign(message, model) for message in messages))
        else []
    )
    form = _FORMS.get(model.info.api)
    media = Counter(part.mime or part.kind for part in _media(messages) if form and form(part)["type"].endswith("text"))
    return found + [
        f"{count} × {mime} (its API takes none; a note stands there instead)" for mime, count in media.items()
    ]


def _foreign(message: Message, model: Model) -> bool:
    """Whether it is a reply with reasoning, of another model."""
    if not isinstance(message, AssistantMessage):
        return False
    native = message.native
    reasoned = any(isinstance(part, Reasoning) for part in message.content)
    name = model.name.partition("/")[2]
    return reasoned and (native is None or (native.api, native.model) != (model.info.api, name))


def _media(messages: Sequence[Message]) -> Iterator[Part]:
    for message in messages:
        if isinstance(message, UserMessage):
            parts = user_parts(message)
        elif isinstance(message, ToolResult) and not message.is_error:
            parts = result_parts(message)
        else:
            continue
        yield from (part for part in parts if part.kind not in ("text", "document"))
