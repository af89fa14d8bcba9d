"""Record a run, its model and every server, into one file; run it again from that file, with no model and no server.

Law: a recording is redacted before it is written, and a replay never goes on past a request that differs from it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcphost.recording.lines import Recording, read
    from mcphost.recording.recorder import Recorder
    from mcphost.recording.replay import Replay

__all__ = ["Recorder", "Recording", "Replay", "read"]

_HOMES = {"Recorder": "recorder", "Recording": "lines", "Replay": "replay", "read": "lines"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
