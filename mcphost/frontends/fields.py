"""One field of a server's form: how a typed line is read, and what is wrong with a value.

Law 4: a regular expression of a server is run in linear time or not at all.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from jsonschema_rs import Validator

_PATTERN_BYTES = 100_000  # of a compiled pattern

Kind: TypeAlias = Literal["string", "number", "integer", "boolean", "choice", "choices"]

LIMITS: dict[Kind, tuple[str, str]] = {
    "string": ("minLength", "maxLength"),
    "number": ("minimum", "maximum"),
    "integer": ("minimum", "maximum"),
    "choices": ("minItems", "maxItems"),
}
FORMATS = {
    "email": "an e-mail address like ada@example.org",
    "uri": "an address like https://example.org/",
    "date": "a date like 2026-01-31",
    "date-time": "a date and time like 2026-01-31T12:00:00Z",
}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
_SECRET = re.compile(
    r"passw|passphrase|passcode|(?<![a-z])(pass|pwd|pin|ssn|otp|cvv|cvc|iban|mnemonic|bearer)(?![a-z])|cvv\d|"
    r"secret(?!ar)|credential|tokens?\b(?<!tokens)|(seed|recovery).?phrase|social.?security|"
    r"(api|access|private|ssh|signing|encryption|master|license).?key|"
    r"(auth|authorization|verification|security|login|backup|recovery|one.?time|2fa|mfa).?code|"
    r"card.?(number|no\b)|credit.?card|account.?(number|no\b)|"
    r"kennwort|contraseña|mot de passe|senha|пароль|密码|パスワード",
    re.IGNORECASE,
)
_YES = ("y", "yes", "true", "1")
_NO = ("n", "no", "false", "0")


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    title: str


@dataclass(frozen=True, slots=True)
class Field:
    """One property of a form. `low` and `high` bound a text's length, a number, or how many choices are taken;
    `pattern` is a regular expression that a text has to match somewhere.

    `title` and `description` are the server's words. `default` None: there is none that would be valid.
    """

    name: str
    kind: Kind
    title: str
    description: str = ""
    required: bool = False
    default: Any = None
    choices: tuple[Choice, ...] = ()
    format: str | None = None
    pattern: str | None = None
    low: float | None = None
    high: float | None = None

    @property
    def secret(self) -> bool:
        """Whether it seems to ask for a password, key or the like, which a server must never do by a form."""
        return bool(_SECRET.search(f"{self.name}\n{self.title}\n{self.description}"))

    def problem(self, value: Any) -> str | None:
        """What is wrong with `value`, in a few words for a person; None: nothing."""
        if not self._fits_kind(value):
            return f"expected {self.expected}"
        size = value if self.kind in ("number", "integer") else len(value) if self.kind in LIMITS else 0
        if self.low is not None and size < self.low:
            return f"expected at least {self._amount(self.low)}"
        if self.high is not None and size > self.high:
            return f"expected at most {self._amount(self.high)}"
        if self.format is not None and not _has_format(self.format, value):
            return f"expected {FORMATS[self.format]}"
        if self.pattern is not None and not _matches(self.pattern, value):
            return f"expected text that matches {self.pattern}"
        return None

    def read(self, line: str) -> Any:
        """The value that a typed line means.

        Raises:
            ValueError: it means none that the form takes; the message says what is expected.
        """
        try:
            value = self._parse(line)
        except ValueError:
            raise ValueError(f"expected {self.explained}") from None
        if value == "" and self.required:
            raise ValueError(f"must be filled in: {self.explained}")
        if problem := self.problem(value):
            raise ValueError(problem)
        return value

    @property
    def expected(self) -> str:
        match self.kind:
            case "string":
                return FORMATS.get(self.format or "", "text")
            case "number":
                return "a number"
            case "integer":
                return "a whole number"
            case "boolean":
                return "yes or no"
            case "choice":
                return "one of the choices, by number or name"
            case "choices":
                return "choices, by numbers or names, with commas between them"

    @property
    def explained(self) -> str:
        """What is expected, with its bounds."""
        bounds = [f"at least {self._amount(self.low)}"] if self.low is not None else []
        bounds += [f"at most {self._amount(self.high)}"] if self.high is not None else []
        bounds += [f"matching {self.pattern}"] if self.pattern is not None else []
        return ", ".join([self.expected, *bounds])

    def _fits_kind(self, value: Any) -> bool:
        match self.kind:
            case "string":
                return isinstance(value, str)
            case "boolean":
                return isinstance(value, bool)
            case "integer":
                return isinstance(value, int) and not isinstance(value, bool)
            case "number":
                return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            case "choice":
                return isinstance(value, str) and self._is_choice(value)
            case "choices":
                return (
                    isinstance(value, list)
                    and all(isinstance(item, str) and self._is_choice(item) for item in value)
                    and len(set(value)) == len(value)
                )

    def _is_choice(self, value: str) -> bool:
        return any(choice.value == value for choice in self.choices)

    def _amount(self, bound: float) -> str:
        unit = {"string": "character", "choices": "choice"}.get(self.kind)
        return f"{bound:g} {unit}{'' if bound == 1 else 's'}" if unit else f"{bound}"

    def _parse(self, line: str) -> Any:
        text = line.strip()
        match self.kind:
            case "string":
                return line
            case "integer":
                return int(text)
            case "number":
                return float(text) if re.search(r"[.eE]", text) else int(text)
            case "boolean":
                if text.lower() not in _YES + _NO:
                    raise ValueError(text)
                return text.lower() in _YES
            case "choice":
                return self._choose(text)
            case "choices":
                return [self._choose(part.strip()) for part in text.split(",") if part.strip()]

    def chosen(self, line: str) -> list[str]:
        """The choices that a typed line names so far, whether or not there are enough of them."""
        found = []
        for part in line.split(",") if self.kind == "choices" else [line]:
            with suppress(ValueError):
                found.append(self._choose(part.strip()))
        return found

    def _choose(self, text: str) -> str:
        """By value, by title, or by its number counted from 1, in this order."""
        for choice in self.choices:
            if text == choice.value:
                return choice.value
        for choice in self.choices:
            if text.lower() == choice.title.lower():
                return choice.value
        index = int(text)
        if not 1 <= index <= len(self.choices):
            raise ValueError(text)
        return self.choices[index - 1].value


def _has_format(format: str, text: str) -> bool:
    try:
        match format:
            case "email":
                return bool(_EMAIL.fullmatch(text))
            case "uri":
                return bool(_URI.fullmatch(text) and urlsplit(text))
            case "date":
                return bool(_DATE.fullmatch(text) and date.fromisoformat(text))
            case _:
                return bool(_DATE_TIME.fullmatch(text) and datetime.fromisoformat(text.upper()))
    except ValueError:
        return False


def _matches(pattern: str, text: str) -> bool:
    validator = _validator(pattern)
    return validator is None or validator.is_valid(text)


@lru_cache(maxsize=64)
def _validator(pattern: str) -> Validator | None:
    """Checks a text in linear time. None: there is no such engine for this pattern, and the server judges the text."""
    import jsonschema_rs

    linear = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES)
    try:
        return jsonschema_rs.validator_for({"pattern": pattern}, offline=True, pattern_options=linear)
    except ValueError:
        return None
