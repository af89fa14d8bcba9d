"""Tool calls as rows: a live one while a call runs, one line in the scrollback when it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prompt_toolkit.utils import get_cwidth

from mcphost.frontends.paint import Paint
from mcphost.messages import ToolResult, to_json
from mcphost.terminal.cells import fit
from mcphost.text import one_line

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
BAR = 10  # columns
_VALUE = 60  # characters of one argument


@dataclass(slots=True)
class Row:
    """A call on its way. `since` is None until it runs: it is being written, or waits for consent."""

    label: str
    arguments: Mapping[str, Any] | None = None
    since: float | None = None
    progress: float | None = None
    total: float | None = None
    message: str = ""
    decided: bool = False
    refused: str = ""  # why it must not run

    def line(self, width: int, now: float, paint: Paint) -> str:
        """The row as it is at `now`, in one line of at most `width` columns."""
        if self.since is None:
            return paint.dim(fit(f"· {self.label} …", width))
        mark = SPINNER[int(now * 8) % len(SPINNER)]
        tail = " ".join(filter(None, [self._share(), f"{now - self.since:.0f}s", self.message]))
        label = fit(self.label, max(width - 2 - min(get_cwidth(tail) + 1, width // 2), 8))
        return paint.yellow(mark) + " " + fit(f"{label} {tail}", max(width - 2, 1))

    def _share(self) -> str:
        if self.progress is None:
            return ""
        if not self.total:
            return f"{self.progress:g}"
        full = round(BAR * min(max(self.progress / self.total, 0), 1))
        return f"{'━' * full}{'╌' * (BAR - full)} {self.progress:g}/{self.total:g}"

    def ended(self, result: ToolResult, seconds: float, width: int, paint: Paint) -> str:
        """The one line that stays: how it ended, and the first it said."""
        took = "" if self.since is None else f"  {seconds:.1f}s"
        said = f"refused: {one_line(self.refused)}" if self.refused else preview(result)
        if result.is_error:
            said = said or "failed without a word"
        label = fit(self.label, max(width - len(took) - 4 - min(get_cwidth(said), width // 2), 10))
        said = fit(said, max(width - get_cwidth(label) - len(took) - 4, 10))
        mark, color = (paint.red("✗"), paint.red) if result.is_error else (paint.green("✓"), paint.dim)
        return f"{mark} {label}{paint.dim(took)}" + (f"  {color(said)}" if said else "")


def label(name: str, arguments: Mapping[str, Any]) -> str:
    """`name(key=value, …)` in short, on one line."""
    words = [f"{one_line(key, 40)}={one_line(_json(value), _VALUE)}" for key, value in arguments.items()]
    return one_line(f"{name}({', '.join(words)})", 500)


def preview(result: ToolResult) -> str:
    """The first that a result says, on one line."""
    words = [block["text"] if block["type"] == "text" else _frame(block) for block in result.content[:3]]
    return one_line(" ".join(words), 300)


def whole(arguments: Mapping[str, Any] | None, result: ToolResult) -> str:
    """A call's arguments and all that its result says."""
    words = [block.get("text") or block.get("resource", {}).get("text") or _frame(block) for block in result.content]
    if result.structured is not None and not any(words):
        words = [json.dumps(to_json(result.structured), ensure_ascii=False, indent=2)]
    given = json.dumps(to_json(arguments), ensure_ascii=False, indent=2) if arguments else ""
    return "\n".join(filter(None, [given, *words]))


def _frame(block: Mapping[str, Any]) -> str:
    resource = block.get("resource", block)
    return " ".join(filter(None, [f"[{block['type']}]", *map(resource.get, ("name", "uri", "mimeType"))]))


def _json(value: Any) -> str:
    return json.dumps(to_json(value), ensure_ascii=False)
