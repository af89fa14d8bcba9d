"""The output formats of `mcphost run` by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TextIO, TypeAlias

from mcphost.config.secrets import NONE, Secrets
from mcphost.frontends.base import RunFrontend
from mcphost.frontends.json import JsonFrontend
from mcphost.frontends.narrator import Narrator
from mcphost.frontends.plain import PlainFrontend
from mcphost.frontends.stream_json import StreamJsonFrontend


@dataclass(frozen=True, slots=True)
class Output:
    """Where a run writes, and to whom: `terminal` is the file descriptor that questions are answered at, if any;
    `environ` names the browser that an answer may open; `secrets` are not written."""

    out: TextIO
    err: TextIO
    terminal: int | None = None
    quiet: bool = False
    verbose: bool = False
    color: bool = False
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Secrets = NONE

    def narrator(self) -> Narrator:
        return Narrator(
            self.err,
            terminal=self.terminal,
            environ=self.environ,
            quiet=self.quiet,
            verbose=self.verbose,
            color=self.color,
        )


Format: TypeAlias = Callable[[Output], RunFrontend]

FORMATS: Mapping[str, Format] = {
    "text": lambda output: PlainFrontend(output.out, output.narrator()),
    "json": lambda output: JsonFrontend(output.out, output.narrator()),
    "stream-json": lambda output: StreamJsonFrontend(output.out, output.narrator(), secrets=output.secrets),
}
