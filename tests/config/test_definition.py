"""What a consent to a server is bound to."""

from mcphost.config import from_mapping
from mcphost.config.definition import canonical, digest
from mcphost.config.schema import ServerConfig


def server(*args: str) -> ServerConfig:
    config = from_mapping(
        {"mcpServers": {"s": {"command": "x", "args": list(args)}}}, environ={"V": "canary-1"}, directory=None
    )
    return config.servers["s"]


def test_the_value_of_an_option_that_is_named_like_a_secret_is_a_fingerprint() -> None:
    shown = canonical(server("--api-key", "canary-2", "--auth-token=canary-3", "--token", "${V}", "--mode", "fast"))
    assert "canary" not in str(shown)
    assert shown["args"][0::2][:1] + shown["args"][3:] == ["--api-key", "--token", "${V}", "--mode", "fast"]
    assert shown["args"][2].startswith("--auth-token=sha256:")
    assert digest(canonical(server("--key", "one"))) != digest(canonical(server("--key", "two")))
