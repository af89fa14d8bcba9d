"""Frontends without a screen: how `mcphost run` speaks to people and to programs."""

from mcphost.frontends.base import Denied, Ending, Opening, RunFrontend, ServerRow
from mcphost.frontends.json import JsonFrontend
from mcphost.frontends.narrator import Narrator
from mcphost.frontends.plain import PlainFrontend
from mcphost.frontends.stream_json import StreamJsonFrontend

__all__ = [
    "Denied",
    "Ending",
    "JsonFrontend",
    "Narrator",
    "Opening",
    "PlainFrontend",
    "RunFrontend",
    "ServerRow",
    "StreamJsonFrontend",
]
