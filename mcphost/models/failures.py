"""What went wrong at a model API, as errors a person can act on.

Law: one mapping for both wires, from status, headers and the first bytes of the body. A key never stands in a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcphost.errors import ContextOverflow, McpHostError, ModelBusy, ModelError, SignInNeeded
from mcphost.models.endpoints import Endpoint
from mcphost.text import one_line

BODY_LIMIT = 64 * 1024
"""Bytes of an error's body that are read."""

_OVERFLOW = re.compile(
    r"context_length|exceed_context|context[ _-]?(length|window|size)|maximum context|prompt is too long", re.IGNORECASE
)
_TRANSIENT = {"overloaded_error", "rate_limit_error", "api_error", "timeout_error"} | {
    *("server_error", "rate_limit_exceeded", "overloaded", "internal_server_error", "service_unavailable"),
}
_NO_CREDIT = {"insufficient_quota", "billing_error", "credit_balance_too_low"}
_CREDENTIALS = {"authentication_error", "permission_error", "invalid_api_key", "permission_denied", "invalid_token"}
_TOOL_INDEX = re.compile(r"\btools[.\[](\d+)")


@dataclass(frozen=True, slots=True)
class _Said:
    """An error body's own words."""

    message: str
    type: str = ""
    code: str = ""
    param: str = ""


def refused(status: int, headers: Mapping[str, str], body: bytes, endpoint: Endpoint, *, now: float) -> McpHostError:
    """The error for an answer that is no success. `headers` have lower-case names; `now` is the time, in seconds."""
    said = _read(body, endpoint.key)
    facts: dict[str, Any] = {
        "endpoint": endpoint.name,
        "status": status,
        "request_id": headers.get("request-id") or headers.get("x-request-id"),
        "type": said.code or said.type or None,
        "param": said.param or None,
    }
    who = f"The model API {endpoint.name!r}"
    words = f": {said.message}" if said.message else "."
    if status == 401 or (status == 403 and {said.type, said.code} & _CREDENTIALS):
        return SignInNeeded(
            f"{who} refused the credentials (HTTP {status}).", hint=f"Check {endpoint.key_source}.", **facts
        )
    if status == 402 or {said.type, said.code} & _NO_CREDIT:
        return ModelError(
            f"{who} has no credit left for this key{words}", hint="Add credit, or use another -m.", **facts
        )
    if status in (408, 429) or status >= 500:
        wait = retry_after(headers, now)
        return ModelBusy(f"{who} is busy (HTTP {status}){words}", hint="Try again later.", retry_after=wait, **facts)
    if status == 413 or (
        status == 400 and (_OVERFLOW.search(said.message) or _OVERFLOW.search(said.code or said.type))
    ):
        return ContextOverflow(f"The conversation no longer fits{words}", hint="Start a new chat (/clear).", **facts)
    if 300 <= status < 400:
        where = one_line(headers.get("location", "an unnamed address"))
        return ModelError(
            f"{who} redirects to {where}, and keys follow no redirects.", hint=_check_url(endpoint), **facts
        )
    if status == 404:
        hint = f"Check the model's name. {_check_url(endpoint)}"
        return ModelError(f"{who} does not know this model or address (HTTP 404){words}", hint=hint, **facts)
    return ModelError(f"{who} refused the request (HTTP {status}){words}", **facts)


def reported(kind: str, message: str, code: str = "") -> ModelError:
    """The error for a failure that arrived as an event of a stream with status 200."""
    said = one_line(message, 500) or "no reason given"
    if _OVERFLOW.search(f"{kind} {code} {said}"):
        return ContextOverflow(f"The conversation no longer fits: {said}", hint="Start a new chat (/clear).")
    if {kind, code} & _TRANSIENT:
        return ModelBusy(f"The model API broke off: {said}", hint="Try again later.", type=code or kind)
    return ModelError(f"The model API broke off: {said}", type=code or kind or None)


def not_the_api(content_type: str, endpoint: Endpoint) -> ModelError:
    return ModelError(
        f"The endpoint {endpoint.name!r} did not speak the model API: its answer is "
        f"{one_line(content_type, 100) or 'of no content type'} instead of text/event-stream.",
        hint=_check_url(endpoint),
        endpoint=endpoint.name,
        status=200,
    )


def unreachable(why: BaseException, endpoint: Endpoint) -> ModelError:
    """The error for a connection that failed before an answer began. A certificate that is wrong stays wrong."""
    text = one_line(str(why)) or type(why).__name__
    message = f"The model API {endpoint.name!r} cannot be reached: {text}"
    hint = f"Is it running, and the network up? {_check_url(endpoint)}"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return ModelError(message, hint="Check the certificate, or the CA certificates in use.", endpoint=endpoint.name)
    return ModelBusy(message, hint=hint, endpoint=endpoint.name)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """How long the API asks to wait, in seconds; None: it does not say."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if re.fullmatch(r"-?\d{1,9}(\.\d*)?", given := headers.get(name, "").strip()):
            return max(float(given) * unit, 0.0)
    import email.utils  # slow to import, and rarely needed

    try:
        return max(email.utils.parsedate_to_datetime(headers["retry-after"]).timestamp() - now, 0.0)
    except (KeyError, ValueError, OverflowError):
        return None


def blamed_tool(error: ModelError, names: Sequence[str]) -> str | None:
    """Which of the tools `names`, in the order they were sent, a refused request is put down to; None: none."""
    if error.detail.get("status") != 400:
        return None
    text = f"{error.detail.get('param', '')} {error.message}"
    place = _TOOL_INDEX.search(text)
    if place and int(place[1]) < len(names):
        return names[int(place[1])]
    return next((name for name in names if re.search(rf"""['"`]{re.escape(name)}['"`]""", text)), None)


def _read(body: bytes, key: str | None) -> _Said:
    text = body.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _Said(_tell(re.sub(r"<[^>]*>", " ", text), key))
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, dict):
        return _Said(_tell(text, key))
    error = value.get("error", value)
    if not isinstance(error, dict):
        return _Said(_tell(str(error), key))
    found = {name: error.get(name) for name in ("type", "code", "param")}
    words = {name: str(item) for name, item in found.items() if isinstance(item, (str, int))}
    return _Said(_tell(str(error.get("message") or error.get("detail") or ""), key), **words)


def _tell(text: str, key: str | None) -> str:
    return one_line(text.replace(key, "[key]") if key else text, 500)


def _check_url(endpoint: Endpoint) -> str:
    return f"Check the base URL {endpoint.base_url}."
