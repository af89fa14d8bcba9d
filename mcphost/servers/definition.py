"""The canonical definition of a server with the program that its command names on this machine now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcphost.config.definition import canonical
from mcphost.config.schema import ServerConfig
from mcphost.errors import ServerUnavailable
from mcphost.servers.environment import resolve


def defined(config: ServerConfig, environ: Mapping[str, str]) -> dict[str, Any]:
    """`canonical` of `config`; a program that is not found leaves its place empty."""
    return canonical(config, executable(config, environ))


def executable(config: ServerConfig, environ: Mapping[str, str]) -> str | None:
    """The absolute path that `config` would start, by the host's own PATH; None: not a stdio server, or not found."""
    if config.command is None:
        return None
    base = config.source.file.parent if config.source.file else config.cwd
    try:
        return resolve(config.command, environ, base)[0]
    except ServerUnavailable:
        return None
