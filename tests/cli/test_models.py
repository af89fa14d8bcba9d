"""The program against fake model APIs that speak the true wire of all three, with a real server and real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Ran, config, fast_server, mcphost
from tests.providers.fake import KEY, FakeApi
from tests.providers.script import Call, Status, reply


async def run(fake: FakeApi, tmp_path: Path, model: str, *arguments: str, **endpoint: Any) -> Ran:
    env = {
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": fake.base_url,
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": fake.openai_url,
    }
    models = {"mine": {"baseUrl": fake.openai_url, "apiKey": "${OPENAI_API_KEY}", **endpoint}} if endpoint else {}
    file = config(tmp_path, {"fast": fast_server()}, models=models)
    return await mcphost("run", "-C", file, "-m", model, "--allow", "fast__*", *arguments, "say hi", env=env)


@pytest.mark.parametrize(
    ("model", "endpoint", "dialect"),
    [
        ("anthropic/claude-sonnet-5-5", {}, "anthropic"),
        ("mine/gpt-6-sol", {"api": "openai-responses"}, "responses"),
        ("openai/some-local-model", {}, "chat"),
    ],
)
async def test_a_tool_runs_and_the_answer_comes_over_every_api(
    tmp_path: Path, model: str, endpoint: dict[str, Any], dialect: str
) -> None:
    async with FakeApi() as api:
        api.script(Call("fast__echo", {"text": "hi"}), "It said hi.")
        ran = await run(api, tmp_path, model, "--json", **endpoint)
    assert ran.code == 0, ran.err
    assert ran.json["result"] == "It said hi."
    assert ran.json["tool_calls"][0]["arguments"] == {"text": "hi"}
    assert ran.json["usage"]["output"] > 0
    assert [(seen.dialect, seen.refused) for seen in api.requests] == [(dialect, None)] * 2


async def test_a_rate_limit_is_waited_out_in_sight(tmp_path: Path) -> None:
    async with FakeApi() as api:
        api.script(Status(429, headers={"retry-after": "0"}), "here")
        ran = await run(api, tmp_path, "anthropic/claude-sonnet-5-5")
    assert (ran.code, ran.out) == (0, "here\n")
    assert "the model cannot answer now" in ran.err


@pytest.mark.parametrize(("status", "code", "says"), [(401, 3, "ANTHROPIC_API_KEY"), (400, 1, "400"), (404, 1, "404")])
async def test_a_refusal_of_the_api_is_one_line_with_its_exit_code(
    tmp_path: Path, status: int, code: int, says: str
) -> None:
    async with FakeApi() as api:
        api.script(Status(status))
        ran = await run(api, tmp_path, "anthropic/claude-sonnet-5-5")
    assert ran.code == code, ran.err
    assert says in ran.err
    assert KEY not in ran.err
    assert "Traceback" not in ran.err


async def test_a_stream_that_is_cut_runs_no_tool(tmp_path: Path) -> None:
    async with FakeApi() as api:
        api.script(*[reply(Call("fast__echo", {"text": "hi"}), after=4, fault="cut")] * 2)
        ran = await run(api, tmp_path, "anthropic/claude-sonnet-5-5", "--json")
    assert ran.code == 1
    assert ran.json["tool_calls"] == []
