# mypy: ignore-errors
"""A tool that answers with a picture, one with a picture and text, one with sound."""

import struct
import zlib

from mcp.server.fastmcp import Audio, FastMCP, Image
from transports import serve

mcp = FastMCP("Images")


def png(side: int, rgb: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + rgb * side) * side)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@mcp.tool()
def thumbnail(side: int = 8) -> Image:
    """A small red square"""
    return Image(data=png(side, b"\xff\0\0"), format="png")


@mcp.tool()
def captioned() -> list:
    """A blue square and what it is"""
    return ["a blue square", Image(data=png(4, b"\0\0\xff"), format="png")]


@mcp.tool()
def beep() -> Audio:
    """A moment of silence, as WAV"""
    wav = b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    return Audio(data=wav + b"data" + struct.pack("<I", 0), format="wav")


if __name__ == "__main__":
    serve(mcp)
