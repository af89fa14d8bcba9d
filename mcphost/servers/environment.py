"""What the host's environment decides about a server: which variables reach it, and which program its command names.

Law 4: a server sees no key that is not its own, and its entry's PATH does not choose the program.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from mcphost.config.network import PROXIES
from mcphost.errors import ServerUnavailable

_NAMES = frozenset({"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "TZ", "TMPDIR"})
_CAS = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"})


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What a server gets of the host's environment: names every program needs, locale, proxies, CAs; never a key.

    Everything else must stand in the server's own `env`.
    """
    return {
        name: value
        for name, value in environ.items()
        if (name in _NAMES | _CAS or name.startswith(("LC_", "XDG_")) or name.lower() in PROXIES)
        and not value.startswith("()")  # an exported shell function
    }


def resolve(command: str, environ: Mapping[str, str], base: Path | None = None) -> tuple[str, ...]:
    """The first words of the argv for `command`: one absolute path, found by the host's own PATH (`environ`).

    A command with a slash is taken relative to `base` (the configuration file's folder). Relative entries of PATH are
    passed over. "mcphost" means this very installation.

    Raises:
        ServerUnavailable: no such executable; says where it was looked for.
    """
    if command == "mcphost":
        return (sys.executable, "-P", "-m", "mcphost")
    if "/" in command:
        tried = [os.path.abspath(os.path.join(base or "", command))]
        hint = "Check the path; ./x is taken from the configuration file's folder."
    else:
        folders = [part for part in environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(part)]
        tried = [os.path.join(folder, command) for folder in folders]
        hint = f"Install it, or give its full path. Looked in PATH: {os.pathsep.join(folders) or 'nothing'}"
    for path in tried:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return (path,)
    for path in tried:
        if os.path.isfile(path):
            raise ServerUnavailable(f"not executable: {path}", hint=f"chmod +x {path}", command=command)
    raise ServerUnavailable(f"command not found: {tried[0] if '/' in command else command}", hint=hint, command=command)
