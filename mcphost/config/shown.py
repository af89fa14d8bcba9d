"""The configuration as it was written, for a person to look at: every part with the file and line that it comes from.

Law: `${NAME}` stays as it stands, and nothing that can be a secret is shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from mcphost.config import checks
from mcphost.config.jsonc import Node
from mcphost.config.secrets import Secrets, is_plain_header, named_like_secret, option_values
from mcphost.config.servers import entries_of
from mcphost.text import one_line, safe

Place: TypeAlias = tuple[str, ...]
Parts: TypeAlias = Mapping[Place, Sequence[Node]]

_HIDDEN = "[secret]"
_BY_NAME = ("models", "prices", "limits", "servers")  # sections of `mcphost` whose members are settings of their own
_RULES = ("mcphost", "approvals", "rules")
_USERINFO = re.compile(r"(?<=//)[^/?#\s]*@")
_QUERY = re.compile(r"([?&])([^=&#\s]+)=[^&#\s]+")
_WRITTEN = re.compile(r"(?:(?:Bearer|Basic|Token) +)?(?:\$\{(?:env:|secret:)?[\w.-]+\} *)+", re.IGNORECASE)


def merged(roots: Iterable[Node], included: Iterable[Node] = ()) -> Parts:
    """The parts that count: of documents in their order the last of each, of rules all. Of what is `included`, which
    comes first, only servers count."""
    parts: dict[Place, list[Node]] = {}
    for root in included:
        parts |= {("mcpServers", name): [node] for name, node in entries_of(checks.members(root)).items()}
    for root in roots:
        members = checks.members(root)
        parts |= {("mcpServers", name): [node] for name, node in entries_of(members).items()}
        for place, node in _settings(members.get("mcphost")):
            parts[place] = [*parts.get(place, ()), node] if _adds_up(place) else [node]
    return parts


def _settings(section: Node | None) -> Iterator[tuple[Place, Node]]:
    for key, node in checks.members(section).items() if section else ():
        inner = checks.members(node) if key in (*_BY_NAME, "approvals") else {}
        for name, part in inner.items():
            if key == "servers":
                yield from ((("mcphost", key, name, what), setting) for what, setting in checks.members(part).items())
            elif name == "rules":
                yield from ((("mcphost", key, name), rule) for rule in checks.items(part))
            else:
                yield ("mcphost", key, name), part
        if key not in (*_BY_NAME, "approvals"):
            yield ("mcphost", key), node


def plain(parts: Parts, secrets: Secrets) -> dict[str, Any]:
    """The parts as one document like a file's, without secrets."""
    document: dict[str, Any] = {}
    for place, nodes in parts.items():
        values = [_discreet(node.plain(), "", secrets) for node in nodes]
        holder = document
        for key in place[:-1]:
            holder = holder.setdefault(key, {})
        holder[place[-1]] = _joined(place, values)
    return document


def sources(parts: Parts) -> dict[str, list[str]]:
    """Where each part stands, by its keys joined with dots."""
    return {".".join(place): [str(node.source) for node in nodes] for place, nodes in parts.items()}


def _adds_up(place: Place) -> bool:
    """Whether what several files say there counts together."""
    return place == _RULES or (place[:2] == ("mcphost", "servers") and place[-1] in ("allow", "deny"))


def _joined(place: Place, values: list[Any]) -> Any:
    if place == _RULES:
        return values
    return [item for value in values for item in value] if _adds_up(place) else values[-1]


def text(parts: Parts, secrets: Secrets) -> str:
    """The parts as a file that could be read again, with comments that say where each comes from."""
    origin = {place: ", ".join(dict.fromkeys(str(node.source) for node in nodes)) for place, nodes in parts.items()}
    return "\n".join(_lines(plain(parts, secrets), (), origin)) + "\n"


def _lines(value: Any, place: Place, origin: Mapping[Place, str]) -> Iterator[str]:
    indent = "  " * len(place)
    key = f"{json.dumps(one_line(place[-1]), ensure_ascii=False)}: " if place else ""
    comma = "," if place else ""
    if place in origin or not isinstance(value, dict):
        written = safe(json.dumps(value, indent=2, ensure_ascii=False))
        if place in origin:
            yield f"{indent}// {one_line(origin[place], 1000)}"
        yield indent + key + written.replace("\n", f"\n{indent}") + comma
        return
    yield f"{indent}{key}{{"
    for name, inner in value.items():
        yield from _lines(inner, (*place, name), origin)
    yield f"{indent}}}{comma}"


def _discreet(value: Any, key: str, secrets: Secrets) -> Any:
    if isinstance(value, dict):
        return {name: _member(name, inner, key, secrets) for name, inner in value.items()}
    if isinstance(value, list):
        hidden = {at: option for option, at in option_values([str(item) for item in value])}
        return [_item(item, key, hidden.get(at), secrets) for at, item in enumerate(value)]
    return _text(value, secrets) if isinstance(value, str) else value


def _member(name: str, value: Any, key: str, secrets: Secrets) -> Any:
    secret = name == "apiKey" or (
        (key in ("env", "environment") and named_like_secret(name)) or (key == "headers" and not is_plain_header(name))
    )
    return _secret(value) if secret and isinstance(value, str) else _discreet(value, name, secrets)


def _item(item: Any, key: str, option: str | None, secrets: Secrets) -> Any:
    if not isinstance(item, str):
        return _discreet(item, key, secrets)
    if key == "headers":
        name, _, value = item.partition(":")
        return item if is_plain_header(name) else f"{name}: {_secret(value.strip())}"
    if option is None:
        return _text(item, secrets)
    prefix = f"{option}=" if item.startswith(f"{option}=") else ""
    return prefix + _secret(item.removeprefix(prefix))


def _secret(written: str) -> str:
    """Only variables may stand in a secret's place, and the scheme before them."""
    return written if _WRITTEN.fullmatch(written.strip()) else _HIDDEN


def _text(written: str, secrets: Secrets) -> str:
    discreet = _USERINFO.sub(lambda match: f"{_secret_pair(match[0][:-1])}@", written)
    discreet = _QUERY.sub(lambda match: _parameter(*match.groups(), written=match[0]), discreet)
    return secrets.redact(discreet)


def _secret_pair(userinfo: str) -> str:
    return ":".join(_secret(part) for part in re.split(r":(?![^{]*\})", userinfo))


def _parameter(mark: str, name: str, *, written: str) -> str:
    value = written.partition("=")[2]
    return f"{mark}{name}={_secret(value)}" if named_like_secret(name) else written
