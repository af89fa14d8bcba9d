"""A policy and a guard that judge in a replay as it was judged."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Set
from typing import Any

from mcphost.approvals import Policy, Remembered
from mcphost.approvals.guard import Flow, Guard
from mcphost.approvals.policy import Judgement
from mcphost.config.schema import Decision, Rule
from mcphost.messages import ToolResult, to_json
from mcphost.recording.lines import Line, dumps
from mcphost.recording.tape import Tape
from mcphost.tools import Tool

_WHAT = {"decision", "flow", "sampling"}


class Said:
    """The judgements of a recording, each said again when it is asked for."""

    def __init__(self, tape: Tape, lines: Iterable[Line]) -> None:
        self._tape = tape
        self._lines: dict[str, deque[Line]] = defaultdict(deque)
        for line in lines:
            if line["kind"] == "judged":
                self._lines[self._case(_WHAT & line.keys(), line)].append(line)

    def next(self, what: str, **about: Any) -> Line | None:
        """The next judgement of this kind about this; the last one is said again and again."""
        lines = self._lines.get(self._case({what}, about))
        if not lines:
            return None
        line = lines.popleft() if len(lines) > 1 else lines[0]
        self._tape.saw("judged", **{key: value for key, value in line.items() if key not in ("kind", "at")})
        return line

    def _case(self, what: Set[str], about: Mapping[str, Any]) -> str:
        return dumps([*what, about["server"], about.get("tool"), about.get("arguments")])


class ReplayedPolicy(Policy):
    """Judges as it was judged; a call that was not made passes, as nothing runs, and is then found to differ."""

    def __init__(self, said: Said, header: Mapping[str, Any]) -> None:
        remembered = Remembered() if header["remembers"] else None
        super().__init__(mode=header["mode"], yolo=header["yolo"], remembered=remembered)
        self._said = said
        self._hidden = {(server, tool) for server, tool in header["hidden"]}

    def cover(self, tools: Iterable[Tool]) -> None:
        pass

    def judge(self, tool: Tool, arguments: Mapping[str, Any]) -> Judgement:
        said = self._said.next("decision", server=tool.server, tool=tool.tool, arguments=to_json(arguments))
        if said is None:
            return Judgement("allow", "nothing runs in a replay")
        rule = said["rule"] and Rule(tool.server, tool.tool, said["rule"]["decision"], message=said["rule"]["message"])
        return Judgement(said["decision"], said["why"], rule, said["unasked"], tuple(said["changes"]))

    def hides(self, server: str, tool: str) -> bool:
        return (server, tool) in self._hidden

    def sampling(self, server: str, configured: Decision) -> Decision:
        said = self._said.next("sampling", server=server)
        decision: Decision = said["sampling"] if said else configured
        return decision


class ReplayedGuard(Guard):
    def __init__(self, said: Said, *, strict: bool) -> None:
        super().__init__(strict=strict)
        self._said = said

    def saw(self, result: ToolResult) -> None:
        pass

    def flow(self, tool: Tool, arguments: Mapping[str, Any]) -> Flow | None:
        said = self._said.next("flow", server=tool.server, tool=tool.tool, arguments=to_json(arguments))
        return Flow(**said["flow"]) if said and said["flow"] else None
