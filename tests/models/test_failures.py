from __future__ import annotations

import json
from typing import Any

import pytest

from mcphost.errors import ContextOverflow, ModelBusy, ModelError, SignInNeeded
from mcphost.models.endpoints import Endpoint
from mcphost.models.failures import blamed_tool, refused, reported, retry_after, unreachable
from mcphost.models.retries import Retries

_HERE = Endpoint("mine", "openai-chat", "http://127.0.0.1:1/v1", "sk-secret", "MY_KEY")


def _refused(status: int, body: Any, **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return refused(status, given, raw, _HERE, now=0.0)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, {"message": "bad key"}, SignInNeeded),
        (403, {"type": "permission_error"}, SignInNeeded),
        (403, {"code": "unsupported_country_region_territory"}, ModelError),
        (402, {"type": "billing_error"}, ModelError),
        (429, {"type": "rate_limit_error"}, ModelBusy),
        (429, {"code": "insufficient_quota"}, ModelError),
        (408, {}, ModelBusy),
        (500, {}, ModelBusy),
        (529, {"type": "overloaded_error"}, ModelBusy),
        (413, {"type": "request_too_large"}, ContextOverflow),
        (400, {"code": "context_length_exceeded"}, ContextOverflow),
        (400, {"type": "exceed_context_size_error"}, ContextOverflow),
        (400, {"message": "This model's maximum context length is 8192 tokens"}, ContextOverflow),
        (400, {"message": "prompt is too long: 2 tokens > 1 maximum"}, ContextOverflow),
        (400, {"message": "tools: too many"}, ModelError),
        (404, {"message": "no such model"}, ModelError),
        (422, {}, ModelError),
    ],
)
def test_a_status_and_what_the_api_said_make_the_error(status: int, error: Any, kind: type[Exception]) -> None:
    assert type(_refused(status, {"error": error})) is kind


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "out of luck"}},
        {"error": "out of luck"},
        {"message": "out of luck"},
        {"detail": "out of luck"},
        [{"error": {"message": "out of luck"}}],
        b"<html><body><h1>out of\nluck</h1></body></html>",
        b"out of \xff luck",
    ],
)
def test_the_apis_own_words_are_found_in_every_shape_of_body(body: Any) -> None:
    assert "out of" in _refused(400, body).message
    assert "luck" in _refused(400, body).message


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"3", b'{"error": {"message": 3}}', b"[" * 70_000])
def test_a_body_that_says_nothing_hides_no_status(body: bytes) -> None:
    assert _refused(400, body).detail["status"] == 400


def test_facts_for_machines_stand_in_the_detail() -> None:
    error = _refused(429, {"error": {"type": "rate_limit_error", "message": "slow"}}, request_id="r1", retry_after="7")
    assert error.detail == {
        "endpoint": "mine", "status": 429, "request_id": "r1", "type": "rate_limit_error", "retry_after": 7.0
    }  # fmt: skip


def test_no_message_holds_the_key_or_what_could_act_on_a_terminal() -> None:
    error = _refused(400, {"error": {"message": "no sk-secret\x1b[2J"}})
    assert error.message == "The model API 'mine' refused the request (HTTP 400): no [key]\ufffd[2J"
    assert "MY_KEY" in str(_refused(401, {"error": {"message": "no sk-secret"}}))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Thu, 99999999999999999999 Jan 1970 00:00:10 GMT"}, None),
        ({}, None),
    ],
)
def test_the_wait_an_api_asks_for_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=30.0) == seconds


def test_failures_amid_a_stream_are_sorted_by_type_and_code() -> None:
    assert type(reported("overloaded_error", "busy")) is ModelBusy
    assert type(reported("", "busy", "server_error")) is ModelBusy
    assert type(reported("invalid_request_error", "prompt is too long")) is ContextOverflow
    assert type(reported("invalid_request_error", "")) is ModelError


def test_a_wrong_certificate_is_not_tried_again() -> None:
    assert type(unreachable(OSError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), _HERE)) is ModelError
    assert type(unreachable(OSError("Connection refused"), _HERE)) is ModelBusy


@pytest.mark.parametrize(
    ("message", "param", "name"),
    [
        ("tools.1.custom.input_schema: JSON schema is invalid", None, "b"),
        ("Invalid schema", "tools[0].function.parameters", "a"),
        ("Invalid schema for function 'b': x", None, "b"),
        ("tools.7.custom: what", None, None),
        ("b is a letter", None, None),
    ],
)
def test_the_tool_that_a_refusal_means_is_found(message: str, param: str | None, name: str | None) -> None:
    assert blamed_tool(ModelError(message, status=400, param=param), ["a", "b"]) == name
    assert blamed_tool(ModelError(message, status=500, param=param), ["a", "b"]) is None


def test_waits_double_with_full_jitter_up_to_a_ceiling() -> None:
    retries = Retries(tries=9, first=1.0, most=4.0)
    for failed, ceiling in ((1, 1.0), (2, 2.0), (3, 4.0), (8, 4.0)):
        waits = [retries.wait(failed, ModelBusy("busy")) for _ in range(200)]
        assert 0 <= min(waits) < ceiling / 4
        assert ceiling * 3 / 4 < max(waits) <= ceiling


def test_the_last_failure_is_raised_as_it_was() -> None:
    error = ModelBusy("busy", retry_after=1.0)
    with pytest.raises(ModelBusy) as caught:
        Retries(tries=4).wait(4, error)
    assert caught.value is error
