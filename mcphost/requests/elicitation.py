"""Elicitation: a server asks the person, by a form or by sending them to an address.

Law 7: the person answers on `Frontend.ask`, with decline and cancel always at hand; nobody there means declined. One
question at a time; what goes back holds the form's own fields, each checked against it.
"""

from __future__ import annotations

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

_SECRET = "{fields}: this looks like a secret. A server must not ask for secrets by a form; if in doubt, decline."
_OUTCOMES = {"accept": "accepted", "decline": "declined", "cancel": "cancelled"}


class Elicitor:
    """`is_local` says whether a server runs on this machine and may send a person to a loopback address."""

    def __init__(
        self, frontend: Frontend, show: Show, *, is_local: Callable[[str], bool], clock: Callable[[], float]
    ) -> None:
        self._frontend = frontend
        self._show = show
        self._is_local = is_local
        self._rate = Rate(PER_MINUTE, 60, clock)
        self._lock = anyio.Lock()

    async def elicit(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._answer(server, params)
        except RequestRefused as refused:
            await self._tell(server, "refused", refused.message)
            raise
        await self._tell(server, _OUTCOMES[answer.action])
        return {"action": answer.action} | ({} if answer.content is None else {"content": dict(answer.content)})

    async def _tell(self, server: str, outcome: str, why: str = "") -> None:
        await self._show(RequestAnswered(server=server, kind="elicitation", outcome=outcome, why=why))

    async def _answer(self, server: str, params: Mapping[str, Any]) -> ElicitationAnswer:
        if not self._rate.take(server):
            raise RequestRefused(TOO_MANY, f"more than {PER_MINUTE} elicitation requests in a minute")
        try:
            if params.get("mode", "form") == "url":
                return await self._visit(server, params)
            return await self._fill_in(server, params)
        except ValueError as error:
            raise RequestRefused(INVALID, str(error)) from error

    async def _visit(self, server: str, params: Mapping[str, Any]) -> ElicitationAnswer:
        link = links.check(str(params.get("url", "")), local=self._is_local(server))
        question = ElicitationUrl(server, str(params.get("message", "")), link.url, link.host, link.warnings)
        async with self._lock:
            answer = await self._frontend.ask(question)
        return ElicitationAnswer(answer.action)

    async def _fill_in(self, server: str, params: Mapping[str, Any]) -> ElicitationAnswer:
        schema = params.get("requestedSchema")
        if not isinstance(schema, Mapping):
            raise ValueError("requestedSchema is no object")
        asked = form.fields(schema)
        question = ElicitationForm(server, str(params.get("message", "")), schema, warnings=_warnings(asked))
        async with self._lock:
            return await self._filled(question, asked)

    async def _filled(self, question: ElicitationForm, asked: Sequence[form.Field]) -> ElicitationAnswer:
        for _ in range(TRIES):
            answer = await self._frontend.ask(question)
            if answer.action != "accept":
                return ElicitationAnswer(answer.action)
            given = answer.content or {}
            content = {field.name: given[field.name] for field in asked if given.get(field.name) is not None}
            problems = form.problems(asked, content)
            if not problems:
                return ElicitationAnswer("accept", content)
            question = replace(question, problems=problems)
        return ElicitationAnswer("cancel")


def _warnings(asked: Sequence[form.Field]) -> tuple[str, ...]:
    secrets = ", ".join(field.name for field in asked if field.secret)
    return (_SECRET.format(fields=secrets),) if secrets else ()
