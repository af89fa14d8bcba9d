"""From flags to a Host, in the order that makes a start quick: configuration, then every server process, then the
heavy imports while the servers boot."""

from __future__ import annotations

import difflib
import gc
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mcphost import config as configuration
from mcphost.cli import leaving_at_once
from mcphost.config import checks, project
from mcphost.config.patterns import parse_pattern
from mcphost.config.schema import Config, Decision, Rule, Source
from mcphost.config.secrets import Secrets
from mcphost.config.servers import RESERVED
from mcphost.errors import McpHostError, UsageError
from mcphost.servers.process import Process, Reaper, spawn
from mcphost.text import one_line, safe

if TYPE_CHECKING:
    from mcphost.approvals import Lock
    from mcphost.cli.project import Untrusted
    from mcphost.models.base import Model


LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@dataclass(frozen=True)
class Paths:
    """Where this user's files are."""

    config: Path
    state: Path

    @property
    def answers(self) -> Path:
        return self.state / "answers.json"

    @property
    def coverage(self) -> Path:
        return self.state / "coverage.json"

    @property
    def eras(self) -> Path:
        return self.state / "eras.json"

    @classmethod
    def of_user(cls) -> Paths:
        from platformdirs import user_config_path, user_state_path

        return cls(user_config_path("mcphost") / "config.json", user_state_path("mcphost"))


@dataclass
class Boot:
    """What exists before anything heavy is imported: the configuration, and the servers' processes."""

    config: Config
    paths: Paths
    environ: Mapping[str, str]
    reaper: Reaper
    processes: dict[str, Process]

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets.of(self.config, self.environ)


def boot(
    configs: Sequence[Path],
    *,
    only: Sequence[str] = (),
    allow: Sequence[str] = (),
    deny: Sequence[str] = (),
    max_steps: int | None = None,
    model: str | None = None,
    start: bool = True,
    lock: Lock | None = None,
    untrusted: Untrusted = "leave",
    accepted: Sequence[str] = (),
    no_project: bool = False,
) -> Boot:
    """Read the configuration, apply the flags and spawn every stdio server that is enabled.

    Raises:
        ConfigError: a file is wrong.
        UsageError: a flag is.
        Drift: the servers are not those in `lock`.
        NotTrusted: a project file is not, and `untrusted` is "refuse".
    """
    config = configured(configs, allow=allow, deny=deny)
    if not no_project:
        config = with_project(config, configs, untrusted, accepted)
    for line in (*config.warnings, *_misnamed(config)):
        print(f"! {one_line(line, 1000)}", file=sys.stderr)
    config = _restrict(config, only)
    limits = replace(config.limits, max_steps=max_steps) if max_steps else config.limits
    config = replace(config, limits=limits, model=model or config.model)
    if lock:
        _check(lock, config)
    started = Boot(config, Paths.of_user(), dict(os.environ), Reaper(), {})
    if start:
        for _ in spawn_each(started):
            pass
    return started


def configured(configs: Sequence[Path], *, allow: Sequence[str] = (), deny: Sequence[str] = ()) -> Config:
    """What the files say, and the rules of the command line. Raises as `boot`."""
    config = configuration.load(list(configs), user=Paths.of_user().config, environ=os.environ)
    return replace(config, rules=(*_rules(allow, "allow"), *_rules(deny, "deny"), *config.rules))


def with_project(config: Config, configs: Sequence[Path], untrusted: Untrusted, accepted: Sequence[str]) -> Config:
    """`config` with what is trusted of the project files here; `accepted` are hashes that the command line trusts.

    Nothing is imported for it where the working directory brings no such file along.

    Raises:
        NotTrusted: something is not, and `untrusted` is "refuse".
    """
    if not any(project.find(Path.cwd())):
        return config
    from mcphost.cli.project import joined, on_terminal

    return joined(
        config,
        state=Paths.of_user().state,
        named=configs,
        accepted=accepted,
        untrusted=untrusted,
        environ=os.environ,
        ask=on_terminal,
    )


def spawn_each(boot: Boot) -> Iterator[None]:
    """Spawn the next enabled stdio server at each step."""
    for name, server in boot.config.servers.items():
        if server.command is None or server.disabled:
            continue
        try:
            boot.processes[name] = spawn(server, boot.environ, reaper=boot.reaper)
        except McpHostError:
            pass  # the pool tries once more, and keeps the reason as that server's state
        yield


def warm(model: Model | None) -> None:
    """Import everything heavy in one fixed order, then let the garbage collector work again.

    Nothing that has been imported by now is ever freed: freezing it keeps later collections short.
    """
    from mcphost import servers

    with leaving_at_once():
        servers.warm()
        if model is not None:
            model.warm()
    gc.freeze()
    gc.enable()


def system_text(option: str | None) -> str:
    """The text of `--system TEXT|@FILE`.

    Raises:
        UsageError: the file cannot be read.
    """
    if not option or not option.startswith("@"):
        return option or ""
    try:
        return Path(option[1:]).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--system {option}: {error}") from error


def say_default_model(boot: Boot) -> None:
    """Where nobody named a model, say on stderr which one it is, and why."""
    if boot.config.model is None:
        from mcphost.models import default_model

        name, why = default_model(boot.environ, boot.config.endpoints)
        print(f"model {name}: {why}", file=sys.stderr)


def terminal() -> int | None:
    """The file descriptor to ask questions at: stdin, where stdin and stderr are both terminals."""
    return sys.stdin.fileno() if sys.stdin.isatty() and sys.stderr.isatty() else None


def wants_color(no_color: bool) -> bool:
    return not no_color and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def log_to_stderr() -> None:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format=LOG_FORMAT)


class _Discreet(logging.Formatter):
    def __init__(self, secrets: Secrets) -> None:
        super().__init__(LOG_FORMAT)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return safe(self._secrets.redact(super().format(record)))


def keep_from_log(secrets: Secrets) -> None:
    """Leave `secrets` out of whatever is logged from now on."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Discreet(secrets))


def _misnamed(config: Config) -> list[str]:
    """The environment may deny what other runs have, so that only what looks like a slip is worth a word."""
    known = (*config.servers, *config.failures, *RESERVED, "*")
    return [
        f'--{rule.decision} {rule.server}__{rule.tool}: there is no server "{rule.server}"{guess}'
        for rule in config.rules
        if rule.source.file is None and rule.server not in known and (guess := checks.did_you_mean(rule.server, known))
    ]


def _check(lock: Lock, config: Config) -> None:
    from mcphost.servers.definition import defined

    enabled = [server for server in config.servers.values() if not server.disabled]
    lock.check_definitions({server.name: defined(server, os.environ) for server in enabled})


def _rules(patterns: Sequence[str], decision: Decision) -> list[Rule]:
    return [parse_pattern(pattern, decision, source=Source(), bare_star=True) for pattern in patterns]


def _restrict(config: Config, only: Sequence[str]) -> Config:
    """`config` with the servers in `only` alone, each of them required; all of them where `only` is empty."""
    if not only:
        return config
    for name in only:
        if name in config.failures:
            raise config.failures[name]
        if name not in config.servers:
            near = difflib.get_close_matches(name, config.servers, n=1)
            known = f"did you mean {near[0]!r}?" if near else f"configured: {', '.join(config.servers) or 'none'}"
            raise UsageError(f"--server {name}: there is no such server; {known}")
    chosen = {name: replace(config.servers[name], required=True, disabled=False) for name in dict.fromkeys(only)}
    return replace(config, servers=chosen, failures={})
