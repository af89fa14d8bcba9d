"""The lock: which servers, programs, tools and instructions a run was looked over with, so that CI refuses any other.

The file holds no secrets; it is meant to be committed beside the configuration it is about.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcphost.approvals.differences import difference
from mcphost.config.files import read_text
from mcphost.errors import Drift, UsageError
from mcphost.tools import HOST, Tool

NAME = "mcphost.lock"
VERSION = 1
SIZE = 64 * 1024 * 1024  # bytes: thousands of tools with their whole definitions


@dataclass(frozen=True, slots=True)
class Locked:
    """One server: its canonical definition, its instructions, and of each tool the hash and the definition."""

    definition: Mapping[str, Any]
    instructions: str | None
    tools: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, definition: Mapping[str, Any], instructions: str | None, tools: Iterable[Tool]) -> Locked:
        listed = {tool.tool: {"sha256": tool.pin, "definition": tool.definition} for tool in tools}
        return cls(definition, instructions, listed)


class Lock:
    """What `mcphost lock` wrote, by server."""

    def __init__(self, servers: Mapping[str, Locked]) -> None:
        self.servers = servers

    @classmethod
    def read(cls, path: Path) -> Lock:
        """Raises UsageError: there is no such file, or it is no lock."""
        try:
            text, _ = read_text(path, limit=SIZE)
            document = json.loads(text)
            if document["version"] != VERSION:
                raise ValueError("it was written by another version")
            return cls({name: Locked(**server) for name, server in document["servers"].items()})
        except FileNotFoundError:
            raise UsageError(f"{path}: no such file", hint="`mcphost lock` writes it.") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(f"{path} is no lock of mcphost: {error}", hint="`mcphost lock` writes one.") from error

    def write(self, path: Path) -> None:
        """Raises UsageError: it cannot be written."""
        servers = {
            name: {"definition": one.definition, "instructions": one.instructions, "tools": one.tools}
            for name, one in sorted(self.servers.items())
        }
        try:
            # A repository may bring along a link of this name that leads anywhere.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(path, flags, 0o666), "w", encoding="utf-8") as file:
                file.write(json.dumps({"version": VERSION, "servers": servers}, indent=2, sort_keys=True) + "\n")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from error

    def holds(self, tool: Tool) -> bool:
        """Whether this very definition of this tool is in the lock; the host's own are part of the program."""
        if tool.server == HOST:
            return True
        server = self.servers.get(tool.server)
        return server is not None and server.tools.get(tool.tool, {}).get("sha256") == tool.pin

    def check_definitions(self, definitions: Mapping[str, Mapping[str, Any]]) -> None:
        """Compare what the configuration says now, before anything of it is started.

        Raises:
            Drift: it is not what was locked.
        """
        locked = {name: server.definition for name, server in self.servers.items()}
        _refuse(difference(locked, definitions))

    def check_offers(self, offers: Mapping[str, Locked]) -> None:
        """Compare what the servers that are ready list now.

        Raises:
            Drift: it is not what was locked.
        """
        known = {name: self.servers[name] for name in offers if name in self.servers}
        before, after = (
            {name: {"instructions": one.instructions, "tools": one.tools} for name, one in servers.items()}
            for servers in (known, offers)
        )
        _refuse(difference(before, after))


def _refuse(changes: tuple[str, ...]) -> None:
    if changes:
        raise Drift(
            "\n".join([f"this is not what {NAME} was written for:", *(f"  {line}" for line in changes)]),
            hint="Look at the changes; if they are right, `mcphost lock` takes them over.",
            changes=list(changes),
        )
