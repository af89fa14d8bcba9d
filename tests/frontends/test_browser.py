"""A real program as the browser; nothing is opened elsewhere."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from mcphost.frontends.browser import visit

URL = "https://example.org/a?b=$(touch%20x)&c='d;e'#`f`|g"
PROGRAM = """#!{python}
import json, os, sys
seen = [sys.argv[1:], [os.isatty(descriptor) for descriptor in (0, 1, 2)], os.getsid(0), os.environ.get("TERM")]
print("noise")
with open({out!r}, "w") as file:
    json.dump(seen, file)
{end}
"""


@pytest.mark.parametrize("end", ["", "import signal; signal.pause()"])
async def test_a_browser_gets_the_address_as_one_argument_and_no_terminal(tmp_path: Path, end: str) -> None:
    out, browser = tmp_path / "seen", tmp_path / "browser"
    browser.write_text(PROGRAM.format(python=sys.executable, out=str(out), end=f"print(flush=True); {end}"))
    browser.chmod(0o700)
    assert await visit(URL, {"BROWSER": str(browser), "TERM": "xterm"}) == "Opened in your browser."
    arguments, terminals, session, term = json.loads(out.read_text())
    assert (arguments, terminals, term) == ([URL], [False] * 3, None)
    assert session != os.getsid(0)
    if end:
        os.killpg(session, 9)


@pytest.mark.parametrize("environ", [{}, {"BROWSER": "false"}, {"TERM": "xterm", "PATH": "/bin:/usr/bin"}])
async def test_where_there_is_no_browser_the_address_is_given_to_be_copied(environ: dict[str, str]) -> None:
    assert await visit(URL, environ) == f"No browser can be started from here. Open it yourself:\n{URL}"
