"""Whatever JSON stands at a known key: a Config, or a ConfigError with its place; never another exception."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcphost.config import from_mapping, load
from mcphost.config.schema import Config
from mcphost.errors import ConfigError
from mcphost.text import safe

SERVER = "command args env environment cwd url httpUrl type transport headers disabled enabled required timeout trust"
ENDPOINT = "api baseUrl apiKey headers proxy caFile"
RULE = "server tool arguments decision message"
LIMITS = "maxSteps connectTimeoutSeconds callMaxSeconds resultTokens messageBytes"
OWN = "protocol sampling trustAnnotations allow deny instructions proxy caFile plainHttp"

TEXTS = """
x http://h https://u:p@[::1]:8/x http://[ ${V} ${NO} ${V ${a:b} ~ ~/x stdio http anthropic allow deny auto * s s__t :
"""

texts = st.sampled_from([*TEXTS.split(), "", "\0", "\n", "A: b", "\ud800"]) | st.text(max_size=6)
scalars = (
    texts | st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([0, 1, 999, 1000, 10**400, 1e308])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


def an_object(keys: str) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(keys.split()), values, max_size=4) | values


names = st.sampled_from(["s", "s", "my server", "a__b", "local", ""]) | texts
ours = st.fixed_dictionaries(
    {},
    optional={
        "model": values,
        "models": st.dictionaries(names, an_object(ENDPOINT), max_size=2) | values,
        "approvals": st.fixed_dictionaries(
            {}, optional={"default": values, "rules": st.lists(an_object(RULE), max_size=2) | values}
        )
        | values,
        "limits": an_object(LIMITS),
        "roots": values,
        "plugins": values,
        "servers": st.dictionaries(names, an_object(OWN), max_size=2) | values,
    },
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "mcpServers": st.dictionaries(names, an_object(SERVER), max_size=3) | values,
        "servers": st.dictionaries(names, an_object(SERVER), max_size=2) | values,
        "mcp": values,
        "mcphost": ours | values,
        "other": values,
    },
)


def check(config: Config) -> list[ConfigError]:
    for server in config.servers.values():
        assert (server.command is None) != (server.url is None)
        assert (server.transport == "stdio") == (server.command is not None)
        assert server.timeout is None or 0 < server.timeout < 1e9
        assert all(isinstance(text, str) for text in (*server.args, *server.env.values(), *server.headers.values()))
    assert not config.servers.keys() & config.failures.keys()
    assert not config.endpoints.keys() & config.endpoint_failures.keys()
    return [*config.failures.values(), *config.endpoint_failures.values()]


@settings(max_examples=200, deadline=None)
@given(documents)
def test_any_mapping_gives_a_config_or_an_error(document: dict[str, Any]) -> None:
    try:
        errors = check(from_mapping(document, environ={"V": "v", "HOME": "/h"}, directory=Path("/d")))
    except ConfigError as error:
        errors = [error]
    assert all(safe(error.message) == error.message for error in errors)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents, st.booleans())
def test_any_file_gives_a_config_or_an_error_with_file_and_line(document: dict[str, Any], own: bool) -> None:
    path = Path("any.json")
    path.write_text(json.dumps(document, indent=1))
    try:
        config = load([] if own else [path], user=path if own else None, environ={"V": "v", "HOME": "/h"})
        errors = check(config)
        assert all(line.startswith("any.json") for line in (*config.warnings, *config.widening))
    except ConfigError as error:
        errors = [error]
    for failure in errors:
        assert failure.detail["file"] == "any.json"
        assert failure.message.startswith(f"any.json:{failure.detail['line']}:")


def test_a_document_that_is_no_object_is_an_error() -> None:
    for text in ("1", "[]", '"x"', "null"):
        Path("any.json").write_text(text)
        with pytest.raises(ConfigError, match=r"^any\.json:1: found .*; expected an object$"):
            load([Path("any.json")], user=None, environ={})
