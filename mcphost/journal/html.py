"""A chat as one HTML page that needs nothing else: no other file, no network, no server.

Law 5: words from outside are text. They are sanitised and escaped, and stand only between tags: no element, no
attribute and no style is made of them. Pictures are data of the page, of types that hold no script. The page's own
script and style are the only ones that its policy lets run.
"""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import json
from collections.abc import Iterator, Sequence

from mcphost.journal.base import Record
from mcphost.journal.chats import Summary
from mcphost.journal.export import said, speaker, text_of
from mcphost.journal.timeline import Span
from mcphost.messages import (
    AssistantMessage,
    Block,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolDefinition,
    ToolResult,
    Usage,
    UserMessage,
)
from mcphost.text import safe

_WIDTH = 1000  # of a timeline's bar, in units of its own
_SMALLEST = 3  # of which a bar has at least
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def render(chat: Summary, record: Record, timeline: Sequence[Span] = ()) -> str:
    """The whole conversation and what its time went into, to read and to search in any browser."""
    usage = sum((message.usage for message in record.messages if isinstance(message, AssistantMessage)), Usage())
    facts = [
        f"{chat.created:%Y-%m-%d %H:%M} UTC",
        chat.model,
        f"{len(record.messages)} messages",
        *([f"{usage.input:,} tokens in, {usage.output:,} out"] if usage != Usage() else []),
        f"chat {chat.id}",
    ]
    parts = [
        _HEAD.format(policy=_POLICY, title=_text(chat.title), style=_STYLE),
        f"<header><h1>{_text(chat.title)}</h1><p>{_text(' · '.join(facts))}</p>{_SEARCH}</header><main>",
        *_told(record.run.system, record.run.tools),
        *_timeline(timeline),
        *(_message(number, message) for number, message in enumerate(record.messages, 1)),
        f"</main><script>{_SCRIPT}</script></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _told(system: str, tools: Sequence[ToolDefinition]) -> Iterator[str]:
    if system:
        yield f"<details><summary>System text</summary>{_pre(system)}</details>"
    if tools:
        listed = "\n\n".join(f"{tool.name}\n{tool.description}" for tool in tools)
        count = "One tool" if len(tools) == 1 else f"{len(tools)} tools"
        yield f"<details><summary>{count}</summary>{_pre(listed)}</details>"


def _message(number: int, message: Message) -> str:
    head = f"<h2>{number}. {_text(speaker(message))}</h2>"
    match message:
        case AssistantMessage(content):
            kind, body = "model", "".join(map(_part, content)) + _tokens(message.usage)
        case UserMessage(content):
            kind, body = "person", _blocks(content, style="say")
        case ToolResult(content=content, note=note):
            kind = "error" if message.is_error else "result"
            body = _blocks(content) + (f"<p>{_text(note)}</p>" if note else "")
        case _:
            kind, body = "host", _pre(said(message))
    return f'<article class="{kind}" id="m{number}">{head}{body}</article>'


def _blocks(content: Sequence[Block], *, style: str = "") -> str:
    """Texts as they are, pictures as pictures, anything else told."""
    return "".join(_picture(block) or _pre(text_of([block]), style) for block in content)


def _picture(block: Block) -> str:
    data, kind = block.get("data"), block.get("mimeType")
    if block.get("type") != "image" or kind not in _PICTURES or not isinstance(data, str):
        return ""
    try:
        base64.b64decode(data, validate=True)
    except ValueError:
        return ""
    return f'<img alt="a picture" src="data:{kind};base64,{data}">'


def _part(part: Text | Reasoning | ToolCall) -> str:
    match part:
        case Text(text):
            return _pre(text, "say")
        case Reasoning(text):
            return f"<details><summary>Reasoning</summary>{_pre(text)}</details>"
        case ToolCall(name=name, arguments=arguments):
            shown = part.text if arguments is None else json.dumps(arguments, indent=2, ensure_ascii=False)
            return f"<p>calls <code>{_text(name)}</code></p>{_pre(shown)}"


def _tokens(usage: Usage) -> str:
    return f"<p>{usage.input:,} tokens in, {usage.output:,} out</p>" if usage != Usage() else ""


def _timeline(spans: Sequence[Span]) -> Iterator[str]:
    """A table for each turn; a bar for each span, from the turn's first moment to its last."""
    if not spans:
        return
    yield "<details open><summary>Timeline</summary>"
    for turn, group in itertools.groupby(sorted(spans, key=lambda span: span.turn), key=lambda span: span.turn):
        rows = list(group)
        first = min(span.start for span in rows)
        last = max(span.end or span.start for span in rows)
        head = "<th>what</th><th>seconds</th><th>tokens</th><th>when</th>"
        yield f"<table><caption>Turn {turn}, {last - first:.1f} s</caption><thead><tr>{head}</tr></thead><tbody>"
        yield from (_row(span, first, max(last - first, 0.001)) for span in rows)
        yield "</tbody></table>"
    yield "</details>"


def _row(span: Span, first: float, length: float) -> str:
    took = "unknown" if span.end is None else f"{span.end - span.start:.2f}"
    tokens = f"{span.usage.input:,} + {span.usage.output:,}" if span.usage else ""
    start = (span.start - first) / length * _WIDTH
    width = max(((span.end or span.start) - span.start) / length * _WIDTH, _SMALLEST)
    bar = (
        f'<svg viewBox="0 0 {_WIDTH} 10" preserveAspectRatio="none" role="img" aria-label="bar">'
        f'<rect x="{min(start, _WIDTH - _SMALLEST):.1f}" width="{width:.1f}" height="10"/></svg>'
    )
    what = f"{span.kind} <code>{_text(span.label)}</code>"
    return f'<tr class="{span.kind}"><td>{what}</td><td>{took}</td><td>{tokens}</td><td>{bar}</td></tr>'


def _pre(text: str, style: str = "") -> str:
    return f'<pre class="{style}">{_text(text)}</pre>'


def _text(text: str) -> str:
    return html.escape(safe(text))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLE = """
:root{color-scheme:light dark;--back:#fff;--fore:#1b1f24;--faint:#6a737d;--line:#d8dee4;--box:#f6f8fa;
--model:#0969da;--tool:#1a7f37;--consent:#bf8700;--error:#cf222e}
@media (prefers-color-scheme:dark){:root{--back:#0d1117;--fore:#e6edf3;--faint:#8d96a0;--line:#30363d;--box:#161b22;
--model:#58a6ff;--tool:#3fb950;--consent:#d29922;--error:#f85149}}
body{margin:0 auto;max-width:60rem;padding:0 1rem 4rem;background:var(--back);color:var(--fore);
font:16px/1.5 system-ui,sans-serif}
header{position:sticky;top:0;background:var(--back);border-bottom:1px solid var(--line);padding:.5rem 0}
h1{font-size:1.3rem;margin:.3rem 0;overflow-wrap:anywhere}
h2{font-size:.85rem;margin:0;color:var(--faint);overflow-wrap:anywhere}
p{margin:.2rem 0;font-size:.85rem;color:var(--faint);overflow-wrap:anywhere}
form{display:flex;flex-wrap:wrap;gap:.3rem .8rem;align-items:center;font-size:.85rem}
input[type=search]{flex:1;min-width:12rem;font:inherit;padding:.2rem .4rem}
pre{margin:.3rem 0;font:.85rem/1.45 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;
unicode-bidi:plaintext}
pre.say{font:inherit}
code{font:.85rem ui-monospace,monospace;overflow-wrap:anywhere}
article,details{margin:.8rem 0;padding:.5rem .8rem;border-left:3px solid var(--line);background:var(--box)}
article{content-visibility:auto;contain-intrinsic-size:auto 8rem}
article.person{border-color:var(--consent)}
article.model{border-color:var(--model)}
article.result{border-color:var(--tool)}
article.error{border-color:var(--error)}
table{width:100%;border-collapse:collapse;font-size:.85rem;margin:.5rem 0}
caption,th{text-align:left;font-weight:600}
td{padding:.1rem .4rem .1rem 0;vertical-align:middle}
td:last-child{width:45%}
img{display:block;max-width:100%;max-height:30rem;margin:.3rem 0}
svg{display:block;width:100%;height:.7rem;background:var(--back)}
.model rect{fill:var(--model)}
.tool rect{fill:var(--tool)}
.consent rect{fill:var(--consent)}
[hidden]{display:none}
@media print{header{position:static}form{display:none}}
"""

_SEARCH = (
    '<form role="search"><input type="search" id="words" placeholder="Search" aria-label="Search">'
    + "".join(
        f'<label><input type="checkbox" name="kind" value="{kind}" checked>{kind}</label>'
        for kind in ("person", "model", "result", "error", "host")
    )
    + '<output id="count"></output></form>'
)

# Words are compared with the text of each message; nothing is ever written into the page but how many are shown.
_SCRIPT = """
"use strict";
const words = document.getElementById("words");
const count = document.getElementById("count");
const boxes = [...document.querySelectorAll("input[name=kind]")];
const messages = [...document.querySelectorAll("article")];
const texts = messages.map((message) => message.textContent.toLowerCase());
function filter() {
  const wanted = words.value.toLowerCase().split(/\\s+/).filter(Boolean);
  const kinds = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  let shown = 0;
  messages.forEach((message, index) => {
    message.hidden = !kinds.has(message.className) || !wanted.every((word) => texts[index].includes(word));
    shown += message.hidden ? 0 : 1;
  });
  count.textContent = shown + " of " + messages.length;
}
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
document.querySelector("form").addEventListener("input", filter);
filter();
"""

_POLICY = (
    f"default-src 'none'; script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)

_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style></head><body>"""
