"""Where model APIs are and how a name like "anthropic/claude-sonnet-5-5" leads to one.

Law 12: the environment is an argument. A key goes only to the endpoint it was set for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from urllib.parse import urlsplit

from mcphost.config.network import Network
from mcphost.config.schema import EndpointConfig
from mcphost.errors import SignInNeeded, UsageError

ANTHROPIC_URL = "https://api.anthropic.com"
OPENAI_URL = "https://api.openai.com/v1"
OLLAMA_URL = "http://127.0.0.1:11434/v1"

BUILT_IN = ("anthropic", "openai", "ollama", "offline", "scripted")

# The model of a provider that was named without one, or whose key was all there was to go by.
DEFAULT_MODELS = {"anthropic": "claude-sonnet-5-5", "openai": "gpt-6.1-sol"}

_OWN_HOSTS = ("api.anthropic.com", "api.openai.com", ".api.openai.com", ".openai.azure.com", ".services.ai.azure.com")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One model API. `key` is sent as a bearer token; `key_source` is where a person would set it, for messages;
    `headers` are sent with every request and win over what the API's wire would send; `network` is the way there."""

    name: str
    api: str
    base_url: str = ""
    key: str | None = None
    key_source: str = "the endpoint's key"
    headers: Mapping[str, str] = field(default_factory=dict)
    network: Network = field(default_factory=Network)

    @property
    def compatible(self) -> bool:
        """Some other server that speaks the provider's API, with the tolerances and gaps that such servers have."""
        return not _own(self.base_url)


def split_name(name: str) -> tuple[str, str]:
    """A model's name as (provider, model), split at the first "/"; the provider's default model fills a gap.

    Raises:
        UsageError: no provider, or no model where there is no default.
    """
    provider, _, model = name.partition("/")
    if not provider:
        raise UsageError(f"{name!r} names no model.", hint="Write PROVIDER/MODEL, e.g. anthropic/claude-sonnet-5-5.")
    return provider, model or DEFAULT_MODELS.get(provider, "")


def find(provider: str, endpoints: Mapping[str, EndpointConfig], environ: Mapping[str, str]) -> Endpoint:
    """The endpoint of that name: the configuration's, else a built-in one.

    Raises:
        UsageError: there is none (says which name is nearest), or its base URL is none.
        SignInNeeded: it is a provider's own, and there is no key for it.
    """
    if provider in endpoints:
        endpoint = _configured(endpoints[provider])
    elif provider == "anthropic":
        endpoint = _anthropic(environ)
    elif provider == "openai":
        endpoint = _openai(environ)
    elif provider == "ollama":
        endpoint = Endpoint("ollama", "openai-chat", _ollama_url(environ.get("OLLAMA_HOST", "")))
    elif provider in ("offline", "scripted"):
        return Endpoint(provider, provider)
    else:
        raise _unknown(provider, endpoints)
    if not re.match(r"https?://[^/]", endpoint.base_url):
        raise UsageError(
            f"The base URL of the model API {endpoint.name!r} is no http or https URL: {endpoint.base_url!r}.",
            hint="Write it with its scheme, e.g. http://127.0.0.1:8000/v1.",
        )
    if endpoint.key is None and not endpoint.compatible and not endpoint.headers:
        raise SignInNeeded(
            f"There is no key for the model API {endpoint.name!r}.",
            hint=f"Set {endpoint.key_source}, or choose another model with -m.",
            endpoint=endpoint.name,
        )
    entry = endpoints.get(provider)
    own = {"proxy": entry.proxy, "ca_file": entry.ca_file} if entry else {}
    return replace(endpoint, network=Network.of(endpoint.base_url, environ, **own))


def default_model(environ: Mapping[str, str], endpoints: Mapping[str, EndpointConfig]) -> tuple[str, str]:
    """The model when nobody named one, and why it is that one, as a sentence for a person."""
    for provider, variables in (
        ("anthropic", ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")),
        ("openai", ("OPENAI_API_KEY",)),
    ):
        variable = next((name for name in variables if environ.get(name)), None)
        if variable and provider not in endpoints:
            return f"{provider}/{DEFAULT_MODELS[provider]}", f"{variable} is set and no model was named."
    return "offline", "no model was named and no key is set, so this is the built-in offline model, which is no LLM."


def _configured(entry: EndpointConfig) -> Endpoint:
    default = ANTHROPIC_URL if entry.api == "anthropic" else OPENAI_URL
    source = f"mcphost.models.{entry.name}.apiKey in the configuration"
    return Endpoint(entry.name, entry.api, entry.base_url or default, entry.api_key, source, entry.headers)


def _anthropic(environ: Mapping[str, str]) -> Endpoint:
    source = next((name for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN") if environ.get(name)), None)
    url = environ.get("ANTHROPIC_BASE_URL") or ANTHROPIC_URL
    return Endpoint("anthropic", "anthropic", url, environ[source] if source else None, source or "ANTHROPIC_API_KEY")


def _openai(environ: Mapping[str, str]) -> Endpoint:
    url = environ.get("OPENAI_BASE_URL") or OPENAI_URL
    api = "openai-responses" if _own(url) else "openai-chat"
    return Endpoint("openai", api, url, environ.get("OPENAI_API_KEY") or None, "OPENAI_API_KEY")


def _ollama_url(host: str) -> str:
    """OLLAMA_HOST as Ollama reads it: any of host, :port, host:port, URL; an address to bind to means this machine."""
    if not host.strip():
        return OLLAMA_URL
    parts = urlsplit(host if "://" in host else f"http://{host}")
    name = parts.hostname or "127.0.0.1"
    name = "127.0.0.1" if name == "0.0.0.0" else name
    default = {"http": 80, "https": 443}.get(parts.scheme, 11434) if "://" in host else 11434
    return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}:{parts.port or default}{parts.path.rstrip('/')}/v1"


def _own(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return any(host == own or (own.startswith(".") and host.endswith(own)) for own in _OWN_HOSTS)


def _unknown(provider: str, endpoints: Mapping[str, EndpointConfig]) -> UsageError:
    known = sorted({*BUILT_IN, *endpoints})
    near = get_close_matches(provider, known, 1, 0.5)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    return UsageError(
        f"There is no model provider {provider!r}.",
        hint=f"{meant}Known: {', '.join(known)}; others are configured as mcphost.models.NAME.",
    )
