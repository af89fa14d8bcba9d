"""What the endpoints say of their models, over real sockets."""

from __future__ import annotations

import socket

from mcphost.config.schema import EndpointConfig
from mcphost.models.listing import Listing, list_models
from tests.providers.fake import KEY, FakeApi


async def test_every_endpoint_that_answers_is_listed_and_the_others_say_why_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        listings, models = await listed(address)
    assert list(listings) == ["mine", "wrong", "silent", "anthropic", "ollama"]
    assert listings["mine"].models == listings["anthropic"].models == listings["ollama"].models == models
    assert listings["wrong"].failure == "its list of models was refused (404)"
    assert listings["silent"] == Listing("silent", (), "did not answer within 0.5 s")


async def listed(address: str) -> tuple[dict[str, Listing], tuple[str, ...]]:
    async with FakeApi() as api:
        endpoints = {
            "mine": EndpointConfig("mine", "openai-responses", base_url=api.openai_url, api_key=KEY),
            "wrong": EndpointConfig("wrong", "openai-chat", base_url=f"{api.base_url}/nothing"),
            "silent": EndpointConfig("silent", "openai-chat", base_url=address),
        }
        environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.base_url, "OLLAMA_HOST": api.base_url}
        found = await list_models(endpoints, environ, patience=0.5)
    return {one.provider: one for one in found}, tuple(sorted(api.models))


async def test_an_ollama_that_was_named_and_does_not_answer_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    [named] = await list_models({}, {"OLLAMA_HOST": f"127.0.0.1:{free}"}, patience=0.5)
    assert (named.provider, named.models) == ("ollama", ())
