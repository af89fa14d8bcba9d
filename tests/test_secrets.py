"""A server that says what it was told in confidence, in every place it can: nobody and nothing gets to see it."""

import json
import sys
from pathlib import Path
from typing import Any

from mcphost.commands.servers import describe
from mcphost.host import Host
from mcphost.messages import ToolCall, to_json
from mcphost.questions import (
    Approval,
    ElicitationAnswer,
    ElicitationForm,
    ElicitationUrl,
    SampleResult,
    SamplingDecision,
    SamplingReview,
    ToolApproval,
)
from mcphost.testing import ScriptedFrontend, ScriptedModel
from tests.cli import program

CANARY = "canary/0123 456"
FORMS = (CANARY, "canary%2F0123", "Y2FuYXJ5LzAxMjMgNDU2")
LEAKY = Path(__file__).with_name("leaky_server.py")


def configuration(**mcphost: Any) -> dict[str, Any]:
    entry = {"command": sys.executable, "args": [str(LEAKY)], "env": {"LEAKY_TOKEN": "${GIVEN}"}}
    return {"mcpServers": {"leaky": entry}, "mcphost": mcphost}


def holds_secret(text: str) -> bool:
    return any(form in text for form in FORMS)


async def test_what_a_server_leaks_reaches_neither_model_nor_person_nor_program() -> None:
    ask, fail = (ToolCall("", f"leaky__{name}", {}, "{}") for name in ("ask", "fail"))
    model = ScriptedModel([ask, "sampled", fail, "done"])
    frontend = ScriptedFrontend(
        {
            ToolApproval: Approval(allowed=True),
            ElicitationForm: ElicitationAnswer("accept", {"x": "y"}),
            SamplingReview: SamplingDecision(allowed=True),
            SampleResult: SamplingDecision(allowed=True),
        }
    )
    environ = {"GIVEN": CANARY}
    async with Host(configuration(), model=model, frontend=frontend, environ=environ, system="Be brief.") as host:
        chat = host.chat()
        reply = await chat.send("go")
        server = host.servers["leaky"]
        listed = (server.tools, server.resources, server.templates, server.prompts, server.info, server.instructions)
        uri = server.resources[0]["uri"]
        read = await server.read(uri, caller=chat.requests), await server.get_prompt("hello", {}, caller=chat.requests)
        completed = await server.complete({"type": "ref/prompt", "name": "hello"}, "a", "")
        status = describe(server), server.problems, server.stderr_tail, server.version
    assert chat.conversation is not None
    asked = {type(question) for question in frontend.questions}
    assert asked >= {ToolApproval, ElicitationForm, SamplingReview}
    assert ElicitationUrl not in asked  # an address that held a secret is refused
    seen: dict[str, Any] = {
        "model": model.requests,
        "reply": reply,
        "conversation": [to_json(message) for message in chat.conversation.messages],
        "events": frontend.events,
        "questions": frontend.questions,
        "lists": listed,
        "read": read,
        "completed": completed,
        "status": status,
    }
    assert [place for place, value in seen.items() if holds_secret(repr(value))] == []
    for place in ("model", "reply", "events", "questions", "lists", "read", "completed", "status"):
        assert "[secret LEAKY_TOKEN]" in repr(seen[place]), place


async def test_what_a_server_leaks_is_in_no_output_log_journal_recording_or_export(tmp_path: Path) -> None:
    script = program.script(
        tmp_path, program.one_call("leaky__ask"), "sampled", program.one_call("leaky__fail"), f"it is {CANARY}"
    )
    recording = tmp_path / "recording.jsonl"
    home = tmp_path / "home"
    (home / "mcphost").mkdir(parents=True)
    (home / "mcphost" / "config.json").write_text(json.dumps(configuration(servers={"leaky": {"sampling": "allow"}})))
    env = {"GIVEN": CANARY, "HOME": str(home), "XDG_STATE_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    ran = await program.mcphost(
        *("run", f"my token is {CANARY}", "-m", script, "--allow", "leaky__*", "--record", recording),
        *("--output-format", "stream-json", "--debug", "-v"),
        env=env,
    )
    assert ran.code == 0, ran.err
    outputs = {"run": ran.out + ran.err}
    for words in (
        ("servers", "-v", "--debug"),
        ("call", "leaky__fail", "--debug"),
        ("chats", "export", "latest", "--json"),
    ):
        said = await program.mcphost(*words, env=env)
        outputs[words[0]] = said.out + said.err
    outputs["recording"] = recording.read_text()
    journal = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file()).decode(errors="replace")
    assert [place for place, text in outputs.items() if holds_secret(text)] == []
    for place in ("run", "call", "chats", "recording"):
        assert "[secret " in outputs[place], outputs[place]
    assert journal.count(CANARY) <= journal.count(f"my token is {CANARY}") + journal.count(f"it is {CANARY}")
