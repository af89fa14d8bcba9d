"""The canonical definition of a server: what trust in it, and every answer about its tools, is bound to.

It holds no secret: what was written with variables (`${NAME}`) stays so, of `env`, `headers`, options that are named
like secrets and what an address says beyond its place a literal is a fingerprint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from mcphost.config.schema import ServerConfig
from mcphost.config.secrets import option_values


def canonical(server: ServerConfig, executable: str | None = None) -> dict[str, Any]:
    """JSON values; the order of keys and white space in the file make no difference. `executable` is what `command`
    names now, as an absolute path."""
    definition = {
        "command": server.written.get("command") or server.command,
        "executable": executable,
        "args": _arguments(server),
        "cwd": server.written.get("cwd") or (str(server.cwd) if server.cwd else None),
        "url": server.written.get("url") or _address(server.url),
        "transport": server.transport,
        "env": _written(server, "env", server.env),
        "headers": _written(server, "headers", server.headers),
        "variables": sorted(server.variables),
    }
    return {key: value for key, value in definition.items() if value}


def digest(definition: Mapping[str, Any]) -> str:
    """SHA-256 of a canonical definition, in hex."""
    written = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    return sha256(written.encode()).hexdigest()


def _arguments(server: ServerConfig) -> list[str]:
    hidden = {at: option for option, at in option_values(server.args)}
    return [
        server.written.get(f"args.{at}") or (_option(hidden[at], value) if at in hidden else value)
        for at, value in enumerate(server.args)
    ]


def _option(option: str, argument: str) -> str:
    prefix = f"{option}=" if argument.startswith(f"{option}=") else ""
    return prefix + _fingerprint(argument.removeprefix(prefix))


def _written(server: ServerConfig, section: str, values: Mapping[str, str]) -> dict[str, str]:
    return {name: server.written.get(f"{section}.{name}") or _fingerprint(value) for name, value in values.items()}


def _address(url: str | None) -> str | None:
    parts = urlsplit(url or "")
    if not (parts.query or "@" in parts.netloc):
        return url
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return f"{place} {_fingerprint(url or '')}"


def _fingerprint(value: str) -> str:
    return f"sha256:{sha256(value.encode(errors='surrogatepass')).hexdigest()[:16]}"
