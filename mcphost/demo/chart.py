"""A bar chart as PNG, written by hand: 8-bit RGB, no filter."""

from __future__ import annotations

import struct
import zlib
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Image
from mcp_types import ImageContent, TextContent, ToolAnnotations
from pydantic import Field

_WIDTH, _HEIGHT = 320, 160
_PAPER, _ABOVE, _BELOW = b"\xff\xff\xff", b"\x2f\x6f\xb7", b"\xc0\x3d\x3d"


def register(server: MCPServer[Any]) -> None:
    server.tool(
        title="Draw a bar chart",
        annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
    )(draw_chart)


async def draw_chart(
    values: Annotated[
        list[Annotated[float, Field(allow_inf_nan=False, ge=-1e100, le=1e100)]],
        Field(description="One bar each, from left to right; negative ones hang down", min_length=1, max_length=100),
    ],
) -> list[TextContent | ImageContent]:
    """Draw numbers as a bar chart and return the picture. Use it when the user wants to see numbers."""
    summary = f"{len(values)} bars from {min(values):g} to {max(values):g}, {_WIDTH} x {_HEIGHT} pixels."
    return [TextContent(text=summary), Image(data=bar_chart(values)).to_image_content()]


def bar_chart(values: list[float]) -> bytes:
    """A PNG with one bar per value, on a scale that includes zero."""
    top, bottom = max(0.0, *values), min(0.0, *values)
    scale = (_HEIGHT - 1) / ((top - bottom) or 1.0)
    zero = round(top * scale)
    ends = [round((top - value) * scale) for value in values]
    rows = []
    for y in range(_HEIGHT):
        bars = [_colour(y, end, zero) for end in ends]
        rows.append(b"\0" + b"".join(_pixel(x, bars) for x in range(_WIDTH)))
    return _png(b"".join(rows))


def _colour(y: int, end: int, zero: int) -> bytes:
    if y == zero or end <= y < zero:
        return _ABOVE
    return _BELOW if zero < y <= end else _PAPER


def _pixel(x: int, bars: list[bytes]) -> bytes:
    """A bar fills its share of the width but for a quarter, the gap to the next one."""
    bar, within = divmod(x * len(bars), _WIDTH)
    return bars[bar] if within < _WIDTH * 3 // 4 else _PAPER


def _png(rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
