"""Which addresses of a server may be shown to a person as a link, and what to warn of. Nothing is fetched here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unicodedata import name
from urllib.parse import SplitResult, quote, urlsplit

from mcphost.config.network import is_loopback
from mcphost.text import safe

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

MAX_LENGTH = 4096

# Browsers decode what stands as %41 in a host, and take 127.1 and 0x7f000001 for an address.
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|[0-9a-f:.]*:[0-9a-f:.]*")
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")


@dataclass(frozen=True, slots=True)
class Link:
    """An address in ASCII, as a browser would ask for it; `host` is the part that tells a person where it leads,
    `shown_as` what a browser may show for it where that is something else."""

    url: str
    host: str
    warnings: tuple[str, ...] = ()
    shown_as: str = ""


def check(url: str, *, local: bool) -> Link:
    """`url` as a link that may be offered. `local`: the server runs on this machine and may name its loopback address.

    Raises:
        ValueError: it must not be offered; the message says why.
    """
    if len(url) > MAX_LENGTH:
        raise ValueError(f"the address is longer than {MAX_LENGTH} characters")
    if safe(url) != url or "\\" in url or any(char.isspace() for char in url):
        raise ValueError("the address has white space, backslashes or invisible characters")
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("the address carries a user name before its host, which hides where it leads")
    if not parts.hostname:
        raise ValueError("the address names no host")
    host = _ascii_host(parts.hostname)
    if not local and _is_here(host):
        raise ValueError("a server elsewhere must not send you to a service on this machine")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.geturl())):
        raise ValueError("only https addresses are offered")
    shown_as = _decoded(host)
    return Link(_ascii_url(parts, host), host, _warnings(host, shown_as), shown_as)


def _ascii_host(host: str) -> str:
    try:
        written = (host if host.isascii() else host.encode("idna").decode("ascii")).lower()
    except UnicodeError as error:
        raise ValueError("the host name is none") from error
    if not _HOST.fullmatch(written) or (_NUMBER.fullmatch(written) and not _address(written)):
        raise ValueError("the host name is none, or a number that hides where it leads")
    return written


def _is_here(host: str) -> bool:
    """Whether a browser takes `host` for this machine."""
    address = _address(host)
    if address is None:
        return f".{host}".rstrip(".").endswith(".localhost")
    meant = (address.version == 6 and address.ipv4_mapped) or address
    return meant.is_loopback or meant.is_unspecified


def _address(host: str) -> IPv4Address | IPv6Address | None:
    from ipaddress import ip_address

    try:
        return ip_address(host.removesuffix("."))
    except ValueError:
        return None


def _ascii_url(parts: SplitResult, host: str) -> str:
    port = f":{parts.port}" if parts.port is not None else ""
    netloc = (f"[{host}]" if ":" in host else host) + port
    rest = parts._replace(netloc=netloc).geturl()
    return "".join(char if char.isascii() else quote(char) for char in rest)


def _decoded(host: str) -> str:
    """`host` in its own letters; empty where that is no other text, or one that would be encoded otherwise."""
    try:
        letters = ".".join(
            label[4:].encode().decode("punycode") if label.lower().startswith("xn--") else label
            for label in host.split(".")
        )
        return safe(letters) if letters != host and _ascii_host(letters) == host.lower() else ""
    except ValueError:
        return ""


def _warnings(host: str, letters: str) -> tuple[str, ...]:
    if not any(label.lower().startswith("xn--") for label in host.split(".")):
        return ()
    warnings = ["The host name has letters beyond a to z, which can imitate another name."]
    for label in letters.split("."):
        scripts = sorted({name(char, "UNKNOWN").split()[0] for char in label if char.isalpha()})
        if len(scripts) > 1:
            warnings.append(f"{label} mixes letters of several scripts: {', '.join(scripts).lower()}.")
    return tuple(warnings)
