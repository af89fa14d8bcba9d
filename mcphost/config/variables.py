"""Variables in the texts of a configuration: `${V}`, `${V:-default}`, `${env:V}`, `${secret:NAME}`, a leading `~`.

The law: nothing is executed and nothing guessed. What other programs write differently stays as it is, but for
`${…}` in a form not ours, which is an error; an expanded value never reaches a message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mcphost.config.checks import text
from mcphost.config.jsonc import Node, fault
from mcphost.config.keyring import Keyring
from mcphost.errors import ConfigError

_VARIABLE = re.compile(
    r"\$\{(?:(?:env:)?(?P<name>[A-Za-z_]\w*)(?P<or>:-(?P<default>[^{}]*))?\}"
    r"|secret:(?P<secret>[A-Za-z_][\w.-]*)\}|(?P<other>))",
    re.ASCII,
)
_DIALECT = re.compile(r"\$\{([A-Za-z]+):(?![-=?+])")


def names(value: str) -> list[str]:
    """The variables that a text names, in their order; a secret of the keyring as `secret:NAME`."""
    found = _VARIABLE.finditer(value)
    return [match["name"] or f"secret:{match['secret']}" for match in found if match["name"] or match["secret"]]


def without(value: str) -> str:
    """A text whose variables are left out, but for their defaults."""
    return _VARIABLE.sub(lambda match: match["default"] or "", value)


@dataclass(frozen=True, slots=True)
class Expander:
    """Expands with `environ` and `keyring`; relative paths begin at `directory` (None: they stay relative)."""

    environ: Mapping[str, str]
    directory: Path | None = None
    keyring: Keyring = field(default_factory=Keyring)

    def text(self, node: Node) -> str:
        """The string of `node` with its variables.

        Raises:
            ConfigError: no string, a variable is not set, a secret not stored, or a form of `${…}` that is not ours.
        """
        return _VARIABLE.sub(lambda match: self._value(node, match), text(node))

    def argument(self, node: Node) -> str:
        """Like `text`, and a leading `~` or `~/` is the home directory."""
        value = self.text(node)
        if value != "~" and not value.startswith("~/"):
            return value
        home = self.environ.get("HOME")
        if not home:
            hint = "Set HOME, or write the path in full."
            raise fault(node, "~ is used, but the variable HOME is not set", hint=hint)
        return home + value[1:]

    def path(self, node: Node) -> Path:
        """Like `argument`, as a path from `directory`."""
        path = Path(self.argument(node))
        return self.directory / path if self.directory else path

    def _value(self, node: Node, match: re.Match[str]) -> str:
        if match["secret"]:
            return self._secret(node, match["secret"])
        name = match["name"]
        value = self.environ.get(name) if name else None
        if match["or"]:
            return value or match["default"]
        if value is not None:
            return value
        if name:
            raise fault(
                node, f"the variable {name} is not set", hint=f"Set it, or give a default: ${{{name}:-default}}"
            )
        dialect = _DIALECT.match(text(node), match.start())
        form = f"${{{dialect[1]}:…}}" if dialect else "this form of ${…}"
        raise fault(
            node,
            f"{form} is not supported; expected ${{NAME}}, ${{NAME:-default}}, ${{env:NAME}} or ${{secret:NAME}}",
            hint="Put the value into an environment variable and name that.",
        )

    def _secret(self, node: Node, name: str) -> str:
        try:
            value = self.keyring.get(name)
        except ConfigError as error:
            raise fault(node, f"the secret {name} cannot be read: {error.message}", hint=error.hint) from error
        if value is None:
            raise fault(node, f"the secret {name} is not stored", hint=f"Store it: mcphost config set-secret {name}")
        return value
