"""A person's own browser, for an address that they said yes to.

Law 2: the address is one argument of a program, never part of a shell's line, and nothing here fetches it. The program
gets no terminal: it can neither read keys nor write over what is shown.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import anyio

# The standard library knows where browsers are. One that stays in the foreground counts as opened after a moment.
_OPEN = """
import os, sys, threading, webbrowser
opened = []
thread = threading.Thread(target=lambda: opened.append(webbrowser.open(sys.argv[1])), daemon=True)
thread.start()
thread.join(2)
os._exit(0 if thread.is_alive() or opened == [True] else 1)
"""


async def visit(url: str, environ: Mapping[str, str]) -> str:
    """Open `url` in the browser that `BROWSER` names, or the desktop's; says what came of it."""
    # Without TERM there are no browsers that would want the terminal.
    program = await anyio.run_process(
        [sys.executable, "-I", "-c", _OPEN, url],
        env={name: value for name, value in environ.items() if name != "TERM"},
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if program.returncode == 0:
        return "Opened in your browser."
    return f"No browser can be started from here. Open it yourself:\n{url}"
