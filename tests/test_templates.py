"""URI templates while a URI is typed."""

from __future__ import annotations

import pytest

from mcphost.commands.templates import Template, Typing

VALUES = {"var": "value", "hello": "Hello World!", "path": "/foo/bar", "x": "1024", "y": "768", "half": "50%", "e": ""}


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("plain", "plain"),
        ("{var}", "value"),
        ("{hello}", "Hello%20World%21"),
        ("{half}", "50%25"),
        ("{+hello}", "Hello%20World!"),
        ("{+path}/here", "/foo/bar/here"),
        ("{#path,x}", "#/foo/bar,1024"),
        ("X{.x,y}", "X.1024.768"),
        ("{/var,x}/here", "/value/1024/here"),
        ("{;x,y}", ";x=1024;y=768"),
        ("{?x,y}", "?x=1024&y=768"),
        ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
        ("{var:3}{path*}", "val%2Ffoo%2Fbar"),
        ("file:///{x}/{nobody}/{y}", "file:///1024/"),
    ],
)
def test_a_uri_goes_as_far_as_the_values(template: str, uri: str) -> None:
    assert Template(template).begun(VALUES) == uri


@pytest.mark.parametrize(
    ("template", "uri", "typing"),
    [
        ("notes://{id}", "notes://", Typing("id", "", {})),
        ("notes://{id}", "notes://1", Typing("id", "1", {})),
        ("notes://{id}", "note", None),
        ("notes://{id}", "notes://1/tags", None),
        ("git://{repo}/{branch}/log", "git://a%20b/ma", Typing("branch", "ma", {"repo": "a b"})),
        ("git://{repo}/{branch}/log", "git://a/main/l", None),
        ("file:///{+path}", "file:///src/a", Typing("path", "src/a", {})),
        ("find{?q,lang}", "find?q=x&lang=d", Typing("lang", "d", {"q": "x"})),
        ("plain", "plain", None),
    ],
)
def test_the_variable_that_is_being_typed_is_known(template: str, uri: str, typing: Typing | None) -> None:
    assert Template(template).typing(uri) == typing


@pytest.mark.parametrize("text", ["{", "a}b", "{}", "{a b}", "{!x}", "{x:0}", "{x,}"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="URI template"):
        Template(text)
