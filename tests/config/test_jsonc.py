"""What the parser accepts beyond JSON, and what it says where it accepts nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphost.config.jsonc import DEPTH, Node, child, from_plain, parse
from mcphost.errors import ConfigError

FILE = Path("c.json")

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Surrogate pairs written as escapes join, so single ones cannot be compared.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def lines(node: Node) -> list[tuple[str, int | None]]:
    inner = node.value.values() if isinstance(node.value, dict) else node.value if isinstance(node.value, list) else ()
    return [(node.path, node.source.line), *(line for one in inner for line in lines(one))]


@given(json_values)
def test_json_reads_as_the_standard_library_reads_it(value: Any) -> None:
    for indent in (None, 2):
        text = json.dumps(value, indent=indent, ensure_ascii=indent is None)
        assert parse(text, FILE).plain() == json.loads(text)


@given(json_values, st.sampled_from(["// note: [ { \" ' , }", "/* [ { \" ' , } // */", "", "/**//***/"]))
def test_comments_trailing_commas_and_a_bom_move_nothing(value: Any, comment: str) -> None:
    text = json.dumps(value, indent=1)
    plain = parse(text, FILE)
    rows = text.split("\n")
    # An element that closes nothing and has no comma is the last of its list or object: one more comma is allowed.
    trailing = [
        row + "," if following.strip()[:1] in ("]", "}") else row
        for row, following in zip(rows, [*rows[1:], ""], strict=True)
    ]
    decorated = "\ufeff" + "".join(f"{row} {comment}\r\n" for row in trailing)
    assert parse(decorated, FILE).plain() == plain.plain()
    assert lines(parse(decorated, FILE)) == lines(plain)


def test_a_member_stands_on_the_line_of_its_key() -> None:
    node = parse('{\n "a": {\n  "b c":\n   [\n    1,\n    true]}}', FILE)
    assert lines(node) == [("", 1), ("a", 2), ('a["b c"]', 3), ('a["b c"][0]', 5), ('a["b c"][1]', 6)]


ERRORS = [
    ("", "c.json:1:1: the file is empty"),
    ("// nothing", "c.json:1:11: the file is empty"),
    ('{"a": 1', "c.json:1:8: the file ends inside the object that begins on line 1"),
    ('{"a": [1,\n', "c.json:2:1: the file ends inside the list that begins on line 1"),
    ('{"a": 1\n "b": 2}', 'c.json:2:2: found a string; expected "," or "}"'),
    ("[1 2]", 'c.json:1:4: found text without quotes; expected "," or "]"'),
    ('{"a" 1}', 'c.json:1:6: found text without quotes; expected ":"'),
    ("{a: 1}", "c.json:1:2: found text without quotes; expected a key or }"),
    ("{'a': 1}", 'c.json:1:2: found "\'"; expected a key or }'),
    ("{“a”: 1}", 'c.json:1:2: found "“"; expected a key or }'),
    ("{,}", 'c.json:1:2: found ","; expected a key or }'),
    ("[1,,2]", 'c.json:1:4: found ","; expected a value'),
    ('{"a":}', 'c.json:1:6: found "}"; expected a value'),
    ('{"a":', "c.json:1:6: found the end of the file; expected a value"),
    ('{"a": True}', "c.json:1:7: found True; expected a value"),
    ('{"a": NaN}', "c.json:1:7: found NaN; expected a value"),
    ('{"key": sk-secret}', "c.json:1:9: found text without quotes; expected a value"),
    ("[01]", "c.json:1:2: found text without quotes; expected a value"),
    ("[1.]", "c.json:1:2: found text without quotes; expected a value"),
    ("[1e999]", "c.json:1:2: a number too large to be meant"),
    ("[" + "9" * 5000 + "]", "c.json:1:2: a number too large to be meant"),
    ("{}\u00a0", "c.json:1:3: found the character U+00A0; expected the end of the file"),
    ("{} {}", 'c.json:1:4: found "{"; expected the end of the file'),
    ('["abc\n"]', "c.json:1:2: the string that begins here does not end on its line"),
    ('["abc', "c.json:1:2: the string that begins here does not end on its line"),
    ('["C:\\Users"]', "c.json:1:5: a backslash that begins no escape"),
    ('["a\tb"]', "c.json:1:4: a control character (U+0009) in a string"),
    ("{} /* open", "c.json:1:4: the comment that begins here does not end"),
    ('{\n"a": {"x": 1},\n"a": 2}', "c.json:3:1: a: the key stands here and on line 2"),
    ('{"m": {"k y": 1,\n\n "k y": 1}}', 'c.json:3:2: m["k y"]: the key stands here and on line 1'),
    ("[" * 100, f"c.json:1:{DEPTH + 2}: more than 64 lists and objects inside each other"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_a_syntax_error_says_where_what_and_what_to_do(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, FILE)
    assert caught.value.message == message
    assert caught.value.hint
    line, column = message.split(":")[1:3]
    assert caught.value.detail["file"] == "c.json"
    assert (caught.value.detail["line"], caught.value.detail["column"]) == (int(line), int(column))


@given(st.text("[]{}\",:\\/*tru10e-. \n'a\ufeff\u2028\x00"))
def test_any_text_gives_a_value_or_an_error(text: str) -> None:
    try:
        parse(text, FILE)
    except ConfigError as error:
        place = error.detail["line"], error.detail["column"]
    else:
        place = 1, 1
    assert place >= (1, 1)


def test_the_time_to_read_grows_with_the_size_alone() -> None:
    for text in ("[" + "1," * 100_000 + "]", '["' + "x" * 1_000_000, " " * 1_000_000, "/*" * 500_000):
        try:
            parse(text, FILE)
        except ConfigError:
            pass


def test_python_values_become_nodes_without_a_place() -> None:
    node = from_plain({"a": [Path("/x"), (1, 2.5)], "b": None})
    assert node.plain() == {"a": ["/x", [1, 2.5]], "b": None}
    assert node.source.file is None


def test_python_values_that_json_cannot_hold_are_refused_by_key_path() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value, message in [
        ({"a": {1, 2}}, "a: found a set; expected a value that JSON can hold"),
        ({"a": {1: 2}}, "a: found a key of type int; expected strings"),
        ({"a": [object]}, "a[0]: found a type; expected a value that JSON can hold"),
    ]:
        with pytest.raises(ConfigError) as caught:
            from_plain(value)
        assert caught.value.message == message
    with pytest.raises(ConfigError, match="more than 64"):
        from_plain(endless)


def test_key_paths_quote_what_is_not_plain() -> None:
    assert child("", "a") == "a"
    assert child("a", "@x/y-z_1") == "a.@x/y-z_1"
    assert child("a", "b.c") == 'a["b.c"]'
    assert child("a", "\x1b[31m") == 'a["\\u001b[31m"]'
    assert child("a", 3) == "a[3]"
