"""The first cap on what a tool answered: nothing of a result meets a model or the journal before it.

Law 4: a result of any size costs a conversation no more than the limit. Law 6: what fits travels unchanged.
"""

from __future__ import annotations

import binascii
import json
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mcphost import text
from mcphost.config import private
from mcphost.messages import Block, text_block
from mcphost.servers.weight import measured
from mcphost.servers.wire import CallOutcome

MAX_BLOCKS = 200
MAX_MEDIA = 20
MAX_MEDIA_BYTES = 5_000_000
MAX_DEPTH = 200  # levels of JSON

_MARKER = "[… {cut} characters left out here …]"
_MARKER_TOKENS = 20
_SMALLEST_SHARE = 100  # tokens of a block that is cut
_SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "audio/wav": ".wav",
    "audio/mpeg": ".mp3",
    "application/pdf": ".pdf",
}


def estimate(words: str) -> int:
    """About how many tokens `words` are; no tokenizer ships with the host."""
    plain = len(words.encode("ascii", "ignore"))
    return math.ceil(plain / 4 + (len(words) - plain) / 1.6)


def capped(outcome: CallOutcome, limit: int, spill: Path | None = None) -> CallOutcome:
    """`outcome` with at most `limit` tokens (by estimate, 100 or more) of whatever in it a model reads as text.

    Small texts stay whole, long ones keep head and tail. Media that is too large, too much or no base64 becomes a text.
    What is left out is saved in the directory `spill`, where one is given; `note` tells the model what happened.
    """
    if measured([outcome.content, outcome.structured], MAX_DEPTH)[0] > MAX_DEPTH:
        return CallOutcome(
            (text_block(f"The tool's answer was unusable: nested deeper than {MAX_DEPTH}."),), None, True
        )
    outcome = replace(outcome, content=tuple(_checked_media(outcome.content, spill)))
    blocks = _with_structured(outcome)
    most = max(1, min(MAX_BLOCKS, limit // _SMALLEST_SHARE))
    if len(blocks) <= most and sum(map(_weight, blocks)) <= limit:
        return outcome
    whole = "\n\n".join(words or frame for frame, words in map(_read, blocks))
    file = _saved(text.encodable(whole).encode(), ".txt", spill)
    advice = f"the whole text is in {file}" if file else "ask for less, or for one part after the other"
    note = f"This result was longer than {limit} tokens (resultTokens) and is cut; {advice}."
    note = f"{outcome.note} {note}" if outcome.note else note
    return CallOutcome(_shared_out(_fewer(blocks, most), limit), None, outcome.is_error, note)


# -- text --------------------------------------------------------------------------------------------------------------


def _with_structured(outcome: CallOutcome) -> tuple[Block, ...]:
    """All that a model reads: the structured content counts unless a text block repeats it."""
    if outcome.structured is None or any(_repeats(block, outcome.structured) for block in outcome.content):
        return outcome.content
    return (*outcome.content, text_block(json.dumps(outcome.structured, ensure_ascii=False)))


def _repeats(block: Block, structured: Any) -> bool:
    try:
        return block["type"] == "text" and bool(json.loads(block["text"]) == structured)
    except (ValueError, RecursionError):
        return False


def _read(block: Block) -> tuple[str, str]:
    """What a model may read of a block: the frame around its text or media, as JSON, and the text."""
    if block["type"] == "text":
        return "", block["text"]
    if words := _resource(block).get("text"):
        return json.dumps({**_resource(block), "text": None}), str(words)
    if _media(block) is not None:
        return json.dumps({**block, "data": None, "resource": {**_resource(block), "blob": None}}), ""
    return "", json.dumps(block, ensure_ascii=False)


def _weight(block: Block) -> int:
    frame, words = _read(block)
    return estimate(frame) + estimate(words)


def _fewer(blocks: Sequence[Block], most: int) -> Sequence[Block]:
    if len(blocks) <= most:
        return blocks
    head = most * 2 // 5
    tail = most - head - 1
    gap = text_block(f"[… {len(blocks) - head - tail} content blocks left out here …]")
    return (*blocks[:head], gap, *blocks[len(blocks) - tail :])


def _shared_out(blocks: Sequence[Block], limit: int) -> tuple[Block, ...]:
    """Small blocks first: what they leave of their equal share goes to the larger ones."""
    weights = [_weight(block) for block in blocks]
    kept = list(blocks)
    left = limit
    for rank, index in enumerate(sorted(range(len(blocks)), key=weights.__getitem__)):
        share = left // (len(blocks) - rank)
        if weights[index] > share:
            kept[index] = _cut(blocks[index], share)
        left -= min(weights[index], share)
    return tuple(kept)


def _cut(block: Block, tokens: int) -> Block:
    frame, words = _read(block)
    if block["type"] == "text":
        return {**block, "text": _shortened(words, tokens)}
    room = tokens - estimate(frame)
    if words and frame and room >= tokens // 2:
        return {**block, "resource": {**_resource(block), "text": _shortened(words, room)}}
    return text_block(_shortened(frame + words, tokens))


def _shortened(words: str, tokens: int) -> str:
    room = max(tokens - _MARKER_TOKENS, 1)
    cut = text.head_and_tail(words, len(words) * room // estimate(words), _MARKER)
    # The ends may be denser than the whole; so many characters are within the room whatever they are.
    return cut if estimate(cut) <= tokens else text.head_and_tail(words, int(room * 1.6), _MARKER)


# -- media -------------------------------------------------------------------------------------------------------------


def _checked_media(content: Iterable[Block], spill: Path | None) -> Iterator[Block]:
    media = 0
    for block in content:
        data = _media(block)
        media += data is not None
        yield block if data is None else _checked(block, data, media, spill)


def _checked(block: Block, data: str, position: int, spill: Path | None) -> Block:
    mime = text.one_line(str(_resource(block).get("mimeType") or block.get("mimeType") or "of unknown type"), 60)
    label = f"{block['type']} {mime}"
    try:
        raw = binascii.a2b_base64("".join(data.split()), strict_mode=True)
    except ValueError:
        return text_block(f"[{label} left out: its data is no base64]")
    if len(raw) <= MAX_MEDIA_BYTES and position <= MAX_MEDIA:
        return block
    why = "too large" if len(raw) > MAX_MEDIA_BYTES else f"a result carries at most {MAX_MEDIA}"
    file = _saved(raw, _SUFFIXES.get(mime, ".bin"), spill)
    return text_block(f"[{label}, {len(raw)} bytes, left out: {why}{f'; it is in {file}' if file else ''}]")


def _media(block: Block) -> str | None:
    """The base64 of a block of bytes, None for any other block."""
    data = block.get("data") if block["type"] in ("image", "audio") else _resource(block).get("blob")
    return data if isinstance(data, str) else None


def _resource(block: Block) -> Mapping[str, Any]:
    return block.get("resource", {}) if block["type"] == "resource" else {}


def _saved(raw: bytes, suffix: str, spill: Path | None) -> Path | None:
    """A new file that only this user can read, under a name that nobody can have prepared; None if there is none."""
    if spill is None:
        return None
    file = spill / f"result-{secrets.token_hex(8)}{suffix}"
    try:
        private.make(spill)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as saved:
            saved.write(raw)
    except OSError:
        return None
    return file
