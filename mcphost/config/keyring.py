"""The system's keyring: where `${secret:NAME}` comes from, and the only place that imports `keyring`.

Law: a secret is stored by the system or not at all. A back end that merely writes a file is used only if the user chose
it for all of their programs, and nothing is imported before a secret is wanted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from mcphost.errors import ConfigError, UsageError
from mcphost.text import one_line

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")

SERVICE = "mcphost"
NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)

_INDEX = "(names)"  # the entry that lists the others, as a keyring cannot; no secret's name has parentheses
_HINT = "On Linux it is GNOME Keyring, KWallet or KeePassXC; without one, set a variable and write ${NAME}."


class Keyring:
    """This user's secrets. `given` holds those that were read, by their names."""

    def __init__(self) -> None:
        self.given: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        """The secret; None: there is none of this name.

        Raises:
            ConfigError: the system has no keyring, or does not let us at it.
        """
        if name not in self.given and (value := self._read(name)) is not None:
            self.given[name] = value
        return self.given.get(name)

    def names(self) -> list[str]:
        """The names of all secrets, sorted. Raises as `get`."""
        try:
            return sorted(map(str, json.loads(self._read(_INDEX) or "[]")))
        except ValueError:
            return []

    def store(self, name: str, value: str) -> None:
        """Keep `value` under `name`, in place of any other.

        Raises:
            UsageError: a configuration could not use this name.
            ConfigError: as `get`, or the keyring keeps nothing.
        """
        if not NAME.fullmatch(name):
            raise UsageError(f"{one_line(name)!r} cannot name a secret; expected letters, digits, _, . and -")
        self._write(name, value)
        self._write(_INDEX, json.dumps(sorted({*self.names(), name})))

    def remove(self, name: str) -> bool:
        """Forget the secret; False: there was none. Raises as `get`."""
        if self._read(name) is None:
            return False
        self._with(lambda backend: backend.delete_password(SERVICE, name))
        self._write(_INDEX, json.dumps([other for other in self.names() if other != name]))
        return True

    def _read(self, name: str) -> str | None:
        return self._with(lambda backend: backend.get_password(SERVICE, name))

    def _write(self, name: str, value: str) -> None:
        self._with(lambda backend: backend.set_password(SERVICE, name, value))
        if self._read(name) != value:
            raise ConfigError("the system's keyring keeps nothing", hint=_HINT)

    def _with(self, action: Callable[[KeyringBackend], T]) -> T:
        try:
            return action(self._backend)
        except Exception as error:  # back ends raise whatever their libraries do
            raise _unusable(error) from error

    @cached_property
    def _backend(self) -> KeyringBackend:
        """The best of the recommended ones, or what the user chose in keyring's own configuration or environment."""
        from keyring import core

        core.init_backend(limit=core.recommended)
        return core.get_keyring()


def _unusable(error: Exception) -> ConfigError:
    from keyring.errors import NoKeyringError

    if isinstance(error, NoKeyringError):
        return ConfigError("this system has no keyring to keep secrets in", hint=_HINT)
    reason = one_line(str(error)) or type(error).__name__
    return ConfigError(f"the system's keyring cannot be used: {reason}", hint="Unlock it, then try again.")
