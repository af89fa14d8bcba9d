"""Which addresses of a server may be shown to a person as a link, and what to warn of. Nothing is fetched here."""

from __future__ import annotations

from dataclasses import dataclass
from unicodedata import name
from urllib.parse import SplitResult, quote, urlsplit

from mcphost.config.network import is_loopback
from mcphost.text import safe

MAX_LENGTH = 4096


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
    _check_scheme(parts, local=local)
    host = _ascii_host(parts.hostname)
    shown_as = _decoded(host)
    return Link(_ascii_url(parts, host), host, _warnings(host, shown_as), shown_as)


def _check_scheme(parts: SplitResult, *, local: bool) -> None:
    loopback = is_loopback(parts.geturl())
    if loopback and not local:
        raise ValueError("a server elsewhere must not send you to a service on this machine")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise ValueError("only https addresses are offered")


def _ascii_host(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError("the host name is none") from error


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
