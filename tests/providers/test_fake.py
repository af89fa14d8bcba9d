"""The fake APIs are only worth something if they refuse what the true ones refuse."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.providers import rules
from tests.providers.rules import KEY, Refused
from tests.providers.script import Json

_TOOL: Json = {"name": "a__b", "description": "B.", "input_schema": {"type": "object", "properties": {}}}
_ANTHROPIC: Json = {
    "model": "m",
    "max_tokens": 9,
    "stream": True,
    "tools": [_TOOL],
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "a__b", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": []}]},
    ],
}
_FUNCTION: Json = {"type": "function", "name": "a__b", "parameters": {"type": "object"}, "strict": False}
_RESPONSES: Json = {
    "model": "gpt-6-luna",
    "stream": True,
    "store": False,
    "tools": [_FUNCTION],
    "input": [
        {"role": "user", "content": "hi"},
        {"type": "function_call", "call_id": "c1", "name": "a__b", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "x"},
    ],
}
_CALL: Json = {"id": "c1", "type": "function", "function": {"name": "a__b", "arguments": "{}"}}
_CHAT: Json = {
    "model": "m",
    "stream": True,
    "tools": [{"type": "function", "function": {"name": "a__b", "parameters": {"type": "object"}}}],
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [_CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "x"},
    ],
}
_CHECKS: dict[str, tuple[Callable[[Json], None], Json]] = {
    "anthropic": (rules.anthropic, _ANTHROPIC),
    "responses": (rules.responses, _RESPONSES),
    "chat": (rules.chat, _CHAT),
}
_GONE = object()

_SPOILED: list[tuple[str, list[Any], Any]] = [
    ("anthropic", ["max_tokens"], _GONE),
    ("anthropic", ["stream"], False),
    ("anthropic", ["temperature"], 1),
    ("anthropic", ["stop_sequences"], [" "]),
    ("anthropic", ["tools", 0, "name"], "a.b"),
    ("anthropic", ["tools", 0, "input_schema"], {"type": "object", "anyOf": []}),
    ("anthropic", ["tools", 0, "input_schema", "properties", "filter[id]"], {}),
    ("anthropic", ["tools", 0, "input_schema", "properties", "a"], {"type": "any"}),
    ("anthropic", ["tools", 0, "strange"], 1),
    ("anthropic", ["messages"], []),
    ("anthropic", ["messages", 0, "role"], "assistant"),
    ("anthropic", ["messages", 0, "content"], ""),
    ("anthropic", ["messages", 0, "content"], [{"type": "text", "text": " "}]),
    ("anthropic", ["messages", 0, "content"], [{"type": "tool_result", "tool_use_id": "t0"}]),
    ("anthropic", ["messages", 1, "content", 0, "id"], "functions.a:0"),
    ("anthropic", ["messages", 1, "content", 0, "input"], "{}"),
    ("anthropic", ["messages", 2], {"role": "user", "content": "no result"}),
    ("anthropic", ["messages", 2], _GONE),
    (
        "anthropic",
        ["messages", 2, "content", 0],
        {
            "type": "tool_result",
            "tool_use_id": "t1",
            "is_error": True,
            "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}}],
        },
    ),
    ("responses", ["stop"], ["x"]),
    ("responses", ["max_output_tokens"], 3),
    ("responses", ["temperature"], 1),
    ("responses", ["tools", 0, "strict"], _GONE),
    ("responses", ["tools", 0, "name"], "x" * 65),
    ("responses", ["tools", 0, "parameters"], {"type": "object", "enum": []}),
    ("responses", ["input", 1, "arguments"], {}),
    ("responses", ["input", 2], _GONE),
    ("responses", ["input", 2, "call_id"], "c2"),
    ("responses", ["input", 0], {"type": "reasoning", "id": "rs_1"}),
    ("responses", ["input", 0, "content"], [{"type": "text", "text": "x"}]),
    ("chat", ["stop"], list("abcde")),
    ("chat", ["tools", 0, "function", "description"], "x" * 1025),
    ("chat", ["messages", 1, "tool_calls", 0, "function", "arguments"], {}),
    ("chat", ["messages", 1, "tool_calls", 0, "id"], "x" * 41),
    ("chat", ["messages", 2], _GONE),
    ("chat", ["messages", 2, "tool_call_id"], "c2"),
    ("chat", ["messages", 2, "content"], [{"type": "image_url", "image_url": {"url": "data:"}}]),
]


@pytest.mark.parametrize("dialect", _CHECKS)
def test_a_good_request_is_accepted(dialect: str) -> None:
    check, good = _CHECKS[dialect]
    check(copy.deepcopy(good))


@pytest.mark.parametrize(("dialect", "path", "value"), _SPOILED)
def test_what_the_true_api_refuses_is_refused(dialect: str, path: list[Any], value: Any) -> None:
    check, good = _CHECKS[dialect]
    body: Any = copy.deepcopy(good)
    place = body
    for step in path[:-1]:
        place = place[step]
    if value is _GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    with pytest.raises(Refused):
        check(body)


def test_it_runs_as_a_program(tmp_path: Any) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"calls": [{"name": "a__b"}]}]))
    command = [sys.executable, "-m", "tests.providers.fake", str(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        asked = urllib.request.Request(
            f"{url}/v1/chat/completions",
            json.dumps(_CHAT).encode(),
            {"authorization": f"Bearer {KEY}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert b'"name": "a__b"' in answer.read().replace(b'":"', b'": "')
        assert program.stdin is not None
        program.stdin.close()
        assert program.wait(10) == 0
