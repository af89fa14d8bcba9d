"""The SDK's exceptions turned into ours; each names the server and says what to do next.

Law: what went wrong on our side never passes for the peer's word, nor the other way round.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import mcp_types as t
from mcp.client import InputRequiredRoundsExceededError
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from mcphost.errors import ServerError, ServerLost, ServerRefused, ServerUnavailable
from mcphost.text import one_line

# "unreachable": never left; "cut": may have run; "status": an HTTP status; "invalid": it broke the protocol;
# "refused": its own error, whose code the SDK keeps for itself.
Fault: TypeAlias = Literal["unreachable", "cut", "status", "invalid", "refused"]

_LOCAL_CODE = -31000  # outside JSON-RPC's reserved range
_MARK = uuid.uuid4().hex  # no peer can forge a local error


def local_error(fault: Fault, message: str, **detail: Any) -> t.ErrorData:
    """A JSON-RPC error that we make in the peer's place; `translate` reads it back."""
    return t.ErrorData(code=_LOCAL_CODE, message=message, data={"mark": _MARK, "fault": fault, **detail})


def refusal(error: t.JSONRPCError) -> t.JSONRPCError:
    """A server's own error; with the code of a closed connection it would pass for one that the SDK makes."""
    if error.error.code != t.CONNECTION_CLOSED:
        return error
    return error.model_copy(update={"error": local_error("refused", error.error.message, rpc_code=error.error.code)})


def flatten(error: BaseException) -> Iterator[BaseException]:
    """The exceptions inside a group, or the exception itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from flatten(inner)
    else:
        yield error


def translate(error: BaseException, server: str, what: str) -> ServerError:
    """`error`, raised by the SDK while `server` was asked for `what`, as one of ours."""
    causes = list(flatten(error))
    cause = next((inner for inner in causes if isinstance(inner, MCPError | ServerError)), causes[0])
    if isinstance(cause, MCPError):
        translated = _from_mcp(cause, server, what)
    elif isinstance(cause, ServerError):
        translated = cause
    elif isinstance(cause, ValidationError):
        translated = ServerError(f"{server} sent an invalid answer to {what}: {first_error(cause)}", server=server)
    elif isinstance(cause, InputRequiredRoundsExceededError):
        text = f"{server} kept asking for more input during {what}, {cause.max_rounds} times"
        translated = ServerError(text, server=server)
    else:
        reason = one_line(str(cause)) or type(cause).__name__
        translated = ServerUnavailable(f"{server} failed during {what}: {reason}", server=server)
    if translated is not cause:
        translated.__cause__ = cause
    return translated


def _from_mcp(error: MCPError, server: str, what: str) -> ServerError:
    data = error.data if isinstance(error.data, dict) else {}
    if error.code == _LOCAL_CODE and data.get("mark") == _MARK:
        return _from_local(error.message, data, server, what)
    if error.code == t.CONNECTION_CLOSED and error.message.startswith(("SSE stream", "Connection closed")):
        return lost(server, what, one_line(error.message))
    return _refused(server, what, error.message, error.code, _missing(error.code, data))


def _refused(server: str, what: str, message: str, code: int, hint: str | None = None) -> ServerRefused:
    text = f"{server} refused {what}: {one_line(message, 500)} (code {code})"
    return ServerRefused(text, hint=hint, server=server, rpc_code=code)


def _missing(code: int, data: dict[str, Any]) -> str | None:
    required = data.get("requiredCapabilities")
    if code != t.MISSING_REQUIRED_CLIENT_CAPABILITY or not isinstance(required, dict):
        return None
    names = ", ".join(one_line(str(name), 40) for name in required)
    return f"it needs {names}, which its entry in the configuration does not allow"


def _from_local(message: str, data: dict[str, Any], server: str, what: str) -> ServerError:
    facts = {key: data[key] for key in ("status", "retry_after") if data.get(key) is not None}
    match data.get("fault"):
        case "cut":
            return lost(server, what, message, **facts)
        case "refused":
            return _refused(server, what, message, data["rpc_code"])
        case "unreachable":
            return ServerUnavailable(f"{server} cannot be reached: {message}", server=server, **facts)
        case "status" if facts.get("status") == 401:
            advice = f"check the headers of {server} in the configuration: it wants credentials"
            return ServerUnavailable(f"{server} needs sign-in: {message}", hint=advice, server=server, **facts)
        case "status":
            wait = f"; it asks for a wait of {facts['retry_after']} s" if "retry_after" in facts else ""
            text = f"{server} answered {what} with {message}{wait}"
            return ServerUnavailable(text, hint=_advice(facts.get("status"), server), server=server, **facts)
        case _:
            return ServerError(f"{server}, asked for {what}: {message}", server=server)


def _advice(status: object, server: str) -> str | None:
    match status:
        case 403:
            return f"it knows who asks and does not allow it: check what the headers of {server} give access to"
        case 429:
            return "it gets too many requests: try again later"
        case int() if status >= 500:
            return "the fault is on its side: try again later"
        case _:
            return None


def lost(server: str, what: str, reason: str, *, hint: str | None = None, **facts: Any) -> ServerLost:
    text = f"{server} was lost during {what}, which may or may not have run: {reason}"
    return ServerLost(text, hint=hint, server=server, **facts)


def first_error(error: ValidationError) -> str:
    """The first thing that is wrong: a JSON pointer and the reason."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"/{'/'.join(str(part) for part in first['loc'])}: {one_line(first['msg'])}"
