"""Every Python example in the documentation runs."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPECTED = {
    "README.md": ["zone: Asia/Tokyo"],
    "docs/library.md": [
        "100 answered 2",
        "notes",
        "transfer {'amount': 5}\nIt is done.",
        "running local.add\n5",
        "Hello, Ada!",
        "anthropic/claude-sonnet-5-5",
    ],
    "docs/testing.md": ["It is 5. {'result': 5}"],
}


def examples(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("page", "index"), [(page, index) for page, expected in EXPECTED.items() for index in range(len(expected))]
)
async def test_an_example_runs_and_prints_what_its_page_promises(page: str, index: int, tmp_path: Path) -> None:
    found = examples(page)
    assert len(found) == len(EXPECTED[page])
    file = tmp_path / "example.py"
    file.write_text(found[index])
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(file), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert EXPECTED[page][index] in out.decode()
