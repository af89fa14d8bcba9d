"""A whole list out of its pages: every cursor followed, but none twice, and no list without an end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import mcp_types as t

from mcphost.config.schema import Limits
from mcphost.servers.adapter import salvage
from mcphost.servers.adapter.edge import wire
from mcphost.servers.adapter.salvage import FIELDS, Kind

Fetch: TypeAlias = Callable[..., Awaitable[t.Result]]


async def read(
    kind: Kind, fetch: Fetch, limits: Limits, *, mirrored_headers: bool
) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    """The items of all pages that `fetch(cursor=)` gives, each name once, and a line for each that was left out."""
    found: list[dict[str, Any]] = []
    problems: list[str] = []
    cursor: Any = None
    seen: set[str] = set()
    for _ in range(limits.list_pages):
        page = wire(await fetch(cursor=cursor))
        listed: Any = page.get(FIELDS[kind])
        room = limits.list_items - len(found)
        over = isinstance(listed, list) and len(listed) > room
        held = listed[:room] if over else listed
        kept, bad = salvage.items(kind, held, depth=limits.schema_depth, mirrored_headers=mirrored_headers)
        found += kept
        problems += bad
        cursor = page.get("nextCursor")
        if cursor is None and not over:
            break
        if over or not isinstance(cursor, str) or cursor in seen:
            problems.append(_truncated(kind, found, "listItems" if over else "its cursors go in circles"))
            break
        seen.add(cursor)
    else:
        problems.append(_truncated(kind, found, "listPages"))
    unique, repeated = salvage.unique(kind, found)
    return tuple(unique), (*problems, *repeated)


def _truncated(kind: Kind, found: list[dict[str, Any]], why: str) -> str:
    return f"{kind}: list truncated after {len(found)} ({why})"
