"""The clipboard: by the desktop's own program where there is one, else by the terminal (OSC 52), which cannot say
whether it took the text."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Mapping

import anyio

TAKEN = 74_994  # bytes that every terminal with a clipboard takes

# variable that says that it can work -> the program and its arguments
_PROGRAMS = (
    ("WAYLAND_DISPLAY", ("wl-copy",)),
    ("DISPLAY", ("xclip", "-selection", "clipboard")),
    ("DISPLAY", ("xsel", "--clipboard", "--input")),
    ("HOME", ("pbcopy",)),
)


async def by_program(text: str, environ: Mapping[str, str]) -> str | None:
    """Hand `text` to a clipboard program of this machine; its name. None: none works, or the person sits elsewhere."""
    if environ.get("SSH_CONNECTION"):
        return None
    for variable, command in _PROGRAMS:
        if environ.get(variable) and shutil.which(command[0], path=environ.get("PATH")):
            with anyio.move_on_after(2):
                ran = await anyio.run_process(
                    command,
                    input=text.encode(),
                    env=environ,
                    check=False,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                if ran.returncode == 0:
                    return command[0]
    return None


def sequence(text: str) -> str | None:
    """What makes a terminal put `text` on the clipboard; None: it is too long for that."""
    data = text.encode()
    return f"\x1b]52;c;{base64.b64encode(data).decode()}\x07" if len(data) <= TAKEN else None
