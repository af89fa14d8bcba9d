"""Write every decision and every call, one JSON object a line, to a file that only its owner can read.

Name this file under `mcphost.plugins` in the user configuration. It writes to `$MCPHOST_AUDIT_LOG`, else to
`audit.jsonl` in mcphost's state directory. Arguments are written as they ran; results are not, only their size.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from mcphost.events import CallDecided, CallEnded, CallStarted, Event
from mcphost.messages import to_json
from mcphost.plugins import Registry


class AuditLog:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8")

    async def show(self, event: Event) -> None:
        if isinstance(event, CallDecided | CallStarted | CallEnded):
            self._write(_entry(event))

    def _write(self, entry: dict[str, Any]) -> None:
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **entry}
        self._file.write(json.dumps(entry, ensure_ascii=True) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _entry(event: Event) -> dict[str, Any]:
    entry: dict[str, Any] = to_json(event)
    if isinstance(event, CallEnded):
        del entry["result"]
        entry["is_error"] = event.result.is_error
        entry["blocks"] = [block["type"] for block in event.result.content]
        entry["characters"] = sum(len(block.get("text", "")) for block in event.result.content)
    return entry


def register(registry: Registry) -> None:
    path = os.environ.get("MCPHOST_AUDIT_LOG") or user_state_path("mcphost") / "audit.jsonl"
    log = AuditLog(Path(path).expanduser())
    registry.listener(log.show, close=log.close)
