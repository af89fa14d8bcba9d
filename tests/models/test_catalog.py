from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path

import pytest

from mcphost.config.schema import EndpointConfig
from mcphost.errors import ConfigError, ModelError, SignInNeeded, UsageError
from mcphost.models import APIS, Endpoint, HttpModel, Model, ScriptedModel, default_model, open_model
from mcphost.models.base import Waiting
from mcphost.models.endpoints import OLLAMA_URL, find
from tests.models.conversation import request
from tests.proxy import relay


def _open(name: str, endpoints: dict[str, EndpointConfig] | None = None, **environ: str) -> Model:
    return open_model(name, endpoints=endpoints or {}, environ=environ)


def _mine() -> dict[str, EndpointConfig]:
    return {"mine": EndpointConfig("mine", "openai-chat", "http://127.0.0.1:1/v1")}


def test_the_name_is_split_at_the_first_slash() -> None:
    model = _open("mine/qwen/qwen3:8b", _mine())
    assert model.name == "mine/qwen/qwen3:8b"
    assert model.info.api == "openai-chat"
    assert model.info.endpoint == "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("environ", "api", "compatible"),
    [
        ({}, "openai-responses", False),
        ({"OPENAI_BASE_URL": "https://eu.api.openai.com/v1"}, "openai-responses", False),
        ({"OPENAI_BASE_URL": "https://me.openai.azure.com/openai/v1"}, "openai-responses", False),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}, "openai-chat", True),
        ({"OPENAI_BASE_URL": "https://api.openai.com.evil.example/v1"}, "openai-chat", True),
    ],
)
def test_openai_means_responses_at_openai_and_azure_and_chat_elsewhere(
    environ: dict[str, str], api: str, compatible: bool
) -> None:
    endpoint = find("openai", {}, {"OPENAI_API_KEY": "k", **environ})
    assert (endpoint.api, endpoint.compatible) == (api, compatible)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", OLLAMA_URL),
        ("0.0.0.0", OLLAMA_URL),
        (":11500", "http://127.0.0.1:11500/v1"),
        ("box", "http://box:11434/v1"),
        ("box:1", "http://box:1/v1"),
        ("https://box", "https://box:443/v1"),
        ("http://[::1]:1/x/", "http://[::1]:1/x/v1"),
    ],
)
def test_ollama_is_found_where_its_variable_says(host: str, url: str) -> None:
    assert find("ollama", {}, {"OLLAMA_HOST": host}).base_url == url


def test_a_missing_key_is_told_when_the_model_is_opened() -> None:
    with pytest.raises(SignInNeeded) as caught:
        _open("anthropic")
    assert caught.value.hint == "Set ANTHROPIC_API_KEY, or choose another model with -m."
    official = {"work": EndpointConfig("work", "anthropic")}
    with pytest.raises(SignInNeeded, match="'work'") as caught:
        _open("work/claude-x", official)
    assert "mcphost.models.work.apiKey" in (caught.value.hint or "")


def test_a_key_goes_only_to_the_endpoint_it_was_set_for() -> None:
    environ = {"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "o"}
    assert find("mine", _mine(), environ).key is None
    assert find("ollama", {}, environ).key is None
    assert find("anthropic", {}, environ).key == "a"
    assert find("anthropic", {}, {"ANTHROPIC_AUTH_TOKEN": "t"}).key == "t"


def test_a_provider_alone_means_its_default_model_where_it_has_one() -> None:
    assert _open("anthropic", ANTHROPIC_API_KEY="k").name == "anthropic/claude-sonnet-5-5"
    assert _open("openai/", OPENAI_API_KEY="k").name == "openai/gpt-6.1-sol"
    with pytest.raises(UsageError, match="needs the name of a model"):
        _open("ollama")


def test_an_unknown_provider_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        _open("antropic/claude", _mine())
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("Did you mean 'anthropic'? Known: anthropic, mine, offline, ollama,")
    with pytest.raises(UsageError, match="names no model"):
        _open("/x")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://"])
def test_a_base_url_that_is_none_is_told_when_the_model_is_opened(url: str) -> None:
    with pytest.raises(UsageError, match="is no http or https URL"):
        _open("openai/x", OPENAI_BASE_URL=url)


def test_a_configured_endpoint_comes_before_a_built_in_one() -> None:
    mine = {"openai": EndpointConfig("openai", "openai-chat", "http://127.0.0.1:1/v1")}
    assert _open("openai/x", mine).info.api == "openai-chat"


def test_a_plug_ins_api_is_a_provider_and_an_api_of_endpoints() -> None:
    def mirror(model: str, endpoint: Endpoint) -> Model:
        return ScriptedModel([], name=f"{endpoint.name}/{model}!")

    apis = {**APIS, "mirror": mirror}
    assert open_model("mirror/a", endpoints={}, environ={}, apis=apis).name == "mirror/a!"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "offline"),
        ({"OPENAI_API_KEY": "k"}, "openai/gpt-6.1-sol"),
        ({"OPENAI_API_KEY": "k", "ANTHROPIC_AUTH_TOKEN": "t"}, "anthropic/claude-sonnet-5-5"),
        ({"ANTHROPIC_API_KEY": ""}, "offline"),
    ],
)
def test_the_default_model_is_of_the_provider_whose_key_is_there(environ: dict[str, str], name: str) -> None:
    found, why = default_model(environ, {})
    assert found == name
    assert why.endswith(".")
    assert open_model(found, endpoints={}, environ=environ).name


def test_scripts_are_read_from_files(tmp_path: Path) -> None:
    script = tmp_path / "a" / "script.json"
    script.parent.mkdir()
    script.write_text(json.dumps(["hi"]))
    assert isinstance(_open(f"scripted/{script}"), ScriptedModel)
    for broken in ("{", '"text"', '[{"call": []}]', "[3]"):
        script.write_text(broken)
        with pytest.raises(ConfigError, match="is no script for a model"):
            _open(f"scripted/{script}")
    with pytest.raises(UsageError, match="needs its script"):
        _open("scripted")


def test_models_are_opened_without_any_connection() -> None:
    model = _open("anthropic", ANTHROPIC_API_KEY="k")
    assert isinstance(model, HttpModel)
    assert model._wire is None


@pytest.mark.parametrize("configured", [False, True])
async def test_a_model_api_is_reached_through_its_proxy(configured: bool) -> None:
    async with relay() as (proxy, asked):
        entry = EndpointConfig(
            "lab", "openai-chat", "http://models.invalid/v1", "key-12345", proxy=proxy if configured else None
        )
        environ = {"http_proxy": "http://127.0.0.1:1" if configured else proxy}
        model = open_model("lab/m", endpoints={"lab": entry}, environ=environ)
        async with aclosing(model.stream(request("hi"))) as pieces:
            waiting = await anext(pieces)
        await model.aclose()
    assert isinstance(waiting, Waiting)
    assert "503" in waiting.why
    assert asked == ["POST http://models.invalid/v1/chat/completions HTTP/1.1"]


async def test_certificates_that_cannot_be_read_are_named_before_anything_is_sent() -> None:
    entry = EndpointConfig("lab", "openai-chat", "https://models.invalid/v1", "key-12345", ca_file="/no/such/file.pem")
    model = open_model("lab/m", endpoints={"lab": entry}, environ={})
    with pytest.raises(ModelError, match=r"'lab' cannot be reached: .*No such file") as caught:
        model.warm()
    assert "caFile" in (caught.value.hint or "")
