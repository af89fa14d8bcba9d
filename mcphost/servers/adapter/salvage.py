"""What a server sent, piece by piece: the good parts stay as they came, each bad one is named.

Law: one malformed piece costs that piece, never its neighbours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import mcp_types as t
from mcp.shared.inbound import find_invalid_x_mcp_header
from pydantic import BaseModel, ValidationError

from mcphost.messages import Block, text_block
from mcphost.servers.adapter.errors import first_error
from mcphost.text import one_line

Kind: TypeAlias = Literal["tools", "resources", "templates", "prompts"]

METHODS: Mapping[Kind, str] = {
    "tools": "tools/list",
    "resources": "resources/list",
    "templates": "resources/templates/list",
    "prompts": "prompts/list",
}
FIELDS: Mapping[Kind, str] = {
    "tools": "tools",
    "resources": "resources",
    "templates": "resourceTemplates",
    "prompts": "prompts",
}
_MODELS: Mapping[Kind, type[BaseModel]] = {
    "tools": t.Tool,
    "resources": t.Resource,
    "templates": t.ResourceTemplate,
    "prompts": t.Prompt,
}
_KEYS: Mapping[Kind, str] = {"tools": "name", "resources": "uri", "templates": "uriTemplate", "prompts": "name"}

# Deeper schemas help nobody and break whoever walks them recursively.
MAX_DEPTH = 64


class Unread(str):
    """In place of an item of a list: why it could not be read."""

    __slots__ = ()


def items(kind: Kind, found: Any, *, depth: int, mirrored_headers: bool) -> tuple[list[dict[str, Any]], list[str]]:
    """The well-formed items of one page as they came, and a line for each that was left out.

    `mirrored_headers`: the transport mirrors `x-mcp-header` parameters, so tools that annotate them wrongly must go.
    """
    if not isinstance(found, Sequence) or isinstance(found, str):
        return [], [f"{kind}: the page holds no list"]
    kept: list[dict[str, Any]] = []
    problems: list[str] = []
    for index, item in enumerate(found):
        problem = _problem(kind, item, depth, mirrored_headers=mirrored_headers)
        if problem is None:
            kept.append(item)
        else:
            name = item.get(_KEYS[kind]) if isinstance(item, dict) else None
            label = one_line(name, 80) if isinstance(name, str) and name else f"#{index}"
            problems.append(f"{kind}/{label}: {problem}")
    return kept, problems


def unique(kind: Kind, found: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """`found` with the first of each name, and a line for each name that came again."""
    first: dict[str, dict[str, Any]] = {}
    repeated: dict[str, None] = {}
    for item in found:
        key = item[_KEYS[kind]]
        if key in first:
            repeated[key] = None
        first.setdefault(key, item)
    return list(first.values()), [f"{kind}/{one_line(key, 80)}: listed more than once" for key in repeated]


def _problem(kind: Kind, item: Any, depth: int, *, mirrored_headers: bool) -> str | None:
    if isinstance(item, Unread):
        return one_line(item)
    if too_deep(item, depth):
        return f"nested deeper than {depth} levels (schemaDepth)"
    try:
        _MODELS[kind].model_validate(item, by_name=False)
    except ValidationError as error:
        return first_error(error)
    if not item[_KEYS[kind]]:
        return f"/{_KEYS[kind]}: empty"
    if kind == "tools" and mirrored_headers and (reason := find_invalid_x_mcp_header(item["inputSchema"])):
        return f"/inputSchema: {one_line(reason)}"
    return None


def too_deep(value: Any, limit: int) -> bool:
    """Whether `value` nests deeper than `limit` levels of objects and arrays."""
    level = [value]
    for _ in range(limit + 1):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in children if isinstance(child, (dict, list))]


_Check: TypeAlias = Callable[[Mapping[str, Any]], bool]


def _strings(*keys: str) -> _Check:
    return lambda block: all(isinstance(block.get(key), str) for key in keys)


def _embedded(block: Mapping[str, Any]) -> bool:
    resource = block.get("resource")
    return isinstance(resource, dict) and is_contents(resource)


_BLOCKS: Mapping[str, _Check] = {
    "text": _strings("text"),
    "image": _strings("data", "mimeType"),
    "audio": _strings("data", "mimeType"),
    "resource_link": _strings("uri", "name"),
    "resource": _embedded,
}


def is_contents(found: Any) -> bool:
    """Whether `found` is one item of a resources/read answer."""
    return (
        isinstance(found, dict)
        and isinstance(found.get("uri"), str)
        and (isinstance(found.get("text"), str) or isinstance(found.get("blob"), str))
    )


def block(found: Any) -> Block:
    """`found` itself where it is a content block we know; else a text block that says what came instead."""
    kind = found.get("type") if isinstance(found, dict) else None
    check = _BLOCKS.get(kind) if isinstance(kind, str) else None
    if check is not None and check(found):
        known: Block = found
        return known
    what = f"malformed {kind} content" if check else "content of a kind this host does not know"
    return text_block(f"[{what}: {one_line(json.dumps(found, default=str), 2000)}]")


def blocks(found: Any) -> tuple[Block, ...]:
    """The content of a result; absent content is none."""
    return tuple(block(item) for item in found) if isinstance(found, list) else ()
