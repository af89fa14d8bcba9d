"""MCP content blocks as the parts that each model API takes.

Laws 5 and 6: blocks arrive as wire JSON and are only read here; text from servers passes `text.safe`, media is sent
only if it is what it claims to be, because one bad part would fail every later request of the conversation.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mcphost.messages import Block, ToolResult, UserMessage
from mcphost.text import encodable, one_line, safe

NO_OUTPUT = "(no output)"
NO_TEXT = "(empty message)"
_NOTE = "[mcphost:"

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"%PDF": "application/pdf",
}
_AUDIO = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of content in the form that all three APIs share. `data` is text, or base64 for media."""

    kind: Literal["text", "document", "image", "pdf", "audio"]
    data: str
    mime: str = ""
    uri: str = ""


def parts(blocks: Iterable[Block], clean: Callable[[str], str] = safe) -> list[Part]:
    """What of `blocks` is meant for a model; blank texts and blocks for the user alone are left out."""
    found = (_part(block, clean) for block in blocks if _for_model(block))
    return [part for part in found if part.kind not in ("text", "document") or part.data.strip()]


def user_parts(message: UserMessage) -> list[Part]:
    """What the model reads of a user's message; never empty. Text that they typed stays as they typed it; a server's
    looks like no note of the host."""
    typed = message.origin in ("typed", "steer")
    return parts(message.content, encodable if typed else _no_note) or [Part("text", NO_TEXT)]


def result_parts(result: ToolResult) -> list[Part]:
    """What the model reads of a tool's result; never empty. The host's note stands in front, and nobody else's words
    look like one."""
    found = parts(result.content, _no_note)
    if result.structured is not None and not _repeats(found, result.structured):
        found.append(Part("text", _no_note(json.dumps(result.structured, ensure_ascii=False))))
    if result.note:
        found.insert(0, Part("text", host_note(result.note)))
    return found or [Part("text", NO_OUTPUT)]


def host_note(text: str) -> str:
    """The host's own word inside a place where others speak."""
    return f"{_NOTE} {safe(text)}]"


def _no_note(text: str) -> str:
    return safe(text).replace(_NOTE, "[ mcphost:")


# -- to Anthropic Messages ---------------------------------------------------------------------------------------------


def anthropic_block(part: Part) -> dict[str, Any]:
    if part.kind == "image":
        return {"type": "image", "source": {"type": "base64", "media_type": part.mime, "data": part.data}}
    if part.kind == "pdf":
        source = {"type": "base64", "media_type": part.mime, "data": part.data}
        return {"type": "document", "source": source, "title": _title(part)}
    if part.kind == "document":
        source = {"type": "text", "media_type": "text/plain", "data": part.data}
        return {"type": "document", "source": source, "title": _title(part)}
    return {"type": "text", "text": as_text(part)}


# -- to OpenAI Responses -----------------------------------------------------------------------------------------------


def responses_part(part: Part) -> dict[str, Any]:
    if part.kind == "image":
        return {"type": "input_image", "detail": "auto", "image_url": _data_url(part)}
    if part.kind == "pdf":
        return {"type": "input_file", "filename": _filename(part), "file_data": _data_url(part)}
    return {"type": "input_text", "text": as_text(part)}


# -- to Chat Completions -----------------------------------------------------------------------------------------------


def chat_part(part: Part) -> dict[str, Any]:
    if part.kind == "image":
        return {"type": "image_url", "image_url": {"url": _data_url(part)}}
    if part.kind == "pdf":
        return {"type": "file", "file": {"filename": _filename(part), "file_data": _data_url(part)}}
    if part.kind == "audio" and part.mime in _AUDIO:
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": _AUDIO[part.mime]}}
    return {"type": "text", "text": as_text(part)}


def as_text(part: Part) -> str:
    """`part` where only text may stand: media becomes a note that says what is missing."""
    if part.kind == "text":
        return part.data
    if part.kind == "document":
        body = part.data.replace("</resource>", "<\\/resource>")
        return f'<resource uri="{part.uri}">\n{body}\n</resource>'
    return _missing(part.kind, part.mime, part.data)


# -- from MCP ----------------------------------------------------------------------------------------------------------


def _for_model(block: Block) -> bool:
    annotations = block.get("annotations")
    audience = annotations.get("audience") if isinstance(annotations, dict) else None
    return not isinstance(audience, list) or not audience or "assistant" in audience


def _part(block: Block, clean: Callable[[str], str]) -> Part:
    kind = block.get("type")
    if kind == "text":
        return Part("text", clean(_string(block, "text")))
    if kind in ("image", "audio"):
        return _media(kind, _string(block, "mimeType"), _string(block, "data"), "")
    if kind == "resource_link":
        description = _no_note(_string(block, "description"))
        return Part("text", f"{_label(block)} {description}".rstrip())
    if kind == "resource" and isinstance(block.get("resource"), dict):
        return _embedded(block["resource"], clean)
    return Part("text", f"[content of the unknown kind {one_line(str(kind), 60)!r} left out]")


def _embedded(resource: Mapping[str, Any], clean: Callable[[str], str]) -> Part:
    uri = one_line(_string(resource, "uri"), 500).replace('"', "%22")
    if isinstance(resource.get("text"), str):
        return Part("document", clean(resource["text"]), "text/plain", uri)
    return _media("resource", _string(resource, "mimeType"), _string(resource, "blob"), uri)


def _media(kind: str, mime: str, data: str, uri: str) -> Part:
    """A part for media whose bytes are what a model API takes, else a note."""
    data = "".join(data.split())
    mime = one_line(mime, 100).lower()
    head = _head(data)
    found = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        found = "image/webp"
    if found.startswith("image/"):
        return Part("image", data, found, uri)
    if found:
        return Part("pdf", data, found, uri)
    if mime.startswith("audio/") and head:
        return Part("audio", data, mime, uri)
    note = _missing(kind, mime, data)
    return Part("text", f"{note[:-1]}, from {uri}]" if uri else note)


def _head(data: str) -> bytes:
    """The first bytes of well-formed base64, else nothing."""
    try:
        binascii.a2b_base64(data, strict_mode=True)
        return base64.b64decode(data[:32])
    except ValueError:
        return b""


def _label(link: Mapping[str, Any]) -> str:
    name = one_line(_string(link, "title") or _string(link, "name"), 200)
    words = ["resource", name, f"<{one_line(_string(link, 'uri'), 500)}>", one_line(_string(link, "mimeType"), 100)]
    if isinstance(link.get("size"), int):
        words.append(f"{link['size']} bytes")
    return f"[{' '.join(word for word in words if word)}]"


def _repeats(found: Iterable[Part], structured: Any) -> bool:
    for part in found:
        if part.kind == "text":
            try:
                if json.loads(part.data) == structured:
                    return True
            except (ValueError, RecursionError):
                continue
    return False


def _string(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _missing(kind: str, mime: str, data: str) -> str:
    size = len(data) * 3 // 4 - data[-2:].count("=")
    return f"[{kind} {mime or 'of an unknown type'}, {size} bytes, cannot be shown here]"


def _data_url(part: Part) -> str:
    return f"data:{part.mime};base64,{part.data}"


def _title(part: Part) -> str:
    return part.uri or "resource"


def _filename(part: Part) -> str:
    return part.uri.rstrip("/").rsplit("/", 1)[-1] or "file.pdf"
