"""Images and sounds of results, as files that a person can open.

Law 5: a name is made of the content's digest and a kind that we know, never of what a server said.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcphost.messages import ToolResult

_SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/svg+xml": ".svg",
    "audio/wav": ".wav",
    "audio/mpeg": ".mp3",
    "application/pdf": ".pdf",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that holds what came with a result: what it is, and its size in bytes."""

    file: Path
    mime: str
    size: int

    def line(self, *, link: bool) -> str:
        """What it is and where, in one line; with `link` a terminal opens it on a click."""
        path = str(self.file)
        where = f"\x1b]8;;{self.file.as_uri()}\x1b\\{path}\x1b]8;;\x1b\\" if link else path
        return f"{self.mime}, {_size(self.size)}: {where}"


class Pictures:
    """Saves into `directory`, which only this user can read."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def saved(self, result: ToolResult) -> list[Picture]:
        """The files of its images, sounds and resources of a known kind, as far as the disk takes them."""
        return [picture for block in result.content if (picture := self._saved(block))]

    def _saved(self, block: Mapping[str, Any]) -> Picture | None:
        holder = block.get("resource", {}) if block["type"] == "resource" else block
        data, mime = holder.get("data", holder.get("blob")), holder.get("mimeType")
        if mime not in _SUFFIXES or not isinstance(data, str):
            return None
        try:
            raw = base64.b64decode(data)
            return Picture(self._written(raw, _SUFFIXES[mime]), mime, len(raw))
        except (ValueError, OSError):
            return None

    def _written(self, raw: bytes, suffix: str) -> Path:
        file = self._directory / f"{hashlib.sha256(raw).hexdigest()[:16]}{suffix}"
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:  # the same content
            return file
        with open(descriptor, "wb") as out:
            out.write(raw)
        return file


def _size(count: int) -> str:
    return f"{count:,} bytes" if count < 1024 else f"{count / 1024:,.0f} kB"
