"""What stands on the panel for each question that is no form.

Law 2: what is shown is what is sent, so arguments are shown whole and exact. Law 5: a server's words are marked as its
own.
"""

from __future__ import annotations

from mcphost.frontends import consent, samples
from mcphost.frontends.asking import exact, wording
from mcphost.questions import ElicitationUrl, SampleResult, SamplingReview, ToolApproval
from mcphost.terminal.panel import SAID, Card
from mcphost.text import one_line, safe, visible

WARNING = "class:panel.warning"


def approval(question: ToolApproval) -> Card:
    lines = [("", exact(question.arguments))]
    for arguments in question.alike:
        lines += [("class:panel.who", "and with:"), ("", exact(arguments))]
    lines += [(WARNING, visible(line)) for line in question.changes]
    if question.why:
        lines.append(("class:panel.why", f"asked because {one_line(question.why, 500)}"))
    words = consent.own_words(question)
    lines += said(question.server, words) if words else []
    return Card(f"{one_line(question.server)} wants to run {one_line(question.tool)}", tuple(lines))


def sampling(question: SamplingReview | SampleResult) -> Card:
    server, model = one_line(question.server), one_line(question.model)
    if isinstance(question, SampleResult):
        lines = said(question.model, wording(samples.blocks(question)))
        return Card(f"Server {server} would get this answer", tuple(lines))
    lines = said("system", question.system) if question.system else []
    for message in question.messages:
        lines += said(str(message.get("role")), wording(message.get("content")))
    if question.tools:
        lines.append(("", "with tools that run on the server:"))
    for name, words in samples.tools(question):
        lines += said(name, words)
    return Card(f"Server {server} wants {model} to answer this, in at most {question.max_tokens} tokens", tuple(lines))


def address(question: ElicitationUrl) -> Card:
    lines = [
        *said(question.server, question.message),
        *warnings(question.warnings),
        ("", safe(question.url)),
        ("bold", f"It leads to: {one_line(question.host)}{consent.spelled(question)}"),
        ("", "Nothing was opened or fetched. With yes it is opened in your browser."),
    ]
    return Card(f"Server {one_line(question.server)} asks you to visit an address", tuple(lines))


def said(who: str, text: str) -> list[tuple[str, str]]:
    return [("class:panel.who", f"{one_line(who)} says:"), (SAID, safe(text).strip("\n"))]


def warnings(warnings: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(WARNING, f"! {one_line(warning, 500)}") for warning in warnings]
