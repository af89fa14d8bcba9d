"""Real servers from their registries, installed once into a cache and started from there.

The cache is `.cache/` in the repository, or what MCPHOST_TEST_CACHE names; once filled it needs no network. A server
that cannot be installed skips its tests and says why; under CI=true that is a failure.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

_CACHE = Path(os.environ.get("MCPHOST_TEST_CACHE") or Path(__file__).parents[2] / ".cache").absolute()
_INSTALL_LIMIT = 300.0  # seconds

_NPM = (
    "@modelcontextprotocol/server-everything@2026.8.31",
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@modelcontextprotocol/server-memory@2026.8.31",
)
_PYTHON = ("mcp==1.30.0", "mcp-server-git==2026.10.10", "mcp-server-time==2026.10.10")


class InstallFailed(Exception):
    """Why a server cannot be had here."""


def npm_server(name: str) -> tuple[str, ...]:
    """The command of an npm server, for example "server-everything"; skips the test where there is no Node.js."""
    node, folder = _had(_node()), _had(_npm_folder())
    package = folder / "node_modules" / "@modelcontextprotocol" / name
    binaries = json.loads((package / "package.json").read_text())["bin"]
    return (str(node), str(package / next(iter(binaries.values()))))


def legacy_python() -> str:
    """A Python that has the SDK as most servers still use it, `mcp<2`, and the servers from PyPI."""
    return str(_had(_venv()) / "bin" / "python")


def _node() -> Path | InstallFailed:
    if path := shutil.which("node"):
        return Path(path)
    return InstallFailed("node is not on PATH, and these servers are npm packages for Node.js")


def _had(path: Path | InstallFailed) -> Path:
    if isinstance(path, Path):
        return path
    if os.environ.get("CI") == "true":
        pytest.fail(str(path))
    pytest.skip(str(path))


@functools.cache  # a failure too: no second wait for a registry that is not there
def _npm_folder() -> Path | InstallFailed:
    return _installed("npm", _NPM, _npm_install)


def _npm_install(folder: Path) -> None:
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1")
    _run("npm", "install", "--prefix", str(folder), *options, *_NPM)


@functools.cache
def _venv() -> Path | InstallFailed:
    return _installed(f"python{sys.version_info.major}.{sys.version_info.minor}", _PYTHON, _make_venv)


def _make_venv(folder: Path) -> None:
    python = str(folder / "bin" / "python")
    if shutil.which("uv"):
        # --no-config: the constraints of this repository are not for servers of another age.
        _run("uv", "--no-config", "venv", "--python", sys.executable, str(folder))
        _run("uv", "--no-config", "pip", "install", "--python", python, *_PYTHON)
    else:
        _run(sys.executable, "-m", "venv", str(folder))
        _run(python, "-m", "pip", "install", "--quiet", *_PYTHON)


def _installed(kind: str, pins: Sequence[str], install: Callable[[Path], None]) -> Path | InstallFailed:
    """The cache's folder for exactly these pins, filled by whichever test process comes first."""
    folder = _CACHE / f"{kind}-{hashlib.sha256(' '.join(pins).encode()).hexdigest()[:12]}"
    complete = folder / ".complete"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            try:
                install(folder)
            except InstallFailed as failure:
                return failure
            complete.touch()
    return folder


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_LIMIT, check=False)
    except FileNotFoundError:
        raise InstallFailed(f"{command[0]} is not on PATH") from None
    except subprocess.TimeoutExpired:
        raise InstallFailed(f"`{' '.join(command)}` took more than {_INSTALL_LIMIT:.0f} s") from None
    if done.returncode != 0:
        raise InstallFailed(f"`{' '.join(command)}` failed: {done.stderr.strip()[-800:]}")
