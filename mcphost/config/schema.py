"""What a configuration says, as values: one Config, whatever files it was read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from mcphost.errors import ConfigError

Decision: TypeAlias = Literal["allow", "ask", "deny"]
# When a commit of the journal waits for the disk. "normal": never, it survives kill -9 but not the loss of power;
# "intents": when it holds the intent of a call that is neither read-only nor idempotent; "full": always.
Sync: TypeAlias = Literal["normal", "intents", "full"]
# Whose keys edit the chat's input line.
Editing: TypeAlias = Literal["emacs", "vi"]
# Where a call comes from: a person's chat, a script's run, or a server that has the model answer something.
CallOrigin: TypeAlias = Literal["chat", "run", "sampling"]
# "ask": what no rule allows is asked about; "read-only": nothing runs but what only reads; "plan": nothing runs;
# "auto": nobody is asked.
Mode: TypeAlias = Literal["ask", "read-only", "plan", "auto"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value was written. `file` None: on the command line or by the library's caller; `line` is 1-based."""

    file: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        if self.file is None:
            return "command line"
        return f"{self.file}:{self.line}" if self.line else str(self.file)


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in dollars per million tokens."""

    input: float
    output: float

    def of(self, input: int, output: int) -> float:
        """Dollars for so many tokens."""
        return (input * self.input + output * self.output) / 1_000_000


@dataclass(frozen=True, slots=True)
class SamplingBudget:
    """What a server may use up of models in one chat, `tokens` being input and output together; None: no limit of this
    kind. `prices` are those of `mcphost.prices`, by the name of the model."""

    requests: int | None = None
    tokens: int = 20_000
    dollars: float | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One entry of `mcpServers`, variables expanded, joined with `mcphost.servers.NAME`.

    Exactly one of `command` (stdio) and `url` (http, sse) is set. `transport` "http" falls back to HTTP+SSE where the
    server speaks only that. `timeout` limits a call, in seconds. `env` holds the entry's own variables only.
    `limits`: what is set for this server, by fields of Limits. `read_only` are globs of tools that the user says only
    read; `accepts` names servers whose results may go into this one's arguments. `proxy` and
    `ca_file` say how `url` is reached, where the environment does not; without `plain_http` one beyond this machine
    must be https. `written` has the texts that name variables, as they stand in the file ("env.NAME", "headers.NAME",
    "args.0", "command", "cwd", "url"), `variables` the names of all that were expanded in the entry. `files` are those
    it runs, each with the SHA-256 of the content that a person trusted.
    """

    name: str
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    url: str | None = None
    transport: Literal["stdio", "http", "sse"] = "stdio"
    headers: Mapping[str, str] = field(default_factory=dict)
    disabled: bool = False
    required: bool = False
    timeout: float | None = None
    timeout_unit: Literal["s", "ms"] | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)
    protocol: Literal["auto", "modern", "legacy"] = "auto"
    sampling: Decision = "ask"
    budget: SamplingBudget = SamplingBudget()
    trust_annotations: bool = False
    read_only: tuple[str, ...] = ()
    accepts: tuple[str, ...] = ()
    instructions: bool = True
    proxy: str | None = None
    ca_file: str | None = None
    plain_http: bool = False
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    source: Source = Source()
    written: Mapping[str, str] = field(default_factory=dict, compare=False)
    variables: tuple[str, ...] = field(default=(), compare=False)
    files: Mapping[str, str] = field(default_factory=dict, compare=False)

    def pinned_to(self, files: Mapping[str, str]) -> ServerConfig:
        """This server, which must not start once one of `files` (absolute path -> SHA-256) has another content."""
        return replace(self, files=files)


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """One entry of `mcphost.models`: a model API under a name of the user's own. `api_key` is the key itself."""

    name: str
    api: Literal["anthropic", "openai-responses", "openai-chat"]
    base_url: str | None = None
    api_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    proxy: str | None = None
    ca_file: str | None = None
    source: Source = Source()


@dataclass(frozen=True, slots=True)
class Glob:
    """What an argument's whole text must match: `*`, `?`, `[…]`, case-sensitive."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Regex:
    """What an argument's whole text must match, in a dialect whose matching takes linear time."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the policy, about the calls that fit all that it says.

    `tool` is a case-sensitive glob over the server's own tool names. A key of `arguments` is a top-level argument, or,
    from its `/` on, a JSON pointer into them; its value is what must stand there: a JSON value, a Glob or a Regex.
    `annotations` are hints that a server must give whose annotations the user trusts. `message` is what the model reads
    when the rule denies.
    """

    server: str
    tool: str
    decision: Decision
    arguments: Mapping[str, Any] | None = None
    message: str | None = None
    source: Source = Source()
    annotations: Mapping[str, bool] | None = None
    origin: CallOrigin | None = None

    @property
    def conditional(self) -> bool:
        """Whether it depends on more than the tool's name."""
        return self.arguments is not None or self.annotations is not None


MAX_HEADERS = 100 * 1024  # bytes; the HTTP parser reads no more


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets; all times in seconds. `call_idle` is reset by progress, `call_total` is not. `notifications` and
    `requests` are those of a second, `waiting_requests` a server's questions that wait for an answer. A process that
    is to end has `stop` seconds from the end of its input until TERM, and `kill` from there until KILL."""

    max_steps: int = 25
    connect: float = 30.0
    probe: float = 2.0
    listing: float = 30.0
    call_idle: float = 120.0
    call_total: float = 600.0
    result_tokens: int = 25_000
    message_bytes: int = 16 * 1024 * 1024
    header_bytes: int = 64 * 1024
    blocked_write: float = 10.0
    list_pages: int = 100
    list_items: int = 2000
    schema_depth: int = 64
    notifications: int = 500
    requests: int = 50
    waiting_requests: int = 16
    stderr_bytes: int = 64 * 1024
    stop: float = 1.5
    kill: float = 1.5


@dataclass(frozen=True, slots=True)
class JournalConfig:
    """What is recorded of runs. `path` None: in the state directory. `keep_…` None: nothing is ever deleted."""

    enabled: bool = True
    path: Path | None = None
    sync: Sync = "normal"
    keep_days: int | None = None
    keep_megabytes: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the files said.

    `failures` names servers whose entry could not be read (`detail["disabled"]`: nobody wanted it to run),
    `endpoint_failures` model endpoints whose base URL, key or headers could not, to be raised when such a one is asked
    for; a name stands there or among the good ones, never in both. `warnings` and `widening` (what came
    from a -C file and lets more happen: allow rules, base URLs, keys) are lines for a person. `secrets` are those of
    the keyring that were filled in, by name.
    """

    servers: Mapping[str, ServerConfig] = field(default_factory=dict)
    failures: Mapping[str, ConfigError] = field(default_factory=dict)
    model: str | None = None
    endpoints: Mapping[str, EndpointConfig] = field(default_factory=dict)
    endpoint_failures: Mapping[str, ConfigError] = field(default_factory=dict)
    default: Decision = "ask"
    rules: tuple[Rule, ...] = ()
    limits: Limits = Limits()
    roots: tuple[Path, ...] = ()
    plugins: tuple[str, ...] = ()
    editing: Editing = "emacs"
    journal: JournalConfig = JournalConfig()
    files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    widening: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
