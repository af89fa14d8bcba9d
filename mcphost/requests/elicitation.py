"""Elicitation: a server asks the person, by a form or by sending them to an address.

Law 7: the person answers on `Frontend.ask`, with decline and cancel always at hand; nobody there means declined. One
question of a server at a time; what goes back holds the form's own fields, each checked against it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio

from mcphost.events import RequestAnswered, Show
from mcphost.frontends import form
from mcphost.questions import ElicitationAnswer, ElicitationForm, ElicitationUrl, Frontend
from mcphost.requests import links
from mcphost.requests.rate import Rate
from mcphost.servers.wire import RequestRefused

PER_MINUTE = 20
TRIES = 5
INVALID, TOO_MANY = -32602, -1

_SECRET = "this looks like a secret. A server must not ask for secrets by a form; if in doubt, decline."
_OUTCOMES = {"accept": "accepted", "decline": "declined", "cancel": "cancelled"}


class Elicitor:
    """`asks` says whether a person may be asked now; `is_local`, whether a server runs on this machine and may send a
    person to a loopback address."""

    def __init__(
        self,
        frontend: Frontend,
        show: Show,
        *,
        asks: Callable[[], bool],
        is_local: Callable[[str], bool],
        clock: Callable[[], float],
    ) -> None:
        self._frontend = frontend
        self._show = show
        self._asks = asks
        self._is_local = is_local
        self._rate = Rate(PER_MINUTE, 60, clock)
        self._locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)  # by server
        self._silenced: set[str] = set()  # servers that the person wants to hear no more of

    async def elicit(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        try:
            question = self._question(server, params)
        except RequestRefused as refused:
            await self._tell(server, "refused", refused.message)
            raise
        async with self._locks[server]:
            silent = "you declined all that it asks in this chat" if server in self._silenced else ""
            if silent or not self._asks():
                await self._tell(server, "declined", silent or "auto mode asks nobody")
                return {"action": "decline"}
            if isinstance(question, ElicitationUrl):
                answer = await self._frontend.ask(question)
            else:
                answer = await self._filled(question)
            if answer.action == "decline" and answer.lasting == "chat":
                self._silenced.add(server)
        why = "nobody could be asked" if answer is question.refusal else ""
        await self._tell(server, _OUTCOMES[answer.action], why)
        if answer.action == "accept" and isinstance(question, ElicitationForm):
            return {"action": "accept", "content": dict(answer.content or {})}
        return {"action": answer.action}

    async def _tell(self, server: str, outcome: str, why: str) -> None:
        await self._show(RequestAnswered(server=server, kind="elicitation", outcome=outcome, why=why))

    def _question(self, server: str, params: Mapping[str, Any]) -> ElicitationForm | ElicitationUrl:
        if not self._rate.take(server):
            raise RequestRefused(TOO_MANY, f"more than {PER_MINUTE} elicitation requests in a minute")
        message = str(params.get("message", ""))
        try:
            if params.get("mode") == "url":
                link = links.check(str(params.get("url", "")), local=self._is_local(server))
                return ElicitationUrl(server, message, link.url, link.host, link.warnings, link.shown_as)
            schema = params.get("requestedSchema")
            if not isinstance(schema, Mapping):
                raise ValueError("requestedSchema is no object")
            return ElicitationForm(server, message, schema, warnings=_warnings(form.fields(schema)))
        except ValueError as error:
            raise RequestRefused(INVALID, str(error)) from error

    async def _filled(self, question: ElicitationForm) -> ElicitationAnswer:
        fields = form.fields(question.schema)
        for _ in range(TRIES):
            answer = await self._frontend.ask(question)
            if answer.action != "accept":
                return answer
            given = answer.content or {}
            content = {field.name: given[field.name] for field in fields if given.get(field.name) is not None}
            problems = form.problems(fields, content)
            if not problems:
                return ElicitationAnswer("accept", content)
            question = replace(question, problems=problems)
        return ElicitationAnswer("cancel")


def _warnings(fields: Sequence[form.Field]) -> tuple[str, ...]:
    names = ", ".join(field.name for field in fields if field.secret)
    return (f"{names}: {_SECRET}",) if names else ()
