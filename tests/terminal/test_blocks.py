from __future__ import annotations

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcphost.terminal.blocks import BlockStream, Commit, parser

LINES = [
    "", "", "", "text", "more text", "# head", "Setext", "===", "---", "- item", "- ", "* star", "+ plus", "  - nested",
    "    indented", "   three", "1. one", "2. two", "1) paren", "10. ten", "> quote", ">", "> - quoted item", "> ```",
    "```", "```python", "~~~", "~~~~", "   ```", "    ```", "`code`", "| a | b |", "|---|---|", "| 1 | 2 |", "a | b",
    "***", "_ _ _", "<div>", "</div>", "\\# no head", "  continued", "- - deep", "-     five", "1.     five", "  > q",
    "[ref]: http://x.org", "[r][ref]",
]  # fmt: skip


def chunks(text: str, size: int) -> list[Commit]:
    stream = BlockStream()
    commits: list[Commit] = []
    for start in range(0, len(text), size):
        commits += stream.feed(text[start : start + size])
    return commits + stream.finish()


def outline(text: str) -> list[tuple[str, int, str, str]]:
    """Block tokens without the top-level lists around items: those are committed one by one."""
    tokens = []
    for token in parser().parse(text):
        in_list = token.level == 0 and token.type.endswith(("list_open", "list_close"))
        paragraph = token.type in ("paragraph_open", "paragraph_close")
        if not in_list and not paragraph:
            tokens.append((token.type, token.level, token.content.strip("\n"), token.info.strip()))
    return tokens


def pieces(commits: list[Commit]) -> list[tuple[str, int, str, str]]:
    """The same of a stream of commits."""
    found: list[tuple[str, int, str, str]] = []
    code: list[str] | None = None
    info = ""
    for commit in commits:
        match commit.kind:
            case "markdown":
                found += outline(commit.text)
            case "open":
                code, info = [], commit.info
            case "code":
                assert code is not None
                code.append(commit.text)
            case "close":
                assert code is not None
                found.append(("fence", 0, "".join(code).strip("\n"), info))
                code = None
    return found


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(LINES), max_size=40), st.integers(1, 60))
def test_the_commits_together_are_the_blocks_of_the_whole(lines: list[str], size: int) -> None:
    text = "\n".join(lines)
    assert pieces(chunks(text, size)) == outline(text)


def test_an_item_committed_alone_keeps_its_number() -> None:
    commits = chunks("1. a\n1. b\n1. c\n\ntext\n", 3)
    assert [(commit.text, commit.continues, commit.number) for commit in commits] == [
        ("1. a\n", False, None),
        ("1. b\n", True, 2),
        ("1. c\n\n", True, 3),
        ("text\n", False, None),
    ]


def test_code_is_committed_line_by_line() -> None:
    stream = BlockStream()
    assert [commit.kind for commit in stream.feed("```py\n")] == ["open"]
    assert stream.feed("a = 1\nb") == [Commit("code", "a = 1\n", "py")]
    assert stream.open_text == "b"
    assert [commit.kind for commit in stream.feed("\n```\n")] == ["code", "close"]


def test_what_could_act_on_a_terminal_is_gone_however_it_is_cut() -> None:
    stream = BlockStream()
    commits = [commit for char in "a\x1b]52;c;x\x07b\r\nc\r\r\n" for commit in stream.feed(char)] + stream.finish()
    assert [commit.text for commit in commits] == ["a\ufffd]52;c;x\ufffdb\nc\n\n"]


def cost(text: str) -> float:
    start = time.process_time()
    chunks(text, 40)
    return time.process_time() - start


def test_one_long_block_costs_linear_time() -> None:
    for line, head in (
        ("| 1 | 2 |\n", "| a | b |\n|---|---|\n"),
        ("> words and words\n", ""),
        ("  - nested\n", "- a\n"),
    ):
        assert cost(head + line * 2000) < 2.0, line
    assert cost("x" * 200_000 + "\n") < 2.0
