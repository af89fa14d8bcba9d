"""Every fault of a model API, in all three formats, with a healthy server at hand. The rows are the peer's own list."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mcphost.config.schema import ServerConfig
from mcphost.errors import ContextOverflow, McpHostError, ModelBusy, SignInNeeded
from mcphost.host import Chat
from mcphost.models.base import Model
from mcphost.models.endpoints import Endpoint
from mcphost.models.http_model import AnthropicModel, ChatModel, ResponsesModel
from mcphost.models.retries import Retries
from mcphost.models.wires import Connection
from tests.hostile import model_peer, stdio_peer
from tests.hostile.invariants import Held, arguments, config, holding, results, rows
from tests.hostile.model_peer import FAULTS, Fault

PEER = Path(model_peer.__file__)
KEY = "canary-key"
STEPS = 6
ENDINGS: dict[type[McpHostError], str] = {ModelBusy: "busy", SignInNeeded: "sign-in", ContextOverflow: "overflow"}
MODELS: dict[str, tuple[Any, str, str]] = {
    "anthropic": (AnthropicModel, "anthropic", ""),
    "responses": (ResponsesModel, "openai-responses", "/v1"),
    "chat": (ChatModel, "openai-chat", "/v1"),
}


ROWS = rows(FAULTS.values(), "dialects", each=lambda fault: fault.kind)


@asynccontextmanager
async def peer(fault: str, dialect: str, log: Path) -> AsyncIterator[Model]:
    """A model behind a hostile API, which lives as long as the block; it is impatient."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments(PEER, fault, log=log), stdin=pipe, stdout=pipe
    )
    assert process.stdin is not None
    assert process.stdout is not None
    kind, api, path = MODELS[dialect]
    try:
        url = (await process.stdout.readline()).decode().strip() + path
        model: Model = kind(
            "m",
            Endpoint("fake", api, url, KEY, key_source="FAKE_KEY"),
            connection=Connection(first_byte=1.0, idle=1.0),
            retries=Retries(first=0.02, most=0.05, patience=2.0),
        )
        yield model
        await model.aclose()
    finally:
        process.stdin.close()
        await process.wait()


@pytest.mark.parametrize(("fault", "dialect"), ROWS)
@pytest.mark.deadline(40)
async def test_a_fault_of_a_model_api_ends_in_words(fault: Fault, dialect: str, tmp_path: Path) -> None:
    log, server_log = tmp_path / "model", tmp_path / "server"
    command = arguments(Path(stdio_peer.__file__), "nothing", pids=tmp_path / "pids", log=server_log)
    servers = {"healthy": ServerConfig("healthy", command=sys.executable, args=command)}
    limited = config(servers, max_steps=STEPS)
    async with holding(tmp_path / "pids") as held:
        async with peer(fault.name, dialect, log) as model, held.host(limited, model) as host:
            assert await host.pool.settled(5.0)
            async with held.neighbour(host.servers["healthy"]):
                chat = host.chat()
                outcome, said = await turn(held, chat, f"call healthy__add {model_peer.ADD}")
                assert outcome in fault.expect.split("|"), f"{outcome}, not {fault.expect}: {said[:500]}"
                assert re.search(fault.says, said), said[:500]
                results(chat)
                ran, requests = len(calls(server_log)), len(entries(log))
                if fault.times and not fault.slow:
                    assert (await turn(held, chat, "once more"))[0] == "answered"  # it does not stick
        held.shown.append(held.screen.out.getvalue())
    assert fault.runs in (-1, ran), f"{ran} calls ran"
    assert fault.requests in (0, requests), f"{requests} requests"
    assert not [text for text in held.shown if KEY in text]


async def turn(held: Held, chat: Chat, text: str) -> tuple[str, str]:
    """How a turn ended, in the peer's words, and what it said."""
    try:
        reply = await chat.send(text)
    except McpHostError as error:
        held.shown.append(str(error))
        return ENDINGS.get(type(error), "failed"), str(error)
    return reply.stop, reply.text


def entries(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def calls(log: Path) -> list[Any]:
    """The tool calls that reached the healthy server, without those of the one who watches it."""
    received = [entry["message"] for entry in entries(log) if entry["what"] == "received"]
    params = [message["params"] for message in received if message.get("method") == "tools/call"]
    return [item for item in params if item.get("arguments") != {"text": "hi"}]
