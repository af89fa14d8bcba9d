"""What another model is not sent of a conversation is said."""

from __future__ import annotations

import base64

from mcphost.messages import (
    AssistantMessage,
    Block,
    Message,
    Native,
    Reasoning,
    Text,
    ToolResult,
    UserMessage,
    text_block,
)
from mcphost.models import AnthropicModel, ChatModel, Endpoint, Model, ResponsesModel
from mcphost.models.carrying import not_carried
from mcphost.models.offline import OfflineModel

WAV: Block = {"type": "audio", "mimeType": "audio/wav", "data": base64.b64encode(b"RIFF0000WAVE").decode()}
PNG: Block = {"type": "image", "mimeType": "image/png", "data": base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()}

THOUGHT = AssistantMessage((Reasoning("hm"), Text("yes")), native=Native("anthropic", "claude", ({"type": "text"},)))
HISTORY: list[Message] = [UserMessage((text_block("listen"), WAV)), THOUGHT, ToolResult("c1", (PNG,))]


def models() -> tuple[Model, Model, Model]:
    where = Endpoint("here", "anthropic", "http://127.0.0.1:1", key="k")
    return AnthropicModel("claude", where), ResponsesModel("gpt", where), ChatModel("local", where)


def test_reasoning_goes_back_only_to_the_model_that_wrote_it() -> None:
    claude, gpt, local = models()
    assert not_carried([THOUGHT], claude) == []
    assert not_carried([THOUGHT], gpt) == not_carried([THOUGHT], local) == ["the reasoning in 1 reply"]


def test_media_that_an_api_does_not_take_are_named() -> None:
    claude, gpt, local = models()
    assert not_carried(HISTORY[:1], claude) == ["1 × audio/wav (its API takes none; a note stands there instead)"]
    assert not_carried(HISTORY[:1], gpt) == not_carried(HISTORY[:1], claude)
    assert not_carried([HISTORY[0], HISTORY[2]], local) == []


def test_the_offline_model_reads_no_history() -> None:
    assert not_carried([], OfflineModel()) == []
    assert "no history" in not_carried(HISTORY, OfflineModel())[0]
