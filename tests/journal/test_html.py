"""A chat as an HTML page: everything is in it, and nothing of it acts."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mcphost.journal import Record, html
from mcphost.journal.chats import Summary
from mcphost.journal.timeline import Span
from mcphost.messages import (
    AssistantMessage,
    Block,
    Message,
    Notice,
    Origin,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
    text_block,
)
from tests.journal.browser import PROGRAM, browser
from tests.journal.conversation import run

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ATTACK = (
    "</pre></article></script><script>document.title='owned';fetch('http://127.0.0.1:9/x')</script>"
    "<img src=http://127.0.0.1:9/y onerror=document.title='owned'><svg onload=document.title='owned'>"
    "<a href=javascript:document.title='owned'>x</a><style>*{display:none}</style><base href=http://127.0.0.1:9>"
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9'> &lt;b&gt; \u202egnp.exe\u2066 \x1b[31m ]]> -->"
)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def page(*messages: Message, title: str = "A chat", spans: tuple[Span, ...] = ()) -> str:
    summary = Summary("c1", title, None, NOW, NOW, False, 1, "offline", "answered")
    return html.render(summary, Record(run(), messages, 0), spans)


def conversation(words: str) -> tuple[Message, ...]:
    """A message of every kind, each of which holds `words`."""
    wish = ToolCall("k1", f"files__{words}", {"path": words}, "")
    picture: Block = {"type": "image", "mimeType": "image/png", "data": PIXEL}
    odd: Block = {"type": "image", "mimeType": f"image/svg+xml{words}", "data": words}
    return (
        UserMessage((text_block(words),)),
        AssistantMessage((Reasoning(words), Text(words), wish), "tools", Usage(1200, 34)),
        ToolResult("k1", (text_block(words), picture, odd), origin=Origin("files", words), note=words),
        ToolResult("k2", (text_block(words),), is_error=True),
        Notice(words),
        AssistantMessage((Text(f"The end. {words}"),)),
    )


SPANS = (
    Span("model", 1, f"anthropic/{ATTACK}", 100.0, 101.5, Usage(1200, 34)),
    Span("consent", 1, ATTACK, 101.5, 103.0),
    Span("tool", 1, ATTACK, 103.0, None),
)


def test_words_from_outside_are_text_wherever_they_stand() -> None:
    whole = page(*conversation(ATTACK), title=ATTACK, spans=SPANS)
    assert whole.count("<script>") == whole.count("</script>") == 1
    assert whole.count("<style>") == 1
    assert not re.search(r"<(img src=http|svg onload|a href|base|meta http-equiv=refresh)", whole)
    assert whole.count("<img ") == 1, "the one picture that is one"
    assert "\u202e" not in whole
    assert "\x1b" not in whole
    assert "1,200 tokens in, 34 out" in whole
    assert whole.count("<rect ") == 3


def test_its_policy_allows_its_own_script_and_style_and_nothing_else() -> None:
    whole = page(*conversation("hello"))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', whole)
    assert policy.startswith("default-src 'none';")
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", whole, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r"""(src|href)="?(https?:|//)""", whole)


@pytest.mark.long
@pytest.mark.deadline(90)
@pytest.mark.skipif(PROGRAM is None, reason="needs Chromium (the Debian package chromium)")
@pytest.mark.parametrize("words", ["hello world", ATTACK], ids=["plain", "hostile"])
async def test_a_browser_shows_and_filters_it_and_nothing_is_fetched(words: str, tmp_path: Path) -> None:
    file = tmp_path / "chat.html"
    file.write_text(page(*conversation(words), UserMessage((text_block("needle"),)), title="A chat", spans=SPANS))
    shown = "[...document.querySelectorAll('article')].filter((one) => !one.hidden && one.offsetHeight > 0).length"
    async with browser(tmp_path / "profile") as tab:
        await tab.open(file)
        assert await tab.value("document.title") == "A chat"
        assert await tab.value(shown) == 7
        assert await tab.value("document.getElementById('count').textContent") == "7 of 7"
        assert await tab.value("document.querySelectorAll('script, iframe, object, a, base').length") == 1
        assert await tab.value("document.querySelector('img').naturalWidth") == 1
        typed = "words.value = {!r}; words.dispatchEvent(new Event('input', {{bubbles: true}}))"
        await tab.value(typed.format("needle"))
        assert await tab.value(shown) == 1
        await tab.value(typed.format(""))
        await tab.value("document.querySelector('input[value=model]').click()")
        assert await tab.value(shown) == 5
        backs = []
        for scheme in ("light", "dark"):
            await tab.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            backs.append(await tab.value("getComputedStyle(document.body).backgroundColor"))
        assert backs[0] != backs[1]
        assert await tab.value("document.querySelector('rect').getBoundingClientRect().width > 0")
        heard = tab.heard
    complaints = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Audits.issueAdded")
    assert [said for name, said in heard if name in complaints] == []
    asked = [said["request"]["url"] for name, said in heard if name == "Network.requestWillBeSent"]
    assert asked
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
