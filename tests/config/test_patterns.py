"""SERVER__TOOLGLOB."""

import pytest

from mcphost.config.patterns import parse_pattern
from mcphost.config.schema import Rule, Source
from mcphost.errors import UsageError

HERE = Source()


@pytest.mark.parametrize(
    ("text", "server", "tool"),
    [
        ("git__status", "git", "status"),
        ("git__*", "git", "*"),
        ("git__a__b", "git", "a__b"),
        ("my server@1.0/x__Read?[a-z]*", "my server@1.0/x", "Read?[a-z]*"),
        ("_a___b", "_a", "_b"),
    ],
)
def test_a_pattern_is_split_at_the_first_double_underscore(text: str, server: str, tool: str) -> None:
    assert parse_pattern(text, "allow", source=HERE, bare_star=False) == Rule(server, tool, "allow", source=HERE)


def test_a_bare_star_is_every_tool_of_every_server_on_the_command_line_only() -> None:
    assert parse_pattern("*", "deny", source=HERE, bare_star=True) == Rule("*", "*", "deny", source=HERE)
    with pytest.raises(UsageError) as caught:
        parse_pattern("*", "allow", source=HERE, bare_star=False)
    assert str(caught.value) == (
        "'*' would mean every server\n  Write SERVER__*; a bare * counts on the command line only."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("git_*", "'git_*' has no server: write SERVER__TOOL, e.g. 'git__git_*'"),
        ("*_read", "'*_read' has no server: write SERVER__TOOL, e.g. 'SERVER__*_read'"),
        ("", "'' has no server: write SERVER__TOOL, e.g. 'SERVER__*'"),
        ("__read", "'__read' has no server before the '__': write SERVER__TOOL, e.g. 'git__*'"),
        ("git__", "'git__' has no tool after the '__': write SERVER__TOOL, e.g. 'git__*'"),
        ("*__read", "'*__read': the server before '__' is a name, not a pattern"),
        ("g\x1b[1m", "'g\ufffd[1m' has no server: write SERVER__TOOL, e.g. 'g__g\ufffd[1m'"),
    ],
)
def test_a_pattern_that_names_no_server_or_no_tool_is_an_error_with_an_example(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_pattern(text, "allow", source=HERE, bare_star=True)
    assert caught.value.message == message
