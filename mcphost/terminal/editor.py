"""A person's own editor, for a text in a file of its own."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mcphost.errors import UsageError
from mcphost.text import encodable


def edited(text: str, environ: Mapping[str, str]) -> str:
    """Let the person edit `text` in $VISUAL or $EDITOR, which owns the terminal until it ends.

    Raises:
        UsageError: it cannot be started, or it failed.
    """
    program = environ.get("VISUAL") or environ.get("EDITOR") or "vi"
    try:
        command = shlex.split(program) or ["vi"]
    except ValueError as error:
        raise UsageError(f"{program!r} is no editor's command: {error}", hint="Set EDITOR.") from None
    with tempfile.TemporaryDirectory(prefix="mcphost-") as directory:
        path = Path(directory) / "message.md"
        path.write_text(text, encoding="utf-8")
        try:
            code = subprocess.call([*command, str(path)], env=environ)
        except OSError as error:
            raise UsageError(
                f"the editor {command[0]!r} cannot be started: {error.strerror}", hint="Set EDITOR."
            ) from None
        if code != 0:
            raise UsageError("the editor failed: nothing was changed")
        return encodable(path.read_text(encoding="utf-8", errors="replace").rstrip("\n"))
