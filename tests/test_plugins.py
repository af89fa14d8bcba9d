from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from mcphost.errors import ConfigError, UsageError
from mcphost.plugins import Command, Registry
from tests.cli.program import config, fast_server, mcphost, script

AUDIT_LOG = Path(__file__).parents[1] / "plugins" / "audit_log.py"


async def nothing(chat: object, line: str) -> str:
    return ""


def test_a_name_that_is_taken_is_an_error_that_names_both_owners(tmp_path: Path) -> None:
    plugin = tmp_path / "second.py"
    plugin.write_text(
        "from mcphost.plugins import Command\n"
        "def register(registry):\n"
        "    registry.command(Command('mine', '', None))\n"
    )
    registry = Registry()
    registry.command(Command("mine", "", nothing))
    with pytest.raises(UsageError) as raised:
        registry.load([str(plugin)])
    assert "second.py" in str(raised.value)
    assert "'mcphost'" in str(raised.value)


@pytest.mark.parametrize("name", ["no.such.module", "/no/such/file.py", "json"])
def test_what_is_no_plugin_is_said_with_its_name(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Registry().load([name])


async def test_the_audit_log_of_the_user_configuration_holds_every_decision_and_call(tmp_path: Path) -> None:
    home = tmp_path / "home" / "mcphost"
    home.mkdir(parents=True)
    config(home, plugins=[str(AUDIT_LOG)])
    log = tmp_path / "audit.jsonl"
    wishes = {"calls": [{"name": f"fast__{name}", "arguments": {"text": "hi"}} for name in ("echo", "nothing")]}
    ran = await mcphost(
        "run", "-C", config(tmp_path, {"fast": fast_server()}), "-m", script(tmp_path, wishes, "done"),
        "--allow", "fast__*", "hi", env={"XDG_CONFIG_HOME": str(home.parent), "MCPHOST_AUDIT_LOG": str(log)},
    )  # fmt: skip
    assert ran.code == 0, ran.err
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    kinds = [entry["type"] for entry in entries]
    assert sorted(kinds) == ["call_decided", "call_ended", "call_ended", "call_started"]
    [decided] = [entry for entry in entries if entry["type"] == "call_decided"]
    assert (decided["tool"], decided["decision"], decided["arguments"]) == ("echo", "allow", {"text": "hi"})
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


async def test_a_plugin_in_a_c_file_is_refused(tmp_path: Path) -> None:
    ran = await mcphost("run", "-C", config(tmp_path, plugins=[str(AUDIT_LOG)]), "-m", script(tmp_path, "ok"), "hi")
    assert ran.code == 2
    assert "plugins" in ran.err


async def test_a_plugin_adds_models_commands_and_formats(tmp_path: Path) -> None:
    home = tmp_path / "home" / "mcphost"
    home.mkdir(parents=True)
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from mcphost.frontends import PlainFrontend\n"
        "from mcphost.testing import ScriptedModel\n"
        "class Loud(PlainFrontend):\n"
        "    def finish(self, ending):\n"
        "        self._out.write(ending.result.upper() + '\\n')\n"
        "def register(registry):\n"
        "    registry.api('parrot', lambda model, endpoint: ScriptedModel([model], name=f'parrot/{model}'))\n"
        "    registry.format('loud', lambda output: Loud(output.out, output.narrator()))\n"
    )
    config(home, plugins=[str(plugin)])
    ran = await mcphost(
        "run", "-m", "parrot/hello", "--output-format", "loud", "hi", env={"XDG_CONFIG_HOME": str(home.parent)}
    )
    assert (ran.code, ran.out) == (0, "HELLO\n"), ran.err
