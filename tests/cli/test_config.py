"""`mcphost config …` as a person uses it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mcphost.cli.config import config
from tests.config.keyrings import InMemory


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.config.keyrings.InMemory")
    monkeypatch.setattr(InMemory, "kept", {})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mcphost_config(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(config, arguments, input=stdin, standalone_mode=False)


def test_a_secret_that_is_piped_in_is_kept_and_never_said(home: Path) -> None:
    stored = mcphost_config("set-secret", "WEB", stdin="canary-canary\n")
    assert stored.output == "Stored. Write ${secret:WEB} where the configuration needs it.\n"
    assert InMemory.kept["mcphost", "WEB"] == "canary-canary"
    short = mcphost_config("set-secret", "PIN", stdin="1234")
    assert "shorter than 8 characters" in short.stderr
    (home / "config" / "mcphost").mkdir(parents=True)
    servers = {"web": {"url": "https://h/", "headers": {"X": "${secret:WEB} ${secret:GONE}"}}}
    (home / "config" / "mcphost" / "config.json").write_text(json.dumps({"mcpServers": servers}))
    listed = mcphost_config("secrets")
    assert listed.stdout == "PIN  (not used here)\nWEB\nGONE  missing: mcphost config set-secret GONE\n"
    assert listed.return_value == 1
    shown = mcphost_config("show")
    assert '"X": "${secret:WEB} ${secret:GONE}"' in shown.stdout
    assert "the secret GONE is not stored" in shown.stderr
    assert str(home / "config" / "mcphost" / "config.json") in mcphost_config("path").output
    assert mcphost_config("unset-secret", "WEB").output == "Removed.\n"
    assert ("mcphost", "WEB") not in InMemory.kept


@pytest.mark.parametrize("value", ["", "\n", "a\0b"])
def test_what_is_no_secret_is_not_stored(value: str) -> None:
    result = mcphost_config("set-secret", "WEB", stdin=value)
    assert "a secret is not empty" in str(result.exception)
    assert not InMemory.kept
