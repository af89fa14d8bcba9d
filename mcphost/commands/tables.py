"""Text in columns."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import combining, east_asian_width


def table(rows: Sequence[Sequence[str]]) -> str:
    """`rows` as aligned columns, two spaces apart; the last column is left ragged."""
    if not rows:
        return ""
    widths = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _width(text: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else not combining(char) for char in text)
