"""What the host's environment decides about a server: which variables reach it, which program its command names, and
through which proxy its URL is reached.

Law 4: a server sees no key that is not its own, and its entry's PATH does not choose the program.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from mcphost.errors import ServerUnavailable

_NAMES = frozenset({"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "TZ", "TMPDIR"})
_CAS = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"})
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})  # in either case


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What a server gets of the host's environment: names every program needs, locale, proxies, CAs; never a key.

    Everything else must stand in the server's own `env`.
    """
    return {
        name: value
        for name, value in environ.items()
        if (name in _NAMES | _CAS or name.startswith(("LC_", "XDG_")) or name.lower() in _PROXIES)
        and not value.startswith("()")  # an exported shell function
    }


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy that `environ` names for `url`: http_proxy, https_proxy, all_proxy and no_proxy, in either case.

    A loopback address is reached without one.
    """
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host = parts.hostname or ""
    named = {name.lower(): value for name, value in environ.items() if name.lower() in _PROXIES and value}
    proxy = named.get(f"{parts.scheme.lower()}_proxy") or named.get("all_proxy")
    loopback = host in ("localhost", "::1") or host.startswith("127.")
    if proxy is None or loopback or _bypassed(f"{host}:{parts.port}", named.get("no_proxy", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _bypassed(address: str, no_proxy: str) -> bool:
    """Whether `no_proxy` holds the host, the host with its port, or a domain that it belongs to."""
    host = address.rpartition(":")[0]
    for entry in filter(None, (entry.strip().lower() for entry in no_proxy.split(","))):
        name = entry.removeprefix("*").removeprefix(".")
        if not name or name in (host, address) or host.endswith(f".{name}"):
            return True
    return False


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
