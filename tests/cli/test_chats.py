from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.program import Ran, config, fast_server, mcphost, one_call, script


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


async def recorded(folder: Path, env: dict[str, str]) -> None:
    """One run with a call, in `folder`."""
    file = config(folder, {"fast": fast_server()})
    model = script(folder, one_call("fast__echo", text="a <b>word</b> ``` in"), "It said so.")
    ran = await mcphost("run", "-C", file, "-m", model, "--allow", "fast__*", "Say a word", env=env, cwd=folder)
    assert ran.code == 0, ran.err


async def lines(ran: Ran) -> list[str]:
    assert ran.code == 0, ran.err
    return ran.out.splitlines()


async def test_a_run_can_be_found_read_changed_and_deleted(tmp_path: Path, env: dict[str, str]) -> None:
    await recorded(tmp_path, env)

    async def chats(*arguments: str) -> list[str]:
        return await lines(await mcphost("chats", *arguments, env=env, cwd=tmp_path))

    [line] = await chats("list", "--here")
    chat = line.split()[0]
    assert line.endswith("1 turn  Say a word")
    assert [line.partition("  ")[0] for line in await chats("search", "wor")] == [chat, chat, chat]
    assert "   1 Person: Say a word" in await chats("show", "latest")
    await chats("rename", chat[:6], "Better")
    [copy] = await chats("fork", chat, "--at", "1")
    assert len(await chats("list")) == 2
    await chats("rewind", copy, "--to", "1")
    assert (await mcphost("chats", "rewind", copy, "--to", "2", env=env, cwd=tmp_path)).code == 2
    await chats("archive", copy)
    assert [line.split()[-1] for line in await chats("list")] == ["Better"]
    await chats("delete", chat, copy)
    assert await chats("list") == []
    assert await chats("search", "word") == []
    ran = await mcphost("chats", "show", chat, env=env, cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")


async def test_a_chat_is_exported_for_people_and_for_programs(tmp_path: Path, env: dict[str, str]) -> None:
    await recorded(tmp_path, env)
    markdown = (await mcphost("chats", "export", "latest", env=env, cwd=tmp_path)).out
    assert "# Say a word" in markdown
    assert "````\na <b>word</b> ``` in\n````" in markdown
    file = tmp_path / "chat.json"
    await mcphost("chats", "export", "latest", "--json", "-o", file, env=env, cwd=tmp_path)
    document = json.loads(file.read_text())
    assert (document["version"], document["chat"]["title"], document["chat"]["stop"]) == (1, "Say a word", "answered")
    assert [message["type"] for message in document["messages"]] == [
        "user_message", "assistant_message", "tool_result", "assistant_message",
    ]  # fmt: skip
    assert [tool["name"] for tool in document["tools"]] == ["fast__echo", "fast__wait"]
    page = (await mcphost("chats", "export", "latest", "--html", env=env, cwd=tmp_path)).out
    assert "<title>Say a word</title>" in page
    assert "a &lt;b&gt;word&lt;/b&gt; ``` in" in page
    assert 'class="tool"' in page, "the timeline"
    assert (await mcphost("chats", "export", "latest", "--html", "--json", env=env, cwd=tmp_path)).code == 2


async def test_the_audit_says_who_allowed_what(tmp_path: Path, env: dict[str, str]) -> None:
    await recorded(tmp_path, env)
    decided, started, ended = (await mcphost("audit", "--json", "--server", "fast", env=env)).lines
    assert (decided["kind"], decided["decision"], decided["asked"]) == ("call_decided", "allow", False)
    assert "fast__*" in decided["why"]
    assert len(decided["pin"]) >= 12
    assert (started["kind"], ended["kind"], ended["result"]["is_error"]) == ("call_started", "call_ended", False)
    assert "word" not in json.dumps(ended)
    assert len((await mcphost("audit", env=env)).out.splitlines()) == 3
    assert (await mcphost("audit", "--server", "other", env=env)).out == ""
    assert (await mcphost("audit", "--since", "2999-01-01", env=env)).out == ""
    assert (await mcphost("audit", "--since", "yesterday", env=env)).code == 2


async def test_nothing_is_recorded_where_that_is_not_wanted(tmp_path: Path, env: dict[str, str]) -> None:
    arguments = ("run", "-C", config(tmp_path), "-m", script(tmp_path, "ok"))
    assert (await mcphost(*arguments, "--no-journal", "hi", env=env, cwd=tmp_path)).out == "ok\n"
    assert not (tmp_path / "state" / "mcphost" / "journal.db").exists()


async def test_a_journal_that_cannot_be_written_costs_the_record_and_not_the_answer(
    tmp_path: Path, env: dict[str, str]
) -> None:
    (tmp_path / "state" / "mcphost" / "journal.db").mkdir(parents=True)
    arguments = ("run", "-C", config(tmp_path), "-m", script(tmp_path, "ok"), "hi")
    ran = await mcphost(*arguments, env=env, cwd=tmp_path)
    assert (ran.code, ran.out) == (0, "ok\n")
    assert ran.err.count("nothing is recorded") == 1
