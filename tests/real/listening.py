"""A server process that listens on a loopback port, for as long as a test module needs it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_START_LIMIT = 20.0  # seconds


@contextmanager
def listening(command: Sequence[str], ready: str, env: Mapping[str, str] | None = None) -> Iterator[re.Match[str]]:
    """Run `command` until the block ends; gives the match of the first line of its output that `ready` matches."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(env or {})}
    ) as process:
        giving_up = threading.Timer(_START_LIMIT, process.kill)
        giving_up.start()
        try:
            match = _first_match(process, ready)
            giving_up.cancel()
            # Its log must not fill the pipe and stop it.
            threading.Thread(target=process.communicate, daemon=True).start()
            yield match
        finally:
            giving_up.cancel()
            process.kill()


def _first_match(process: subprocess.Popen[str], ready: str) -> re.Match[str]:
    seen = []
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.search(ready, line):
            return match
        seen.append(line)
    raise AssertionError(f"the server never said {ready!r}: {''.join(seen)}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def everything(command: Sequence[str], transport: str) -> Iterator[str]:
    """server-everything over "streamableHttp" or "sse"; gives its URL."""
    port = free_port()
    with listening([*command, transport], r"on port", {"PORT": str(port)}):
        yield f"http://127.0.0.1:{port}/{'sse' if transport == 'sse' else 'mcp'}"


@contextmanager
def legacy(python: str, script: Path, transport: str, env: Mapping[str, str]) -> Iterator[str]:
    """A server of `legacy/` over "http" or "sse"; gives its URL."""
    with listening([python, str(script), transport], r"^listening on (http\S+)$", env) as match:
        yield match[1]
