"""The secrets that a configuration holds, so that none of them comes back out.

What a server was told in confidence, and then repeats, reaches neither model nor journal nor screen.
"""

from __future__ import annotations

import dataclasses
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from mcphost.config.network import PROXIES
from mcphost.config.schema import Config
from mcphost.text import one_line

T = TypeVar("T")

SHORTEST = 8  # characters; anything shorter would be found in ordinary text

_NAMES = re.compile("KEY|TOKEN|SECRET|PASS|AUTH|CRED", re.IGNORECASE)
_BASE64 = re.compile(r"(?=.*[A-Z])(?=.*[a-z])(?=.*\d)[A-Za-z0-9+/]{32,}={0,2}")
_URLSAFE = str.maketrans("+/", "-_")
_PLAIN_HEADERS = frozenset({"accept", "accept-language", "content-type", "user-agent", "host", "origin"})


class Secrets:
    """Texts that must not be seen, each under the name that stands in its place.

    A secret is also found as JSON, a URL or base64 would write it.
    """

    def __init__(self, named: Iterable[tuple[str, str]] = ()) -> None:
        forms = {form: name for value, name in named if len(value) >= SHORTEST for form in _forms(value)}
        self._names = dict(sorted(forms.items(), key=lambda item: -len(item[0])))
        self._pattern = re.compile("|".join(map(re.escape, self._names))) if forms else None

    @classmethod
    def of(cls, config: Config, environ: Mapping[str, str]) -> Secrets:
        """What came from the keyring, API keys, header values, and of variables, options and parameters of addresses
        those that are named like secrets."""
        return cls(_named(config, environ))

    def found(self, value: Any) -> str | None:
        """The name of a secret that stands in a JSON value; None: there is none."""
        return next((self._name(text) for text in _texts(value) if self._name(text)), None)

    def redact(self, text: str) -> str:
        """`text` with `[secret NAME]` in place of each secret."""
        if self._pattern is None or len(text) < SHORTEST or not any(secret in text for secret in self._names):
            return text
        return self._pattern.sub(lambda match: f"[secret {self._names[match[0]]}]", text)

    def redacted(self, value: T) -> T:
        """The same for every text in JSON values and dataclasses; a value without secrets comes back as it is."""
        return value if self._pattern is None else self._walk(value)

    def _name(self, text: str) -> str | None:
        return next((name for secret, name in self._names.items() if secret in text), None)

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, Mapping):
            pairs = {self._walk(key): self._walk(item) for key, item in value.items()}
            return value if _same(value, pairs) else pairs
        if isinstance(value, (list, tuple)):
            items = [self._walk(item) for item in value]
            return value if all(map(_is, value, items)) else type(value)(items)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value) if one.init}
            changed = {name: new for name, old in fields.items() if (new := self._walk(old)) is not old}
            return dataclasses.replace(value, **changed) if changed else value
        return value


NONE = Secrets()


def named_like_secret(name: str) -> bool:
    return bool(_NAMES.search(name))


def is_plain_header(name: str) -> bool:
    """Whether an HTTP header of this name holds no secret."""
    return name.strip().lower() in _PLAIN_HEADERS


def option_values(arguments: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Where the values of options such as `--api-key=VALUE` or `--token VALUE` stand: the option, and the argument."""
    for at, argument in enumerate(arguments):
        option, equals, _ = argument.partition("=")
        if option.startswith("-") and named_like_secret(option):
            yield option, at if equals else at + 1


def _named(config: Config, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for endpoint in config.endpoints.values():
        yield endpoint.api_key or "", f"apiKey of {one_line(endpoint.name, 60)}"
        yield from _headers(endpoint.headers)
        yield from (*_address(endpoint.base_url), *_address(endpoint.proxy))
    for server in config.servers.values():
        yield from _headers(server.headers)
        yield from (*_address(server.url), *_address(server.proxy))
        yield from ((value, name) for name, value in server.env.items() if named_like_secret(name))
        yield from _options(server.args)
    for name, value in environ.items():
        if name.lower() in PROXIES:
            yield from _address(value)
    yield from ((value, name) for name, value in environ.items() if named_like_secret(name) and not _is_path(value))
    yield from ((value, name) for name, value in config.secrets.items())


def _headers(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Of "Bearer TOKEN" also the token alone."""
    for name, value in headers.items():
        if not is_plain_header(name):
            yield from ((part, name) for part in (value, *value.split()))


def _address(url: str | None) -> Iterator[tuple[str, str]]:
    parts = urlsplit(url or "")
    for part in (parts.username, parts.password):
        yield unquote(part or ""), "password in an address"
    yield from ((value, name) for name, value in parse_qsl(parts.query) if named_like_secret(name))


def _is_path(value: str) -> bool:
    """Whether this is where a secret is, not the secret; base64 may begin with a slash too."""
    return value.startswith("/") and not _BASE64.fullmatch(value)


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for option, at in option_values(arguments):
        if at < len(arguments):
            yield arguments[at].removeprefix(f"{option}="), option.lstrip("-")


def _forms(value: str) -> set[str]:
    texts = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    quoted = {quote(value, safe=""), quote(value), quote_plus(value)}
    lower = {re.sub("%..", lambda match: match[0].lower(), form) for form in quoted}
    data = value.encode(errors="replace")
    base64 = {_within_base64(data, before) for before in range(3)}
    return texts | quoted | lower | base64 | {form.translate(_URLSAFE) for form in base64}


def _within_base64(data: bytes, before: int) -> str:
    """The characters that base64 has for `data` wherever it stands behind `before` (mod 3) bytes, whatever follows."""
    written = b64encode(bytes(before) + data).decode().rstrip("=")
    return written[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _same(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> bool:
    return before.keys() == after.keys() and all(after[key] is item for key, item in before.items())


def _is(left: object, right: object) -> bool:
    return left is right
