"""Which model APIs there are, and the model that a name stands for.

Law: importing this stays light; an API's client is built when its model is warmed or first asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from mcphost.config.schema import EndpointConfig
from mcphost.errors import UsageError
from mcphost.models.base import Model
from mcphost.models.endpoints import Endpoint, find, split_name
from mcphost.models.http_model import AnthropicModel, ChatModel, ResponsesModel
from mcphost.models.scripted import ScriptedModel

ModelFactory: TypeAlias = Callable[[str, Endpoint], Model]
"""Makes a model from what stands behind the "/" in its name (may be empty) and where it is."""


def _offline(model: str, endpoint: Endpoint) -> Model:
    from mcphost.models.offline import OfflineModel

    return OfflineModel()


def _scripted(model: str, endpoint: Endpoint) -> Model:
    if not model:
        raise UsageError("A scripted model needs its script.", hint="Write scripted/FILE.json.")
    return ScriptedModel.from_file(model)


APIS: Mapping[str, ModelFactory] = {
    "anthropic": AnthropicModel,
    "openai-responses": ResponsesModel,
    "openai-chat": ChatModel,
    "offline": _offline,
    "scripted": _scripted,
}


def open_model(
    name: str,
    *,
    endpoints: Mapping[str, EndpointConfig],
    environ: Mapping[str, str],
    apis: Mapping[str, ModelFactory] = APIS,
) -> Model:
    """The model that a person means by `name`: PROVIDER/MODEL, where PROVIDER is an endpoint of the configuration, a
    built-in one, or an API that a plug-in brought.

    Raises:
        UsageError: no such provider, or no model was named where there is no default.
        SignInNeeded: the provider needs a key that nobody gave.
    """
    provider, model = split_name(name)
    if provider in apis and provider not in endpoints and provider not in APIS:
        return apis[provider](model, Endpoint(provider, provider))
    endpoint = find(provider, endpoints, environ)
    if endpoint.api in ("anthropic", "openai-responses", "openai-chat") and not model:
        raise UsageError(
            f"{provider!r} needs the name of a model.", hint=f"Write {provider}/MODEL, as the endpoint names it."
        )
    return apis[endpoint.api](model, endpoint)
