"""What changed, in lines."""

from typing import Any

import pytest

from mcphost.approvals.differences import difference


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": {"b": 1}}, {"a.b": 1}),
        ({"a": [1]}, {"a[0]": 1}),
        ({"a": {"": 1}}, {"a.": 1}),
        ({"a": {}}, {"a": []}),
        ({"a": 1}, {"a": True}),
        ({"a": "1"}, {"a": 1}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": None}, {}),
        ({'"a.b"': 1}, {"a.b": 1}),
    ],
)
def test_no_change_goes_unseen(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert difference(before, after)
    assert difference(after, before)
    assert not difference(before, before)


def test_lines_say_where() -> None:
    changes = difference({"git": {"args": ["-q"], "x.y": 1}}, {"git": {"args": ["-v"], "x.y": 1}, "sh": {}})
    assert changes == ('- git.args[0]: "-q"', '+ git.args[0]: "-v"', "+ sh: {}")
