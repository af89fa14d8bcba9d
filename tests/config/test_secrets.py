"""Which secrets a configuration holds, and that none of them comes back out."""

from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest

from mcphost.config import from_mapping
from mcphost.config.secrets import Secrets
from mcphost.events import CallEnded, ServerLogged, TextStreamed
from mcphost.host import Host
from mcphost.messages import ToolCall, ToolResult, UserMessage
from mcphost.questions import Approval, ToolApproval
from mcphost.testing import ScriptedFrontend, ScriptedModel

CONFIG = {
    "mcpServers": {
        "web": {
            "url": "https://me:pass%20word1@example.org/mcp",
            "headers": {"Authorization": "Bearer ${WEB}", "Content-Type": "application/json"},
        },
        "git": {"command": "git", "env": {"GH_TOKEN": "${WEB}x", "LEVEL": "verbose-output", "db_passwd": "short"}},
    },
    "mcphost": {"models": {"here": {"api": "openai-chat", "apiKey": "k-0123456789"}}},
}
ENVIRON = {
    "WEB": "web-canary-1",
    "OPENAI_API_KEY": "sk-canary-2",
    "SSH_AUTH_SOCK": "/tmp/agent.123",
    "AWS_SECRET_ACCESS_KEY": "/bPxRfiCYEXAMPLEKEYwJalrXUtnFEMI/K7MDENG",
    "HOME": "/home/me",
}


@pytest.fixture
def secrets() -> Secrets:
    return Secrets.of(from_mapping(CONFIG, environ=ENVIRON, directory=None), ENVIRON)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("it is web-canary-1!", "it is [secret Authorization]!"),
        ("Bearer web-canary-1", "[secret Authorization]"),
        ("web-canary-1x", "[secret GH_TOKEN]"),
        ("k-0123456789 and sk-canary-2", "[secret apiKey of here] and [secret OPENAI_API_KEY]"),
        ("/bPxRfiCYEXAMPLEKEYwJalrXUtnFEMI/K7MDENG", "[secret AWS_SECRET_ACCESS_KEY]"),
        ("pass word1", "[secret password in an address]"),
        ("pass%20word1", "[secret password in an address]"),
        (
            "verbose-output short /tmp/agent.123 application/json",
            "verbose-output short /tmp/agent.123 application/json",
        ),
    ],
)
def test_secrets_are_known_by_their_values(secrets: Secrets, text: str, redacted: str) -> None:
    assert secrets.redact(text) == redacted
    assert (secrets.found({"a": [text]}) is None) is (text == redacted)


def test_a_secret_is_found_as_json_and_urls_write_it() -> None:
    secrets = Secrets([('a"b\nc/dé', "S"), ("seven77", "T")])
    for form in (
        *('a\\"b\\nc/d\\u00e9', 'a\\"b\\nc/dé', "a%22b%0Ac%2Fd%C3%A9", "a%22b%0Ac/d%C3%A9", "a%22b%0ac%2fd%c3%a9"),
        "YSJiCmMvZMOp",
    ):
        assert secrets.redact(f"<{form}>") == "<[secret S]>"
    assert secrets.redact("seven77") == "seven77"
    for written in (urlsafe_b64encode(b"?>?>?>?>?>"), b64encode(b"?>?>?>?>?>")):
        assert Secrets([("?>?>?>?>?>", "S")]).redact(written.decode()).startswith("[secret S]")


def test_every_text_of_a_value_is_looked_at_and_the_rest_stays_the_same(secrets: Secrets) -> None:
    clean: Any = {"a": [1, "x", None], "b": ({"c": "y"},)}
    assert secrets.redacted(clean) is clean
    event = ServerLogged(server="git", level="info", text="token web-canary-1")
    assert secrets.redacted(event) == ServerLogged(server="git", level="info", text="token [secret Authorization]")
    result = ToolResult("1", ({"type": "text", "text": "web-canary-1"},), {"web-canary-1": ["web-canary-1"]})
    redacted = secrets.redacted(CallEnded(call="1", name="x", result=result, seconds=1)).result
    assert redacted.content[0]["text"] == "[secret Authorization]"
    assert redacted.structured == {"[secret Authorization]": ["[secret Authorization]"]}
    assert Secrets().redacted(event) is event


async def test_a_secret_in_a_result_reaches_neither_model_nor_journal_nor_screen() -> None:
    def leak() -> str:
        return "the token is web-canary-1, " + "x" * 200

    def fail() -> str:
        raise ValueError("cannot use web-canary-1")

    calls = [ToolCall("", name, {}, "{}") for name in ("local__leak", "local__fail")]
    model = ScriptedModel([calls, "done"])
    frontend = ScriptedFrontend({ToolApproval: Approval(allowed=True)})
    config = from_mapping(
        {"mcpServers": {"git": {"command": "x", "disabled": True, "env": {"TOKEN": "web-canary-1"}}}},
        environ={},
        directory=None,
    )
    async with Host(config, model=model, frontend=frontend, tools=[leak, fail], environ={}) as host:
        chat = host.chat()
        block: Any = {"type": "resource", "resource": {"uri": "x:/", "text": "web-canary-1"}}
        typed: Any = {"type": "text", "text": "use web-canary-1"}
        reply = await chat.send([UserMessage((typed, block))])
        assert chat.conversation is not None
        first = chat.conversation.messages[0]
    assert isinstance(first, UserMessage)
    assert first.content[0] is typed  # a person may say what they like
    assert first.content[1]["resource"]["text"] == "[secret TOKEN]"
    assert len(reply.calls) == 2
    assert "web-canary-1" not in repr([called.result for called in reply.calls])
    assert "[secret TOKEN]" in repr(reply.calls[0].result)
    assert "web-canary-1" not in repr([event for event in frontend.events if not isinstance(event, TextStreamed)])
