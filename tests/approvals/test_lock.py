from pathlib import Path
from typing import Any

import pytest

from mcphost.approvals import Lock, Locked, Policy
from mcphost.config.schema import Rule
from mcphost.errors import Drift, UsageError
from mcphost.tools import Tool


def tool(name: str = "log", description: str = "Shows.") -> Tool:
    definition: Any = {"name": name, "description": description, "inputSchema": {"type": "object"}}
    return Tool(f"git__{name}", "git", name, definition, f"pin of {description}")


LOCK = Lock({"git": Locked.of({"command": "git"}, "Be kind.", [tool()])})


def test_nothing_runs_but_what_is_locked_whatever_the_rules_say() -> None:
    policy = Policy([Rule("*", "*", "allow")], yolo=True, lock=LOCK)
    assert policy.judge(tool(), {}).decision == "allow"
    for other in (tool(description="Sends."), tool("late")):
        assert policy.judge(other, {}).why == "the lock does not hold this definition of it"
    assert policy.judge(tool(), {}).decision == "allow"


def test_a_lock_is_what_it_was_when_it_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "mcphost.lock"
    LOCK.write(file)
    again = Lock.read(file)
    assert again.servers == LOCK.servers
    again.check_definitions({"git": {"command": "git"}})
    again.check_offers({"git": Locked.of({}, "Be kind.", [tool()])})
    again.check_offers({})  # a server that is not there breaks nothing


@pytest.mark.parametrize(
    ("definitions", "line"),
    [
        ({}, '- git.command: "git"'),
        ({"git": {"command": "gti"}}, '+ git.command: "gti"'),
        ({"git": {"command": "git"}, "new": {"url": "http://x"}}, '+ new.url: "http://x"'),
    ],
)
def test_servers_that_are_others_are_named(definitions: dict[str, Any], line: str) -> None:
    with pytest.raises(Drift) as drift:
        LOCK.check_definitions(definitions)
    assert line in drift.value.detail["changes"]
    assert line in str(drift.value)


def test_a_file_that_is_no_lock_says_so(tmp_path: Path) -> None:
    file = tmp_path / "mcphost.lock"
    for text in ("", "[]", "[" * 100_000, '{"version": 9}', '{"version": 1, "servers": {"git": {}}}'):
        file.write_text(text)
        with pytest.raises(UsageError, match="no lock of mcphost"):
            Lock.read(file)


def test_a_lock_may_be_larger_than_a_configuration(tmp_path: Path) -> None:
    known = Lock({"git": Locked({"command": "x"}, "i" * 2_000_000, {})})
    known.write(tmp_path / "mcphost.lock")
    assert Lock.read(tmp_path / "mcphost.lock").servers == known.servers


def test_a_link_in_a_repository_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    (tmp_path / "mcphost.lock").symlink_to(tmp_path / "target")
    with pytest.raises(UsageError, match="cannot be written"):
        Lock({}).write(tmp_path / "mcphost.lock")
    assert (tmp_path / "target").read_text() == "mine"
