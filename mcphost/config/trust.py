"""Which directories and which servers of theirs this user has trusted: a file of their own, never in a repository."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mcphost.config import private
from mcphost.config.project import Entry
from mcphost.errors import UsageError

VERSION = 1


class Trusted:
    """Directories by their real path; entries by the hash of what they were.

    Raises:
        UsageError: `file` cannot be read, or is none that only its owner can have written.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._directories, self._entries = self._read()

    def directory(self, path: Path) -> bool:
        return str(path) in self._directories

    def entry(self, entry: Entry) -> bool:
        return entry.sha256 in self._entries

    def before(self, entry: Entry) -> Mapping[str, Any] | None:
        """What this entry was when it was trusted last; None: it never was."""
        same = [
            known["definition"]
            for known in self._entries.values()
            if (known["file"], known["name"]) == (str(entry.file.path), entry.name)
        ]
        return same[-1] if same else None

    def trust_directory(self, path: Path) -> None:
        """Raises UsageError: it cannot be written down."""
        with private.changing(self.file):
            self._directories, self._entries = self._read()
            self._directories[str(path)] = _now()
            self._write()

    def trust_entry(self, entry: Entry) -> None:
        """Raises UsageError: it cannot be written down."""
        with private.changing(self.file):
            self._directories, self._entries = self._read()
            self._entries.pop(entry.sha256, None)  # the one trusted last stands last
            self._entries[entry.sha256] = {
                "file": str(entry.file.path),
                "name": entry.name,
                "definition": entry.definition,
                "given": _now(),
            }
            self._write()

    def _write(self) -> None:
        document = {"version": VERSION, "directories": self._directories, "entries": self._entries}
        private.replace(self.file, json.dumps(document, indent=1).encode())

    def _read(self) -> tuple[dict[str, str], dict[str, Any]]:
        data = private.read(self.file)
        if data is None:
            return {}, {}
        try:
            document = json.loads(data)
            if document["version"] != VERSION:
                raise ValueError("another version of mcphost wrote it")
            return dict(document["directories"]), dict(document["entries"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{self.file}: what you trusted cannot be read: {error}",
                hint="Remove the file: everything is asked again.",
            ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
