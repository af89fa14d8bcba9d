"""What was said last, to take along: `/copy`, `/save`, `/edit`."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from mcphost.commands.complete import file_offers, last_word
from mcphost.errors import UsageError
from mcphost.host import Chat
from mcphost.messages import AssistantMessage, UserMessage
from mcphost.plugins import Copy, Edit, Offer
from mcphost.text import one_line


async def copy(chat: Chat, line: str) -> Copy:
    """The last answer for the clipboard, or its code block number `line`.

    Raises:
        UsageError: there is none.
    """
    answer = last_answer(chat)
    if not line:
        return Copy(answer)
    blocks = code_blocks(answer)
    if not line.isdecimal() or not 1 <= int(line) <= len(blocks):
        known = f"code blocks 1 to {len(blocks)}" if blocks else "no code block"
        raise UsageError(f"the last answer has {known}", hint="/copy takes the whole answer.")
    return Copy(blocks[int(line) - 1][1])


async def copied(chat: Chat, line: str) -> Sequence[Offer]:
    """The code blocks of the last answer."""
    answer = _said(chat)
    blocks = code_blocks(answer) if answer else []
    return [
        (str(number), one_line(f"{language or 'code'}: {code.strip()}", 60))
        for number, (language, code) in enumerate(blocks, 1)
    ]


async def save(chat: Chat, line: str) -> str:
    """Write the last answer to the file `line`."""
    if not line:
        raise UsageError("/save needs the name of a file", hint="/export writes the whole conversation.")
    return await write(line, last_answer(chat))


async def files(chat: Chat, line: str) -> Sequence[Offer]:
    return await file_offers(last_word(line))


async def edit(chat: Chat, line: str) -> Edit:
    """The last message that was typed, to be changed and sent again.

    Raises:
        UsageError: there is none.
    """
    for message in reversed(chat.conversation.messages if chat.conversation else []):
        if isinstance(message, UserMessage) and message.origin in ("typed", "steer") and "text" in message.content[0]:
            return Edit(message.content[0]["text"])
    raise UsageError("you have sent no message in this conversation yet", hint="Ctrl+X Ctrl+E edits what you type.")


async def write(name: str, text: str) -> str:
    """Write `text` to a new file; says so.

    Raises:
        UsageError: it exists already, or cannot be written.
    """
    try:
        path = await anyio.Path(name).expanduser()
        async with await path.open("x", encoding="utf-8") as file:
            await file.write(text if text.endswith("\n") else text + "\n")
    except FileExistsError:
        raise UsageError(
            f"{one_line(name, 300)} exists already", hint="Give another name: nothing is overwritten."
        ) from None
    except (OSError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{one_line(name, 300)} cannot be written: {why}") from None
    return f"Written: {await path.absolute()}, {len(text):,} characters."


def last_answer(chat: Chat) -> str:
    """What the model said last.

    Raises:
        UsageError: it has said nothing.
    """
    answer = _said(chat)
    if not answer:
        raise UsageError("the model has not answered in this conversation yet")
    return answer


def code_blocks(markdown: str) -> list[tuple[str, str]]:
    """The code blocks of a text as (language, code)."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").parse(markdown)
    return [(token.info.strip(), token.content) for token in tokens if token.type in ("fence", "code_block")]


def _said(chat: Chat) -> str:
    messages = chat.conversation.messages if chat.conversation else []
    answers = (message.text for message in reversed(messages) if isinstance(message, AssistantMessage))
    return next((answer for answer in answers if answer.strip()), "")
