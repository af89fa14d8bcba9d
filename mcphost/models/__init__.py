"""Implementations of `Model`: pure codecs for three APIs over wires that move bytes, and two models without an API.

Importing this package imports neither httpx2 nor a provider's SDK.
"""

from mcphost.models.base import Model, ModelInfo, ModelOptions, ModelRequest
from mcphost.models.catalog import APIS, ModelFactory, open_model
from mcphost.models.endpoints import ANTHROPIC_URL, OPENAI_URL, Endpoint, default_model
from mcphost.models.http_model import AnthropicModel, ChatModel, HttpModel, ResponsesModel
from mcphost.models.scripted import ScriptedModel

__all__ = [
    "ANTHROPIC_URL",
    "APIS",
    "OPENAI_URL",
    "AnthropicModel",
    "ChatModel",
    "Endpoint",
    "HttpModel",
    "Model",
    "ModelFactory",
    "ModelInfo",
    "ModelOptions",
    "ModelRequest",
    "ResponsesModel",
    "ScriptedModel",
    "default_model",
    "open_model",
]
