"""Conversations as a whole: looked at, written to a file, left for another one, taken up again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePath

from mcphost.commands.answers import write
from mcphost.commands.complete import file_offers, last_word
from mcphost.errors import Busy, UsageError
from mcphost.host import Chat
from mcphost.journal import Record, Run, chats, export, timeline
from mcphost.journal.sqlite import SqliteJournal
from mcphost.messages import AssistantMessage, UserMessage
from mcphost.plugins import Fill, GoOn, Offer
from mcphost.text import one_line

LISTED = 30  # chats to choose from
FORMATS = ("md", "json", "html")


async def history(chat: Chat, line: str) -> str:
    """The messages of this conversation, numbered as `/fork` counts them, a line each; or message `line` whole."""
    shown = [message.rstrip() for message in export.plain(_record(chat))]
    if not shown:
        return "Nothing has been said yet."
    if not line:
        return "\n".join(f"{text[:4]} {one_line(text[4:], 150)}" for text in shown)
    return shown[_number(chat, line) - 1]


async def write_out(chat: Chat, line: str) -> str:
    """Write the conversation to a file: Markdown, JSON or HTML, as the format or the file's name says.

    Raises:
        UsageError: there is nothing to write, or no such format, or the file exists or cannot be written.
    """
    words = line.split(maxsplit=1)
    form = words.pop(0) if words and words[0] in FORMATS else ""
    name = words[0] if words else f"chat-{chat.id}.{form or 'md'}"
    form = form or PurePath(name).suffix.lstrip(".").replace("markdown", "md")
    if form not in FORMATS:
        raise UsageError(
            f"{one_line(name, 300)} is no .md, .json or .html file", hint=f"/export {'|'.join(FORMATS)} FILE"
        )
    record = _record(chat)
    if not record.messages:
        raise UsageError("there is nothing to export yet")
    summary, record = chat.host.secrets.redacted((await _summary(chat, record), record))
    match form:
        case "json":
            text = json.dumps(export.document(summary, record), indent=2)
        case "html":
            from mcphost.journal import html

            text = html.render(summary, record, await _spans(chat))
        case _:
            text = export.markdown(summary, record)
    return await write(name, text)


async def exports(chat: Chat, line: str) -> Sequence[Offer]:
    formats = [(form, what) for form, what in zip(FORMATS, ("Markdown", "JSON, everything", "a page"), strict=True)]
    return [*(formats if " " not in line else ()), *await file_offers(last_word(line))]


async def clear(chat: Chat, line: str) -> str:
    chat.clear()
    return "The conversation is forgotten: nothing of it goes to the model any more."


async def new(chat: Chat, line: str) -> GoOn:
    """Leave this conversation as it is and begin another.

    Raises:
        Busy: a turn is running.
    """
    _idle(chat)
    kept = "" if chat.conversation is None else f" {_back(chat)}"
    return GoOn(chat.another(), f"A new conversation.{kept}")


async def resume(chat: Chat, line: str) -> GoOn | Fill:
    """Go on with a recorded chat, named by its id or how it begins, or "latest".

    Raises:
        UsageError: there is none, or nothing is recorded.
        Busy: a turn is running.
    """
    _idle(chat)
    journal = _journal(chat)
    if not line:
        return Fill("/resume ", "Which chat? Type a part of its id or title.", choose=True)
    handle = line.split()[0]
    found = await journal.read(partial(chats.find, handle=handle, directory=journal.directory))
    if found == chat.id:
        raise UsageError("this is that chat already")
    run = await journal.read(partial(chats.last_run, chat=found))
    record = await journal.fold(run)
    return GoOn(chat.another(resume=record), f"Chat {found} goes on. {_back(chat)}", record)


async def recorded(chat: Chat, line: str) -> Sequence[Offer]:
    """The chats that can be taken up, the one used last first."""
    journal = chat.host.journal
    if not isinstance(journal, SqliteJournal):
        return ()
    found = await journal.read(partial(chats.summaries, limit=LISTED))
    return [
        (one.id, f"{one.updated.astimezone():%d %b %H:%M} {one_line(one.title, 60)}")
        for one in found
        if one.id != chat.id
    ]


async def fork(chat: Chat, line: str) -> GoOn:
    """Go on in a copy of this conversation: all of it, or up to and with message `line`.

    Raises:
        UsageError: there is no such message.
        Busy: a turn is running.
    """
    copy = chat.fork(_number(chat, line) if line else None)
    count = len(copy.conversation.messages) if copy.conversation else 0
    return GoOn(copy, f"A copy of {count} message{'' if count == 1 else 's'} goes on. {_back(chat)}")


async def rewind(chat: Chat, line: str) -> str:
    """Go on from message `line` of this conversation, as if nothing had been said after it.

    Raises:
        UsageError: there is no such message.
        Busy: a turn is running.
    """
    chat.rewind(_number(chat, line))
    count = len(chat.conversation.messages) if chat.conversation else 0
    return f"The conversation ends with message {count}; what is said next follows it."


async def numbers(chat: Chat, line: str) -> Sequence[Offer]:
    """The messages that a copy could end with: those that no call or result follows."""
    shown = enumerate(export.plain(_record(chat)), 1)
    return [(str(number), one_line(text[4:], 60)) for number, text in shown]


def _idle(chat: Chat) -> None:
    if chat.running:
        raise Busy("a turn is running in this chat", hint="Esc or Ctrl+C stops it.")


def _number(chat: Chat, line: str) -> int:
    count = len(chat.conversation.messages) if chat.conversation else 0
    if not line.isdecimal() or not 1 <= int(line) <= count:
        raise UsageError(f"there is no message {one_line(line, 60)!r}", hint=f"/history shows 1 to {count}.")
    return int(line)


def _back(chat: Chat) -> str:
    recorded = isinstance(chat.host.journal, SqliteJournal) and chat.conversation is not None
    return f"/resume {chat.id} goes back." if recorded else ""


def _journal(chat: Chat) -> SqliteJournal:
    if not isinstance(chat.host.journal, SqliteJournal):
        raise UsageError("chats are not recorded here", hint="Start without --no-journal, and see mcphost.journal.")
    return chat.host.journal


def _record(chat: Chat) -> Record:
    """This conversation as it would be recorded now."""
    conversation = chat.conversation
    messages = tuple(conversation.messages) if conversation else ()
    system, tools = (conversation.system, conversation.tools) if conversation else (chat.system, ())
    return Record(Run("", chat.id, chat.model.name, system, tools, messages), messages, 0)


async def _spans(chat: Chat) -> Sequence[timeline.Span]:
    """Where the time went, as far as that is recorded."""
    journal = chat.host.journal
    if not isinstance(journal, SqliteJournal):
        return ()
    return await journal.read(partial(timeline.spans, chat=chat.id))


async def _summary(chat: Chat, record: Record) -> chats.Summary:
    """What is recorded of the chat, or what can be said without a record."""
    journal = chat.host.journal
    if isinstance(journal, SqliteJournal) and chat.conversation and chat.conversation.run:
        return await journal.read(partial(chats.summary, chat=chat.id))
    now = datetime.now(UTC)
    opening = next((message for message in record.messages if isinstance(message, UserMessage)), None)
    title = one_line(opening.content[0].get("text", "") if opening else "", 80) or "Chat"
    turns = sum(isinstance(message, AssistantMessage) and not message.calls for message in record.messages)
    return chats.Summary(chat.id, title, None, now, now, False, turns, record.run.model, None)
