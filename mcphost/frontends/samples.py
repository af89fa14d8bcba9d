"""The questions about sampling, whoever asks them: what is sent and what comes back, as text that can be edited."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from mcphost.frontends import consent
from mcphost.questions import SampleResult, SamplingDecision, SamplingReview

Asked: TypeAlias = SamplingReview | SampleResult

_REQUEST = {"messages": list, "systemPrompt": str, "maxTokens": int}


def editable(question: Asked) -> str:
    """What may be changed, as JSON on one line; nothing in it acts on a terminal."""
    return json.dumps(_parts(question) if isinstance(question, SamplingReview) else question.content)


def page(line: str) -> str:
    """`line` as a page for an editor: JSON laid out, or the words of an answer that is nothing else."""
    match _parsed(line):
        case {"type": "text", "text": str() as words, **rest} if not rest:
            return words
    return consent.page(line)


def edit(question: Asked, text: str) -> Asked:
    """The question with what was typed. A text that is no JSON of content is the answer itself.

    Raises:
        ValueError: it is no request; the message says what is expected.
    """
    value = _parsed(text)
    if isinstance(question, SampleResult):
        return replace(question, content=_content(value) or {"type": "text", "text": text})
    if not isinstance(value, dict) or not all(
        key in _REQUEST and isinstance(part, _REQUEST[key]) and not isinstance(part, bool)
        for key, part in value.items()
    ):
        raise ValueError("expected a JSON object of messages, systemPrompt and maxTokens")
    parts = {**_parts(question), **value}
    if not all(isinstance(message, dict) for message in parts["messages"]):
        raise ValueError("expected messages that are objects, as they were")
    system, most = parts.get("systemPrompt"), parts["maxTokens"]
    return replace(question, messages=tuple(parts["messages"]), system=system or None, max_tokens=most)


def decision(asked: Asked, question: Asked) -> SamplingDecision:
    """The yes to `question`, which the person may have made of the one that was `asked`."""
    if question is asked:
        return SamplingDecision(allowed=True)
    if isinstance(question, SamplingReview):
        return SamplingDecision(allowed=True, edited={"systemPrompt": "", **_parts(question)})
    content = question.content
    return SamplingDecision(
        allowed=True, edited={"content": dict(content) if isinstance(content, Mapping) else list(content)}
    )


def tools(question: SamplingReview) -> Iterator[tuple[str, str]]:
    """Name, and all else, of each tool that the model would be offered."""
    for tool in question.tools:
        schema = json.dumps(tool.get("inputSchema"), ensure_ascii=False)
        yield str(tool.get("name")), "\n".join(filter(None, [str(tool.get("description") or ""), schema]))


def blocks(question: SampleResult) -> Sequence[Mapping[str, Any]]:
    return (question.content,) if isinstance(question.content, Mapping) else question.content


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _parts(question: SamplingReview) -> dict[str, Any]:
    system = {"systemPrompt": question.system} if question.system else {}
    return {**system, "messages": list(question.messages), "maxTokens": question.max_tokens}


def _content(value: Any) -> dict[str, Any] | tuple[dict[str, Any], ...] | None:
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in parts):
        return None
    return tuple(parts) if isinstance(value, list) else parts[0]
