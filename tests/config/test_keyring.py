"""Secrets of the system's keyring: kept there or nowhere, and known as secrets wherever they went."""

import pytest

from mcphost.config import from_mapping
from mcphost.config.keyring import Keyring
from mcphost.config.secrets import Secrets
from mcphost.errors import ConfigError, UsageError
from mcphost.servers.definition import defined
from tests.config.keyrings import InMemory


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.config.keyrings.InMemory")
    monkeypatch.setattr(InMemory, "kept", {})
    return InMemory.kept


def test_a_secret_is_stored_listed_replaced_and_removed(kept: dict[tuple[str, str], str]) -> None:
    Keyring().store("WEB", "one")
    Keyring().store("git.token-2", "two")
    Keyring().store("WEB", "three")
    assert kept["mcphost", "WEB"] == "three"
    assert Keyring().names() == ["WEB", "git.token-2"]
    assert (Keyring().get("WEB"), Keyring().get("OTHER")) == ("three", None)
    assert (Keyring().remove("WEB"), Keyring().remove("WEB")) == (True, False)
    assert Keyring().names() == ["git.token-2"]
    with pytest.raises(UsageError, match="cannot name a secret"):
        Keyring().store("(names)", "x")


@pytest.mark.parametrize(("backend", "said"), [("fail", "has no keyring"), ("null", "keeps nothing")])
def test_nothing_is_kept_elsewhere_where_there_is_no_keyring(
    monkeypatch: pytest.MonkeyPatch, backend: str, said: str
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", f"keyring.backends.{backend}.Keyring")
    with pytest.raises(ConfigError, match=said) as caught:
        Keyring().store("WEB", "one")
    assert "set a variable" in str(caught.value.hint)


def test_a_secret_is_filled_in_wherever_variables_are_and_is_known_as_one() -> None:
    Keyring().store("WEB", "canary-of-the-keyring")
    written = {
        "stdio": {"command": "x", "args": ["${secret:WEB}"], "env": {"A": "a${secret:WEB}"}},
        "http": {"url": "https://h/${secret:WEB}", "headers": {"X": "Bearer ${secret:WEB}"}},
        "lost": {"command": "x", "args": ["${secret:GONE}"]},
    }
    config = from_mapping({"mcpServers": written}, environ={}, directory=None)
    assert config.servers["stdio"].args == ("canary-of-the-keyring",)
    assert config.servers["stdio"].env == {"A": "acanary-of-the-keyring"}
    assert config.servers["http"].headers == {"X": "Bearer canary-of-the-keyring"}
    assert config.servers["http"].variables == ("secret:WEB",)
    assert str(config.failures["lost"]).endswith(
        "the secret GONE is not stored\n  Store it: mcphost config set-secret GONE"
    )
    assert Secrets.of(config, {}).redact("canary-of-the-keyring") == "[secret WEB]"
    assert "canary" not in repr([config.secrets and defined(server, {}) for server in config.servers.values()])


def test_without_a_keyring_only_what_names_a_secret_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    servers = {"good": {"command": "x"}, "bad": {"command": "x", "env": {"A": "${secret:WEB}"}}}
    config = from_mapping({"mcpServers": servers}, environ={}, directory=None)
    assert list(config.servers) == ["good"]
    assert "WEB cannot be read: this system has no keyring" in config.failures["bad"].message
