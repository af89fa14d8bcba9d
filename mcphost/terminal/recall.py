"""What a person sees of a conversation that goes on: its last question and answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mcphost.messages import AssistantMessage, Message, UserMessage


def recall(messages: Sequence[Message], *, asked: Callable[[str], None], answered: Callable[[str], None]) -> None:
    """Show the last message of the person through `asked`, and what was said since through `answered`."""
    last = max((index for index, one in enumerate(messages) if _typed(one)), default=None)
    if last is None:
        return
    asked(_text(messages[last]))
    said = [one.text for one in messages[last:] if isinstance(one, AssistantMessage) and one.text]
    if said:
        answered(said[-1])


def _typed(message: Message) -> bool:
    return isinstance(message, UserMessage) and message.origin == "typed"


def _text(message: Message) -> str:
    assert isinstance(message, UserMessage)
    return "\n".join(block.get("text", "") for block in message.content)
