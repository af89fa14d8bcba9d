"""What stderr says of a failure: nothing that acts on a terminal, and no secret."""

import json
import logging

import pytest

from mcphost.cli.exits import ERROR, report
from mcphost.cli.setup import keep_from_log
from mcphost.config.secrets import Secrets
from mcphost.errors import McpHostError
from mcphost.text import safe

HOSTILE = "\x1b]0;title\x07 canary-canary \x9b2J \u202e"
SECRETS = Secrets([("canary-canary", "KEY")])


@pytest.mark.parametrize("error", [McpHostError(HOSTILE), RuntimeError(HOSTILE)])
@pytest.mark.parametrize("machine", [False, True])
def test_a_failure_is_said_without_escapes_and_secrets(
    error: Exception, machine: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error, machine=machine, debug=True, secrets=SECRETS) == ERROR
    said = capsys.readouterr().err
    assert "[secret KEY]" in said
    assert "canary" not in said
    assert safe(said) == said
    if machine and isinstance(error, McpHostError):
        assert json.loads(said.splitlines()[-1])["error"]


def test_so_is_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.StreamHandler()
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    keep_from_log(SECRETS)
    line = handler.format(logging.LogRecord("x", logging.INFO, "x.py", 1, "%s", (HOSTILE,), None))
    assert "[secret KEY]" in line
    assert safe(line) == line
