"""How an address is reached: through which proxy, and by which certificates it has to prove itself.

Law 12: the environment is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
"""The variables that `proxy_for` reads, in either case."""


@dataclass(frozen=True, slots=True)
class Network:
    """`proxy`: a URL. `ca_file` (PEM) and `ca_directory` add to the system's certificates."""

    proxy: str | None = None
    ca_file: str | None = None
    ca_directory: str | None = None

    @classmethod
    def of(
        cls, url: str, environ: Mapping[str, str], *, proxy: str | None = None, ca_file: str | None = None
    ) -> Network:
        """The way to `url`: what was configured for it, else what the variables of `proxy_for`, SSL_CERT_FILE and
        SSL_CERT_DIR say."""
        return cls(
            proxy or proxy_for(url, environ),
            ca_file or environ.get("SSL_CERT_FILE") or None,
            environ.get("SSL_CERT_DIR") or None,
        )

    def tls(self) -> ssl.SSLContext:
        """A new context, which takes some 20 ms. Raises OSError where the certificates cannot be read."""
        import httpx2

        context = httpx2.create_ssl_context(trust_env=False)
        if self.ca_file or self.ca_directory:
            context.load_verify_locations(self.ca_file, self.ca_directory)
        return context


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy that `environ` names for `url`: http_proxy, https_proxy, all_proxy and no_proxy, in either case.

    A loopback address is reached without one.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    named = {name.lower(): value for name, value in environ.items() if name.lower() in PROXIES and value}
    proxy = named.get(f"{parts.scheme.lower()}_proxy") or named.get("all_proxy")
    if proxy is None or is_loopback(url) or _bypassed(f"{host}:{parts.port}", named.get("no_proxy", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def is_loopback(url: str) -> bool:
    """Whether the host of `url` is this machine, as far as its name alone says."""
    import ipaddress

    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bypassed(address: str, no_proxy: str) -> bool:
    """Whether `no_proxy` holds the host, the host with its port, or a domain that it belongs to."""
    host = address.rpartition(":")[0]
    for entry in filter(None, (entry.strip().lower() for entry in no_proxy.split(","))):
        name = entry.removeprefix("*").removeprefix(".")
        if not name or name in (host, address) or host.endswith(f".{name}"):
            return True
    return False
