"""A conversation that goes on with another model, over the true wire of all three APIs."""

from __future__ import annotations

from mcphost import commands
from mcphost.config.schema import Config, EndpointConfig, Rule
from mcphost.host import Host
from mcphost.plugins import Fill, Registry
from tests.providers.fake import KEY, FakeApi
from tests.providers.script import Call, Think, reply


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


async def test_history_is_carried_through_all_three_dialects_and_what_is_not_is_said() -> None:
    registry = Registry()
    commands.register(registry)
    async with FakeApi() as api:
        api.script(
            reply(Think("hm"), Call("local__add", {"a": 2, "b": 3})),
            "It is 5.",
            reply(Think("well"), "Still 5."),
            "Always 5.",
        )
        endpoints = {
            "gpt": EndpointConfig("gpt", "openai-responses", base_url=api.openai_url, api_key=KEY),
            "local": EndpointConfig("local", "openai-chat", base_url=api.openai_url, api_key=KEY),
        }
        environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.base_url, "OLLAMA_HOST": "127.0.0.1:9"}
        config = Config(endpoints=endpoints, rules=(Rule("local", "*", "allow"),))
        async with Host(config, model="anthropic/claude-sonnet-5-5", tools=[add], environ=environ) as host:
            chat = host.chat()
            await chat.send("2 + 3?")
            picked = await commands.interpret(chat, registry, "/model")
            assert isinstance(picked, Fill)
            assert "ollama lists no models" in picked.said
            offers = await commands.command_offers(chat, registry, "/model gpgpt")
            assert [word for word, _ in offers] == ["gpt/gpt-6-sol"]
            said = await commands.interpret(chat, registry, "/model gpgpt")
            assert isinstance(said, str)
            assert said.startswith("gpt/gpt-6-sol · openai-responses")
            assert "not carried over: the reasoning in 1 reply" in said
            await chat.send("sure?")
            said = await commands.interpret(chat, registry, "/model local/some-local-model")
            assert "the reasoning in 2 replies" in str(said)
            await chat.send("really?")
    assert [seen.refused for seen in api.requests] == [None] * 4
    assert [seen.dialect for seen in api.requests] == ["anthropic", "anthropic", "responses", "chat"]
    words = api.requests[-1].raw.decode()
    assert all(said in words for said in ("2 + 3?", "local__add", "It is 5.", "Still 5.", "really?"))
