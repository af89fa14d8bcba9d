"""Failures for the user, sorted by whose fault they are; each says what to do next.

McpHostError
├── UsageError            the caller asked for something that makes no sense
│   ├── ConfigError       a configuration file is wrong
│   └── Busy              a chat already has a turn running
├── JournalError          the journal cannot be read or written
├── Divergence            a replay differs from its recording
├── Drift                 servers or tools are not what the lock was written for
├── NotTrusted            a project's files want to run something that nobody trusted
├── SignInNeeded          a server or a model API wants credentials that nobody gave
├── ServerError           a server's fault
│   ├── ServerUnavailable it cannot be reached, or is not ready
│   ├── ServerLost        it went away during a request, which may or may not have run
│   ├── ServerTimeout     it did not answer within a limit
│   └── ServerRefused     it answered with a JSON-RPC error
└── ModelError            the model API's fault
    ├── ModelBusy         transient: rate limit, overload, outage
    ├── ContextOverflow   the conversation no longer fits
    └── ModelCut          the reply ended before it was complete

Faults for the model are no exceptions: they are a `ToolResult` with `is_error`. Bugs are neither and propagate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class McpHostError(Exception):
    """A failure that a person can act on.

    `message` says what happened, `hint` what to do next, `detail` holds machine-readable facts (JSON values);
    `code` is stable and stands in the error envelope.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None, **detail: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail: Mapping[str, Any] = {key: value for key, value in detail.items() if value is not None}

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def envelope(self) -> dict[str, Any]:
        """The one-line JSON form: `{"error": {"code", "message", ..., "hint"}}`."""
        body: dict[str, Any] = {"code": self.code, "message": self.message, **self.detail}
        if self.__cause__ is not None:
            body.setdefault("cause", f"{type(self.__cause__).__name__}: {self.__cause__}"[:500])
        if self.hint:
            body["hint"] = self.hint
        return {"error": body}


class UsageError(McpHostError):
    code = "usage"


class ConfigError(UsageError):
    """A configuration file is wrong; `detail` has `file`, `line` (1-based) and `path` (key path) where known."""

    code = "bad_config"


class Busy(UsageError):
    code = "busy"


class JournalError(McpHostError):
    code = "journal_error"


class Divergence(McpHostError):
    """`detail["diff"]` has the lines of the difference."""

    code = "divergence"


class Drift(McpHostError):
    """Something differs from the lock; `detail["changes"]` has a line for each difference."""

    code = "drift"


class NotTrusted(McpHostError):
    """`detail["untrusted"]` lists what is not, with the hash that --trust-project takes."""

    code = "not_trusted"


class SignInNeeded(McpHostError):
    code = "auth_required"


class ServerError(McpHostError):
    """A server's fault; `detail["server"]` names it as the configuration does."""

    code = "server_error"


class ServerUnavailable(ServerError):
    code = "server_unavailable"


class ServerLost(ServerError):
    code = "server_lost"


class ServerTimeout(ServerError):
    code = "server_timeout"


class ServerRefused(ServerError):
    """The server answered with a JSON-RPC error; `detail` has its `rpc_code`."""

    code = "server_refused"


class ModelError(McpHostError):
    """The model API's fault; `detail` may have `status` (HTTP), `request_id` and `type` as the API gave them."""

    code = "model_error"


class ModelBusy(ModelError):
    """Transient; `detail["retry_after"]` is in seconds where the API named a wait."""

    code = "model_busy"


class ContextOverflow(ModelError):
    code = "context_overflow"


class ModelCut(ModelError):
    code = "model_cut"
