"""`${V}`, `${V:-default}`, `${env:V}` and `~`; nothing else is touched, nothing leaks."""

from pathlib import Path

import pytest

from mcphost.config import from_mapping, load
from mcphost.config.jsonc import Node
from mcphost.config.schema import Source
from mcphost.config.variables import Expander
from mcphost.errors import ConfigError

ENVIRON = {"A": "1", "EMPTY": "", "NESTED": "${A}$(id)", "HOME": "/home/me"}
FORMS = "expected ${NAME}, ${NAME:-default}, ${env:NAME} or ${secret:NAME}"
PLACE = Source(Path("c.json"), 5)


@pytest.mark.parametrize(
    ("written", "expanded"),
    [
        ("${A}", "1"),
        ("x${A}y${env:A}z", "x1y1z"),
        ("${B:-two}", "two"),
        ("${env:B:-two words/and:more}", "two words/and:more"),
        ("${B:-}", ""),
        ("${A:-two}", "1"),
        ("${EMPTY}", ""),
        ("${EMPTY:-full}", "full"),
        ("${NESTED}", "${A}$(id)"),
        ("$A %A% {env:A} $env:A $(id) `id` $ {A} $$", "$A %A% {env:A} $env:A $(id) `id` $ {A} $$"),
        ("~/x", "~/x"),
    ],
)
def test_variables_are_filled_in_once_and_other_dialects_stay_as_they_are(written: str, expanded: str) -> None:
    assert Expander(ENVIRON).text(Node(written)) == expanded


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("${B}", "c.json:5: k: the variable B is not set"),
        ("${A} ${env:B}", "c.json:5: k: the variable B is not set"),
        (
            "${input:key}",
            "c.json:5: k: ${input:…} is not supported; " + FORMS,
        ),
        (
            "${env://B:-d}",
            "c.json:5: k: ${env:…} is not supported; " + FORMS,
        ),
        *(
            (
                form,
                "c.json:5: k: this form of ${…} is not supported; " + FORMS,
            )
            for form in ("${}", "${A", "${MY-VAR}", "${A:-${B}}", "${A:=x}", "${#A}", "${Ä}")
        ),
    ],
)
def test_what_cannot_be_filled_in_is_an_error_with_a_remedy(written: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Expander(ENVIRON).text(Node(written, "k", PLACE))
    assert caught.value.message == message
    assert caught.value.hint


def test_a_leading_tilde_needs_a_home() -> None:
    assert Expander(ENVIRON).argument(Node("~")) == "/home/me"
    assert Expander(ENVIRON, Path("/d")).path(Node("~/x")) == Path("/home/me/x")
    assert Expander(ENVIRON, Path("/d")).path(Node("${B:-~/x}")) == Path("/home/me/x")
    with pytest.raises(ConfigError) as caught:
        Expander({}).argument(Node("~/x", "k", PLACE))
    assert caught.value.message == "c.json:5: k: ~ is used, but the variable HOME is not set"


def test_an_unset_variable_fails_its_server_or_endpoint_only() -> None:
    Path("c.json").write_text(
        '{"mcpServers": {"good": {"command": "x"},\n'
        '  "bad": {"url": "http://h", "headers": {\n"Authorization": "Bearer ${TOKEN}"}}},\n'
        ' "mcphost": {"models": {"bad": {"api": "anthropic", "apiKey":\n"${KEY}"}, "good": {"api": "anthropic"}}}}'
    )
    config = load([Path("c.json")], user=None, environ={})
    assert list(config.servers) == ["good"]
    assert str(config.failures["bad"]) == (
        "c.json:3: mcpServers.bad.headers.Authorization: the variable TOKEN is not set\n"
        "  Set it, or give a default: ${TOKEN:-default}"
    )
    assert list(config.endpoints) == ["good"]
    assert config.endpoint_failures["bad"].message == "c.json:4: mcphost.models.bad.apiKey: the variable KEY is not set"


def test_no_error_warning_or_widening_line_shows_an_expanded_value() -> None:
    secret = "s3cr\net"
    strings = ["${S}", "x${S}", "${S}:${S}", "http://u:${S}@h/${S}?${S}"]
    for written in strings:
        for entry in (
            {"command": written, "type": written, "timeout": written},
            {"command": written, "args": [written, 1], "env": {"A": written}, "cwd": written},
            {"command": "x", "env": {"A": written, "B": 1}},
            {"url": written, "headers": {"A": written}},
            {"url": "http://h", "headers": [written]},
            {"url": "http://h", "headers": {written: written}},
        ):
            data = {
                "mcpServers": {"s": entry},
                "mcphost": {
                    "models": {"m": {"api": "anthropic", "baseUrl": written, "apiKey": written, "headers": [written]}}
                },
            }
            config = from_mapping(data, environ={"S": secret, "HOME": "/"}, directory=None)
            said = [*map(str, config.failures.values()), *map(str, config.endpoint_failures.values())]
            assert "s3cr" not in repr((said, config.warnings, config.widening))
