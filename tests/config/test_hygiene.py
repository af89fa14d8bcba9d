import pytest

from mcphost.config import from_mapping
from mcphost.config.hygiene import loaders, unpinned


def test_variables_that_load_code_are_known() -> None:
    harmless = ["HOME", "API_KEY", "LANG"]
    assert loaders(["LD_PRELOAD", "NODE_OPTIONS", "PYTHONPATH", "DYLD_INSERT_LIBRARIES", "path", *harmless]) == (
        *("LD_PRELOAD", "NODE_OPTIONS", "PYTHONPATH", "DYLD_INSERT_LIBRARIES", "path"),
    )
    assert loaders(["A"], ["/usr/bin/env", "-i", "LD_PRELOAD=x.so", "B=1", "python", "NODE_OPTIONS=x"]) == (
        "LD_PRELOAD",
    )


@pytest.mark.parametrize(
    "words",
    [
        "npx -y @scope/server",
        "npx -y @scope/server@latest",
        "npx server@^1.2.3",
        "npx --package=server server-bin",
        "npx -p server bin",
        "/usr/local/bin/npx server",
        "uvx mcp-server-git",
        "uvx mcp-server-git@latest",
        "uvx --from mcp-server-git>=1 git",
        "uvx --python 3.12 server",
        "uv tool run server",
        "pnpm dlx server",
        "pipx run server",
        "bunx server",
        "/usr/bin/env -i A=1 npx server",
        "cmd /c npx server",
        "npx.exe server",
        "npx -p first@1.0.0 -p second bin",
        "npm --prefix /x exec -- server",
        "uv --directory /x tool run server",
        "uvx -p 3.12 --with beside server==1.0",
        "bun x server",
    ],
)
def test_a_runner_that_takes_the_newest_version_gets_a_warning(words: str) -> None:
    assert "newest" in (unpinned(words.split()) or "")


@pytest.mark.parametrize(
    ("words", "pinned"),
    [
        ("npx -y @scope/server@latest", "@scope/server@VERSION"),
        ("npx github:me/server", "github:me/server#COMMIT"),
        ("uvx server[x]>=1", "server[x]==VERSION"),
        ("uvx --from git+https://example.org/x x", "git+https://example.org/x@COMMIT"),
    ],
)
def test_the_warning_says_how_to_pin_it(words: str, pinned: str) -> None:
    assert (unpinned(words.split()) or "").endswith(f"; pin it: {pinned}")


@pytest.mark.parametrize(
    "words",
    [
        "npx -y @scope/server@1.2.3",
        "npx server@1.2.3-beta.1",
        "npx -p server@1.2.3 bin",
        "npx ./local",
        "uvx mcp-server-git@1.0",
        "uvx mcp-server-git==1.0.2",
        "uvx --from mcp-server-git[x]==1.0 git",
        "uvx --from git+https://example.org/x@0123456789abcdef0123456789abcdef01234567 x",
        "uv run server.py",
        "npm start",
        "npm run build",
        "uvx -p 3.12 server==1.0",
        "uvx --with-requirements r.txt server==1.0",
        "npx --loglevel silent server@1.0.0",
        "env A=1 npx server@1.2.3",
        "env",
        "python server.py",
        "npx",
        "",
    ],
)
def test_what_is_pinned_or_no_runner_gets_none(words: str) -> None:
    assert unpinned(words.split()) is None


def test_a_line_for_a_shell_is_looked_into() -> None:
    assert "newest" in (unpinned(["sh", "-c", "exec npx -y server"]) or "")
    assert unpinned(["bash", "-lc", "npx -y server@1.0.0"]) is None
    assert unpinned(["sh", "-c", "'"]) is None


def test_entries_of_a_configuration_get_their_warnings() -> None:
    entries = {
        "a": {"command": "npx", "args": ["x"]},
        "b": {"command": "b", "env": {"LD_PRELOAD": "x"}},
        "c": {"command": "npx", "args": ["x"], "disabled": True},
    }
    config = from_mapping({"mcpServers": entries}, environ={}, directory=None)
    first, second = config.warnings
    assert first.startswith("mcpServers.a: npx runs whatever version of x is the newest")
    assert second == "mcpServers.b: sets variables that make programs run other code: LD_PRELOAD"
