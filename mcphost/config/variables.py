"""Variables in the texts of a configuration: `${V}`, `${V:-default}`, `${env:V}`, and a leading `~`.

The law: nothing is executed and nothing guessed. What other programs write differently stays as it is, but for
`${…}` in a form not ours, which is an error; an expanded value never reaches a message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mcphost.config.checks import text
from mcphost.config.jsonc import Node, fault

_VARIABLE = re.compile(r"\$\{(?:(?:env:)?(?P<name>[A-Za-z_]\w*)(?P<or>:-(?P<default>[^{}]*))?\}|(?P<other>))", re.ASCII)
_DIALECT = re.compile(r"\$\{([A-Za-z]+):(?![-=?+])")


def names(value: str) -> list[str]:
    """The variables that a text names, in their order."""
    return [match["name"] for match in _VARIABLE.finditer(value) if match["name"]]


@dataclass(frozen=True, slots=True)
class Expander:
    """Expands with `environ`; relative paths begin at `directory` (None: they stay relative)."""

    environ: Mapping[str, str]
    directory: Path | None = None

    def text(self, node: Node) -> str:
        """The string of `node` with its variables.

        Raises:
            ConfigError: no string, a variable is not set, or a form of `${…}` that is not ours.
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
            f"{form} is not supported; expected ${{NAME}}, ${{NAME:-default}} or ${{env:NAME}}",
            hint="Put the value into an environment variable and name that.",
        )
