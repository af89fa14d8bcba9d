import pytest

from mcphost.text import encodable, head_and_tail, one_line, safe, visible


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b]52;c;aGk=\x07",
        "\x9b2J",
        "a\u202eb",
        "a\u200bb",
        "\U000e0041",
        "\ufeff",
        "\x00",
        "\x7f",
        "\ud800",
        "\u2028",
        "a\u200db",
        "\u0e01\u200c\u200c",
        "x\ufe0f\ufe0f",
        "\u2764\ufe01",
        "soft\xadhyphen",
        "\u3164",
        "\U000e0fff",
    ],
)
def test_nothing_that_acts_on_a_terminal_or_hides_text_survives(hostile: str) -> None:
    assert "\ufffd" in safe(hostile)
    assert safe(safe(hostile)) == safe(hostile)
    assert safe(visible(hostile)) == visible(hostile)


def test_newlines_tabs_joiners_and_emoji_stay() -> None:
    text = "one\n\ttwo \U0001f469\u200d\U0001f4bb क्‍ष می‌خواهم ❤️‍🔥 1️⃣"
    assert safe(text) == text
    assert safe("a\r\nb\rc") == "a\nb\nc"


def test_one_line_folds_white_space_and_marks_where_it_cut() -> None:
    assert one_line(" a\n b\t c ") == "a b c"
    assert one_line("x" * 50, 10) == "x" * 9 + "…"


def test_encodable_changes_unpaired_surrogates_only() -> None:
    assert encodable("\x1b\ud83da😀") == "\x1b\ufffda😀"


def test_a_long_text_keeps_its_head_and_its_tail_and_says_how_much_is_missing() -> None:
    cut = head_and_tail("h" * 100 + "t" * 100, 100, "[{cut} characters left out]")
    assert cut == "h" * 40 + "\n[100 characters left out]\n" + "t" * 60
    assert head_and_tail("short", 100, "never") == "short"
