"""Run the official conformance suite against mcphost, one scenario after the other, and print a line for each.

    python -m tests.conformance.run [--cache FOLDER] [--out FOLDER] [SCENARIO ...]

The suite is an npm package and wants Node.js 22 or newer; both are installed into the cache (--cache, else
MCPHOST_TEST_CACHE, else `.cache/conformance`) unless they are there. A scenario passes if the client ends well, no
check is a FAILURE or a WARNING, and at least one is a SUCCESS. Exits with 1 if any does not pass.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGES = ("node@24", "@modelcontextprotocol/conformance@0.2.0-alpha.12")
REVISIONS = ("2025-11-25", "2026-07-28")
TIMEOUT = 60  # seconds for one scenario
SHOWN = 1500  # characters of what a failed scenario wrote
MAY_END_BADLY = {"http-invalid-tool-headers"}  # its server refuses calls; only its checks decide
CLIENT = Path(__file__).with_name("client.py")


def installed(cache: Path) -> Mapping[str, str]:
    """The environment in which `conformance` is a command."""
    binaries = cache / "node_modules" / ".bin"
    if not (binaries / "conformance").exists():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(cache), *PACKAGES], check=True)
    return {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def scenarios(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Every scenario that needs neither sign-in nor an extension, with each revision it is for."""
    done = subprocess.run(["conformance", "list", "--client"], env=environ, capture_output=True, text=True, check=True)
    for name, revisions in re.findall(r"- (\S+) \[([^\]]*)\]", done.stdout):
        for revision in REVISIONS:
            if revision in revisions.split(",") and not name.startswith("auth/"):
                yield name, revision


def run(name: str, revision: str, out: Path, environ: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the scenario passed, and its line or lines."""
    command = ["conformance", "client", "--command", f"{sys.executable} {CLIENT}", "--scenario", name]
    command += ["--spec-version", revision, "--timeout", str(TIMEOUT * 1000), "-o", str(out)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=TIMEOUT + 30, check=False)
    found = [json.loads(file.read_text()) for file in out.rglob("checks.json")]
    count = Counter(check["status"] for checks in found for check in checks)
    ended = done.returncode == 0 or name in MAY_END_BADLY
    passed = ended and count["SUCCESS"] > 0 and not count["FAILURE"] and not count["WARNING"]
    line = f"{'pass' if passed else 'FAIL'}  {revision}  {name}  {dict(count)}"
    if passed:
        return True, line
    bad = [check for checks in found for check in checks if check["status"] in ("FAILURE", "WARNING")]
    said = "\n".join([json.dumps(bad)[:SHOWN], (done.stdout + done.stderr)[-SHOWN:]])
    return False, f"{line}\n{said}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("MCPHOST_TEST_CACHE", ".cache")
    parser.add_argument("--cache", type=Path, default=Path(default, "conformance"))
    parser.add_argument("--out", type=Path, help="where the suite leaves its reports")
    parser.add_argument("scenario", nargs="*")
    arguments = parser.parse_args()
    environ = installed(arguments.cache.absolute())
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name, revision in scenarios(environ):
            if arguments.scenario and name not in arguments.scenario:
                continue
            out = Path(arguments.out or scratch, revision, name)
            passed, line = run(name, revision, out, environ)
            print(line, flush=True)
            failed += not passed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
