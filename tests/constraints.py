"""`python -m tests.constraints` writes the tested set of versions, what is installed now: into pyproject.toml for uv
and into constraints.txt for pip."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    freeze = subprocess.run(
        ["uv", "pip", "freeze", "--exclude-editable"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    pins = freeze.stdout.split()
    project = ROOT / "pyproject.toml"
    block = "constraint-dependencies = [\n" + "".join(f'    "{pin}",\n' for pin in pins) + "]"
    project.write_text(re.sub(r"constraint-dependencies = \[.*?\]", block, project.read_text(), flags=re.DOTALL))
    head = "# The tested set for pip users: pip install -c constraints.txt mcphost\n"
    (ROOT / "constraints.txt").write_text(head + "\n".join(pins) + "\n")


if __name__ == "__main__":
    main()
