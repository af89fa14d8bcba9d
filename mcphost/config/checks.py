"""From a node to a plain value of the wanted kind, or an error that says what was found and what is expected.

The law: a value is shown only where it helps and can hardly be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from mcphost.config.jsonc import Node, fault
from mcphost.errors import ConfigError
from mcphost.text import encodable, one_line

T = TypeVar("T")

SHOWN = 24  # characters; keys and tokens are longer

_SECRET_PLACE = re.compile(r"[.\]](?:env|environment|headers|args|apiKey)(?![\w-])")
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def found(node: Node) -> str:
    """`node`'s value for a person: shortened, and only its kind where it might be a secret."""
    match node.value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case None:
            return "null"
        case bool(value):
            return "true" if value else "false"
        case str(value):
            hidden = len(value) > SHOWN or "@" in value or _SECRET_PLACE.search(node.path)
            return f"a text of {len(value)} characters" if hidden else f'"{one_line(value)}"'
        case int(value) if abs(value) >= 10**15:
            return "a very large number"
        case value:
            return "a number" if _SECRET_PLACE.search(node.path) else str(value)


def wrong(node: Node, expected: str, *, hint: str | None = None) -> ConfigError:
    return fault(node, f"found {found(node)}; expected {expected}", hint=hint)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """` (did you mean "X"?)` for the name most like `name`, whatever its case and its joints; empty if none is."""
    import difflib  # only people who mistyped pay for it

    folded = {_folded(known): known for known in names}
    close = difflib.get_close_matches(_folded(name), list(folded), n=1)
    return f' (did you mean "{folded[close[0]]}"?)' if close else ""


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def members(node: Node) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise wrong(node, "an object")
    return node.value


def members_of(node: Node, keys: Collection[str]) -> dict[str, Node]:
    """The members of an object that may have these keys and no others."""
    entries = members(node)
    for key, entry in entries.items():
        if key not in keys:
            guess = did_you_mean(key, keys)
            raise fault(entry, f"unknown key; expected one of {', '.join(keys)}{guess}")
    return entries


def optional(entries: Mapping[str, Node], key: str, read: Callable[[Node], T]) -> T | None:
    return read(entries[key]) if key in entries else None


def required(node: Node, entries: Mapping[str, Node], key: str, expected: str) -> Node:
    if key not in entries:
        raise fault(node, f'"{key}" is missing; expected {expected}')
    return entries[key]


def items(node: Node) -> list[Node]:
    if not isinstance(node.value, list):
        raise wrong(node, "a list")
    return node.value


def text(node: Node) -> str:
    """Any string that processes and paths can hold."""
    if not isinstance(node.value, str):
        quote = isinstance(node.value, bool | int | float)
        raise wrong(node, "a string", hint="Put it in double quotes." if quote else None)
    if not holdable(node.value):
        raise fault(node, "found a NUL character or half a surrogate pair; expected a string without them")
    return node.value


def holdable(value: str) -> bool:
    """Whether processes and paths can hold it."""
    return "\0" not in value and encodable(value) == value


def filled(node: Node) -> str:
    """A string that is not empty."""
    if not text(node).strip():
        raise fault(node, "found an empty string; expected a text")
    return text(node)


def flag(node: Node) -> bool:
    if not isinstance(node.value, bool):
        raise wrong(node, "true or false")
    return node.value


def number(node: Node, unit: str) -> float:
    """A finite number above zero."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(node, f"a number of {unit}")
    if not 0 < value <= 1e9:
        raise wrong(node, f"a number of {unit} above 0")
    return float(value)


def amount(node: Node, unit: str) -> float:
    """A finite number, zero included."""
    return 0.0 if node.value == 0 and not isinstance(node.value, bool) else number(node, unit)


def whole(node: Node, unit: str, *, most: int = 2**53) -> int:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise wrong(node, f"a whole number of {unit}, at least 1" + (f", at most {most}" if most < 2**53 else ""))
    return value


def choice(node: Node, options: Collection[str]) -> str:
    """One of `options`, which people read in this order."""
    if not isinstance(node.value, str) or node.value not in options:
        raise wrong_choice(node, options)
    return node.value


def wrong_choice(node: Node, options: Collection[str]) -> ConfigError:
    guess = did_you_mean(node.value, options) if isinstance(node.value, str) else ""
    return wrong(node, f"one of {', '.join(options)}{guess}")


def url(node: Node, value: str) -> str:
    """`value` (the text of `node`, expanded) if it is an address that HTTP can reach."""
    if not _reachable(value):
        raise wrong(node, "an address that begins with http:// or https://")
    return value


def proxy(node: Node, value: str) -> str:
    """`value` (the text of `node`, expanded) if it is the address of a proxy, or empty."""
    scheme, _, rest = value.partition("://")
    if value and not (scheme in PROXY_SCHEMES and _reachable(f"http://{rest}")):
        raise wrong(node, "a proxy's address, which begins with http://, https:// or socks5://")
    return value


def _reachable(value: str) -> bool:
    try:
        parts = urlsplit(value)
        usable_port = parts.port != 0
    except ValueError:
        return False
    plain = value.isprintable() and " " not in value
    return parts.scheme in ("http", "https") and bool(parts.hostname) and usable_port and plain


def origin(value: str) -> str:
    """The part of a checked address that is no secret: scheme, host and port."""
    parts = urlsplit(value)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def header(node: Node, name: str, value: str) -> tuple[str, str]:
    """One HTTP header that can be sent as it stands."""
    name, value = name.strip(), value.strip()
    if not _HEADER_NAME.fullmatch(name):
        raise fault(node, "found no header name; expected letters, digits and hyphens")
    if not value.isascii() or not value.replace("\t", " ").isprintable():
        raise fault(node, "found a line break, a control character or one outside ASCII; expected one line of ASCII")
    return name, value
