"""`/usage` and `/context`: tokens as the replies of this conversation reported them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from mcphost.commands.tables import table
from mcphost.host import Chat
from mcphost.messages import AssistantMessage, Block, Message, Notice, ToolDefinition, ToolResult, Usage, UserMessage
from mcphost.text import one_line

PER_TOKEN = 4  # characters, roughly
_NOTHING = "The model has not answered yet."


async def usage(chat: Chat, line: str) -> str:
    """Tokens by turn, and in all."""
    messages = chat.conversation.messages if chat.conversation else []
    turns = list(_turns(messages))
    if not any(replies for _, replies in turns):
        return _NOTHING
    rows = [("turn", "requests", "tokens in", "cached", "out", "")]
    for number, (text, replies) in enumerate(turns, 1):
        rows.append((str(number), *_tokens(replies), one_line(text, 50)))
    replies = [reply for _, replies in turns for reply in replies]
    if len(turns) > 1:
        rows.append(("all", *_tokens(replies), ""))
    unreported = sum(reply.usage == Usage() for reply in replies)
    return table(rows) + (f"\n{unreported} replies reported no tokens." if unreported else "")


async def context(chat: Chat, line: str) -> str:
    """What fills the context window: what the last reply reported, and what is estimated of each part."""
    conversation = chat.conversation
    if conversation is None:
        return "Nothing has been sent yet: the conversation begins with your first message."
    reported = [message.usage for message in conversation.messages if isinstance(message, AssistantMessage)]
    last = reported[-1] if reported else Usage()
    window = chat.model.info.context_tokens
    share = f" of {window:,} ({(last.input + last.output) * 100 // window} %)" if window else ""
    said = [
        f"{last.input + last.output:,} tokens{share} after the last reply, as it reported: "
        f"{last.input:,} in ({last.cache_read:,} read from the cache), {last.output:,} out."
        if last != Usage()
        else "No reply has reported its tokens yet."
    ]
    rows = [("system text", _about(len(conversation.system)), "")]
    rows += _tools(list(conversation.known().values()))
    rows += [(kind, _about(size), _several(count, "message")) for kind, size, count in _kinds(conversation.messages)]
    return "\n".join([*said, "By part, estimated from the length of its text:", table(rows)])


def _turns(messages: Sequence[Message]) -> Iterator[tuple[str, list[AssistantMessage]]]:
    """Each turn as what opened it and its replies."""
    text, replies, said = "", list[AssistantMessage](), False
    for message in messages:
        if isinstance(message, UserMessage) and message.origin != "steer":
            if said:
                yield text, replies
                text, replies, said = "", [], False
            text = text or "\n".join(block.get("text", "") for block in message.content)
        elif isinstance(message, AssistantMessage):
            replies.append(message)
            said = True
    if said:
        yield text, replies


def _tokens(replies: Sequence[AssistantMessage]) -> tuple[str, str, str, str]:
    total = sum((reply.usage for reply in replies), Usage())
    return str(len(replies)), f"{total.input:,}", f"{total.cache_read:,}", f"{total.output:,}"


def _tools(tools: Sequence[ToolDefinition]) -> list[tuple[str, str, str]]:
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for tool in tools:
        server = tool.name.partition("__")[0]
        sizes[server] += len(json.dumps(asdict(tool), default=str, ensure_ascii=False))
        counts[server] += 1
    return [
        (f"tools of {server}", _about(size), _several(counts[server], "tool")) for server, size in sizes.most_common()
    ]


def _kinds(messages: Sequence[Message]) -> list[tuple[str, int, int]]:
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for message in messages:
        kind, size = _weight(message)
        sizes[kind] += size
        counts[kind] += 1
    return [(kind, size, counts[kind]) for kind, size in sizes.most_common()]


def _weight(message: Message) -> tuple[str, int]:
    match message:
        case AssistantMessage():
            calls = sum(len(call.name) + len(call.text) for call in message.calls)
            return "replies", len(message.text) + calls
        case UserMessage(content):
            return "your messages", _length(content)
        case ToolResult(content=content):
            return "tool results", _length(content)
        case Notice(text):
            return "notices", len(text)
        case _:
            return "changes of tools", 0


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _length(content: Sequence[Block]) -> int:
    return sum(len(block.get("text") or block.get("resource", {}).get("text") or "") for block in content)


def _about(characters: int) -> str:
    return f"about {max(characters // PER_TOKEN, 1 if characters else 0):,} tokens"
