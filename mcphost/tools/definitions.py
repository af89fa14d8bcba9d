"""A tool as its server lists it, and as a model is told of it.

Law 5: a definition is data from outside. What the model reads of it is sanitised and capped; what arguments are checked
against, and what a consent is bound to (`pin`), is the definition as it came.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

from mcphost import text
from mcphost.config.definition import digest
from mcphost.config.schema import ServerConfig
from mcphost.messages import ToolDefinition
from mcphost.servers.weight import measured
from mcphost.servers.wire import WireTool

# What no configured server may be called; their words need no mark.
LOCAL = "local"  # the server of Python functions
HOST = "mcphost"  # the server of the host's own tools
MAX_DESCRIPTION = 2048  # bytes of UTF-8
MAX_DEFINITION = 256 * 1024  # characters of JSON
MAX_DEPTH = 64  # levels of JSON: 32 of a schema, each being a keyword and a name
MAX_RAW_NAME = 256

_CUT = "\n[cut here: the description is too long]"


class Hopeless(ValueError):
    """A tool that no model can be offered; the message says why."""


@dataclass(frozen=True, slots=True)
class Tool:
    """Something a model may call. `name` is for the model; `server` and `tool` go on the wire and are what rules see.

    `pin` is the SHA-256 of the whole definition: a consent holds for it and for nothing else. `trusted`: the user
    believes this server's annotations; `reads`: the user says that this tool only reads. `entry` is the canonical
    definition of its server, `server_pin` the digest of that.
    """

    name: str
    server: str
    tool: str
    definition: WireTool
    pin: str
    trusted: bool = False
    reads: bool = False
    entry: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    server_pin: str = field(init=False)
    _told: ToolDefinition = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        described = self.definition.get("description") or self.definition.get("title") or ""
        schema = cleaned(self.definition["inputSchema"], unique=True)
        object.__setattr__(self, "server_pin", digest(self.entry))
        object.__setattr__(self, "_told", ToolDefinition(self.name, self._said(described), schema))

    @classmethod
    def of(
        cls,
        name: str,
        server: str,
        config: ServerConfig | None,
        definition: WireTool,
        pin: str,
        entry: Mapping[str, Any] | None = None,
    ) -> Tool:
        """The tool as the user's word on its server (`config`) makes it; None: a server that no file configures."""
        trusted, globs = (config.trust_annotations, config.read_only) if config else (False, ())
        reads = any(fnmatchcase(definition["name"], glob) for glob in globs)
        return cls(name, server, definition["name"], definition, pin, trusted, reads, entry or {})

    @property
    def read_only(self) -> bool:
        return self.reads or self._trusted_hint("readOnlyHint")

    @property
    def idempotent(self) -> bool:
        return self._trusted_hint("idempotentHint")

    @property
    def repeatable(self) -> bool:
        """Whether it may run again where nobody knows if it ran."""
        return self.read_only or self.idempotent

    def destination(self, arguments: Mapping[str, Any]) -> str:
        """The server that `arguments` go to: the host's own tools hand them on."""
        return str(arguments.get("server")) if self.server == HOST else self.server

    def _trusted_hint(self, hint: str) -> bool:
        return self.trusted and self.definition.get("annotations", {}).get(hint) is True

    def for_model(self) -> ToolDefinition:
        """Name, description (the title where there is none) and schema without anything hidden in their text; the
        description says which server's word it is."""
        return self._told

    def _said(self, description: str) -> str:
        mark = f"{self.server} says: " if description and self.server not in (LOCAL, HOST) else ""
        return _capped(mark + text.safe(description))


def pin_of(definition: WireTool) -> str:
    """What a consent to this definition is bound to: its SHA-256, whatever order its keys came in.

    Raises:
        Hopeless: no model can be offered this tool.
    """
    name, declared = definition["name"], definition["inputSchema"].get("type", "object")
    if not name or len(name) > MAX_RAW_NAME or text.encodable(name) != name:
        raise Hopeless(f"its name is empty, longer than {MAX_RAW_NAME} characters or no Unicode")
    if declared != "object" and not (isinstance(declared, list) and "object" in declared):
        raise Hopeless("its schema does not take an object, which arguments always are")
    if measured(definition, MAX_DEPTH)[0] > MAX_DEPTH:
        raise Hopeless(f"its definition is nested deeper than {MAX_DEPTH} levels")
    # ASCII, so that unpaired surrogates do no harm.
    written = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    if len(written) > MAX_DEFINITION:
        raise Hopeless(f"its definition is larger than {MAX_DEFINITION // 1024} kB")
    return sha256(written.encode()).hexdigest()


def _capped(description: str) -> str:
    raw = description.encode()
    if len(raw) <= MAX_DESCRIPTION:
        return description
    return raw[: MAX_DESCRIPTION - len(_CUT)].decode(errors="ignore") + _CUT


def cleaned(value: Any, *, unique: bool = False) -> Any:
    """JSON values whose texts hide nothing from who reads them. `unique`, for schemas: no list names a text twice, as
    names do that differed in what was hidden alone, and that make an API refuse the whole request."""
    if isinstance(value, str):
        return text.safe(value)
    if isinstance(value, dict):
        return {text.safe(key): cleaned(item, unique=unique) for key, item in value.items()}
    if isinstance(value, list):
        items = [cleaned(item, unique=unique) for item in value]
        return list(dict.fromkeys(items)) if unique and all(isinstance(item, str) for item in items) else items
    return value
